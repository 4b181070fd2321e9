"""UDP as a link: the device that an address of the table says, and nobody else."""

import asyncio
import socket

import pytest

from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.udp_shell import UdpLink, place_of
from holdfast_hub.records import OUR_FAR, Device
from testkit.hub_links import NEEDED_S, Told, until


def origin(host="127.0.0.1"):
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((host, 0))
    bound.settimeout(NEEDED_S)
    return bound


def run(story):
    async def whole():
        told = Told()
        link = UdpLink("udp", told.take)
        link.start()
        try:
            await story(link, told)
        finally:
            link.close()

    asyncio.run(whole())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_device_is_asked_and_answers(host):
    with origin(host) as bound, origin(host) as stranger:

        async def story(link, told):
            tube = Device("tube", "udp", bound.getsockname()[:2])
            link.use(DeviceTable([tube]))
            assert link.reaches(tube)
            assert link.send(b"hello", tube, OUR_FAR)
            octets, hub = await asyncio.to_thread(bound.recvfrom, 2048)
            assert octets == b"hello"
            stranger.sendto(b"it is me, the tube", hub)
            bound.sendto(b"answer", hub)
            await until(lambda: told.received)
            assert told.received == [(b"answer", "tube", OUR_FAR)]
            assert link.counts == {"lost": 0, "strange": 1}
            link.use(DeviceTable())
            bound.sendto(b"answer", hub)
            await until(lambda: link.counts["strange"] == 2)

        run(story)


def test_a_hundred_devices_and_none_is_taken_for_another():
    bounds = [origin() for _ in range(100)]
    devices = [Device(f"d{number}", "udp", bound.getsockname()) for number, bound in enumerate(bounds)]

    async def story(link, told):
        link.use(DeviceTable(devices))
        for device in devices:
            assert link.send(device.name.encode(), device, OUR_FAR)
        for bound in bounds:
            octets, hub = await asyncio.to_thread(bound.recvfrom, 2048)
            bound.sendto(octets, hub)
        await until(lambda: len(told.received) == 100)
        assert all(datagram.decode() == name for datagram, name, _ in told.received)

    run(story)
    for bound in bounds:
        bound.close()


def test_what_the_network_does_not_take_is_lost_and_said():
    async def story(link, told):
        assert not link.send(b"x", Device("a", "udp", ("255.255.255.255", 9)), OUR_FAR)
        assert link.counts["lost"] == 1
        assert not link.send(b"x", Device("c", "udp", "radio"), OUR_FAR)
        assert not link.send(bytes(70_000), Device("d", "udp", ("127.0.0.1", 9)), OUR_FAR)

    run(story)


def test_an_address_of_one_interface_names_it():
    assert place_of(("192.0.2.7", 5683)) == ("192.0.2.7", 5683)
    assert place_of(("2001:db8::7", 5683, 0, 0)) == ("2001:db8::7", 5683)
    number, name = socket.if_nameindex()[0]
    assert place_of(("fe80::7", 5683, 0, number)) == (f"fe80::7%{name}", 5683)
    assert place_of((f"fe80::7%{name}", 5683, 0, number)) == (f"fe80::7%{name}", 5683)
    assert place_of(("fe80::7", 5683, 0, 99_999)) == ("fe80::7", 5683)  # an interface that has just gone
