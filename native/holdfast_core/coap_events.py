"""What the CoAP stack tells the application: requests, responses, failures, the end of an observation.

Plain records; they never act.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from holdfast_core.coap_block import Block, Key
    from holdfast_core.coap_message import Message
    from holdfast_core.coap_reliability import Exchange
    from holdfast_core.oscore import RequestContext, RequestState, SecurityContext

# Reasons of FailureEvent
TIMEOUT = "timeout"  # nobody answered in time
RESET = "reset"  # the peer does not know what we are talking about
NOT_AUTHENTIC = "not-authentic"  # a protected response that does not verify
UNPROTECTED = "unprotected"  # an unprotected response to a protected request; it is in .message, unverified
INCOMPLETE = "incomplete"  # the blocks of the response do not make one body
TOO_LARGE = "too-large"  # the body of the response exceeds max_body
OVERLOADED = "overloaded"  # no message ID or no room to wait
# Reasons of ObservationEnded, besides TIMEOUT and RESET
CANCELLED = "cancelled"  # the client asked for it
REPLACED = "replaced"  # the client registered again with the same token


class Incoming:
    """One request, to be answered with CoapStack.respond, now or later.

    message: the request, with its whole body; inside OSCORE the inner one.  context: the security context it came in,
    or None.  observe: it asks to be registered as an observer.  id: unique within the stack.  observation: the server's
    entry of it (coap_observe.py), or None.
    """

    __slots__ = (
        "acknowledged",
        "answered",
        "block1",
        "block2",
        "context",
        "exchange",
        "id",
        "key",
        "message",
        "mid",
        "mtype",
        "observation",
        "observe",
        "peer",
        "state",
    )

    def __init__(self, id_: int, peer: "Hashable", message: "Message") -> None:
        self.id = id_
        self.peer = peer
        self.message = message
        self.exchange: Exchange | None = None  # None: the answer is not remembered
        self.mtype = message.mtype
        self.mid = message.mid
        self.context: SecurityContext | None = None
        self.state: RequestState | None = None
        self.observe = False
        self.observation: Any = None
        self.block1: Block | None = None
        self.block2: Block | None = None
        self.key: Key | None = None
        self.acknowledged = False
        self.answered = False

    def __repr__(self) -> str:
        return f"<Incoming {self.id} {self.message!r}>"


class Event:
    """Anything that feed and tick return."""

    __slots__ = ()


class RequestEvent(Event):
    """A request has come, whole and once."""

    __slots__ = ("incoming",)

    def __init__(self, incoming: Incoming) -> None:
        self.incoming = incoming


class ResponseEvent(Event):
    """A response to CoapStack.request has come, whole; context is that of the request.

    observing: more will come; False ends the exchange.
    """

    __slots__ = ("context", "message", "observing", "request_id")

    def __init__(self, request_id: int, message: "Message", context: "RequestContext | None", observing: bool) -> None:
        self.request_id = request_id
        self.message = message
        self.context = context
        self.observing = observing


class FailureEvent(Event):
    """A request has ended without a response; reason is one of the constants above.

    message: what came instead, unverified, when the reason is UNPROTECTED; else None.
    """

    __slots__ = ("message", "reason", "request_id")

    def __init__(self, request_id: int, reason: str, message: "Message | None" = None) -> None:
        self.request_id = request_id
        self.reason = reason
        self.message = message


class ObservationEnded(Event):
    """A client no longer observes; notify on this incoming returns False from now on."""

    __slots__ = ("incoming", "reason")

    def __init__(self, incoming: Incoming, reason: str) -> None:
        self.incoming = incoming
        self.reason = reason
