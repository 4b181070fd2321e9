"""What links of a hub talk to in tests: a line that can be unplugged, a radio in memory, and the hub that is told."""

import asyncio
import contextlib
import os
import select

from holdfast_device.ble_shell import RECEIVE, SEND
from holdfast_hub.links.ble_shell import RadioError

NEEDED_S = 30
FAR = (b"\x0a\x00\x00\x01", 5683)


class Told:
    """What links have told the hub: received and arrived devices, changes."""

    def __init__(self):
        self.received = []
        self.changes = []
        self.arrived = []
        self.on_received = None

    def take(self, datagram, device, far):
        self.received.append((datagram, device.name, far))
        if self.on_received is not None:
            self.on_received(datagram, device, far)

    def change(self, name, why):
        self.changes.append((name, why))

    def arrive(self, device):
        self.arrived.append(device.name)


async def until(happened, do=lambda: None):
    """Let the event loop run, and do something in each turn, until it has happened."""
    async with asyncio.timeout(NEEDED_S):
        while not happened():
            do()
            await asyncio.sleep(0.001)


class Line:
    """A tty whose far end is a stream of a board; unplug and plug make it vanish and come back under its path."""

    def __init__(self, path, plugged=True):
        self.path = path
        self._master = None
        if plugged:
            self.plug()

    @property
    def master(self):
        """The descriptor of the far end, for a device that is a program."""
        return self._master

    def plug(self):
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        self.path.symlink_to(os.ttyname(slave))
        self._slave = slave

    def unplug(self):
        self.path.unlink()
        os.close(self._slave)
        os.close(self._master)
        self._master = None

    def close(self):
        if self._master is not None:
            self.unplug()

    def read(self, count):
        with contextlib.suppress(BlockingIOError):
            return os.read(self._master, count)
        return None

    def write(self, octets):
        with contextlib.suppress(BlockingIOError):
            return os.write(self._master, octets)
        return None

    def poll(self, timeout_ms):
        return select.select([self._master], [], [], timeout_ms / 1000)[0]


RX, TX = 21, 18
CENTRAL = b"hub-01"


class Air:
    """One device's radio (MicroPython's bluetooth.BLE) and the hub's (links/ble_shell.Radio), joined.

    mtu: of each connection. in_reach: whether the hub can connect; deaf: whether what the hub writes fails.
    """

    def __init__(self, address, mtu=23):
        self.address = address
        self.mtu = mtu
        self.in_reach = True
        self.deaf = False
        self.takes = asyncio.Event()  # set: a write is taken at once
        self.takes.set()
        self.pieces = []
        self.tries = 0
        self._written = b""
        self._connection = 0
        self._heard = self._gone = None

    # --- the device's side ---

    def active(self, _active):
        pass

    def irq(self, handler):
        self._handler = handler

    def gatts_register_services(self, services):
        ((_, ((send, _), (receive, _))),) = services
        assert (send, receive) == (SEND, RECEIVE)
        return ((TX, RX),)

    def gatts_set_buffer(self, *_):
        pass

    def gap_advertise(self, *_, **__):
        pass

    def gatts_read(self, _handle):
        written, self._written = self._written, b""
        return written

    def gatts_notify(self, connection, _handle, piece):
        if self._heard is None or connection != self._connection:
            raise OSError(128)
        assert len(piece) <= self.mtu - 3
        self._heard(bytes(piece))

    # --- the hub's side ---

    async def connect(self, address, heard, gone):
        self.tries += 1
        if not self.in_reach or address != self.address:
            raise RadioError
        self._connection += 1
        self._heard, self._gone = heard, gone
        self._handler(1, (self._connection, 0, CENTRAL))
        if self.mtu != 23:
            self._handler(21, (self._connection, self.mtu))
        return self

    @property
    def piece_len(self):
        return self.mtu - 3

    async def write(self, piece):
        if self.deaf:
            raise RadioError
        await self.takes.wait()
        assert len(piece) <= self.piece_len
        self.pieces.append(piece)
        self._written += piece
        self._handler(3, (self._connection, RX))

    async def close(self):
        self.cut()

    # --- what happens to both ---

    def cut(self):
        """The connection ends."""
        gone, self._heard, self._gone = self._gone, None, None
        if gone is not None:
            self._handler(2, (self._connection, 0, CENTRAL))
            gone()
