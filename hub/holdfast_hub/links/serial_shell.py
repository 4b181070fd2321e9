"""A serial line as a link: frames of the core over a tty, which may vanish and come back.

The tty is raw and nobody else's. Nothing here waits: what the line does not take at once stands in a queue, and what
does not fit there is lost, like a datagram of any network. A line that is unplugged loses what it had begun; it is
tried again after a moment, and less and less often.
"""

import asyncio
import contextlib
import errno
import os
import termios
from collections import deque

import serial

from holdfast_core.framing import MAX_FRAME_LEN, FrameReader, encode_frame
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.line import Changed, Counts, Received
from holdfast_hub.records import Device

FIRST_RETRY_S = 0.25
MAX_RETRY_S = 5.0
READ_LEN = 4096
QUEUE_S = 2
"""So long the queue takes to go out: what waits longer has been sent again by CoAP."""
BITS_PER_OCTET = 10
IS_NOT_THERE, IS_GONE = "the line is not there", "the line has gone"


class SerialLink:
    """The Link of ports.py for the one device at a line. path: of the tty, such as /dev/ttyUSB0; baud: its speed."""

    def __init__(self, name: str, path: str, baud: int, received: Received, changed: Changed) -> None:
        self.counts: Counts = {"lost": 0, "strange": 0, "damaged": 0}
        self._name = name
        self._path = path
        self._baud = baud
        self._received = received
        self._changed = changed
        self._devices = DeviceTable()
        self._most_len = max(2 * MAX_FRAME_LEN, baud // BITS_PER_OCTET * QUEUE_S)
        self._port: serial.Serial | None = None
        self._reader = FrameReader()
        self._queue: deque[memoryview] = deque()
        self._queue_len = 0
        self._retry_s = FIRST_RETRY_S
        self._timer: asyncio.TimerHandle | None = None
        self._said = ""

    @property
    def is_up(self) -> bool:
        """See Link."""
        return self._port is not None

    def start(self) -> None:
        """See Line."""
        self._open()

    def use(self, devices: DeviceTable) -> None:
        """See Line."""
        self._devices = devices

    def close(self) -> None:
        """See Line."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drop()

    def reaches(self, _device: Device) -> bool:
        """See Line."""
        return self.is_up

    def send(self, datagram: bytes, _device: Device, far: tuple[bytes, int]) -> bool:
        """See Link."""
        frame = memoryview(encode_frame(datagram, far))
        if self._port is None or self._queue_len + len(frame) > self._most_len:
            self.counts["lost"] += 1
            return False
        self._queue.append(frame)
        self._queue_len += len(frame)
        if len(self._queue) == 1:  # else the line has been full, and says when it is not
            self._writable()
        return self.is_up

    def _open(self) -> None:
        self._timer = None
        try:
            # An open line of pyserial is raw, and locked against another program that asks for it.
            port = serial.Serial(self._path, self._baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
            self._try_again(why_not(error))
            return
        self._port = port
        self._reader = FrameReader()
        asyncio.get_running_loop().add_reader(port.fileno(), self._readable)
        self._said = ""
        self._changed(self._name, "")

    def _try_again(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._changed(self._name, why)
        self._timer = asyncio.get_running_loop().call_later(self._retry_s, self._open)
        self._retry_s = min(MAX_RETRY_S, 2 * self._retry_s)

    def _readable(self) -> None:
        assert self._port is not None  # noqa: S101 - it is told of an open line alone
        try:
            octets = os.read(self._port.fileno(), READ_LEN)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets:
            self._lose()
            return
        self._retry_s = FIRST_RETRY_S  # a line that opens and ends at once is not tried faster and faster
        device = self._devices.at(self._name, None)
        for datagram, far in self._reader.feed(octets):
            if device is None:
                self.counts["strange"] += 1
            else:
                self._received(datagram, device, far)
        self.counts["damaged"] += self._reader.dropped
        self._reader.dropped = 0

    def _writable(self) -> None:
        """Write what the line takes, and ask to be told when it takes more."""
        assert self._port is not None  # noqa: S101
        loop, number = asyncio.get_running_loop(), self._port.fileno()
        while self._queue:
            frame = self._queue[0]
            try:
                written = os.write(number, frame)
            except BlockingIOError:
                written = 0
            except OSError:
                self._lose()
                return
            self._queue_len -= written
            if written < len(frame):
                self._queue[0] = frame[written:]
                loop.add_writer(number, self._writable)
                return
            self._queue.popleft()
        loop.remove_writer(number)

    def _lose(self) -> None:
        self._drop()
        self._try_again(IS_GONE)

    def _drop(self) -> None:
        if self._port is not None:
            loop, number = asyncio.get_running_loop(), self._port.fileno()
            loop.remove_reader(number)
            loop.remove_writer(number)
            with contextlib.suppress(OSError, termios.error):  # it may be gone already
                self._port.reset_output_buffer()  # or the system waits until all of it has gone out
            with contextlib.suppress(OSError):
                self._port.close()
            self._port = None
        self.counts["lost"] += len(self._queue)
        self._queue.clear()
        self._queue_len = 0


def why_not(error: Exception) -> str:
    """Return why a line cannot be opened, without what was opened."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        return IS_NOT_THERE
    if number is None or number == errno.EAGAIN:
        return "another program has it, or it is no serial line, or it has no such speed"
    return os.strerror(number).lower()
