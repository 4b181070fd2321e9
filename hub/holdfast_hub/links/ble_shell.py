"""Bluetooth LE as a link: the hub is the central, and each device has a service like Nordic's UART.

Frames of the core's framing.py go in pieces of the radio's length, as over a serial line. The radio is behind a small
interface. The hub connects to each device of the link whenever that is in reach, and stays: a device of this kind
can say nothing before. The radio's own pairing is not used; OSCORE tells who is who.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from holdfast_core.framing import FrameReader, encode_frame
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.line import Changed, Counts, Received
from holdfast_hub.records import Device

# The same as in the device's ble_shell.py: those of Nordic's UART service, which both ends know from there.
SERVICE = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E"
RECEIVE = "6E400002-B5A3-F393-E0A9-E50E24DCCA9E"
SEND = "6E400003-B5A3-F393-E0A9-E50E24DCCA9E"
FIRST_RETRY_S, MAX_RETRY_S = 1.0, 60.0
MAX_QUEUED = 16
"""Frames for one device that the radio has not taken: what comes on top is lost."""
OUT_OF_REACH = "no device is in reach"


class RadioError(Exception):
    """The radio or the device does not do what it is asked."""


class Connection(Protocol):
    """A connection to one device, whose notifications are on."""

    @property
    def piece_len(self) -> int:
        """Octets that one write takes: 20, or what the MTU allows."""

    async def write(self, piece: bytes) -> None:
        """Write to RECEIVE; returns when the radio has taken it. Raises RadioError."""

    async def close(self) -> None:
        """End it. Raises nothing."""


class Radio(Protocol):
    """A radio of this machine, as a central."""

    async def connect(self, address: str, heard: Callable[[bytes], None], gone: Callable[[], None]) -> Connection:
        """Connect to a device, and subscribe to SEND. Raises RadioError, also when it is not in reach.

        heard: called with each notification; gone: once, when the connection has ended. Both in the event loop.
        """


class BleLink:
    """The Link of ports.py. It is up while at least one device is connected; send tells for each device.

    arrived: called with a device that has been connected, which is how it says that it is there.
    """

    def __init__(
        self, name: str, radio: Radio, received: Received, changed: Changed, arrived: Callable[[Device], None]
    ) -> None:
        self.counts: Counts = {"lost": 0, "strange": 0, "damaged": 0}
        self._name = name
        self._radio = radio
        self._received = received
        self._changed = changed
        self._arrived = arrived
        self._peripherals: dict[str, _Peripheral] = {}
        self._is_started = False
        self._connected = 0

    @property
    def is_up(self) -> bool:
        """See Link."""
        return self._connected > 0

    def start(self) -> None:
        """See Line."""
        self._is_started = True
        for peripheral in self._peripherals.values():
            peripheral.start()

    def use(self, devices: DeviceTable) -> None:
        """See Line. Devices that stay keep their connections."""
        before, self._peripherals = self._peripherals, {}
        for device in devices.of(self._name):
            peripheral = before.pop(str(device.address), None) or _Peripheral(self, device)
            peripheral.device = device
            self._peripherals[str(device.address)] = peripheral
        for gone in before.values():
            gone.stop()
        if self._is_started:
            self.start()

    def close(self) -> None:
        """See Line."""
        self._is_started = False
        for peripheral in self._peripherals.values():
            peripheral.stop()

    def reaches(self, device: Device) -> bool:
        """See Line."""
        peripheral = self._peripherals.get(str(device.address))
        return peripheral is not None and peripheral.is_connected

    def send(self, datagram: bytes, device: Device, far: tuple[bytes, int]) -> bool:
        """See Link. False, too, while this device is not in reach."""
        peripheral = self._peripherals.get(str(device.address))
        if peripheral is None or not peripheral.put(encode_frame(datagram, far)):
            self.counts["lost"] += 1
            return False
        return True

    # --- what a peripheral tells ---

    def came(self, device: Device, datagram: bytes, far: tuple[bytes, int]) -> None:
        """A device has sent a datagram."""
        self._received(datagram, device, far)

    def joined(self, device: Device) -> None:
        """A device has been connected."""
        self._connected += 1
        if self._connected == 1:
            self._changed(self._name, "")
        self._arrived(device)

    def left(self) -> None:
        """A device is not connected any more."""
        self._connected -= 1
        if not self._connected and self._is_started:
            self._changed(self._name, OUT_OF_REACH)

    async def connect(self, address: str, heard: Callable[[bytes], None], gone: Callable[[], None]) -> Connection:
        """See Radio."""
        return await self._radio.connect(address, heard, gone)


class _Peripheral:
    """One device: a task that connects, writes what stands in the queue, and connects again."""

    def __init__(self, link: BleLink, device: Device) -> None:
        self.device = device
        self.is_connected = False
        self._link = link
        self._queue: deque[bytes] = deque()
        self._wakes = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def put(self, frame: bytes) -> bool:
        if not self.is_connected or len(self._queue) >= MAX_QUEUED:
            return False
        self._queue.append(frame)
        self._wakes.set()
        return True

    async def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            try:
                await self._stay_connected()
                retry_s = FIRST_RETRY_S
            except RadioError:
                retry_s = min(MAX_RETRY_S, 2 * retry_s)
            await asyncio.sleep(retry_s)

    async def _stay_connected(self) -> None:
        """Connect, and write what comes into the queue until the connection has ended. Raises RadioError."""
        reader, ended = FrameReader(), asyncio.Event()

        def heard(piece: bytes) -> None:
            for datagram, far in reader.feed(piece):
                self._link.came(self.device, datagram, far)
            self._link.counts["damaged"] += reader.dropped
            reader.dropped = 0

        def gone() -> None:
            ended.set()
            self.is_connected = False
            self._wakes.set()

        connection = await self._link.connect(str(self.device.address), heard, gone)
        self.is_connected = not ended.is_set()
        self._link.joined(self.device)
        try:
            while not ended.is_set():
                self._wakes.clear()
                while self._queue and not ended.is_set():
                    await _write(connection, self._queue.popleft())
                if not ended.is_set():
                    await self._wakes.wait()
        finally:
            self.is_connected = False
            self._link.counts["lost"] += len(self._queue)
            self._queue.clear()
            self._link.left()
            await connection.close()


async def _write(connection: Connection, frame: bytes) -> None:
    step = connection.piece_len
    for at in range(0, len(frame), step):
        await connection.write(frame[at : at + step])
