"""The server half of the CoAP stack: requests in, responses and notifications out (RFC 7252 section 5, 7641, 7959).

Inside OSCORE (RFC 8613) as well as plain.  Never decides who may do what, and never spends more than a table look-up on
a plain request, or on one for an unknown context, before the admission port has let it in.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_block import Block, Renderings, Uploads, block_of, slice_of, transfer_key, with_etag
from holdfast_core.coap_echo import EchoMint
from holdfast_core.coap_events import CANCELLED, OVERLOADED, REPLACED, Event, Incoming, ObservationEnded, RequestEvent
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message, screen_options, text_of
from holdfast_core.coap_reliability import Outgoing, Reliability
from holdfast_core.errors import LocalError, PeerError
from holdfast_core.oscore_option import decode_option
from holdfast_core.sender_sequence import SequenceExhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from holdfast_core.coap_observe import Observation, Observers
    from holdfast_core.oscore import SecurityContext
    from holdfast_core.oscore_contexts import ContextTable

    Admission = Callable[[Hashable, int, int], bool]

_RETRY_AFTER_S = 5  # Max-Age of 4.29 and 5.03 (RFC 8516 section 3)
_CON_AT_LEAST_MS = 24 * 3600 * 1000  # RFC 7641 section 4.5: a confirmable notification at least every 24 hours
_PROXYING = (L.OPT_PROXY_URI, L.OPT_PROXY_SCHEME)


def _is_success(code: int) -> bool:
    return code >> 5 == 2


class Server:
    """Everything about requests that others make. events: what feed or tick will return next."""

    def __init__(
        self,
        messages: Reliability,
        limits: Limits,
        contexts: "ContextTable | None",
        echo: EchoMint,
        admission: "Admission | None",
    ) -> None:
        self.events: list[Event] = []
        self.observers: Observers | None = None  # before the first one registers
        self.uploads = Uploads(limits)
        self.renderings = Renderings(limits)
        self._messages = messages
        self._limits = limits
        self._contexts = contexts
        self._echo = echo
        self._admission = admission
        self._unanswered: list[Incoming] = []
        self._next_id = 0

    def forget_all(self) -> None:
        """See CoapStack.forget_all."""
        self.events.clear()
        self.observers = None
        self.uploads.clear()
        self.renderings.clear()
        self._unanswered.clear()

    # --- requests ---

    def receive(self, message: Message, peer: "Hashable", now_ms: int) -> None:
        """Take in a request that is no duplicate."""
        self._next_id += 1
        incoming = Incoming(self._next_id, peer, message)
        if message.get(L.OPT_OSCORE) is None:
            self._messages.arrived(peer, message, None, now_ms)
            if not self._admits(peer, now_ms):
                if incoming.mtype == L.TYPE_CON:  # a refused NON costs us nothing, not even a message ID
                    self._refuse(incoming, L.CODE_TOO_MANY_REQUESTS, now_ms)
                return
        elif not self._open(incoming, now_ms):
            return
        try:
            incoming.exchange = self._messages.remember(peer, message.mid or 0, now_ms, incoming.context is not None)
            self._dispatch(incoming, now_ms)
        except errors.TooLarge as error:
            answer = Message(error.coap_code).add(L.OPT_SIZE1, self._limits.max_body)
            self._answer(incoming, self._with_block1(incoming, answer), now_ms)
        except PeerError as error:
            self._refuse(incoming, error.coap_code, now_ms)
        except MemoryError:
            self._refuse(incoming, L.CODE_SERVICE_UNAVAILABLE, now_ms, _RETRY_AFTER_S)  # where there is that much
            raise

    def acknowledge_unanswered(self, now_ms: int) -> None:
        """Send an empty ACK for every confirmable request that has no response yet."""
        for incoming in self._unanswered:
            if not incoming.answered:
                incoming.acknowledged = True
                ack = Message(L.CODE_EMPTY, mtype=L.TYPE_ACK, mid=incoming.mid)
                self._messages.reply(incoming.peer, incoming.exchange, ack, None, now_ms)
        self._unanswered = []

    def _admits(self, peer: "Hashable", now_ms: int) -> bool:
        return self._admission is None or self._admission(peer, now_ms, self._messages.datagram_len)

    def _open(self, incoming: Incoming, now_ms: int) -> bool:
        """Verify and decrypt (RFC 8613 section 8.2); False when that was refused, or challenged with Echo."""
        outer = incoming.message
        try:
            context = self._context_of(outer, incoming.peer, now_ms)
            authentic = context.unprotect_request(outer)
        except PeerError as error:
            self._messages.arrived(incoming.peer, outer, None, now_ms)
            if self._contexts is not None and self._contexts.refused is not None:
                self._contexts.refused(incoming.peer, error)
            # Authentic traffic is never counted; a failure is, so that failing a lot buys silence.
            if self._admits(incoming.peer, now_ms):
                self._refuse(incoming, error.coap_code, now_ms, 0)
            return False
        self._messages.arrived(incoming.peer, outer, authentic.message, now_ms)
        incoming.message = authentic.message
        incoming.context = context = authentic.state.context  # another one when it is derived anew (rederive_server.py)
        incoming.state = authentic.state
        return authentic.fresh or self._is_echoed(incoming, context, now_ms)

    def _context_of(self, outer: Message, peer: "Hashable", now_ms: int) -> "SecurityContext":
        """Find the context a request names. Raises MalformedOscore, UnknownContext, MalformedCoap (outer blocks)."""
        if self._contexts is None or block_of(outer, L.OPT_BLOCK1) or block_of(outer, L.OPT_BLOCK2):
            raise _UnsupportedOption("oscore")
        option = decode_option(outer.get(L.OPT_OSCORE) or b"")
        return self._contexts.find(option.kid, option.kid_context, peer, now_ms)

    def _is_echoed(self, incoming: Incoming, context: "SecurityContext", now_ms: int) -> bool:
        """Recover a lost replay window (RFC 8613 appendix B.1.2): only a request with our Echo value goes on."""
        binding = context.recipient_id + b"/" + (context.id_context or b"")
        if self._echo.accepts(incoming.message.get(L.OPT_ECHO), binding, now_ms):
            context.accept(incoming.state)  # type: ignore[arg-type]  # set together with the context
            context.challenge = None
            return True
        incoming.answered = True
        known, state = context.challenge, incoming.state
        if known is not None and state.number <= known.number and not self._admits(incoming.peer, now_ms):  # type: ignore[union-attr]
            return False  # anybody can send a request again, and is charged for it like anybody
        challenge = self._echo.challenge(context, state, binding, now_ms)  # type: ignore[arg-type]
        if challenge is not None:
            incoming.exchange = self._messages.remember(incoming.peer, incoming.mid or 0, now_ms)
            outer = challenge[0].copy()
            outer.token = incoming.message.token
            self._send(incoming, outer, challenge[1], now_ms)
        return False

    def _dispatch(self, incoming: Incoming, now_ms: int) -> None:
        """Look at the options that are the stack's own business, then hand the request over."""
        message = incoming.message
        if screen_options(message) is not None:
            raise _UnsupportedOption("critical")
        message.path()
        for number, value in message.options:
            if number == L.OPT_URI_QUERY:
                text_of(value)  # so that the application may call queries
            elif number in _PROXYING:
                self._refuse(incoming, L.CODE_PROXYING_NOT_SUPPORTED, now_ms)
                return
            elif number == L.OPT_OBSERVE and message.code in (L.CODE_GET, L.CODE_FETCH):
                self._observe_asked(incoming, int.from_bytes(value, "big"))
            elif number == L.OPT_BLOCK2:
                incoming.block2 = block_of(message, number)
            elif number == L.OPT_BLOCK1:
                incoming.block1 = block_of(message, number)
        if incoming.block1 is not None and not self._complete(incoming, incoming.block1, now_ms):
            return
        if incoming.block2 is not None and incoming.block2.num:
            incoming.observe = False  # RFC 7959 section 2.6: later blocks are no registration
            if self._continue(incoming, now_ms):
                return
        if incoming.mtype == L.TYPE_CON:
            self._unanswered.append(incoming)
        self.events.append(RequestEvent(incoming))

    def _complete(self, incoming: Incoming, block: Block, now_ms: int) -> bool:
        """Collect the body; True when it is whole, else the block has been answered with 2.31."""
        message = incoming.message
        incoming.key = transfer_key(incoming.peer, incoming.context, message)
        body = self.uploads.take(incoming.key, block, message, now_ms)
        if body is None:
            self._answer(incoming, self._with_block1(incoming, Message(L.CODE_CONTINUE)), now_ms)
            return False
        message.payload = body
        message.remove(L.OPT_BLOCK1)
        return True

    def _continue(self, incoming: Incoming, now_ms: int) -> bool:
        """Answer the request for a later block from what is kept; False when it must be rendered anew."""
        incoming.key = transfer_key(incoming.peer, incoming.context, incoming.message)
        rendering = self.renderings.find(incoming.key, now_ms)
        if rendering is not None:
            self._answer(incoming, slice_of(rendering, self._block2(incoming)), now_ms)
            return True
        if incoming.message.code not in (L.CODE_GET, L.CODE_FETCH):
            raise errors.Incomplete("rendering-gone")  # doing it again to render it again is not safe
        return False

    def _observe_asked(self, incoming: Incoming, value: int) -> None:
        """Note a registration; carry out a deregistration, which goes on as a plain request (RFC 7641 section 4.1)."""
        incoming.observe = value == L.OBSERVE_REGISTER
        if value == L.OBSERVE_DEREGISTER:
            observation = self._observation(incoming)
            if observation is not None and observation.incoming.context is incoming.context:
                self.end(observation, CANCELLED)

    def _observation(self, incoming: Incoming) -> "Observation | None":
        """Return what stands under a request's token."""
        return None if self.observers is None else self.observers.find(incoming.peer, incoming.message.token)

    # --- responses ---

    def respond(self, incoming: Incoming, message: Message, now_ms: int, observe: bool) -> bool:
        """See CoapStack.respond."""
        if incoming.answered:
            raise LocalError("answered-twice")
        if observe and incoming.observe and _is_success(message.code):
            if self.observers is None:
                from holdfast_core.coap_observe import Observers

                self.observers = Observers(self._limits)
            earlier = self._observation(incoming)
            observation = self.observers.add(incoming)
            if observation is not None:
                if earlier is not None:
                    self._ended(earlier, REPLACED)
                incoming.observation = observation
                message = message.copy().set(L.OPT_OBSERVE, observation.number)
        try:
            answer = self._fit(incoming, message, now_ms)
        except errors.MalformedCoap as error:  # a block beyond the end of what was rendered anew
            answer = Message(error.coap_code)
        self._answer(incoming, answer, now_ms)
        return incoming.observation is not None

    def _block2(self, incoming: Incoming) -> Block:
        """The block of the response to send: no larger than asked for, nor than the limit."""
        szx = self._limits.nosec_szx if incoming.context is None else self._limits.szx
        asked = incoming.block2
        if asked is None:
            return Block(0, False, szx)
        szx = min(szx, asked.szx)
        return Block(asked.start >> (szx + 4), False, szx)

    def _fit(self, incoming: Incoming, message: Message, now_ms: int) -> Message:
        """Cut a response to its block, and keep the whole for the requests to come."""
        block = self._block2(incoming)
        if (block.num and _is_success(message.code)) or len(message.payload) > block.size:
            if incoming.key is None:
                incoming.key = transfer_key(incoming.peer, incoming.context, incoming.message)
            whole = with_etag(message)
            self.renderings.keep(incoming.key, whole.copy().remove(L.OPT_OBSERVE), now_ms)
            message = slice_of(whole, block)
        return self._with_block1(incoming, message)

    def _with_block1(self, incoming: Incoming, message: Message) -> Message:
        """Say which block of the request this answers (RFC 7959 section 2.3), and the size we would rather have."""
        block = incoming.block1
        if block is None or incoming.observation is not None:
            return message
        szx = min(block.szx, self._limits.szx)
        return message.copy().set(L.OPT_BLOCK1, Block(block.num, block.more, szx).encode())

    def _refuse(self, incoming: Incoming, code: int, now_ms: int, max_age_s: int | None = None) -> None:
        """Answer with nothing but a code."""
        if code == L.CODE_BAD_OPTION and incoming.mtype == L.TYPE_NON and incoming.context is None:
            incoming.answered = True  # RFC 7252 section 5.4.1: such a message is rejected, silently
            return
        answer = Message(code)
        if max_age_s is None and code == L.CODE_TOO_MANY_REQUESTS:
            max_age_s = _RETRY_AFTER_S
        if max_age_s is not None:
            answer.add(L.OPT_MAX_AGE, max_age_s)
        self._answer(incoming, self._with_block1(incoming, answer), now_ms)

    def _answer(self, incoming: Incoming, message: Message, now_ms: int) -> None:
        """Protect and send."""
        incoming.answered = True
        self._send(incoming, *_protected(incoming, message, with_piv=False), now_ms)

    def _send(self, incoming: Incoming, outer: Message, inner: Message | None, now_ms: int) -> None:
        """Send an answer: on the ACK while that is possible, else as a message of its own."""
        if incoming.mtype == L.TYPE_CON and not incoming.acknowledged:
            outer.mtype = L.TYPE_ACK
            outer.mid = incoming.mid
            self._messages.reply(incoming.peer, incoming.exchange, outer, inner, now_ms)
        else:
            outer.mtype = incoming.mtype
            self._messages.send(Outgoing(incoming.peer, outer, inner, None), now_ms)

    # --- observations ---

    def notify(self, incoming: Incoming, message: Message, now_ms: int) -> bool:
        """See CoapStack.notify."""
        observation: Observation | None = incoming.observation
        if observation is None:
            return False
        if not _is_success(message.code):
            self.finish(incoming, message, now_ms)
            return False
        outgoing = observation.outgoing
        if outgoing is not None and outgoing.message.mtype == L.TYPE_CON:
            observation.latest = message
            return True
        return self._send_notification(observation, message, now_ms)

    def finish(self, incoming: Incoming, message: Message, now_ms: int) -> None:
        """See CoapStack.end_observation."""
        observation: Observation | None = incoming.observation
        if observation is None:
            return
        self._leave(observation, now_ms)
        try:
            self._send_note(incoming, self._fit(incoming, message, now_ms), True, None, now_ms)
        except SequenceExhausted:
            return  # the client will find out by Max-Age

    def acknowledged(self, observation: "Observation", now_ms: int) -> None:
        """Send what changed while a confirmable notification was on its way."""
        observation.outgoing = None
        latest = observation.latest
        observation.latest = None
        if latest is not None and self.observers is not None and self.observers.watches(observation):
            self._send_notification(observation, latest, now_ms)

    def end(self, observation: "Observation", reason: str) -> None:
        """Take an observer off the list and tell the application."""
        if self.observers is not None and self.observers.remove(observation):
            self._ended(observation, reason)

    def _ended(self, observation: "Observation", reason: str) -> None:
        observation.incoming.observation = None
        observation.latest = None
        self.events.append(ObservationEnded(observation.incoming, reason))

    def _leave(self, observation: "Observation", now_ms: int) -> None:
        """Take an observer off the list and stop what is on its way."""
        if self.observers is not None:
            self.observers.remove(observation)
        observation.incoming.observation = None
        observation.latest = None
        if observation.outgoing is not None:
            self._messages.forget(observation.outgoing, now_ms)
            observation.outgoing = None

    def _send_notification(self, observation: "Observation", message: Message, now_ms: int) -> bool:
        confirmable = (
            observation.count % self._limits.con_every == 0 or now_ms - observation.confirmed_ms >= _CON_AT_LEAST_MS
        )
        observation.count += 1
        if confirmable:
            observation.confirmed_ms = now_ms
        if observation.outgoing is not None:
            self._messages.forget(observation.outgoing, now_ms)
        incoming = observation.incoming
        note = message.copy().set(L.OPT_OBSERVE, observation.next_number())
        try:
            self._send_note(incoming, self._fit(incoming, note, now_ms), confirmable, observation, now_ms)
        except SequenceExhausted:
            self.end(observation, OVERLOADED)
            return False
        return True

    def _send_note(
        self,
        incoming: Incoming,
        message: Message,
        confirmable: bool,
        observation: "Observation | None",
        now_ms: int,
    ) -> None:
        outer, inner = _protected(incoming, message, with_piv=True)
        outer.mtype = L.TYPE_CON if confirmable else L.TYPE_NON
        outgoing = Outgoing(incoming.peer, outer, inner, observation)
        if observation is not None:
            observation.outgoing = outgoing
        self._messages.send(outgoing, now_ms)


def _protected(incoming: Incoming, message: Message, with_piv: bool) -> "tuple[Message, Message | None]":
    """Return what goes out in answer to a request, with its token, and what is inside it; None without OSCORE."""
    if incoming.context is None:
        outer, inner = Message(message.code, message.payload, message.options), None
    else:
        outer = incoming.context.protect_response(message, incoming.state, with_piv)  # type: ignore[arg-type]
        inner = message
    outer.token = incoming.message.token
    return outer, inner


class _UnsupportedOption(PeerError):
    """A critical option that is not understood, or not here (RFC 7252 section 5.4.1)."""

    reason = "unsupported-option"
    coap_code = L.CODE_BAD_OPTION
