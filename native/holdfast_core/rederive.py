"""The client's side of RFC 8613 appendix B.2: a new key whenever what must not repeat is not remembered.

What a client is provisioned with is never a key by itself.  Its ID Context is drawn anew, R1 by the client, then R2 by
the server and R3 by the client, so that a second start from the same provisioning is another key on both sides:

    request #1   ID Context R1          the client has none to go on with
    response #1  ID Context R2 || R1    4.01; the server knows no context of this ID, or has lost it
    request #2   ID Context R2 || R3    remembered by both from here on

A request names its ID Context until an answer has shown that the server knows it, and after each request that was not
answered.  So a server that lost the context says so inside OSCORE, and nobody else can make the client begin anew.
Never draws randomness of its own and never stores anything; rederive_server.py is the other side.
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.oscore import RequestState, SecurityContext
from holdfast_core.oscore_option import decode_option, encode_option, encode_piv
from holdfast_core.sender_sequence import SenderSequence, SequenceExhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from holdfast_core.coap_message import Message
    from holdfast_core.secret import Secret

    class Inputs(Protocol):
        """What both sides share; provisioning.AsContext is one."""

        @property
        def master_secret(self) -> Secret:
            """Of any length."""

        @property
        def master_salt(self) -> bytes:
            """Perhaps empty."""

        @property
        def sender_id(self) -> bytes:
            """Of this side."""

        @property
        def recipient_id(self) -> bytes:
            """Of the other side."""


NONCE_LEN = 8  # of R1 and R3: "typically, at least 8 bytes long"
MAX_ID_CONTEXT_LEN = 64


def kid_context_of(id_context: bytes) -> bytes:
    """Return how appendix B.2 writes an ID Context in messages: wrapped in a CBOR byte string."""
    return cbor.encode(id_context)


def id_context_of(kid_context: bytes) -> bytes:
    """Return the ID Context in a kid context of appendix B.2.  Raises UnknownContext."""
    try:
        id_context = cbor.decode(kid_context)
    except errors.MalformedCbor:
        raise errors.UnknownContext from None
    if not isinstance(id_context, bytes) or not NONCE_LEN <= len(id_context) <= MAX_ID_CONTEXT_LEN:
        raise errors.UnknownContext
    return id_context


class RederivedContext:
    """What a client protects its requests to one server with; for CoapStack it is a SecurityContext.

    inputs: kept.  rng: n -> n bytes.  id_context, sequence: of the context to go on with; id_context b"" for none, and
    then sequence waits for the first one.
    renewed: port; renewed(id_context) returns how many numbers from 0 on may be used with it, when that is durable.
    """

    __slots__ = ("_current", "_inputs", "_known", "_renewed", "_rng", "_sequence")

    def __init__(
        self,
        inputs: "Inputs",
        rng: "Callable[[int], bytes]",
        id_context: bytes = b"",
        sequence: "SenderSequence | None" = None,
        renewed: "Callable[[bytes], int] | None" = None,
    ) -> None:
        self._inputs = inputs
        self._rng = rng
        self._sequence = SenderSequence() if sequence is None else sequence
        self._renewed = renewed
        self._known = False
        self._current = self._derive(id_context, self._sequence) if id_context else None

    def __repr__(self) -> str:
        return f"<RederivedContext sender={self._inputs.sender_id!r}>"

    def protect_request(self, message: "Message") -> "tuple[Message, RequestState]":
        """Return the OSCORE message and what its responses are bound to.  Raises as SecurityContext does."""
        current = self._current
        if current is None:
            current = self._current = self._derive(self._rng(NONCE_LEN), SenderSequence())
            self._known = False
        try:
            outer, state = current.protect_request(message)
        except SequenceExhausted:
            self._current = None  # the next request begins anew
            raise
        kid_context = None if self._known else kid_context_of(current.id_context or b"")
        self._known = False
        outer.set(L.OPT_OSCORE, encode_option(encode_piv(state.number), current.sender_id, kid_context))
        return outer, state

    def unprotect_response(self, message: "Message", state: RequestState) -> "Message | None":
        """Verify and open a response; None when the request must be sent again, in a context that is new now.

        Raises as SecurityContext does, and what the port raises.
        """
        context = state.context
        option = decode_option(message.get(L.OPT_OSCORE) or b"")
        if option.kid_context is None:
            inner = context.unprotect_response(message, state)
            self._known = context is self._current
            return inner
        r2 = id_context_of(option.kid_context)
        second = self._derive(r2 + (context.id_context or b""), SenderSequence())
        outer = message.copy().set(L.OPT_OSCORE, encode_option(option.piv, option.kid))
        again = RequestState(second, state.number, b"", state.aad, False, False)  # the answer has a Partial IV
        if not option.piv or second.unprotect_response(outer, again).code != L.CODE_UNAUTHORIZED:
            raise errors.MalformedOscore("rederivation")
        if context is self._current:  # else another request has been through this already
            self._renew(r2 + self._rng(NONCE_LEN))
        return None

    def _renew(self, id_context: bytes) -> None:
        numbers = self._sequence  # nothing is protected with the former context any more
        if self._renewed is not None:
            numbers.reserved_until = self._renewed(id_context)
        numbers.next_value = 0
        self._current = self._derive(id_context, numbers)

    def _derive(self, id_context: bytes, sequence: SenderSequence) -> SecurityContext:
        inputs = self._inputs
        return SecurityContext(
            inputs.master_secret,
            inputs.master_salt,
            inputs.sender_id,
            inputs.recipient_id,
            id_context,
            sequence=sequence,
        )
