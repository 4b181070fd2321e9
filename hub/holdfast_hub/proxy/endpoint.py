"""One side of the proxy, toward clients or toward devices: server and client of messages (RFC 7252 4 and 5).

Unlike the core's stack it looks into no OSCORE message, gathers no body, and leaves a request unacknowledged for a
while, because the device's answer may come in time for the ACK.  The message layer below is the core's.
"""

from collections import deque
from collections.abc import Callable, Hashable

from holdfast_core import labels as L
from holdfast_core.coap_events import OVERLOADED, RESET, TIMEOUT
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message, decode, encode, reset_due
from holdfast_core.coap_reliability import Exchange, Outgoing, Reliability, Timed
from holdfast_core.errors import MalformedCoap
from holdfast_hub.records import Asked, Device

Peer = Hashable
Client = tuple[object, ...]
STALE = "stale"  # no notification came in the time that the last one was good for
_TOKEN_LEN = 8  # all that binds a plain response (RFC 7252 section 5.3.1)
_ACK, _RST = L.TYPE_ACK, L.TYPE_RST


class Request(Asked):
    """One request to be answered. answer: where to, for one that came by another transport; None: a datagram.

    is_protected: by OSCORE. observe, silence: the values of Observe and of No-Response. datagram_len: of the request.
    exchange: what the message layer remembers of it. etags: what the client has.
    """

    __slots__ = (
        "acknowledged",
        "answer",
        "answered",
        "datagram_len",
        "etags",
        "exchange",
        "is_protected",
        "observe",
        "silence",
    )

    def __init__(
        self,
        client: Client,
        message: Message,
        exchange: Exchange | None = None,
        datagram_len: int = 0,
        answer: "Callable[[Message], None] | None" = None,
    ) -> None:
        super().__init__(0, client, message, None)
        self.exchange = exchange
        self.datagram_len = datagram_len
        self.answer = answer
        self.acknowledged = False
        self.answered = False
        self.is_protected = False
        self.observe: int | None = None
        self.silence: int | None = None
        self.etags: list[bytes] = []


class Leg(Timed):
    """One request of the hub to a device.

    answered(leg, response or None, reason, now_ms) -> whether more is expected under the same token.
    """

    __slots__ = ("answered", "device", "outgoing", "peer", "stays", "token")

    def __init__(self, peer: Peer, token: bytes, answered: "Answered", device: Device) -> None:
        super().__init__()
        self.peer = peer
        self.token = token
        self.answered = answered
        self.device = device
        self.outgoing: Outgoing | None = None
        self.stays = False


Answered = Callable[[Leg, Message | None, str, int], bool]


class Endpoint:
    """Datagrams of one side in and out.

    requested(peer, message, exchange, datagram length, now_ms): a new request. settled(owner, reason, now_ms): what
    became of a confirmable message of ours that had an owner; "" is an ACK.
    """

    def __init__(
        self,
        rng: Callable[[int], bytes],
        limits: Limits,
        requested: Callable[[Peer, Message, Exchange, int, int], None],
        settled: Callable[[object, str, int], None],
        ack_delay_ms: int,
    ) -> None:
        self.messages = Reliability(rng, limits)
        self._rng = rng
        self._requested = requested
        self._settled = settled
        self._ack_delay_ms = ack_delay_ms
        self._response_timeout_ms = limits.transmission.response_timeout_ms
        self._max_datagram = limits.max_datagram
        self._legs: dict[tuple[Peer, bytes], Leg] = {}
        self._unacknowledged: deque[tuple[int, Request]] = deque()

    def __len__(self) -> int:
        """Requests of ours that are under way, and observations."""
        return len(self._legs)

    # --- the network ---

    def feed(self, datagram: bytes, peer: Peer, now_ms: int) -> None:
        """Take one datagram in; no datagram makes it raise."""
        if len(datagram) > self._max_datagram:
            return
        try:
            message = decode(datagram)
        except MalformedCoap:
            mid = reset_due(datagram)
            if mid is not None:
                self._reset(peer, mid, now_ms)
            return
        mid = message.mid or 0
        code = message.code
        if message.mtype in (_ACK, _RST):
            self._acknowledged(message, peer, mid, now_ms)
            return
        exchange = self.messages.recall(peer, mid, now_ms)
        if exchange is not None:
            if exchange.reply is not None and message.mtype == L.TYPE_CON:
                self.messages.out.append((exchange.reply, peer))
        elif 0 < code < 32:
            self._requested(peer, message, self.messages.remember(peer, mid, now_ms), len(datagram), now_ms)
        elif code:
            self._separate(message, peer, mid, now_ms)
        elif message.mtype == L.TYPE_CON:  # a ping (RFC 7252 section 4.3)
            self._reset(peer, mid, now_ms)

    def tick(self, now_ms: int) -> None:
        """Do what is due."""
        waiting = self._unacknowledged
        while waiting and waiting[0][0] <= now_ms:
            self._acknowledge(waiting.popleft()[1], now_ms)
        while True:
            timed = self.messages.timers.pop_due(now_ms)
            if timed is None:
                break
            if isinstance(timed, Leg):
                self._end(timed, STALE if timed.stays else TIMEOUT, now_ms)
            elif isinstance(timed, Outgoing) and not self.messages.wake(timed, now_ms):
                self._fail(timed.owner, TIMEOUT, now_ms)
        while self.messages.failed:
            self._fail(self.messages.failed.pop().owner, OVERLOADED, now_ms)

    def next_deadline_ms(self) -> int | None:
        """When tick wants to be called, or None; 0 when something has failed already."""
        if self.messages.failed:
            return 0
        due_ms = self.messages.timers.next_ms()
        waiting = self._unacknowledged
        while waiting and waiting[0][1].acknowledged:
            waiting.popleft()
        if waiting and (due_ms is None or waiting[0][0] < due_ms):
            return waiting[0][0]
        return due_ms

    def take_datagrams(self) -> list[tuple[bytes, Peer]]:
        """Take what is to be sent."""
        datagrams = self.messages.out
        if datagrams:
            self.messages.out = []
        return datagrams

    # --- as a server ---

    def expect(self, request: Request, now_ms: int) -> None:
        """A request is not answered yet: acknowledge it before the client sends it again."""
        if request.message.mtype == L.TYPE_CON and not request.acknowledged:
            waiting = self._unacknowledged
            while waiting and waiting[0][1].acknowledged:
                waiting.popleft()
            waiting.append((now_ms + self._ack_delay_ms, request))

    def answer(self, request: Request, message: Message, now_ms: int, confirmable: bool = True) -> None:
        """Answer a request: on the ACK while that is owed, else as a message of its own."""
        asked = request.message
        message.token = asked.token
        if asked.mtype == L.TYPE_CON and not request.acknowledged:
            request.acknowledged = True
            message.mtype, message.mid = _ACK, asked.mid
            self.messages.reply(request.client, request.exchange, message, None, now_ms)
            return
        message.mtype = L.TYPE_CON if asked.mtype == L.TYPE_CON and confirmable else L.TYPE_NON
        self.messages.send(Outgoing(request.client, message, None, None), now_ms)

    def say_nothing(self, request: Request, now_ms: int) -> None:
        """End a request whose client wants no response; a confirmable one is acknowledged all the same."""
        if request.message.mtype == L.TYPE_CON:
            self._acknowledge(request, now_ms)

    def _acknowledge(self, request: Request, now_ms: int) -> None:
        if not request.acknowledged:
            request.acknowledged = True
            ack = Message(L.CODE_EMPTY, mtype=_ACK, mid=request.message.mid)
            self.messages.reply(request.client, request.exchange, ack, None, now_ms)

    # --- as a client ---

    def ask(
        self, peer: Peer, device: Device, message: Message, now_ms: int, answered: Answered, token: bytes = b""
    ) -> Leg:
        """Send a confirmable request. token: of an observation that goes on; a new one without."""
        while not token or (not message.token and (peer, token) in self._legs):
            token = self._rng(_TOKEN_LEN)
            message.token = b""
        earlier = self._legs.get((peer, token))
        if earlier is not None:
            self.forget(earlier, now_ms)
        message.token = token
        message.mtype, message.mid = L.TYPE_CON, None
        leg = self._legs[(peer, token)] = Leg(peer, token, answered, device)
        leg.outgoing = Outgoing(peer, message, None, leg)
        self.messages.send(leg.outgoing, now_ms)
        return leg

    def ping(self, peer: Peer, owner: object, now_ms: int) -> None:
        """Send an Empty message to be confirmed; settled tells of the Reset, which is the sign of life."""
        self.messages.send(Outgoing(peer, Message(L.CODE_EMPTY, mtype=L.TYPE_CON), None, owner), now_ms)

    def forget(self, leg: Leg, now_ms: int) -> None:
        """Expect nothing any more: what comes under the token is rejected (RFC 7641 section 3.6)."""
        if self._legs.get((leg.peer, leg.token)) is leg:
            del self._legs[(leg.peer, leg.token)]
        self._stop(leg, now_ms)

    def _stop(self, leg: Leg, now_ms: int) -> None:
        if leg.outgoing is not None:
            self.messages.forget(leg.outgoing, now_ms)
            leg.outgoing = None
        self.messages.timers.stop(leg)

    def _answered(self, message: Message, peer: Peer, now_ms: int) -> bool:
        """Take a response in; False when it belongs to nothing."""
        leg = self._legs.get((peer, message.token))
        if leg is None:
            return False
        if message.mtype == _ACK and (leg.outgoing is None or leg.outgoing.message.mid != message.mid):
            return False
        self._stop(leg, now_ms)
        key = (peer, leg.token)  # the message goes on to a client, under another token
        if not leg.answered(leg, message, "", now_ms) and self._legs.get(key) is leg:
            del self._legs[key]
        return True

    def _end(self, leg: Leg, reason: str, now_ms: int) -> None:
        self.forget(leg, now_ms)
        leg.answered(leg, None, reason, now_ms)

    # --- the message layer ---

    def _separate(self, message: Message, peer: Peer, mid: int, now_ms: int) -> None:
        """A response that comes on its own: confirm it, or say that we do not know it."""
        is_confirmable = message.mtype == L.TYPE_CON  # passed on to a client, the message gets a type of its own
        if self._answered(message, peer, now_ms):
            exchange = self.messages.remember(peer, mid, now_ms, True)
            if is_confirmable:
                self.messages.reply(peer, exchange, Message(L.CODE_EMPTY, mtype=_ACK, mid=mid), None, now_ms)
        elif is_confirmable or message.get(L.OPT_OBSERVE) is not None:
            self._reset(peer, mid, now_ms)

    def _acknowledged(self, message: Message, peer: Peer, mid: int, now_ms: int) -> None:
        """An ACK, perhaps with a response on it, or a Reset."""
        if message.code != L.CODE_EMPTY:
            if message.mtype == _ACK and message.code >= L.CODE_CREATED:
                self._answered(message, peer, now_ms)
            return
        outgoing = self.messages.settle(peer, mid, message.mtype == _RST, now_ms)
        if outgoing is None:
            return
        owner = outgoing.owner
        if message.mtype == _RST:
            self._fail(owner, RESET, now_ms)
        elif isinstance(owner, Leg):
            owner.outgoing = None
            self.messages.timers.start(owner, now_ms + self._response_timeout_ms)
        elif owner is not None:
            self._settled(owner, "", now_ms)

    def _fail(self, owner: object, reason: str, now_ms: int) -> None:
        if isinstance(owner, Leg):
            self._end(owner, reason, now_ms)
        elif owner is not None:
            self._settled(owner, reason, now_ms)

    def _reset(self, peer: Peer, mid: int, now_ms: int) -> None:
        reset = Message(L.CODE_EMPTY, mtype=_RST, mid=mid)
        self.messages.emit(encode(reset), peer, reset, None, now_ms)
