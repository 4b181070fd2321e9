"""Peers that are known by a name, such as an AS advertised as as.example:5683, on a link that knows addresses.

The stack talks to (host, port); this finds the address when something is sent there, and puts the name back on what
comes from it.  It looks again when nothing comes back, takes the next address that the name has, and asks its resolver,
which may hold up the loop, more and more seldom.  Loaded only by a device that has such a peer.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any

    from holdfast_device.loop_shell import Link, Resolving

    Name = tuple[str, int]

MAX_UNANSWERED = 3  # datagrams in a row; then the address may be another one by now
FIRST_RETRY_MS = 1000
MAX_RETRY_MS = 60000


class _Host:
    """due_ms: not looked for before; unanswered: datagrams since one came; turn: which of its addresses is next."""

    __slots__ = ("address", "due_ms", "retry_ms", "turn", "unanswered")

    def __init__(self) -> None:
        self.address: Hashable | None = None
        self.due_ms = self.turn = self.unanswered = 0
        self.retry_ms = FIRST_RETRY_MS


class NamedLink:
    """link: has resolve(host, port); names: the peers; unresolved(host): called when a name has no address."""

    __slots__ = ("_hosts", "_link", "_names", "_now_ms", "_unresolved", "mtu")

    def __init__(
        self,
        link: "Resolving",
        names: "Iterable[Name]",
        now_ms: "Callable[[], int]",
        unresolved: "Callable[[str], object]",
    ) -> None:
        self._link = link
        self.mtu = link.mtu
        self._now_ms = now_ms
        self._unresolved = unresolved
        self._hosts = {name: _Host() for name in names}
        self._names: dict[Hashable, Name] = {}

    def wait(self, timeout_ms: int) -> bool:
        """As the link does."""
        return self._link.wait(timeout_ms)

    def receive(self) -> "tuple[bytes, Hashable] | None":
        """As the link does, with the name of a peer that has one."""
        received = self._link.receive()
        name = None if received is None else self._names.get(received[1])
        if received is None or name is None:
            return received
        host = self._hosts[name]
        host.unanswered, host.retry_ms = 0, FIRST_RETRY_MS
        return received[0], name

    def send(self, datagram: bytes, peer: "Any") -> None:
        """As the link does; what goes to a name without an address is lost."""
        # MicroPython warns of bytes that are compared to a text.
        host = self._hosts.get(peer) if isinstance(peer[0], str) else None
        if host is not None:
            self._find(peer, host)
            if host.address is None:
                return
            host.unanswered += 1
            peer = host.address
        self._link.send(datagram, peer)

    def _find(self, name: "Name", host: _Host) -> None:
        now_ms = self._now_ms()
        if now_ms < host.due_ms or (host.address is not None and host.unanswered < MAX_UNANSWERED):
            return
        host.due_ms = now_ms + host.retry_ms
        host.retry_ms = min(MAX_RETRY_MS, 2 * host.retry_ms)
        try:
            found = self._link.resolve(*name)
        except (OSError, ValueError):
            found = []
        if not found:
            self._unresolved(name[0])
            return
        self._names.pop(host.address, None)
        host.address = found[host.turn % len(found)]
        host.turn += 1
        host.unanswered = 0
        self._names[host.address] = name


def named(
    link: "Any", names: "Iterable[Name]", now_ms: "Callable[[], int]", write: "Callable[[str], object]"
) -> "Link":
    """Return the link on which peers have these names, where the link can find addresses.

    write: takes a line of JSON, {"unresolved": NAME}.
    """

    def unresolved(host: str) -> None:
        write(json.dumps({"unresolved": host}) + "\n")

    return NamedLink(link, names, now_ms, unresolved) if hasattr(link, "resolve") else link
