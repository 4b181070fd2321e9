"""The loop that joins a device to a UDP socket, on CPython and on MicroPython; it moves bytes and decides nothing.

An address is what the stack uses as peer: (host, port) where the port's socket module speaks so, and (host bytes,
packed address) on the unix port of MicroPython, whose addresses are opaque bytes.
"""

import select
import socket

from holdfast_device.ticks_shell import Ticks, wall_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_device.device import Device

MAX_DATAGRAM_LEN = 1500
MAX_WAIT_MS = 5000  # so often, at least, ticks are unwrapped and the clock is looked at
MAX_BATCH = 16  # datagrams taken before time passes and answers go out
_EAGAIN = 11


def resolve(host: str, port: int) -> "Any":
    """Return the peer of a UDP address, IPv4.  OSError when the name does not resolve."""
    return _peer(socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)[0][-1])


def bind(host: str, port: int) -> "Any":
    """Return a non-blocking UDP socket bound to the address; port 0 takes a free one where the system tells which."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(_address(resolve(host, port)))
    sock.setblocking(False)
    return sock


def peer_text(peer: "Any") -> str:
    """Return "host:port" for logs and traces."""
    if isinstance(peer, tuple) and isinstance(peer[0], bytes):
        packed = peer[1]
        return "{}.{}.{}.{}:{}".format(*peer[0], packed[2] << 8 | packed[3])
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)


def _peer(address: "Any") -> "Any":
    """Make an address a peer: hashable, and its first item the host."""
    if isinstance(address, tuple):
        return address[:2]
    packed = bytes(address)  # struct sockaddr_in: family(2) port(2) host(4) zeros
    return packed[4:8], packed


def _address(peer: "Any") -> "Any":
    return peer[1] if isinstance(peer[0], bytes) else peer


class UdpShell:
    """device: what runs; sock: from bind(); ticks: Ticks; has_clock: whether the system's time may be believed."""

    __slots__ = ("_clock_due_ms", "_device", "_has_clock", "_poll", "_sock", "_ticks")

    def __init__(self, device: "Device", sock: "Any", ticks: Ticks, has_clock: bool = True) -> None:
        self._device = device
        self._sock = sock
        self._ticks = ticks
        self._has_clock = has_clock
        self._clock_due_ms = 0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def run(self) -> None:
        """Serve until the process ends."""
        while True:
            self.step()

    def step(self) -> None:
        """Wait for a datagram or a deadline, at most MAX_WAIT_MS, and do what is due."""
        self._send()
        if self._poll.poll(self._wait_ms()):
            self._receive()
        now_ms = self._ticks.now_ms()
        if self._has_clock and now_ms >= self._clock_due_ms:
            self._clock_due_ms = now_ms + MAX_WAIT_MS
            self._device.set_time(wall_s(), now_ms)
        deadline_ms = self._device.next_deadline_ms()
        if deadline_ms is not None and deadline_ms <= now_ms:
            self._device.tick(now_ms)
        self._send()

    def _wait_ms(self) -> int:
        deadline_ms = self._device.next_deadline_ms()
        if deadline_ms is None:
            return MAX_WAIT_MS
        return max(0, min(MAX_WAIT_MS, deadline_ms - self._ticks.now_ms()))

    def _receive(self) -> None:
        for _ in range(MAX_BATCH):
            try:
                datagram, address = self._sock.recvfrom(MAX_DATAGRAM_LEN)
            except OSError as error:
                if error.args and error.args[0] == _EAGAIN:
                    return
                continue  # an ICMP error of something sent before: the stack's timers see to it
            self._device.feed(datagram, _peer(address), self._ticks.now_ms())

    def _send(self) -> None:
        for datagram, peer in self._device.take_datagrams():
            try:
                self._sock.sendto(datagram, _address(peer))
            except OSError:
                continue  # unreachable for now; what matters is sent again
