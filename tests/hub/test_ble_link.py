"""BLE's UART as a link: the device's own link at the other end of a radio in memory."""

import asyncio

import pytest

from holdfast_core.framing import MAX_DATAGRAM_LEN, encode_frame
from holdfast_device import ble_shell as device_ble
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links import ble_shell
from holdfast_hub.links.ble_shell import MAX_QUEUED, OUT_OF_REACH, BleLink
from holdfast_hub.records import Device
from testkit.hub_links import CENTRAL, FAR, Air, Told, until

PEN = Device("pen", "air", "C0:FF:EE:00:00:07")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """A radio in memory is tried again sooner than a real one."""
    monkeypatch.setattr(ble_shell, "FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(ble_shell, "MAX_RETRY_S", 0.004)


def board_at(air):
    return device_ble.BleLink(air, str, b"pen", lambda: 0, lambda _: None)


def run(story, air=None, devices=(PEN,)):
    async def whole():
        told = Told()
        radio = air or Air(PEN.address)
        board = board_at(radio)
        link = BleLink("air", radio, told.take, told.change, told.arrive)
        link.use(DeviceTable(devices))
        link.start()
        try:
            await story(link, told, radio, board)
        finally:
            link.close()
            await asyncio.sleep(0)

    asyncio.run(whole())


async def exchange(link, told, board, datagram=b"hello"):
    assert link.send(datagram, PEN, FAR)
    got = []
    await until(lambda: got, lambda: got.extend(filter(None, [board.receive()])))
    assert got == [(datagram, (CENTRAL, *FAR))]
    board.send(datagram, (CENTRAL, *FAR))
    await until(lambda: told.received)
    assert told.received == [(datagram, "pen", FAR)]
    told.received.clear()


def test_hub_and_device_mean_the_same_service():
    assert ble_shell.SERVICE == device_ble.SERVICE
    assert ble_shell.RECEIVE == device_ble.RECEIVE
    assert ble_shell.SEND == device_ble.SEND


@pytest.mark.parametrize("mtu", [23, 185, 517])
def test_frames_go_in_pieces_of_any_mtu(mtu):
    async def story(link, told, air, board):
        await until(lambda: link.reaches(PEN))
        assert told.arrived == ["pen"]
        assert told.changes == [("air", "")]
        await exchange(link, told, board, bytes(range(256)) * 4)
        await exchange(link, told, board, bytes(MAX_DATAGRAM_LEN))
        assert max(map(len, air.pieces)) == mtu - 3

    run(story, Air(PEN.address, mtu))


def test_a_device_that_goes_away_comes_back_and_each_time_that_is_a_contact():
    async def story(link, told, air, board):
        await until(lambda: link.reaches(PEN))
        for turn in range(2, 4):
            air.in_reach = False
            air.cut()
            assert not link.reaches(PEN)
            assert not link.send(b"lost", PEN, FAR)
            await until(lambda: not link.is_up)
            tries = air.tries
            await until(lambda tries=tries: air.tries > tries + 2)
            air.in_reach = True
            await until(lambda: link.reaches(PEN))
            assert told.arrived == ["pen"] * turn
            await exchange(link, told, board)
        assert told.changes == [("air", ""), ("air", OUT_OF_REACH)] * 2 + [("air", "")]
        assert link.counts["lost"] == 2

    run(story)


def test_a_connection_cut_in_a_frame_leaves_nothing_half_made():
    async def story(link, told, air, board):
        await until(lambda: link.reaches(PEN))
        frame = encode_frame(b"cut in two", FAR)
        air._heard(frame[:9])
        air.cut()
        await until(lambda: link.reaches(PEN))
        air._heard(frame[9:])
        assert told.received == []
        await exchange(link, told, board)

    run(story)


def test_a_radio_that_takes_nothing_makes_datagrams_lost(monkeypatch):
    monkeypatch.setattr(device_ble, "MAX_WAITING", 2 * MAX_QUEUED)

    async def story(link, told, air, board):
        await until(lambda: link.reaches(PEN))
        air.takes.clear()
        assert link.send(b"first", PEN, FAR)
        await until(lambda: not link._peripherals[PEN.address]._queue)  # the radio has it
        for _ in range(MAX_QUEUED):
            assert link.send(b"next", PEN, FAR)
        for _ in range(100):
            assert not link.send(b"lost", PEN, FAR)
        assert link.counts["lost"] == 100
        air.takes.set()
        got = []
        await until(lambda: len(got) == 1 + MAX_QUEUED, lambda: got.extend(filter(None, [board.receive()])))
        await exchange(link, told, board)
        air.deaf = True
        assert link.send(b"x", PEN, FAR)  # the write fails, and with it the connection
        await until(lambda: not link.reaches(PEN))
        air.deaf = False
        await until(lambda: link.reaches(PEN))
        await exchange(link, told, board)

    run(story)


def test_a_device_that_is_gone_from_the_file_is_left_alone():
    other = Device("other", "air", "C0:FF:EE:00:00:08")

    async def story(link, told, air, board):
        await until(lambda: link.reaches(PEN))
        link.use(DeviceTable([PEN, other]))
        await until(lambda: air.tries > 3)
        assert link.reaches(PEN)  # it has kept its connection
        assert not link.reaches(other)
        link.use(DeviceTable([other]))
        await until(lambda: not link.is_up)
        assert not link.send(b"x", PEN, FAR)
        assert air._heard is None  # the radio has been told, too

    run(story)


def test_a_connection_that_ends_while_it_begins_is_tried_again():
    class Hasty(Air):
        async def connect(self, address, heard, gone):
            connection = await super().connect(address, heard, gone)
            if self.tries < 4:
                self.cut()
            return connection

    async def story(link, told, air, board):
        await until(lambda: link.reaches(PEN))
        assert air.tries == 4
        await exchange(link, told, board)

    run(story, Hasty(PEN.address))
