"""The CoAP stack: datagrams and times in, datagrams and events out (RFC 7252, 7641, 7959, 8613, 9175).

One object is client and server at once.  Sans-IO: it has no socket, clock or randomness of its own.  No datagram makes
feed raise.  It is no proxy and answers no multicast.

    for event in stack.feed(datagram, peer, now_ms): ...     # respond, request, notify as it needs
    for datagram, peer in stack.take_datagrams(): ...        # after every call that may have made some
    wake up at stack.next_deadline_ms() and call stack.tick(now_ms)

A confirmable request that is answered before the next take_datagrams() has its response on the ACK; otherwise
take_datagrams() sends an empty ACK for it, and the response later is a confirmable message of its own.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_echo import EchoMint
from holdfast_core.coap_events import (
    OVERLOADED,
    RESET,
    TIMEOUT,
    Event,
    FailureEvent,
    Incoming,
    ObservationEnded,
    RequestEvent,
    ResponseEvent,
)
from holdfast_core.coap_limits import DEVICE_LIMITS, Limits, Transmission
from holdfast_core.coap_message import Message, decode, encode, is_request, reset_due
from holdfast_core.coap_reliability import Outgoing, Reliability, Timed
from holdfast_core.coap_server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from holdfast_core.coap_client import Client
    from holdfast_core.coap_reliability import Trace
    from holdfast_core.coap_server import Admission
    from holdfast_core.oscore import RequestContext, SecurityContext
    from holdfast_core.oscore_contexts import ContextTable

__all__ = (
    "DEVICE_LIMITS",
    "CoapStack",
    "Event",
    "FailureEvent",
    "Incoming",
    "Limits",
    "ObservationEnded",
    "RequestEvent",
    "ResponseEvent",
    "Transmission",
)


class CoapStack:
    """One CoAP endpoint.

    rng: n -> n unpredictable bytes.  contexts: the OSCORE contexts that requests may name; None speaks plain CoAP only.
    limits: every bound; Limits() when None.  trace: called for each datagram as (direction "in" or "out", peer, outer
    message, inner message or None, datagram length, now_ms).  admission: (peer, now_ms, datagram length) -> bool, asked
    before anything is spent on a plain request or on one for an unknown context, and before a failed OSCORE message is
    answered; authentic OSCORE requests are never put to it.
    """

    def __init__(
        self,
        rng: "Callable[[int], bytes]",
        contexts: "ContextTable | None" = None,
        limits: Limits | None = None,
        trace: "Trace | None" = None,
        admission: "Admission | None" = None,
    ) -> None:
        limits = Limits() if limits is None else limits
        self.limits = limits
        self._messages = Reliability(rng, limits, trace)
        self._server = Server(self._messages, limits, contexts, EchoMint(rng(32), limits.echo_lifetime_ms), admission)
        self._client: Client | None = None  # before the first request: most boards never make one
        self._rng = rng
        self._now_ms = 0

    def forget_all(self) -> None:
        """Lose all that is under way, but not what waits to be sent; no event follows, and no memory is needed.

        Call it when a MemoryError has torn the stack: then all work that was half done is gone.
        """
        self._messages.forget_all()
        self._server.forget_all()
        if self._client is not None:
            self._client.forget_all()

    # --- the network ---

    def feed(self, datagram: bytes, peer: "Hashable", now_ms: int) -> list[Event]:
        """Take one datagram in; peer is any hashable address. Returns what it means for the application."""
        self._now_ms = now_ms
        if len(datagram) <= self.limits.max_datagram:
            self._messages.datagram_len = len(datagram)
            try:
                message = decode(bytes(datagram))
            except errors.MalformedCoap:
                mid = reset_due(datagram)
                if mid is not None:
                    self._reset(peer, mid)
            else:
                self._receive(message, peer)
        return self._events()

    def tick(self, now_ms: int) -> list[Event]:
        """Do what is due: retransmissions, timeouts, expiry."""
        self._now_ms = now_ms
        while True:
            timed = self._messages.timers.pop_due(now_ms)
            if timed is None:
                break
            if not isinstance(timed, Outgoing):
                self._fail(timed, TIMEOUT)
            elif not self._messages.wake(timed, now_ms):
                self._fail(timed.owner, TIMEOUT)
        self._server.uploads.expire(now_ms)
        self._server.renderings.expire(now_ms)
        return self._events()

    def next_deadline_ms(self) -> int | None:
        """When tick wants to be called, or None; in the past when events are waiting to be fetched."""
        if self._server.events or self._messages.failed or (self._client is not None and self._client.events):
            return self._now_ms
        return self._messages.timers.next_ms()

    def take_datagrams(self) -> "list[tuple[bytes, Hashable]]":
        """Take what is to be sent, as (datagram, peer)."""
        self._server.acknowledge_unanswered(self._now_ms)
        datagrams = self._messages.out
        self._messages.out = []
        return datagrams

    # --- as a client ---

    def request(
        self,
        peer: "Hashable",
        message: Message,
        now_ms: int,
        context: "RequestContext | None" = None,
        observe: bool = False,
        confirmable: bool = True,
    ) -> int:
        """Send a request, whatever the size of its body; returns the id that its events will carry.

        context: protect it with OSCORE.  observe: ask for notifications (GET and FETCH).
        Each id gets ResponseEvents until one is not observing, or one FailureEvent.
        Raises Overloaded: max_requests are open.  SequenceExhausted: the context's numbers are used up.
        """
        self._now_ms = now_ms
        return self._own_client().request(peer, message, now_ms, context, observe, confirmable)

    def cancel(self, request_id: int, now_ms: int) -> None:
        """Forget a request; an observation is deregistered. No event follows; an unknown id does nothing."""
        self._now_ms = now_ms
        if self._client is not None:
            self._client.cancel(request_id, now_ms)

    # --- as a server ---

    def respond(self, incoming: Incoming, message: Message, now_ms: int, observe: bool = False) -> bool:
        """Answer a request, once, with a body of any size (Block2 is done here).

        observe: accept the registration if the request asked for one (incoming.observe) and the answer is a success.
        Returns whether it is now registered; no room for another observer means an answer without Observe.
        Raises LocalError: answered before.
        """
        self._now_ms = now_ms
        return self._server.respond(incoming, message, now_ms, observe)

    def notify(self, incoming: Incoming, message: Message, now_ms: int) -> bool:
        """Send the new state to a registered observer; False when it is none (any more).

        While a confirmable notification is unacknowledged only the latest state waits to be sent.  A message that is no
        success ends the observation.
        """
        self._now_ms = now_ms
        return self._server.notify(incoming, message, now_ms)

    def end_observation(self, incoming: Incoming, message: Message, now_ms: int) -> None:
        """Send a last, confirmable notification without Observe; nothing when it is no observer. No event follows."""
        self._now_ms = now_ms
        self._server.finish(incoming, message, now_ms)

    def forget_renderings(self, context: "SecurityContext") -> None:
        """Drop the bodies whose later blocks might be asked for in a context: such blocks come as no RequestEvent.

        A caller that has withdrawn a right, or is no longer sure of it, calls this.
        """
        self._server.renderings.forget(context)

    def forget_context(self, context: "SecurityContext") -> None:
        """Drop all bodies of a context that has ended, also those that are coming in."""
        self._server.renderings.forget(context)
        self._server.uploads.forget(context)

    # --- dispatch (RFC 7252 section 4) ---

    def _receive(self, message: Message, peer: "Hashable") -> None:
        if message.mtype not in (L.TYPE_CON, L.TYPE_NON):
            self._settled(message, peer)
            return
        mid = message.mid or 0
        exchange = self._messages.recall(peer, mid, self._now_ms)
        if exchange is not None:
            self._messages.arrived(peer, message, None, self._now_ms)
            if exchange.reply is not None and message.mtype == L.TYPE_CON:
                self._messages.emit(exchange.reply, peer, decode(exchange.reply), None, self._now_ms)
        elif is_request(message.code):
            self._server.receive(message, peer, self._now_ms)
        elif message.code != L.CODE_EMPTY:
            self._separate(message, peer, mid)
        elif message.mtype == L.TYPE_CON:  # a ping (RFC 7252 section 4.3)
            self._messages.arrived(peer, message, None, self._now_ms)
            self._reset(peer, mid)

    def _separate(self, message: Message, peer: "Hashable", mid: int) -> None:
        """A response that comes on its own: confirm it, or say that we do not know it."""
        if self._answered(message, peer):
            exchange = self._messages.remember(peer, mid, self._now_ms, True)
            if message.mtype == L.TYPE_CON:
                ack = Message(L.CODE_EMPTY, mtype=L.TYPE_ACK, mid=mid)
                self._messages.reply(peer, exchange, ack, None, self._now_ms)
        elif message.mtype == L.TYPE_CON:
            self._reset(peer, mid)

    def _settled(self, message: Message, peer: "Hashable") -> None:
        """An ACK, perhaps with a response on it, or a Reset."""
        now_ms = self._now_ms
        if message.mtype == L.TYPE_ACK and message.code != L.CODE_EMPTY:
            if not is_request(message.code):
                self._answered(message, peer)
            return
        self._messages.arrived(peer, message, None, now_ms)
        outgoing = self._messages.settle(peer, message.mid or 0, message.mtype == L.TYPE_RST, now_ms)
        if outgoing is None:
            return
        if message.mtype == L.TYPE_RST:
            self._fail(outgoing.owner, RESET)
        elif isinstance(outgoing.owner, Timed):
            if self._client is not None:
                self._client.acknowledged(outgoing.owner, now_ms)  # type: ignore[arg-type]  # Timed: a Leg
        elif outgoing.owner is not None:
            self._server.acknowledged(outgoing.owner, now_ms)  # type: ignore[arg-type]

    def _own_client(self) -> "Client":
        if self._client is None:
            from holdfast_core.coap_client import Client

            self._client = Client(self._messages, self.limits, self._rng)
        return self._client

    def _answered(self, message: Message, peer: "Hashable") -> bool:
        """Take a response in; False when it belongs to nothing."""
        if self._client is not None:
            return self._client.receive(message, peer, self._now_ms)
        self._messages.arrived(peer, message, None, self._now_ms)
        return False

    def _fail(self, owner: object, reason: str) -> None:
        """Tell the owner of a message that it has come to nothing: a Leg, which is Timed, an Observation or nobody."""
        if isinstance(owner, Timed):
            if self._client is not None:
                self._client.failed(owner, reason, self._now_ms)  # type: ignore[arg-type]  # a Leg
        elif owner is not None:
            self._server.end(owner, reason)  # type: ignore[arg-type]

    def _reset(self, peer: "Hashable", mid: int) -> None:
        """Reject a message. It is not remembered: when it comes again it is rejected again."""
        reset = Message(L.CODE_EMPTY, mtype=L.TYPE_RST, mid=mid)
        self._messages.emit(encode(reset), peer, reset, None, self._now_ms)

    def _events(self) -> list[Event]:
        """Take the events that have come up."""
        while self._messages.failed:
            self._fail(self._messages.failed.pop().owner, OVERLOADED)
        events = self._server.events
        if events:
            self._server.events = []
        if self._client is not None and self._client.events:
            events = events + self._client.events
            self._client.events = []
        return events
