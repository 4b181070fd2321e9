"""Which devices can be reached: always, by schedule, or when they come; and never while their link is down."""

import pytest

from holdfast_hub.devices.presence import DutyPresence
from holdfast_hub.records import Device, Duty

ALWAYS = Device("ekg", "tty0")
HOURLY = Device("tube", "lan", ("192.0.2.7", 5683), Duty(3600, 10))
SOMETIMES = Device("probe", "lan", ("192.0.2.8", 5683), Duty(0, 20))


@pytest.fixture
def up():
    return {"tty0", "lan"}


@pytest.fixture
def presence(up):
    return DutyPresence(lambda device: device.link in up)


def test_a_device_that_never_sleeps_is_there_while_its_link_is(presence, up):
    assert presence.is_awake(ALWAYS, 0)
    assert presence.heard(ALWAYS, 5)
    assert not presence.heard(ALWAYS, 10**9)
    up.discard("tty0")
    assert not presence.is_awake(ALWAYS, 10**9)
    assert presence.wakes_in_s(ALWAYS, 10**9) == 0  # nobody knows
    up.add("tty0")
    assert presence.is_awake(ALWAYS, 10**9)


def test_a_device_with_a_schedule_is_there_from_its_datagram_on(presence):
    assert not presence.is_awake(HOURLY, 0)
    assert presence.wakes_in_s(HOURLY, 0) == 3600
    assert presence.heard(HOURLY, 100_000)
    assert presence.is_awake(HOURLY, 100_000)
    assert presence.wakes_in_s(HOURLY, 100_000) == 0
    assert not presence.heard(HOURLY, 104_000)  # in the same contact, which now ends later
    assert presence.is_awake(HOURLY, 113_999)
    assert not presence.is_awake(HOURLY, 114_000)
    assert presence.wakes_in_s(HOURLY, 114_000) == 3586  # its hour began with the contact
    assert presence.wakes_in_s(HOURLY, 100_000 + 3_600_000 - 1) == 1
    assert presence.wakes_in_s(HOURLY, 100_000 + 3_600_000 + 1) == 3600  # it missed one
    assert presence.heard(HOURLY, 114_000)


def test_a_device_without_a_schedule_comes_when_it_comes(presence):
    assert presence.wakes_in_s(SOMETIMES, 0) == 0  # nobody knows
    assert not presence.is_awake(SOMETIMES, 0)
    assert presence.heard(SOMETIMES, 1000)
    assert presence.is_awake(SOMETIMES, 20_999)
    assert not presence.is_awake(SOMETIMES, 21_000)


def test_no_device_is_there_while_its_link_is_down(presence, up):
    presence.heard(HOURLY, 0)
    up.discard("lan")
    assert not presence.is_awake(HOURLY, 1)
    assert presence.wakes_in_s(HOURLY, 1) == 3600
    up.add("lan")
    assert presence.is_awake(HOURLY, 2)


def test_what_is_remembered_is_one_entry_for_each_device(presence):
    for turn in range(3):
        for number in range(1000):
            presence.heard(Device(f"d{number}", "lan", ("192.0.2.7", number), Duty(0, 1)), 10_000 * turn)
    assert len(presence._heard) == 1000
    presence.keep([Device("d7", "lan"), ALWAYS])
    assert list(presence._heard) == ["d7"]
    assert presence.last_heard_ms(Device("d7", "lan")) == 20_000
    assert presence.last_heard_ms(ALWAYS) is None
