"""A request of the application while it is under way, and the messages that carry it (RFC 7252, 7959, 9175).

Never sends: it says what the next message is.
"""

from holdfast_core import labels as L
from holdfast_core.coap_block import Block
from holdfast_core.coap_message import Message
from holdfast_core.coap_reliability import Outgoing, Timed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from holdfast_core.oscore import RequestContext, RequestState


class Leg(Timed):
    """One message exchange of a request: its first, one for each further block, or a registration that stays."""

    __slots__ = ("outgoing", "request", "state", "token")

    def __init__(self, request: "ClientRequest", token: bytes) -> None:
        super().__init__()
        self.request = request
        self.token = token
        self.state: RequestState | None = None
        self.outgoing: Outgoing | None = None


class ClientRequest:
    """One request of the application.

    leg: the exchange at work, or None.  registration: the exchange whose notifications we take, or None.
    sent: bytes of the body acknowledged; szx: block size of both directions.
    head: first block of a response that is coming in, body what has come so far.  restarts: how often it began anew.
    """

    __slots__ = (
        "body",
        "cancelled",
        "confirmable",
        "context",
        "echo",
        "head",
        "id",
        "last_ms",
        "last_number",
        "leg",
        "message",
        "observe",
        "peer",
        "registration",
        "restarts",
        "sent",
        "szx",
        "tag",
    )

    def __init__(self, id_: int, peer: "Hashable", message: Message, context: "RequestContext | None") -> None:
        self.id = id_
        self.peer = peer
        self.message = message
        self.context = context
        self.confirmable = True
        self.observe = False
        self.cancelled = False
        self.leg: Leg | None = None
        self.registration: Leg | None = None
        self.sent = 0
        self.szx = 0
        self.tag = b""
        self.echo: bytes | None = None
        self.head: Message | None = None
        self.body = b""
        self.restarts = 0
        self.last_number = -1
        self.last_ms = 0

    @property
    def is_blockwise(self) -> bool:
        """Tell whether the body of the request needs more than one block."""
        return len(self.message.payload) > 16 << self.szx

    @property
    def is_under_way(self) -> bool:
        """Tell whether something of it has been answered already."""
        return self.sent > 0 or self.head is not None or self.echo is not None or self.restarts > 0

    @property
    def may_repeat(self) -> bool:
        """Tell whether it may be sent again: a server that has begun to answer has acted (RFC 7252 section 5.1)."""
        return self.head is None or self.message.code in (L.CODE_GET, L.CODE_FETCH)

    def next_message(self) -> Message:
        """The request, or the block of it that comes next."""
        message = self.message.copy()
        if self.observe:
            message.set(L.OPT_OBSERVE, L.OBSERVE_REGISTER)
        if self.echo is not None:
            message.set(L.OPT_ECHO, self.echo)
        if self.is_blockwise or self.sent:
            size = 16 << self.szx
            end = self.sent + size
            body = self.message.payload
            message.payload = body[self.sent : end]
            message.set(L.OPT_REQUEST_TAG, self.tag)
            message.set(L.OPT_BLOCK1, Block(self.sent // size, end < len(body), self.szx).encode())
            if self.sent == 0:
                message.set(L.OPT_SIZE1, len(body))
        return message

    def followup(self, block: Block) -> Message:
        """Ask for a block: the request without its body, and never a registration (RFC 7959 section 3.4)."""
        message = self.message.copy().remove(L.OPT_OBSERVE).set(L.OPT_BLOCK2, block.encode())
        message.payload = b""
        if self.is_blockwise:
            message.set(L.OPT_REQUEST_TAG, self.tag)
        return message

    def deregistration(self) -> Message:
        """End the observation (RFC 7641 section 3.6)."""
        return self.message.copy().remove(L.OPT_ETAG).set(L.OPT_OBSERVE, L.OBSERVE_DEREGISTER)

    def take_echo(self, response: Message) -> bool:
        """Take over an Echo value and begin anew, once (RFC 9175 section 2.2.1)."""
        echo = response.get(L.OPT_ECHO)
        if response.code != L.CODE_UNAUTHORIZED or echo is None or self.echo is not None or not self.may_repeat:
            return False
        self.echo = echo
        self.rewind()
        return True

    def rewind(self) -> None:
        """Begin anew, with the first block."""
        self.sent = 0
        self.head = None
        self.body = b""
