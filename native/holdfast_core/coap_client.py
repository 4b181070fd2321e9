"""The client half of the CoAP stack: requests out, responses and notifications in (RFC 7252 section 5, 7641, 7959).

Does blockwise transfers, and the one repetition that Echo asks for (RFC 9175), by itself.  Never takes a response from
another peer, under another token or outside the security context of its request; one exception is reported and ends the
exchange: an unprotected response to a protected request, as RFC 9203 answers a lost context with an unprotected 4.01.
Only an attacker that sees our token can forge that answer, and such an attacker can also drop what we send.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_block import Block, block_of
from holdfast_core.coap_events import (
    INCOMPLETE,
    NOT_AUTHENTIC,
    OVERLOADED,
    RESET,
    TOO_LARGE,
    UNPROTECTED,
    Event,
    FailureEvent,
    ResponseEvent,
)
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message, screen_options
from holdfast_core.coap_observe import is_newer
from holdfast_core.coap_reliability import Outgoing, Reliability
from holdfast_core.coap_request import ClientRequest, Leg
from holdfast_core.errors import LocalError, PeerError
from holdfast_core.sender_sequence import SequenceExhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from holdfast_core.oscore import RequestContext

_PROTECTED_TOKEN_LEN = 4  # OSCORE binds the response; the token only has to be unlike the others
_PLAIN_TOKEN_LEN = 8  # all that binds a plain response (RFC 7252 section 5.3.1)
_REQUEST_TAG_SPACE = 1 << 32
_OF_REQUESTS = (L.OPT_URI_HOST, L.OPT_URI_PORT, L.OPT_PROXY_SCHEME)  # that stay outside OSCORE (RFC 8613 figure 5)
_MAX_RESTARTS = 1  # how often a transfer that the server has lost, or whose body has changed, begins anew


class Client:
    """Everything about requests that we make. events: what feed or tick will return next."""

    def __init__(self, messages: Reliability, limits: Limits, rng: "Callable[[int], bytes]") -> None:
        self.events: list[Event] = []
        self._messages = messages
        self._limits = limits
        self._rng = rng
        self._legs: dict[tuple[Hashable, bytes], Leg] = {}
        self._requests: dict[int, ClientRequest] = {}
        self._next_id = 0
        self._next_tag = int.from_bytes(rng(4), "big")

    def __len__(self) -> int:
        return len(self._requests)

    def forget_all(self) -> None:
        """See CoapStack.forget_all."""
        self.events.clear()
        self._legs.clear()
        self._requests.clear()

    # --- what the application asks ---

    def request(
        self,
        peer: "Hashable",
        message: Message,
        now_ms: int,
        context: "RequestContext | None",
        observe: bool,
        confirmable: bool,
    ) -> int:
        """See CoapStack.request."""
        if len(self._requests) >= self._limits.max_requests:
            raise errors.Overloaded("requests")
        self._next_id += 1
        request = ClientRequest(self._next_id, peer, message.copy(), context)
        request.confirmable = confirmable
        request.observe = observe
        request.szx = self._limits.szx
        request.tag = self._fresh_tag()
        self._requests[request.id] = request
        try:
            self._send_leg(request, request.next_message(), now_ms)
        except LocalError:
            self._finish(request, now_ms)
            raise
        return request.id

    def cancel(self, request_id: int, now_ms: int) -> None:
        """See CoapStack.cancel."""
        request = self._requests.get(request_id)
        if request is None or request.cancelled:
            return
        registration = request.registration
        if registration is None:
            self._finish(request, now_ms)
            return
        request.cancelled = True
        self._drop(request.leg, now_ms)
        self._drop(registration, now_ms)
        request.registration = None
        try:
            self._send_leg(request, request.deregistration(), now_ms, registration.token)
        except SequenceExhausted:
            self._finish(request, now_ms)

    # --- what the network brings ---

    def receive(self, message: Message, peer: "Hashable", now_ms: int) -> bool:
        """Take a response in; False when it belongs to nothing or must be rejected (RFC 7252 section 4.2)."""
        leg = self._legs.get((peer, message.token))
        if leg is None or not self._answers(leg, message):
            self._messages.arrived(peer, message, None, now_ms)
            return False
        request = leg.request
        if request.context is None:
            self._messages.arrived(peer, message, None, now_ms)
            if message.get(L.OPT_OSCORE) is not None or screen_options(message) is not None:
                if leg is request.registration and message.mtype == L.TYPE_CON:
                    self._fail(request, RESET, now_ms)  # which is what the server makes of our Reset (RFC 7641 3.6)
                return False
        else:
            opened = self._open(leg, message, now_ms)
            if opened is None:
                return True
            message = opened
            if screen_options(message) is not None:
                self._fail(request, NOT_AUTHENTIC, now_ms)  # there is no second response under its nonce
                return False
        if request.cancelled:
            if message.get(L.OPT_OBSERVE) is None:  # else a notification that the deregistration has crossed
                self._finish(request, now_ms)
            return True
        self._settle(leg, now_ms)
        self._advance(leg, message, now_ms)
        return True

    def acknowledged(self, leg: Leg, now_ms: int) -> None:
        """The request has arrived; its response will come on its own (RFC 7252 section 5.2.2)."""
        self._messages.timers.start(leg, now_ms + self._limits.transmission.response_timeout_ms)

    def failed(self, leg: Leg, reason: str, now_ms: int) -> None:
        """A leg has come to nothing: timeout, reset or no room; with it goes its request."""
        request = leg.request
        if self._legs.get((request.peer, leg.token)) is leg:
            self._fail(request, reason, now_ms)

    # --- the parts ---

    def _answers(self, leg: Leg, message: Message) -> bool:
        """Tell whether a piggybacked response names the very message that asked, and none says what requests say.

        OSCORE leaves that outside, where anybody can put it in.
        """
        if message.mtype == L.TYPE_ACK and (leg.outgoing is None or leg.outgoing.message.mid != message.mid):
            return False
        return not [number for number, _ in message.options if number in _OF_REQUESTS]

    def _settle(self, leg: Leg, now_ms: int) -> None:
        """A response has come, so the request needs no retransmission and no deadline."""
        self._messages.timers.stop(leg)
        if leg.outgoing is not None:
            self._messages.forget(leg.outgoing, now_ms)
            leg.outgoing = None

    def _open(self, leg: Leg, message: Message, now_ms: int) -> "Message | None":
        """Verify a response to a protected request (RFC 8613 section 8.4); None when that did not succeed.

        An observation that stands is not ended by what does not verify (section 8.4.2).
        """
        request = leg.request
        inner = None
        reason = UNPROTECTED
        if message.get(L.OPT_OSCORE) is not None:
            reason = NOT_AUTHENTIC
            try:
                inner = request.context.unprotect_response(message, leg.state)  # type: ignore[union-attr, arg-type]
                if inner is None:
                    self._again(leg, message, now_ms)
                    return None
            except PeerError:
                inner = None
            except LocalError:  # a new context that cannot be made durable
                reason = OVERLOADED
        self._messages.arrived(request.peer, message, inner, now_ms)
        if inner is None and leg is not request.registration and not request.cancelled:
            unverified = message if reason == UNPROTECTED else None
            self._fail(request, reason, now_ms, unverified)
        return inner

    def _again(self, leg: Leg, message: Message, now_ms: int) -> None:
        """Begin a request anew, once: its context has been derived anew (rederive.py)."""
        request = leg.request
        self._messages.arrived(request.peer, message, None, now_ms)
        if request.restarts >= _MAX_RESTARTS or leg is request.registration or not request.may_repeat:
            self._fail(request, NOT_AUTHENTIC, now_ms)
            return
        request.restarts += 1
        request.rewind()
        self._drop(leg, now_ms)
        try:
            self._send_leg(request, request.next_message(), now_ms)
        except LocalError:
            self._fail(request, OVERLOADED, now_ms)

    def _advance(self, leg: Leg, response: Message, now_ms: int) -> None:
        """Decide what an authentic response to one leg means for the whole request."""
        request = leg.request
        number = None
        if (request.observe and request.head is None) or leg is request.registration:
            number = response.uint(L.OPT_OBSERVE) if response.code >> 5 == 2 else None
        if leg is request.registration or number is not None:
            if number is not None and not self._is_in_order(request, number, now_ms):
                return
            self._next_state(request, leg, number, now_ms)
        else:
            self._drop(leg, now_ms)
            request.leg = None
        try:
            if request.take_echo(response):
                self._send_leg(request, request.next_message(), now_ms)
            elif not self._uploads_on(request, response, now_ms):
                self._collect(request, response, now_ms)
        except errors.MalformedCoap:
            self._fail(request, INCOMPLETE, now_ms)
        except LocalError:  # no number is left, or none can be reserved
            self._fail(request, OVERLOADED, now_ms)

    def _next_state(self, request: ClientRequest, leg: Leg, number: "int | None", now_ms: int) -> None:
        """A new state of what we observe, or with number None the last: of an older one we fetch no more blocks."""
        if request.leg is not leg:
            self._drop(request.leg, now_ms)
        request.leg = None
        request.head = None
        if number is None:
            self._drop(leg, now_ms)
            request.registration = None
        else:
            request.registration = leg
            request.restarts = 0
            request.last_number = number
            request.last_ms = now_ms

    def _is_in_order(self, request: ClientRequest, number: int, now_ms: int) -> bool:
        """Tell whether a notification is newer than the last one; OSCORE has seen to that by itself."""
        if request.context is not None or request.registration is None:
            return True
        return is_newer(number, now_ms, request.last_number, request.last_ms)

    def _uploads_on(self, request: ClientRequest, response: Message, now_ms: int) -> bool:
        """Send the next block of our body, or the first one again in a smaller size; False when nothing is left.

        A success for a block that others follow speaks for that block alone (RFC 7959 section 2.3), so they follow.
        Raises MalformedCoap: what is said to have arrived is not what was sent.
        """
        block = block_of(response, L.OPT_BLOCK1)
        size = 16 << request.szx
        is_last = request.sent + size >= len(request.message.payload)
        is_success = response.code >> 5 == 2
        if is_success and block is not None and block.num != request.sent // size:
            raise errors.MalformedCoap("block-number")
        if response.code == L.CODE_CONTINUE or (is_success and not is_last):
            if block is None or is_last:
                raise errors.MalformedCoap("block-continue")
            request.sent += size
            request.szx = min(request.szx, block.szx)
        elif response.code == L.CODE_REQUEST_ENTITY_TOO_LARGE and block is not None and request.sent == 0:
            if block.szx >= request.szx or len(request.message.payload) <= 16 << block.szx:
                return False
            request.szx = block.szx
        elif (
            response.code == L.CODE_REQUEST_ENTITY_INCOMPLETE
            and request.sent
            and request.restarts < _MAX_RESTARTS
            and request.may_repeat
        ):
            request.restarts += 1  # the server has lost the first blocks, so it cannot have acted on them
            request.rewind()
            request.tag = self._fresh_tag()
        else:
            return False
        self._send_leg(request, request.next_message(), now_ms)
        return True

    def _collect(self, request: ClientRequest, response: Message, now_ms: int) -> None:
        """Hand a response over when its body is whole, else ask for the next block (RFC 7959 section 2.4)."""
        block = block_of(response, L.OPT_BLOCK2)
        head = request.head
        if response.code >> 5 != 2 and not request.may_repeat:  # no error of what has been done, but of its answer
            self._fail(request, INCOMPLETE, now_ms)
            return
        if response.code >> 5 != 2 or (head is None and (block is None or (block.num == 0 and not block.more))):
            self._deliver(request, response, now_ms)
            return
        if (response.uint(L.OPT_SIZE2) or 0) > self._limits.max_body:
            self._fail(request, TOO_LARGE, now_ms)
            return
        if head is None:
            request.head = head = response
            request.body = b""
        if block is None or head.code != response.code or head.get(L.OPT_ETAG) != response.get(L.OPT_ETAG):
            self._restart(request, now_ms)  # no part of the body that has come so far
            return
        size = len(response.payload)
        if block.start != len(request.body) or size > block.size or (block.more and size != block.size):
            raise errors.MalformedCoap("block-order")
        request.body += response.payload
        if len(request.body) > self._limits.max_body:
            self._fail(request, TOO_LARGE, now_ms)
        elif block.more:
            block = Block(len(request.body) >> (block.szx + 4), False, block.szx)
            self._send_leg(request, request.followup(block), now_ms)
        else:
            whole = head.copy().remove(L.OPT_BLOCK2).remove(L.OPT_SIZE2)
            whole.payload = request.body
            self._deliver(request, whole, now_ms)

    def _restart(self, request: ClientRequest, now_ms: int) -> None:
        """Fetch from the first block again, when that is safe and has not been done before."""
        if request.restarts >= _MAX_RESTARTS or not request.may_repeat:
            self._fail(request, INCOMPLETE, now_ms)
            return
        request.restarts += 1
        request.head = None
        request.body = b""
        self._send_leg(request, request.followup(Block(0, False, self._limits.szx)), now_ms)

    def _deliver(self, request: ClientRequest, response: Message, now_ms: int) -> None:
        observing = request.registration is not None
        response.remove(L.OPT_BLOCK1)
        request.head = None
        request.body = b""
        request.restarts = 0
        if not observing:
            self._finish(request, now_ms)
        self.events.append(ResponseEvent(request.id, response, request.context, observing))

    def _fail(self, request: ClientRequest, reason: str, now_ms: int, message: "Message | None" = None) -> None:
        self._finish(request, now_ms)
        if not request.cancelled:
            self.events.append(FailureEvent(request.id, reason, message))

    def _finish(self, request: ClientRequest, now_ms: int) -> None:
        """Forget everything about a request."""
        self._requests.pop(request.id, None)
        self._drop(request.leg, now_ms)
        self._drop(request.registration, now_ms)
        request.leg = request.registration = None

    def _drop(self, leg: "Leg | None", now_ms: int) -> None:
        if leg is None:
            return
        self._settle(leg, now_ms)
        key = (leg.request.peer, leg.token)
        if self._legs.get(key) is leg:
            del self._legs[key]

    # --- sending ---

    def _send_leg(self, request: ClientRequest, message: Message, now_ms: int, token: "bytes | None" = None) -> None:
        if token is None:
            token = self._fresh_token(request)
        leg = Leg(request, token)
        inner = None
        if request.context is None:
            outer = message
        else:
            inner = message
            outer, leg.state = request.context.protect_request(message)
        outer.token = token
        outer.mtype = L.TYPE_CON if request.confirmable else L.TYPE_NON
        leg.outgoing = Outgoing(request.peer, outer, inner, leg)
        request.leg = leg
        self._legs[(request.peer, token)] = leg
        if not request.confirmable:
            self.acknowledged(leg, now_ms)
        self._messages.send(leg.outgoing, now_ms, request.is_under_way)

    def _fresh_tag(self) -> bytes:
        """Request-Tag that no other transfer of ours has (RFC 9175 section 3.3)."""
        self._next_tag = (self._next_tag + 1) % _REQUEST_TAG_SPACE
        return self._next_tag.to_bytes(4, "big")

    def _fresh_token(self, request: ClientRequest) -> bytes:
        """Random token that no other exchange with the peer has."""
        # A link that carries no block of 32 bytes has no room for more than the 32 bits of RFC 7252 section 5.3.1.
        is_long = request.context is None and self._limits.szx > 0
        length = _PLAIN_TOKEN_LEN if is_long else _PROTECTED_TOKEN_LEN
        token = self._rng(length)
        while (request.peer, token) in self._legs:
            token = self._rng(length)
        return token
