"""The resource server: who may do what with the device's resources (RFC 9200 section 5.10.2, RFC 9203 section 4.4).

Default deny.  Unprotected: 4.01 with hints, for unknown paths too.  In a session: 4.03 for a resource outside the
token's scope, 4.05 for a method outside it.  Never calls a handler before all of this has passed.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, response
from holdfast_core.errors import PeerError
from holdfast_device.answers import refusal
from holdfast_device.authz_info import PATH as AUTHZ_INFO_PATH
from holdfast_device.hints import Hints, encode_hints
from holdfast_device.resources import Resource, ResourceRequest
from holdfast_device.sessions import ENDED
from holdfast_device.slots import StorageFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_core.coap_events import Incoming
    from holdfast_device.answers import Answers
    from holdfast_device.authz_info import AuthzInfo
    from holdfast_device.endpoint import Endpoint
    from holdfast_device.resources import Handler
    from holdfast_device.rights import Rights
    from holdfast_device.sessions import Session
    from holdfast_device.tasks import Steps


class ResourceServer:
    """answers: to clients; rights: of the sessions; authz_info: takes tokens; as_uri, audience: for hints."""

    __slots__ = ("_as_uri", "_audience", "_endpoint", "_resources", "answers", "authz_info", "rights")

    def __init__(
        self,
        endpoint: "Endpoint",
        answers: "Answers",
        rights: "Rights",
        authz_info: "AuthzInfo",
        as_uri: str,
        audience: str,
    ) -> None:
        self._endpoint = endpoint
        self.answers = answers
        self._as_uri = as_uri
        self._audience = audience
        self._resources: dict[str, Resource] = {}
        self.authz_info = authz_info
        self.rights = rights

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
        for request, resource in list(self.answers.observers):
            if resource.path == path and (request, resource) in self.answers.observers:
                self._notify(request, resource)

    # --- requests ---

    def serve(self, incoming: "Incoming") -> None:
        """Answer one request, now or later."""
        try:
            session = self.rights.session_of(incoming)
            path = incoming.message.path()
            if path == AUTHZ_INFO_PATH:
                self.authz_info.serve(incoming, session)
            else:
                self._serve(incoming, session, path)
        except (PeerError, StorageFailed) as refused:
            self.answers.answer(incoming, refusal(refused))
        except MemoryError:
            self.answers.answer(incoming, response(L.CODE_INTERNAL_SERVER_ERROR))
            raise

    def _serve(self, incoming: "Incoming", session: "Session | None", path: str) -> None:
        resource = self._resources.get(path)
        if resource is None or not resource.public:
            if session is None:
                hints = Hints(self._as_uri, self._audience, None, self.rights.checker.cnonce())
                self.answers.answer_plain(incoming, response(L.CODE_UNAUTHORIZED, encode_hints(hints), L.CF_ACE_CBOR))
                return
            if self.rights.is_unchecked(session):
                self.answers.answer_with(incoming, session, self._serve_checked(incoming, session, path))
                return
            session.grant.permissions.check(path, incoming.message.code)
        handler = None if resource is None else resource.handlers.get(incoming.message.code)
        if resource is None or handler is None:
            code = L.CODE_NOT_FOUND if resource is None else L.CODE_METHOD_NOT_ALLOWED
            self.answers.answer(incoming, response(code))
            return
        request = ResourceRequest(incoming, session)
        # A client whose address may be false is challenged before the device does anything for it, or repeats it.
        known = session is not None or self.answers.is_reachable(incoming)
        result: Any = self._call(handler, request) if known or incoming.message.code == L.CODE_GET else None
        if known and hasattr(result, "send"):
            self.answers.answer_with(incoming, session, result)
        elif session is None:
            self.answers.answer_plain(incoming, result)
        else:
            observes = resource.observable and incoming.observe
            if observes:
                self.answers.observers.append((request, resource))
            if not self.answers.answer(incoming, result, observes) and observes:
                self.answers.observers.remove((request, resource))

    def _call(self, handler: "Handler", request: ResourceRequest) -> "Any":
        """Call the application; its refusal is an answer, its bug is a 5.00 and not the end of the device."""
        try:
            result = handler(request)
        except PeerError as refused:
            return refusal(refused)
        except Exception as bug:  # noqa: BLE001 - whatever it is, the other resources go on
            self._endpoint.failed(bug)
            return response(L.CODE_INTERNAL_SERVER_ERROR)
        return result if hasattr(result, "send") else self.answers.sendable(result)

    def observation_ended(self, incoming: "Incoming") -> None:
        """Forget an observer that left."""
        self.answers.observers = [pair for pair in self.answers.observers if pair[0].incoming is not incoming]

    def _notify(self, request: ResourceRequest, resource: Resource) -> None:
        if request.session is not None:
            if request.session.state == ENDED or self.rights.is_unchecked(request.session):
                return  # expire() has asked the AS; until it answers, nobody is told anything
            request.session.touch(self._endpoint.now_ms)
        message = self._call(resource.handlers[request.message.code], request)
        if not isinstance(message, Message):  # a task: each observer was answered when it registered
            message = response(L.CODE_INTERNAL_SERVER_ERROR)
        if not self._endpoint.notify(request.incoming, message, False):
            self.observation_ended(request.incoming)

    def _serve_checked(self, incoming: "Incoming", session: "Session", path: str) -> "Steps":
        """Task: ask the AS whether a reference is still active, and serve then."""
        yield from self.rights.check(session)
        if session.state == ENDED:
            raise errors.UnknownContext
        self.answers.close(incoming)
        self._serve(incoming, session, path)
