"""The clients that watch something through the hub, and what each of them is told (RFC 7641 sections 4.1 to 4.5).

Each client has its own Observe numbers, unless OSCORE binds the device's.  While a confirmable notification is on its
way only the latest state waits.  Until a client has acknowledged one, all are confirmable: nothing but a single message
is repeated to an address that may be false (RFC 7641 section 7).
"""

from collections.abc import Callable

from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_core.coap_reliability import Outgoing
from holdfast_hub.proxy.endpoint import Client, Request
from holdfast_hub.proxy.sides import Sides

_NUMBERS = 1 << 24
_CON_AT_LEAST_MS = 24 * 3600 * 1000  # RFC 7641 section 4.5


class Observer:
    """One entry of the list. request: what registered it last. renumbers: its Observe numbers are made here.

    ended(observer, now_ms): it has gone by itself. is_heard: it has acknowledged a notification.
    """

    __slots__ = (
        "confirmed_ms",
        "count",
        "ended",
        "is_heard",
        "latest",
        "number",
        "outgoing",
        "renumbers",
        "request",
    )

    def __init__(self, request: Request, renumbers: bool, ended: "Ended") -> None:
        self.request = request
        self.renumbers = renumbers
        self.ended = ended
        self.number = 0
        self.count = 0
        self.confirmed_ms = 0
        self.is_heard = request.answer is not None  # a connection has shown itself
        self.outgoing: Outgoing | None = None
        self.latest: Message | None = None


Ended = Callable[[Observer, int], None]


class Observers:
    """The list, by client and token; so many of one host."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._bounds = sides.bounds
        self._of: dict[Client, dict[bytes, Observer]] = {}
        self._per_host: dict[object, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, client: Client, token: bytes) -> Observer | None:
        """The entry of a client and a token."""
        return self._of.get(client, {}).get(token)

    def add(self, request: Request, renumbers: bool, ended: Ended) -> Observer | None:
        """Enter one; None: there is no room for it."""
        host = request.client[0]
        mine = self._per_host.get(host, 0)
        if self._count >= self._bounds.observers or mine >= self._bounds.observers_per_client:
            return None
        observer = Observer(request, renumbers, ended)
        self._of.setdefault(request.client, {})[request.message.token] = observer
        self._per_host[host] = mine + 1
        self._count += 1
        return observer

    def remove(self, observer: Observer, now_ms: int) -> bool:
        """Take one out, and stop what is on its way; False: it was not in any more."""
        client, token = observer.request.client, observer.request.message.token
        mine = self._of.get(client, {})
        if mine.get(token) is not observer:
            return False
        del mine[token]
        if not mine:
            del self._of[client]
        self._count -= 1
        self._per_host[client[0]] -= 1
        if not self._per_host[client[0]]:
            del self._per_host[client[0]]
        observer.latest = None
        if observer.outgoing is not None:
            self._sides.untell(observer.request, observer.outgoing, now_ms)
            observer.outgoing = None
        return True

    def lose(self, client: Client, now_ms: int) -> None:
        """A client is gone."""
        for observer in list(self._of.get(client, {}).values()):
            self._end(observer, now_ms)

    def notify(self, observer: Observer, news: Message, now_ms: int, confirmable: bool = False) -> None:
        """Tell one client the new state: as the answer to its request, or as a notification."""
        request = observer.request
        if not request.answered:
            if not self._sides.answer(request, self._numbered(observer, news), now_ms):
                self._end(observer, now_ms)
            return
        outgoing = observer.outgoing
        if outgoing is not None and outgoing.message.mtype == L.TYPE_CON:
            observer.latest = news
            return
        if outgoing is not None:
            self._sides.untell(request, outgoing, now_ms)
        confirmable = (
            confirmable
            or not observer.is_heard
            or observer.count % self._bounds.con_every == 0
            or now_ms - observer.confirmed_ms >= _CON_AT_LEAST_MS
        )
        observer.count += 1
        if confirmable:
            observer.confirmed_ms = now_ms
        message = self._numbered(observer, news)
        observer.outgoing = self._sides.tell(request, message, confirmable, observer, now_ms)

    def finish(self, observer: Observer, last: Message, now_ms: int) -> None:
        """Tell one client the last that it hears, without Observe, and forget it."""
        if not self.remove(observer, now_ms):
            return
        request = observer.request
        message = Message(last.code, last.payload, [o for o in last.options if o[0] != L.OPT_OBSERVE])
        if request.answered:
            self._sides.tell(request, message, True, None, now_ms)
        else:
            self._sides.answer(request, message, now_ms)

    def settled(self, observer: Observer, reason: str, now_ms: int) -> None:
        """A notification has arrived, and what waited behind it may go; or the client wants no more, or is gone."""
        observer.outgoing = None
        if reason:
            self._end(observer, now_ms)
            return
        observer.is_heard = True
        latest, observer.latest = observer.latest, None
        if latest is not None:
            self.notify(observer, latest, now_ms)

    def _end(self, observer: Observer, now_ms: int) -> None:
        if self.remove(observer, now_ms):
            observer.ended(observer, now_ms)

    def _numbered(self, observer: Observer, news: Message) -> Message:
        message = Message(news.code, news.payload, list(news.options))
        if observer.renumbers:
            observer.number = (observer.number + 1) % _NUMBERS
            message.set(L.OPT_OBSERVE, observer.number)
        return message
