"""UDP as a link, on CPython and on MicroPython; it moves datagrams and decides nothing.

An address is what the stack uses as peer: (host, port, ...) where the port's socket module speaks so, and (host bytes,
packed address) on the unix port of MicroPython, whose addresses are opaque bytes.  IPv4, and IPv6 where the port has
it.
"""

import select
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DATAGRAM_LEN = 1500
_EAGAIN = 11
_MAX_ERRORS = 16  # in a row; then other things have their turn
_IPV4, _IPV6 = socket.AF_INET, getattr(socket, "AF_INET6", -1)


def resolve_all(host: str, port: int) -> "list[Any]":
    """Return the peers at a name or an address, each once, those of IPv4 first.  OSError when there are none."""
    peers: list[Any] = []
    for entry in socket.getaddrinfo(host, port):  # constraints are not known to each port
        peer = _peer(entry[-1])
        if peer not in peers:
            peers.append(peer)
    return [peer for peer in peers if _family(peer) == _IPV4] + [peer for peer in peers if _family(peer) != _IPV4]


def resolve(host: str, port: int) -> "Any":
    """Return the first of resolve_all()."""
    return resolve_all(host, port)[0]


def bind(host: str, port: int) -> "Any":
    """Return a non-blocking UDP socket bound to the address; port 0 takes a free one where the system tells which."""
    peer = resolve(host, port)
    sock = _socket(_family(peer))
    sock.bind(_address(peer))
    return sock


def listen(host: str, port: int) -> "UdpLink":
    """Return a link that is bound to the address, of either family."""
    return UdpLink(bind(host, port), _family(resolve(host, port)))


def peer_text(peer: "Any") -> str:
    """Return "host:port" or "[host]:port" for logs and traces."""
    if not isinstance(peer, tuple):
        return str(peer)
    host, port = peer[:2]
    if isinstance(host, bytes):
        if not isinstance(port, int):
            port = port[2] << 8 | port[3]
        if len(host) == 4:
            host = "{}.{}.{}.{}".format(*host)
        else:
            host = ":".join(["%x" % (host[at] << 8 | host[at + 1]) for at in range(0, 16, 2)])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _socket(family: int) -> "Any":
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def _peer(address: "Any") -> "Any":
    """Make an address a peer: hashable, and its first item the host."""
    if isinstance(address, tuple):
        return address
    packed = bytes(address)  # struct sockaddr_in: family(2) port(2) host(4) zeros; _in6: .. flow(4) host(16) scope(4)
    return (packed[4:8] if len(packed) == 16 else packed[8:24]), packed


def _address(peer: "Any") -> "Any":
    return peer[1] if isinstance(peer[0], bytes) else peer


def _family(peer: "Any") -> int:
    host = peer[0]
    return _IPV6 if (len(host) == 16 if isinstance(host, bytes) else ":" in host) else _IPV4


class UdpLink:
    """A UDP socket as a link (loop_shell.py); sock: from bind(), of that family.  For the other family it has another.

    sock: that socket.
    """

    __slots__ = ("_poll", "_socks", "sock")

    mtu = MAX_DATAGRAM_LEN

    def __init__(self, sock: "Any", family: int = _IPV4) -> None:
        self.sock = sock
        self._socks: list[tuple[int, Any]] = []
        self._poll = select.poll()
        self._add(family, sock)

    def wait(self, timeout_ms: int) -> bool:
        """Return whether something came, after timeout_ms at the latest."""
        return bool(self._poll.poll(timeout_ms))

    def receive(self) -> "tuple[bytes, Any] | None":
        """Return the next (datagram, peer), None when there is none now."""
        for entry in self._socks:
            for _ in range(_MAX_ERRORS):
                try:
                    datagram, address = entry[1].recvfrom(MAX_DATAGRAM_LEN)
                except OSError as error:
                    if error.args and error.args[0] == _EAGAIN:
                        break
                    continue  # an ICMP error of something sent before: the stack's timers see to it
                if len(self._socks) > 1:  # the other has its turn, however much comes here
                    self._socks.reverse()
                return datagram, _peer(address)
        return None

    def send(self, datagram: bytes, peer: "Any") -> None:
        """Send; what is unreachable for now is lost, and what matters is sent again."""
        family = _family(peer)
        try:
            socks = [entry[1] for entry in self._socks if entry[0] == family] or [self._add(family, _socket(family))]
            socks[0].sendto(datagram, _address(peer))
        except OSError:
            return

    def resolve(self, host: str, port: int) -> "list[Any]":
        """Return the peers at a name or an address.  OSError when there are none."""
        return resolve_all(host, port)

    def _add(self, family: int, sock: "Any") -> "Any":
        self._socks.append((family, sock))
        self._poll.register(sock, select.POLLIN)
        return sock
