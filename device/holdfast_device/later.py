"""The client of a device that sleeps: asks through a hub, and fetches the answer later from where the hub says.

    ticket = yield ask_later(session, message)      # or open_later(client, hub, token)
    answer = yield ticket.collect()                 # None: not yet; ask again after ticket.wait_s

The hub's 5.03 is not authenticated, so nothing of it is believed but where and when to ask. What is found there opens
with the state of the one request alone (RFC 8613 section 5.4): the answer to another request, one that was opened
before, and one without a key are refused, and the ticket stays good. Boards do not load this file.
"""

from holdfast_core import labels as L
from holdfast_core.coap_block import block_of
from holdfast_core.coap_events import INCOMPLETE, UNPROTECTED
from holdfast_core.coap_message import Message
from holdfast_core.errors import HoldfastError, LocalError
from holdfast_device.client import SessionLost
from holdfast_device.endpoint import RequestFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from holdfast_core.oscore import RequestContext, RequestState
    from holdfast_device.client import AceClient, Asking, ClientSession
    from holdfast_device.endpoint import Watch
    from holdfast_device.tasks import Call, Steps
    from holdfast_device.token_response import TokenResponse

MAX_WAIT_S = 86_400  # a hub that says more is asked once a day
DEFAULT_MAX_AGE_S = 60  # RFC 7252 section 5.10.5


def ask_later(session: "ClientSession", message: Message) -> "Steps":
    """Task: send a request to a device behind a hub; return a Ticket for its answer.

    The request has to fit into one message, and is no observation (LocalError).  Raises what ClientSession.request
    does: RequestFailed also for an unprotected 4.29 or 5.03 without a location, with which a hub refuses.
    """
    if message.get(L.OPT_OBSERVE) is not None:
        raise LocalError("later-observe")
    ticket = _RequestTicket(session, message)
    yield ticket.ask()
    return ticket


def open_later(client: "AceClient", peer: "Hashable", token: "TokenResponse") -> "Steps":
    """Task: leave a token at a hub, for a device that sleeps; return a Ticket, which collects the ClientSession.

    Raises what AceClient.open_session does: Refused also for the 4.29 or 5.03 of a hub that does not take it.
    """
    ticket = _TokenTicket(client, peer, token)
    yield ticket.ask()
    return ticket


class Behind:
    """An endpoint for the client of one device behind a hub, which finds the device by its name.

    endpoint: of the program.  host: the device's name, or name.hub; it stays outside of OSCORE.
    """

    __slots__ = ("_endpoint", "_host")

    def __init__(self, endpoint: "Asking", host: bytes) -> None:
        self._endpoint = endpoint
        self._host = host

    @property
    def now_ms(self) -> int:
        """Monotonic."""
        return self._endpoint.now_ms

    def call(self, peer: "Hashable", message: Message, context: "RequestContext | None" = None) -> "Call":
        """As Endpoint does."""
        return self._endpoint.call(peer, self._named(message), context)

    def watch(self, peer: "Hashable", message: Message, context: "RequestContext | None" = None) -> "Watch":
        """As Endpoint does."""
        return self._endpoint.watch(peer, self._named(message), context)

    def unwatch(self, watch: "Watch") -> None:
        """As Endpoint does."""
        self._endpoint.unwatch(watch)

    def _named(self, message: Message) -> Message:
        return message.copy().set(L.OPT_URI_HOST, self._host)


class Ticket:
    """What a client holds until the answer has been fetched.

    wait_s: seconds after which asking again is likely to bring it, as the hub says; 0: it is here already.
    """

    __slots__ = ("_endpoint", "_path", "_peer", "wait_s")

    def __init__(self, endpoint: "Asking", peer: "Hashable") -> None:
        self._endpoint = endpoint
        self._peer = peer
        self._path: list[bytes] = []
        self.wait_s = 0

    def collect(self) -> "Steps":
        """Task: return the response, of open_later the session; None: not yet.

        Raises RequestFailed: .message has 4.04 when nobody knows the location (any more), 5.04 when the hub has given
        up.  NOT_AUTHENTIC: what came does not answer this request; INCOMPLETE: the answer takes several blocks, which a
        device gives to a client that is there.  SessionLost: an unprotected 4.01.  Refused: the token was.
        """
        raise NotImplementedError

    def watch(self) -> "Watch":
        """Observe the location: `yield watch.next()`; a message without Observe means that there is news to collect.

        A hub that stops forgets its observers, so collect all the same when wait_s is over.
        """
        return self._endpoint.watch(self._peer, self._get())

    def _get(self) -> Message:
        return Message(L.CODE_GET, b"", [(L.OPT_URI_PATH, segment) for segment in self._path])

    def _waits(self, message: "Message | None") -> bool:
        """Whether a response says that another comes later; the first that does says where."""
        if message is None or message.code != L.CODE_SERVICE_UNAVAILABLE:
            return False
        if not self._path:
            self._path = message.get_all(L.OPT_LOCATION_PATH)
        age_s = message.uint(L.OPT_MAX_AGE)
        self.wait_s = min(max(DEFAULT_MAX_AGE_S if age_s is None else age_s, 1), MAX_WAIT_S)
        return bool(self._path)


class _RequestTicket(Ticket):
    __slots__ = ("_answer", "_kept", "_session")

    def __init__(self, session: "ClientSession", message: Message) -> None:
        Ticket.__init__(self, session.endpoint, session.peer)
        self._session = session
        self._kept = _Kept(session.context, message)
        self._answer: Message | None = None

    def ask(self) -> "Steps":
        try:
            answer = yield from self._session.exchange(self._kept.message, self._kept)
        except RequestFailed as failed:
            if self._kept.state is None or not self._waits(failed.message):
                raise
            return
        self._take(answer)

    def collect(self) -> "Steps":
        """See Ticket."""
        if self._answer is None:
            fetched = _Fetched(self._kept)
            try:
                yield self._endpoint.call(self._peer, self._get(), fetched)
            except RequestFailed as failed:
                if self._waits(failed.message):
                    return None
                if failed.message is None or failed.message.code != L.CODE_UNAUTHORIZED:
                    raise
                self._session.close()
                raise SessionLost("unprotected") from None
            self._take(fetched.answer)
        return self._answer

    def _take(self, answer: "Message | None") -> None:
        block = None if answer is None else block_of(answer, L.OPT_BLOCK2)
        if answer is None or (block is not None and block.more):
            raise RequestFailed(INCOMPLETE)
        if answer.code == L.CODE_UNAUTHORIZED and answer.get(L.OPT_ECHO) is None:
            self._session.close()
        self._answer = answer
        self.wait_s = 0


class _TokenTicket(Ticket):
    __slots__ = ("_refused", "_session", "_steps")

    def __init__(self, client: "AceClient", peer: "Hashable", token: "TokenResponse") -> None:
        Ticket.__init__(self, client.endpoint, peer)
        self._steps = client.open_session(peer, token)  # it stands still where it waits for the answer to its post
        self._session: ClientSession | None = None
        self._refused: HoldfastError | None = None

    def ask(self) -> "Steps":
        answer = yield self._steps.send(None)
        self._take(answer)

    def collect(self) -> "Steps":
        """See Ticket."""
        if self._refused is not None:
            raise self._refused
        if self._session is None:
            answer = yield self._endpoint.call(self._peer, self._get())
            if answer.code in (L.CODE_NOT_FOUND, L.CODE_GATEWAY_TIMEOUT):  # a post gets neither from a device
                raise RequestFailed(UNPROTECTED, answer)
            self._take(answer)
        return self._session

    def _take(self, answer: Message) -> None:
        if self._waits(answer):
            return
        try:
            self._steps.send(answer)
        except StopIteration as ended:
            self._session = ended.value
            self.wait_s = 0
        except HoldfastError as refused:
            self._refused = refused
            raise


class _Kept:
    """A RequestContext that remembers what binds the response to its request.

    state: None before it was sent, and when it has gone on to a later block.
    """

    __slots__ = ("context", "message", "state")

    def __init__(self, context: "RequestContext", message: Message) -> None:
        self.context = context
        self.message = message
        self.state: RequestState | None = None

    def protect_request(self, message: Message) -> "tuple[Message, RequestState]":
        """As SecurityContext does.  Raises LocalError: the body takes more than one message."""
        if message.get(L.OPT_BLOCK1) is not None:
            raise LocalError("later-blocks")
        outer, state = self.context.protect_request(message)
        self.state = state if message.get(L.OPT_BLOCK2) == self.message.get(L.OPT_BLOCK2) else None
        return outer, state

    def unprotect_response(self, message: Message, state: "RequestState") -> "Message | None":
        """As SecurityContext does."""
        return self.context.unprotect_response(message, state)


class _Fetched:
    """A RequestContext for a GET of a location: asks unprotected, and opens the response to an earlier request."""

    __slots__ = ("_kept", "answer")

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self.answer: Message | None = None

    def protect_request(self, message: Message) -> "tuple[Message, RequestState]":
        """Return the message as it is, and what its response is bound to."""
        if self._kept.state is None:
            raise LocalError("later-state")
        return message.copy(), self._kept.state

    def unprotect_response(self, message: Message, state: "RequestState") -> "Message | None":
        """Open it; the stack sees nothing of it that makes the stack ask for more."""
        self.answer = answer = self._kept.context.unprotect_response(message, state)
        return None if answer is None else Message(answer.code, answer.payload, None, message.mtype, message.mid)
