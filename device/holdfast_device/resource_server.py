"""The resource server: who may do what with the device's resources (RFC 9200 section 5.10.2, RFC 9203 section 4.4).

Default deny.  Unprotected: 4.01 with hints, for unknown paths too.  In a session: 4.03 for a resource outside the
token's scope, 4.05 for a method outside it.  When a token ends, its observations and open requests get their 4.01 and
its context is forgotten.  Never calls a handler before all of this has passed.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_echo import EchoMint
from holdfast_core.coap_message import Message, is_response, response
from holdfast_core.errors import HoldfastError, PeerError
from holdfast_core.kinds import REFERENCE
from holdfast_core.sender_sequence import SequenceExhausted
from holdfast_device.authz_info import PATH as AUTHZ_INFO_PATH
from holdfast_device.authz_info import was_fresh
from holdfast_device.sessions import PENDING_LIFE_MS, Sessions
from holdfast_device.slots import StorageFailed
from holdfast_device.tasks import MAX_TASKS, NO_MEMORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast_core.coap_events import Incoming
    from holdfast_core.grant import Grant
    from holdfast_core.oscore_contexts import ContextTable
    from holdfast_core.secret import Secret
    from holdfast_device.authz_info import AuthzInfo
    from holdfast_device.endpoint import Endpoint
    from holdfast_device.sessions import Session
    from holdfast_device.tasks import Steps, Task
    from holdfast_device.timekeeper import Timekeeper

    Handler = Callable[["ResourceRequest"], Any]

# How long a reference token counts as active without asking the AS again; so late, at most, a revocation works.
RECHECK_MS = 60 * 1000
# Max-Age of 4.29 (RFC 8516): by then the allowance of a silent peer is full again.
RETRY_AFTER_S = 5
ECHO_LIFE_MS = 60 * 1000
MAX_OPEN = MAX_TASKS // 2  # requests of one session, or of all without one, that wait for their answers


class ResourceRequest:
    """What a handler gets: message, and the grant and raw token of the session (None on a public resource)."""

    __slots__ = ("incoming", "message", "session", "task")

    def __init__(self, incoming: "Incoming", session: "Session | None") -> None:
        self.incoming = incoming
        self.message = incoming.message
        self.session = session
        self.task: Task | None = None  # that will answer it

    @property
    def grant(self) -> "Grant | None":
        """What the client may do now."""
        return None if self.session is None else self.session.grant

    @property
    def token(self) -> "Secret | None":
        """The token that says so."""
        return None if self.session is None else self.session.token


class Resource:
    """One path: its handlers by method code."""

    __slots__ = ("handlers", "observable", "path", "public")

    def __init__(self, path: str, handlers: "dict[int, Handler]", observable: bool, public: bool) -> None:
        self.path = path
        self.handlers = handlers
        self.observable = observable
        self.public = public


class ResourceServer:
    """endpoint: sends; contexts: shared with its stack; times: what is over; hints: payload of a 4.01, by now_ms.

    echo_key: 32 random bytes, of this start or from before a sleep.  recheck_ms: RECHECK_MS, or what the program sets.
    """

    __slots__ = (
        "_echo",
        "_endpoint",
        "_hints",
        "_observers",
        "_open",
        "_resources",
        "_times",
        "authz_info",
        "contexts",
        "recheck_ms",
        "rng",
        "sessions",
    )

    def __init__(
        self,
        endpoint: "Endpoint",
        contexts: "ContextTable",
        times: "Timekeeper",
        rng: "Callable[[int], bytes]",
        hints: "Callable[[], bytes]",
        max_sessions: int,
        echo_key: bytes,
    ) -> None:
        self._endpoint = endpoint
        self._times = times
        self._hints = hints
        self._echo = EchoMint(echo_key, ECHO_LIFE_MS)
        self._resources: dict[str, Resource] = {}
        self._observers: list[tuple[ResourceRequest, Resource]] = []
        self._open: list[ResourceRequest] = []
        self.authz_info: AuthzInfo | None = None
        self.contexts = contexts
        self.recheck_ms = RECHECK_MS
        self.rng = rng
        self.sessions = Sessions(contexts, max_sessions)

    def resource(
        self,
        path: str,
        get: "Handler | None" = None,
        put: "Handler | None" = None,
        post: "Handler | None" = None,
        delete: "Handler | None" = None,
        observable: bool = False,
        public: bool = False,
    ) -> None:
        """Serve a path.  A handler returns a Message, or a generator that returns one later.

        observable: GET may register an observer, and changed(path) renders anew.  public: no token is needed.
        """
        methods = ((L.CODE_GET, get), (L.CODE_PUT, put), (L.CODE_POST, post), (L.CODE_DELETE, delete))
        handlers = {code: handler for code, handler in methods if handler is not None}
        self._resources[path] = Resource(path, handlers, observable, public)

    def changed(self, path: str) -> None:
        """Render a resource anew for everybody who observes it."""
        for request, resource in list(self._observers):
            if resource.path == path and (request, resource) in self._observers:
                self._notify(request, resource)

    # --- requests ---

    def serve(self, incoming: "Incoming") -> None:
        """Answer one request, now or later."""
        try:
            session = self._session(incoming)
            path = incoming.message.path()
            if path == AUTHZ_INFO_PATH and self.authz_info is not None:
                self.authz_info.serve(incoming, session)
            else:
                self._serve(incoming, session, path)
        except (PeerError, StorageFailed) as refused:
            self.answer(incoming, _refusal(refused))
        except MemoryError:
            self.answer(incoming, _bug())
            raise

    def _session(self, incoming: "Incoming") -> "Session | None":
        """Return the session of a verified request; the first one is the proof of possession and binds it."""
        if incoming.context is None:
            return None
        session = self.sessions.find(incoming.context)
        session.used_ms = self._times.now_ms
        if not session.bound:
            self._times.prove(session.grant)
            for ended in self.sessions.ended_by(session, self._times.now_ms):
                self.end(ended)
            session.bound = True  # at last: two of one key are never bound, wherever memory runs out
        return session

    def _serve(self, incoming: "Incoming", session: "Session | None", path: str) -> None:
        resource = self._resources.get(path)
        if resource is None or not resource.public:
            if session is None:
                self.answer_plain(incoming, response(L.CODE_UNAUTHORIZED, self._hints(), L.CF_ACE_CBOR))
                return
            if self._is_unchecked(session):
                self.answer_with(incoming, self._serve_checked(incoming, session, path))
                return
            session.grant.permissions.check(path, incoming.message.code)
        handler = None if resource is None else resource.handlers.get(incoming.message.code)
        if resource is None or handler is None:
            self.answer(incoming, response(L.CODE_NOT_FOUND if resource is None else L.CODE_METHOD_NOT_ALLOWED))
            return
        request = ResourceRequest(incoming, session)
        # Who may have lied about his address is challenged before anything is done for him, or twice, or later.
        known = session is not None or self.is_reachable(incoming)
        result: Any = self._call(handler, request) if known or incoming.message.code == L.CODE_GET else None
        if known and hasattr(result, "send"):
            self.answer_with(incoming, result)
        elif session is None:
            self.answer_plain(incoming, result)
        else:
            self._answer_observable(request, resource, result)

    def _call(self, handler: "Handler", request: ResourceRequest) -> "Any":
        """Call the application; its refusal is an answer, its bug is a 5.00 and not the end of the device."""
        try:
            result = handler(request)
        except PeerError as refused:
            return _refusal(refused)
        except Exception as bug:  # noqa: BLE001 - whatever it is, the other resources go on
            self._endpoint.failed(bug)
            return _bug()
        return result if hasattr(result, "send") else self._sendable(result)

    def _sendable(self, made: "Any") -> "Message":
        """Return what a handler made; a payload of another type would end the device where it is encoded: 5.00."""
        body, code = (made.payload, made.code) if isinstance(made, Message) else (None, None)
        if isinstance(body, (bytes, bytearray, memoryview)) and isinstance(code, int) and is_response(code):
            return made  # type: ignore[no-any-return]
        self._endpoint.bug(errors.LocalError("handler returned no response"))
        return _bug()

    def _answer_observable(self, request: ResourceRequest, resource: Resource, message: "Message") -> None:
        entry = (request, resource)
        if resource.observable and request.incoming.observe:
            self._observers.append(entry)
            if self.answer(request.incoming, message, True):
                return
            self._observers.remove(entry)
        else:
            self.answer(request.incoming, message)

    def answer_plain(self, incoming: "Incoming", message: "Any") -> None:
        """Answer somebody unknown, with a challenge where that is no Message yet, or more than a stranger gets."""
        asked, answer = incoming.message, message if isinstance(message, Message) else None
        self.answer(incoming, self._echo.bounded(asked, answer, _binding(incoming), self._times.now_ms))

    def is_reachable(self, incoming: "Incoming") -> bool:
        """Whether a request has the Echo that was sent to its address."""
        return self._echo.accepts(incoming.message.get(L.OPT_ECHO), _binding(incoming), self._times.now_ms)

    def answer(self, incoming: "Incoming", message: "Message", observe: bool = False) -> bool:
        """Send the answer unless it was sent already; return whether the request is now an observation."""
        if incoming.answered:
            return False
        accept = incoming.message.uint(L.OPT_ACCEPT)
        if accept is not None and message.code >> 5 == 2 and message.content_format not in (None, accept):
            message = response(L.CODE_NOT_ACCEPTABLE)  # RFC 7252 section 5.10.4
        try:
            respond = self._endpoint.stack.respond
            return bool(self._endpoint.whole(respond, incoming, message, self._times.now_ms, observe))
        except SequenceExhausted:  # nothing can be protected in it any more (RFC 9203 section 6)
            return False

    def answer_with(self, incoming: "Incoming", steps: "Steps") -> None:
        """Answer with what a task returns, or with the code of the PeerError that it raises.

        Raises Overloaded: as many run as may, of all or of this session.
        """
        self._open = [request for request in self._open if request.task is not None and not request.task.ended]
        session = None if incoming.context is None else self.sessions.find(incoming.context)
        if len([request for request in self._open if request.session is session]) >= MAX_OPEN:
            raise errors.Overloaded("open")
        request = ResourceRequest(incoming, session)
        self._open.append(request)

        def ended(message: "Any", error: HoldfastError | None) -> None:
            if error is not None:
                if error is NO_MEMORY:
                    self._endpoint.short = True
                message = _refusal(error)
            if message is not None:
                self.answer(incoming, self._sendable(message))

        request.task = task = self._endpoint.guarded(steps)
        task.step(None, None)
        task.when_ended(ended)

    # --- the end of rights ---

    def expire(self, now_ms: int) -> None:
        """End what is over; called before anything else at each point of time."""
        self._times.tick(now_ms)
        for session in self.sessions.all():
            if self._times.is_over(session) or (not session.bound and now_ms - session.checked_ms >= PENDING_LIFE_MS):
                self.end(session)
            elif self._is_unchecked(session):
                self._endpoint.stack.forget_renderings(session.context)  # the stack gives out later blocks by itself
        for request, _resource in self._observers:
            if request.session is not None and self._is_unchecked(request.session):
                self._recheck(request.session)

    def next_deadline_ms(self) -> int | None:
        """When expire has something to do."""
        ends = [self._times.end_ms(session) for session in self.sessions.all()]
        ends.append(self._times.next_deadline_ms())
        for request, _resource in self._observers:
            if request.session is not None and request.session.grant.format == REFERENCE:
                ends.append(max(request.session.checked_ms + self.recheck_ms, request.session.check_due_ms))
        known = [end for end in ends if end is not None]
        return min(known) if known else None

    def end(self, session: "Session") -> None:
        """End a session: 4.01 to its observations and open requests, then its context is gone (RFC 9200 5.10.3)."""
        for request, resource in list(self._observers):
            if request.session is session:
                self._end_observation(request, resource)
        for request in self._open:
            if request.session is session:
                self.answer(request.incoming, response(L.CODE_UNAUTHORIZED))
        self._endpoint.stack.forget_context(session.context)
        self.sessions.remove(session)

    def rights_change(self, session: "Session", grant: "Grant") -> None:
        """End what the session's new grant may no longer cover, before it is in force: blocks to come, observations."""
        self._endpoint.stack.forget_renderings(session.context)
        for request, resource in list(self._observers):
            if request.session is session:
                try:
                    grant.permissions.check(resource.path, request.message.code)
                except PeerError:
                    self._end_observation(request, resource)

    def observation_ended(self, incoming: "Incoming") -> None:
        """Forget an observer that left."""
        self._observers = [pair for pair in self._observers if pair[0].incoming is not incoming]

    def end_observations(self) -> None:
        """Tell all observers to come again (5.03): the stack that knew them is gone."""
        while self._observers:
            self._end_observation(*self._observers[-1], L.CODE_SERVICE_UNAVAILABLE)

    def _end_observation(self, request: ResourceRequest, resource: Resource, code: int = L.CODE_UNAUTHORIZED) -> None:
        self._endpoint.whole(self._endpoint.stack.end_observation, request.incoming, response(code), self._times.now_ms)
        self._observers.remove((request, resource))

    def _notify(self, request: ResourceRequest, resource: Resource) -> None:
        if request.session is not None:
            if self._is_unchecked(request.session):
                return  # expire() has asked the AS; until it answers, nobody is told anything
            request.session.used_ms = self._times.now_ms
        message = self._call(resource.handlers[request.message.code], request)
        if not isinstance(message, Message):  # a task: whoever was registered, was answered at once
            message = _bug()
        if not self._endpoint.whole(self._endpoint.stack.notify, request.incoming, message, self._times.now_ms):
            self.observation_ended(request.incoming)

    # --- reference tokens: is it still active? ---

    def _is_unchecked(self, session: "Session") -> bool:
        return session.grant.format == REFERENCE and self._times.now_ms - session.checked_ms >= self.recheck_ms

    def _serve_checked(self, incoming: "Incoming", session: "Session", path: str) -> "Steps":
        yield from self._check(session)
        if session not in self.sessions.all():
            raise errors.UnknownContext
        self._open = [request for request in self._open if request.incoming is not incoming]
        self._serve(incoming, session, path)

    def _recheck(self, session: "Session") -> None:
        """Ask on behalf of observers; not while a question is on its way, and not in a hurry when others ask."""
        if self._times.now_ms >= session.check_due_ms:
            session.check_due_ms = self._times.now_ms + self.recheck_ms
            try:
                self._endpoint.spawn(self._check(session))
            except errors.Overloaded:
                session.check_due_ms = self._times.now_ms + RETRY_AFTER_S * 1000

    def _check(self, session: "Session") -> "Steps":
        """Task: ask the AS again; end or narrow the session as it says of the token (RFC 9200 section 6.10)."""
        token = session.token
        try:
            grant = yield self.authz_info.verify(token.reveal(), was_fresh)  # type: ignore[union-attr]  # made it
            session.checked_ms = self._times.now_ms
            if session.token is token and grant.scope != session.grant.scope:  # and no update came meanwhile
                self.rights_change(session, grant)
                session.grant = grant
        except errors.Overloaded:
            raise
        except PeerError:
            self.end(session)


def _binding(incoming: "Incoming") -> bytes:
    return str(incoming.peer).encode()


def _bug() -> "Message":
    return response(L.CODE_INTERNAL_SERVER_ERROR)


def _refusal(error: HoldfastError) -> "Message":
    """Return the answer to an error: its code, never its text."""
    if not isinstance(error, PeerError):
        return _bug()
    message = response(error.coap_code)
    if isinstance(error, errors.Overloaded):
        message.add(L.OPT_MAX_AGE, RETRY_AFTER_S)
    return message
