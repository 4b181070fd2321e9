"""A serial line as a link, over a real pty: raw, never waiting, and gone and back at any moment."""

import asyncio
import os
from time import monotonic

import pytest

from holdfast_core.framing import END, ESC, MAX_DATAGRAM_LEN, MAX_FRAME_LEN, encode_frame
from holdfast_device.serial_shell import SerialLink as BoardLink
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.serial_shell import IS_GONE, IS_NOT_THERE, SerialLink
from holdfast_hub.records import Device
from testkit.hub_links import FAR, Line, Told, until

EKG = Device("ekg", "tty0")
ALL_OCTETS = bytes(range(256)) * 4 + END * 8 + ESC * 8


@pytest.fixture
def line(tmp_path):
    line = Line(tmp_path / "ttyUSB0")
    yield line
    line.close()


def link_at(line, told, devices=(EKG,)):
    link = SerialLink("tty0", str(line.path), 115200, told.take, told.change)
    link.use(DeviceTable(devices))
    link.start()
    return link


def run(line, story, **kwargs):
    """Run a story of (link, what it told, the board's link) in an event loop."""

    async def whole():
        told = Told()
        link = link_at(line, told, **kwargs)
        try:
            await story(link, told, BoardLink(line, line))
        finally:
            link.close()

    asyncio.run(whole())


async def exchange(link, told, board, datagram=b"hello"):
    """One datagram each way."""
    assert link.send(datagram, EKG, FAR)
    got = []
    await until(lambda: got, lambda: got.extend(filter(None, [board.receive()])))
    assert got == [(datagram, FAR)]
    board.send(datagram, FAR)
    await until(lambda: told.received)
    assert told.received == [(datagram, "ekg", FAR)]
    told.received.clear()


def test_every_octet_passes_both_ways(line):
    async def story(link, told, board):
        assert link.is_up
        assert link.reaches(EKG)
        assert told.changes == [("tty0", "")]
        await exchange(link, told, board, ALL_OCTETS)
        await exchange(link, told, board, b"")
        await exchange(link, told, board, bytes(MAX_DATAGRAM_LEN))

    run(line, story)


def test_a_line_vanishes_and_comes_back(line):
    async def story(link, told, board):
        await exchange(link, told, board)
        for _ in range(2):
            told.changes.clear()
            line.unplug()
            await until(lambda: not link.is_up)
            lost = link.counts["lost"]
            assert not link.send(b"lost", EKG, FAR)
            assert not link.reaches(EKG)
            assert link.counts["lost"] == lost + 1
            line.plug()
            await until(lambda: link.is_up)
            assert told.changes[0] == ("tty0", IS_GONE)
            assert told.changes[-1] == ("tty0", "")
            assert len(told.changes) <= 3  # each reason is told once, however often it is tried
            await exchange(link, told, board)  # and nothing of before is on it

    run(line, story)


def test_a_line_that_is_not_there_yet_is_waited_for(tmp_path):
    line = Line(tmp_path / "ttyUSB0", plugged=False)

    async def story(link, told, board):
        assert told.changes == [("tty0", IS_NOT_THERE)]
        assert not link.is_up
        line.plug()
        await until(lambda: link.is_up)
        await exchange(link, told, board)

    run(line, story)
    line.close()


def test_what_begins_in_the_middle_or_is_damaged_is_dropped_alone(line):
    frame = encode_frame(b"good", FAR)

    async def story(link, told, board):
        spoilt = bytearray(frame)
        spoilt[8] ^= 1
        pieces = [
            (frame[7:], 1),  # the tail of a frame: the program before has read its head
            (b"boot: hello\r\n", 1),
            (bytes(spoilt), 1),
            (END + b"\x7f" + ESC + b"x" + frame[2:], 1),  # an escape of nothing: RFC 1055 calls it a violation
            (END + b"\x7f" + ESC + END, 1),  # an END ends an open escape, too
            (END + bytes(MAX_FRAME_LEN + 5000) + END, 1),
            (END * 5, 0),  # empty frames are none
        ]
        for piece, damaged in pieces:
            told.received.clear()
            before = link.counts["damaged"]
            line.write(piece)
            line.write(frame)
            await until(lambda: told.received)
            assert told.received == [(b"good", "ekg", FAR)], piece
            assert link.counts["damaged"] == before + damaged, piece

    run(line, story)


def test_a_line_that_takes_nothing_makes_datagrams_lost_and_stops_nobody(line):
    async def story(link, told, board):
        sent, begun = 0, monotonic()
        while link.send(sent.to_bytes(2, "big") * 500, EKG, FAR):
            sent += 1
            assert sent < 1000
        for _ in range(1000):
            assert not link.send(bytes(1000), EKG, FAR)
        assert monotonic() - begun < 5  # a write that waits would wait for ever
        assert link.is_up
        assert link.counts["lost"] == 1001
        assert link._queue_len <= link._most_len
        got = []
        await until(lambda: len(got) == sent, lambda: got.extend(filter(None, [board.receive()])))
        assert [datagram for datagram, _ in got] == [number.to_bytes(2, "big") * 500 for number in range(sent)]
        await exchange(link, told, board)
        assert link._queue_len == 0

    run(line, story)


def test_a_line_without_a_device_and_one_that_gets_it_by_reload(line):
    async def story(link, told, board):
        board.send(b"hello", FAR)
        await until(lambda: link.counts["strange"] == 1)
        assert told.received == []
        link.use(DeviceTable([EKG]))
        await exchange(link, told, board)

    run(line, story, devices=[Device("other", "tty1")])


def test_a_line_is_not_shared_and_a_file_is_no_line(line, tmp_path):
    async def story(link, told, board):
        second = Told()
        other = link_at(line, second)
        assert second.changes[0][1].startswith("another program has it")
        assert not other.is_up
        other.close()
        await exchange(link, told, board)
        third = Told()
        file = Line(tmp_path / "file", plugged=False)
        file.path.write_bytes(b"x")
        link_at(file, third).close()
        assert "it is no serial line" in third.changes[0][1]
        folder = Line(tmp_path, plugged=False)
        fourth = Told()
        link_at(folder, fourth).close()
        assert fourth.changes == [("tty0", "is a directory")]

    run(line, story)


def test_a_closed_link_leaves_no_descriptor_and_is_not_opened_again(line):
    async def whole():
        before = set(os.listdir("/proc/self/fd"))
        told = Told()
        link = link_at(line, told)
        link.close()
        assert set(os.listdir("/proc/self/fd")) == before
        assert not link.send(b"x", EKG, FAR)
        line.unplug()
        link = link_at(line, told)
        link.close()
        assert link._timer is None
        line.plug()

    asyncio.run(whole())
