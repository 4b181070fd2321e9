"""A wall clock that is None until it is plausible, on machines with and without a clock of their own."""

import os

import pytest

from holdfast_hub.process.clock import BUILD_S, KEEP_EVERY_MS, LATEST_S, SETTLE_MS, STEP_S, HubClock
from holdfast_hub.records import Now

THEN_S = BUILD_S + 86400 * 300


class Machine:
    """A machine with a clock, in a folder that lives longer than one run."""

    def __init__(self, folder):
        self.folder = folder
        self.ms = 5000
        self.s = THEN_S

    def start(self):
        """Start the hub."""
        kept, timesync = self.folder / "clock", self.folder / "timesync"
        self.clock = HubClock(kept, lambda: self.s, lambda: self.ms, timesync)
        return self.clock

    def run(self, ms, step_s=0):
        """Let time pass; the wall clock is set by step_s seconds then."""
        self.ms += ms
        self.s += ms // 1000 + step_s
        return self.clock.now().wall_s

    def timesync(self, at=None):
        """systemd-timesyncd runs; at: it has set the clock."""
        (self.folder / "timesync").mkdir(exist_ok=True)
        if at is not None:
            (self.folder / "timesync" / "synchronized").touch()
            os.utime(self.folder / "timesync" / "synchronized", (at, at))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_plausible_clock_is_believed_at_once_where_nothing_sets_it(machine):
    assert machine.start().now() == Now(5000, THEN_S)
    assert machine.run(1000) == THEN_S + 1


@pytest.mark.parametrize("s", [0, BUILD_S - 2 * SETTLE_MS, LATEST_S, 1 << 40])
def test_a_year_that_cannot_be(machine, s):
    machine.s = s
    assert machine.start().now() == Now(5000, None)
    assert "year" in machine.clock.doubt
    for _ in range(3):
        assert machine.run(SETTLE_MS) is None


def test_a_gateway_without_a_clock_of_its_own_waits_for_timesyncd(machine):
    machine.timesync()
    assert machine.start().now().wall_s is None
    machine.timesync(at=1)
    assert machine.run(1000, step_s=7200) == THEN_S + 7201


def test_a_network_without_time_does_not_stop_expiry_for_ever(machine):
    machine.timesync()
    machine.start()
    assert machine.run(SETTLE_MS - 1000) is None
    assert machine.run(1000) is not None


def test_a_clock_that_jumps_is_not_believed_until_it_is_set_again_or_steady(machine):
    machine.start()
    for step_s in (-STEP_S * 10, STEP_S * 10, 10 * 365 * 86400, -10 * 365 * 86400):
        assert machine.run(1000, step_s=step_s) is None
        assert "jumped" in machine.clock.doubt
        assert machine.run(SETTLE_MS - 2000) is None
        assert machine.run(SETTLE_MS) is not None
    assert machine.run(1000, step_s=1000) is None
    machine.timesync(at=5)
    assert machine.run(1000) is not None
    assert machine.run(1000, step_s=1000) is None
    machine.timesync(at=6)
    assert machine.run(1000) is not None


def test_a_small_correction_is_no_jump(machine):
    machine.start()
    assert machine.run(1000, step_s=STEP_S - 1) is not None


def test_a_clock_that_is_behind_an_earlier_run(machine):
    machine.start()
    machine.run(KEEP_EVERY_MS)
    machine.s -= 86400
    assert machine.start().now().wall_s is None
    assert "behind" in machine.clock.doubt
    machine.timesync(at=9)
    assert machine.run(1000) is not None


def test_one_wrong_reading_ahead_refuses_nothing_for_ever(machine):
    machine.start()
    machine.run(KEEP_EVERY_MS, step_s=20 * 365 * 86400)
    machine.run(SETTLE_MS)
    machine.run(KEEP_EVERY_MS)  # it was believed for long, and was written down
    machine.s = THEN_S
    machine.start()
    assert machine.run(1000) is None
    assert machine.run(SETTLE_MS) is not None
    machine.clock.keep()
    assert machine.start().now().wall_s == machine.s


@pytest.mark.parametrize("octets", [b"", b"soon", b"\xff", b"-5", b"9" * 50])
def test_a_floor_that_cannot_be_read_is_none(machine, octets):
    (machine.folder / "clock").write_bytes(octets)
    assert machine.start().now().wall_s == THEN_S


def test_a_floor_that_cannot_be_written_stops_nothing(machine):
    machine.start()
    (machine.folder / "clock.part").mkdir()
    machine.clock.keep()
    assert machine.run(KEEP_EVERY_MS) is not None
