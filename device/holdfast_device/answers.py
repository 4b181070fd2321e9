"""What a resource server owes its clients: answers at once or when a task ends, and notifications (RFC 7641).

An address that nobody has proven is challenged (RFC 9175).  Never decides anything about rights: rights.py says which
session ended, or what its next grant covers.  A request is answered once; an error is answered with its code, never its
text.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_echo import EchoMint
from holdfast_core.coap_message import Message, is_response, response
from holdfast_core.errors import HoldfastError, PeerError
from holdfast_core.sender_sequence import SequenceExhausted
from holdfast_device.resources import ResourceRequest
from holdfast_device.sessions import ENDED
from holdfast_device.tasks import MAX_TASKS, NO_MEMORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_core.coap_events import Incoming
    from holdfast_core.grant import Grant
    from holdfast_device.endpoint import Endpoint
    from holdfast_device.resources import Resource
    from holdfast_device.sessions import Session
    from holdfast_device.tasks import Steps

# Max-Age of 4.29 (RFC 8516): by then the allowance of a silent peer is full again.
RETRY_AFTER_S = 5
ECHO_LIFE_MS = 60 * 1000
MAX_OPEN = MAX_TASKS // 2  # requests of one session, or of all without one, that wait for their answers


class Answers:
    """endpoint: sends; echo_key: 32 random bytes, of this start or from before a sleep.

    observers: (request, resource) of each observation, oldest first.
    """

    __slots__ = ("_echo", "_endpoint", "_open", "observers")

    def __init__(self, endpoint: "Endpoint", echo_key: bytes) -> None:
        self._echo = EchoMint(echo_key, ECHO_LIFE_MS)
        self._endpoint = endpoint
        self._open: list[ResourceRequest] = []
        self.observers: list[tuple[ResourceRequest, Resource]] = []

    def answer(self, incoming: "Incoming", message: "Message", observe: bool = False) -> bool:
        """Send the answer unless it was sent already; return whether the request is now an observation."""
        if incoming.answered:
            return False
        accept = incoming.message.uint(L.OPT_ACCEPT)
        if accept is not None and message.code >> 5 == 2 and message.content_format not in (None, accept):
            message = response(L.CODE_NOT_ACCEPTABLE)  # RFC 7252 section 5.10.4
        try:
            return self._endpoint.respond(incoming, message, observe)
        except SequenceExhausted:  # nothing can be protected in it any more (RFC 9203 section 6)
            return False

    def answer_plain(self, incoming: "Incoming", message: "Any") -> None:
        """Answer somebody unknown, with a challenge where that is no Message yet, or more than a stranger gets."""
        asked, answer = incoming.message, message if isinstance(message, Message) else None
        self.answer(incoming, self._echo.bounded(asked, answer, _binding(incoming), self._endpoint.now_ms))

    def is_reachable(self, incoming: "Incoming") -> bool:
        """Whether a request has the Echo that was sent to its address."""
        return self._echo.accepts(incoming.message.get(L.OPT_ECHO), _binding(incoming), self._endpoint.now_ms)

    def answer_with(self, incoming: "Incoming", session: "Session | None", steps: "Steps") -> None:
        """Answer with what a task returns, or with the code of the PeerError that it raises.

        Raises Overloaded: as many run as may, of all or of this session; UnknownContext: the session has ended.
        """
        if session is not None and session.state == ENDED:
            raise errors.UnknownContext
        self._open = [request for request in self._open if request.task is not None and not request.task.ended]
        if len([request for request in self._open if request.session is session]) >= MAX_OPEN:
            raise errors.Overloaded("open")
        request = ResourceRequest(incoming, session)
        self._open.append(request)

        def ended(message: "Any", error: HoldfastError | None) -> None:
            if error is not None:
                if error is NO_MEMORY:
                    self._endpoint.short = True
                message = refusal(error)
            if message is not None:
                self.answer(incoming, self.sendable(message))

        request.task = task = self._endpoint.guarded(steps)
        task.step(None, None)
        task.when_ended(ended)

    def close(self, incoming: "Incoming") -> None:
        """Forget that a request waits: the task that it waited for hands it on."""
        self._open = [request for request in self._open if request.incoming is not incoming]

    def end(self, session: "Session", grant: "Grant | None" = None) -> None:
        """Answer with 4.01 what a session waits for, and end its observations so.

        grant: the next one of the session, which goes on: what waits will be answered, and observations that the grant
        covers stay.
        """
        for request, resource in list(self.observers):
            if request.session is not session:
                continue
            try:
                if grant is not None:
                    grant.permissions.check(resource.path, request.message.code)
                    continue
            except PeerError:
                pass
            self._endpoint.notify(request.incoming, response(L.CODE_UNAUTHORIZED), True)
            self.observers.remove((request, resource))
        for request in self._open:
            if grant is None and request.session is session:
                self.answer(request.incoming, response(L.CODE_UNAUTHORIZED))

    def end_observations(self) -> None:
        """Tell all observers to come again (5.03): the stack that knew them is gone."""
        while self.observers:
            self._endpoint.notify(self.observers[-1][0].incoming, response(L.CODE_SERVICE_UNAVAILABLE), True)
            self.observers.pop()

    def sendable(self, made: "Any") -> "Message":
        """Return what a handler made; a payload of another type would end the device where it is encoded: 5.00."""
        body, code = (made.payload, made.code) if isinstance(made, Message) else (None, None)
        if isinstance(body, (bytes, bytearray, memoryview)) and isinstance(code, int) and is_response(code):
            return made  # type: ignore[no-any-return]
        self._endpoint.bug(errors.LocalError("handler returned no response"))
        return response(L.CODE_INTERNAL_SERVER_ERROR)


def refusal(error: HoldfastError) -> "Message":
    """Return the answer to an error: its code, never its text."""
    if not isinstance(error, PeerError):
        return response(L.CODE_INTERNAL_SERVER_ERROR)
    message = response(error.coap_code)
    if isinstance(error, errors.Overloaded):
        message.add(L.OPT_MAX_AGE, RETRY_AFTER_S)
    return message


def _binding(incoming: "Incoming") -> bytes:
    return str(incoming.peer).encode()
