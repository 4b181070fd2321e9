"""Bluetooth LE as a link: a GATT service like a serial line, and on it the frames of framing.py in pieces of the MTU.

Centrals write frames to one characteristic and are notified of frames on another; the UUIDs are those of Nordic's UART
service, which phones' tools know.  `ble` is MicroPython's bluetooth.BLE, or what has its methods.  A central that goes
away takes what it had begun with it.  The radio's own pairing is not used: a central that connects is as unknown as
a sender of a datagram, and OSCORE tells them apart.
"""

from holdfast_core.framing import MAX_DATAGRAM_LEN, FrameReader, encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Peer = tuple[bytes, bytes, int]  # the central's address; host and port of its frame, for its own use

SERVICE = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E"
RECEIVE = "6E400002-B5A3-F393-E0A9-E50E24DCCA9E"
SEND = "6E400003-B5A3-F393-E0A9-E50E24DCCA9E"
MAX_WAITING = 16
BUFFER_LEN = 1024  # what comes between two looks of the radio's task at our handler
POLL_MS = 5
_ADVERTISE_US = 250000
_DEFAULT_MTU = 23
_NOTIFY_HEAD_LEN = 3
_TRIES = 40  # a radio without a free buffer has one after a connection interval: 5 ms apart, 200 ms in all
_FLAG_WRITE, _FLAG_WRITE_NO_RESPONSE, _FLAG_NOTIFY = 8, 4, 16
_IRQ_CONNECT, _IRQ_DISCONNECT, _IRQ_WRITE, _IRQ_MTU = 1, 2, 3, 21


def advertisement(name: bytes) -> "tuple[bytes, bytes]":
    """Return what is advertised, and the answer to a scan, which has the name (its first 29 bytes)."""
    uuid = bytes.fromhex(SERVICE.replace("-", ""))
    name = name[:29]
    return b"\x02\x01\x06\x11\x07" + bytes(reversed(uuid)), bytes([len(name) + 1, 9]) + name


class _Central:
    __slots__ = ("address", "mtu", "reader")

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.mtu = _DEFAULT_MTU
        self.reader = FrameReader()


class BleLink:
    """ble: bluetooth.BLE(); uuid: bluetooth.UUID; name: what centrals see; now_ms, sleep_ms: as of Ticks and time."""

    __slots__ = ("_advertised", "_ble", "_centrals", "_now_ms", "_receive", "_send", "_sleep_ms", "_waiting", "dropped")

    mtu = MAX_DATAGRAM_LEN  # of the frames; the MTU of the radio is the length of their pieces

    def __init__(
        self,
        ble: "Any",
        uuid: "Callable[[str], Any]",
        name: bytes,
        now_ms: "Callable[[], int]",
        sleep_ms: "Callable[[int], object]",
    ) -> None:
        self._ble = ble
        self._now_ms, self._sleep_ms = now_ms, sleep_ms
        self._centrals: dict[int, _Central] = {}
        self._waiting: list[tuple[bytes, Peer]] = []
        self._advertised = advertisement(name)
        self.dropped = 0
        ble.active(True)
        ble.irq(self._on_event)
        send = (uuid(SEND), _FLAG_NOTIFY)
        receive = (uuid(RECEIVE), _FLAG_WRITE | _FLAG_WRITE_NO_RESPONSE)
        ((self._send, self._receive),) = ble.gatts_register_services(((uuid(SERVICE), (send, receive)),))
        ble.gatts_set_buffer(self._receive, BUFFER_LEN, True)
        self._advertise()

    def wait(self, timeout_ms: int) -> bool:
        """Return whether something came, after timeout_ms at the latest."""
        until_ms = self._now_ms() + timeout_ms
        while not self._waiting:
            left_ms = until_ms - self._now_ms()
            if left_ms <= 0:
                return False
            self._sleep_ms(min(POLL_MS, left_ms))
        return True

    def receive(self) -> "tuple[bytes, Peer] | None":
        """Return the next (datagram, peer), None when there is no whole one yet."""
        return self._waiting.pop(0) if self._waiting else None

    def send(self, datagram: bytes, peer: "Peer") -> None:
        """Notify the central of a frame, or lose the rest of it when the central is gone or hears no more."""
        for connection, central in list(self._centrals.items()):
            if central.address == peer[0]:
                frame = encode_frame(datagram, peer[1:])
                step = central.mtu - _NOTIFY_HEAD_LEN
                for at in range(0, len(frame), step):
                    if not self._notify(connection, frame[at : at + step]):
                        return
                return

    def _notify(self, connection: int, piece: bytes) -> bool:
        for _ in range(_TRIES):
            if connection not in self._centrals:
                return False
            try:
                self._ble.gatts_notify(connection, self._send, piece)
            except OSError:
                self._sleep_ms(POLL_MS)  # no free buffer, or gone: then the event comes while we wait
            else:
                return True
        return False

    def _advertise(self) -> None:
        try:
            self._ble.gap_advertise(_ADVERTISE_US, adv_data=self._advertised[0], resp_data=self._advertised[1])
        except OSError:
            return  # as many centrals as the radio takes; the next that leaves starts it again

    def _on_event(self, event: int, about: "Any") -> None:
        """What the radio calls.  What it hands over is its own, and gone afterwards: copied here."""
        if event == _IRQ_CONNECT:
            self._centrals[about[0]] = _Central(bytes(about[2]))
            self._advertise()
        elif event == _IRQ_DISCONNECT:
            self._centrals.pop(about[0], None)
            self._advertise()
        elif event == _IRQ_MTU and about[0] in self._centrals:
            self._centrals[about[0]].mtu = about[1]
        elif event == _IRQ_WRITE and about[1] == self._receive:
            try:
                self._take(about[0], bytes(self._ble.gatts_read(self._receive)))
            except OSError:
                self.dropped += 1

    def _take(self, connection: int, piece: bytes) -> None:
        central = self._centrals.get(connection)
        if central is None:
            return
        for datagram, peer in central.reader.feed(piece):
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append((datagram, (central.address,) + peer))
            else:
                self.dropped += 1
