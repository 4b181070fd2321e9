"""UDP as a link, on CPython and on MicroPython; it moves datagrams and decides nothing.

An address is what the stack uses as peer: (host, port) where the port's socket module speaks so, and (host bytes,
packed address) on the unix port of MicroPython, whose addresses are opaque bytes.
"""

import select
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DATAGRAM_LEN = 1500
_EAGAIN = 11
_MAX_ERRORS = 16  # in a row; then other things have their turn


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


class UdpLink:
    """A UDP socket as a link (loop_shell.py); sock: from bind()."""

    __slots__ = ("_poll", "_sock")

    def __init__(self, sock: "Any") -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def wait(self, timeout_ms: int) -> bool:
        """Return whether something came, after timeout_ms at the latest."""
        return bool(self._poll.poll(timeout_ms))

    def receive(self) -> "tuple[bytes, Any] | None":
        """Return the next (datagram, peer), None when there is none now."""
        for _ in range(_MAX_ERRORS):
            try:
                datagram, address = self._sock.recvfrom(MAX_DATAGRAM_LEN)
            except OSError as error:
                if error.args and error.args[0] == _EAGAIN:
                    return None
                continue  # an ICMP error of something sent before: the stack's timers see to it
            return datagram, _peer(address)
        return None

    def send(self, datagram: bytes, peer: "Any") -> None:
        """Send; what is unreachable for now is lost, and what matters is sent again."""
        try:
            self._sock.sendto(datagram, _address(peer))
        except OSError:
            return
