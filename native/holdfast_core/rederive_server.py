"""The server's side of RFC 8613 appendix B.2, with R2 as appendix B.2.1 makes it: nothing is kept between two messages.

    R2 = S2(8, random) || HMAC(secret, binding || S2)(8)

The secret is of this run, and the binding names the client and the ID Context in force.  So an R2 ends when a context
is taken on, and with the process; a message that named it is then a request #1 like any other.  A request is taken for
what its kid context says, and means something only once it has been verified:

    begins with an R2 of ours    request #2: the caller takes the context on, and then the request is acted on
    anything else                request #1: answered 4.01 in the context of R2 || ID1, never acted on

rederive.py is the client's side.  Never stores anything; what is taken on must be durable before an answer leaves.
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_core.crypto import equal, hmac_sha256
from holdfast_core.oscore import AuthenticRequest, RequestState, SecurityContext
from holdfast_core.oscore_option import OscoreOption, decode_option, encode_option
from holdfast_core.rederive import id_context_of, kid_context_of
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import SenderSequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast_core.rederive import Inputs

S2_LEN = 8
MAC_LEN = 8
R2_LEN = S2_LEN + MAC_LEN


class Rederivation:
    """rng: n -> n random bytes; the secret of this run comes from it."""

    __slots__ = ("_rng", "_secret")

    def __init__(self, rng: "Callable[[int], bytes]") -> None:
        self._rng = rng
        self._secret = rng(32)

    def candidate(
        self,
        inputs: "Inputs",
        in_force: bytes,
        kid_context: bytes,
        sequence: SenderSequence,
        taken: "Callable[[DerivedContext], None]",
    ) -> SecurityContext:
        """Return the context that a request with this kid context must be verified with.

        inputs: seen from the server, so recipient_id is the client's Sender ID.  in_force: ID Context of the client's
        context, b"" for none.  sequence: of the new context, from 0 on.
        taken: port; called with the context of a request #2 when it has verified.  Raises UnknownContext.
        """
        id_context = id_context_of(kid_context)
        if self._is_ours(id_context, inputs, in_force):
            return _SecondRequest(inputs, id_context, sequence, taken)
        s2 = self._rng(S2_LEN)
        return _FirstRequest(inputs, id_context, s2 + self._mac(s2, inputs, in_force))

    def _is_ours(self, id_context: bytes, inputs: "Inputs", in_force: bytes) -> bool:
        """Tell whether it begins with an R2 of this run, and R3 follows."""
        s2, mac = id_context[:S2_LEN], id_context[S2_LEN:R2_LEN]
        return len(id_context) > R2_LEN and equal(mac, self._mac(s2, inputs, in_force))

    def _mac(self, s2: bytes, inputs: "Inputs", in_force: bytes) -> bytes:
        named = cbor.encode([inputs.recipient_id, inputs.master_secret.reveal(), in_force, s2])
        return hmac_sha256(self._secret, named)[:MAC_LEN]


class DerivedContext(SecurityContext):
    """A context of appendix B.2 on the server: requests may name its ID Context, wrapped in a CBOR byte string.

    replay: None only for a context that begins now.
    """

    def __init__(
        self,
        inputs: "Inputs",
        id_context: bytes,
        sequence: SenderSequence,
        replay: "ReplayWindow | None" = None,
    ) -> None:
        super().__init__(
            inputs.master_secret,
            inputs.master_salt,
            inputs.sender_id,
            inputs.recipient_id,
            id_context,
            sequence=sequence,
            replay=replay,
        )

    def _check_ids(self, option: OscoreOption) -> None:
        """Refuse a message that names another context than this."""
        kid_context = option.kid_context
        if kid_context is not None and kid_context != kid_context_of(self.id_context or b""):
            raise errors.UnknownContext
        if option.kid is not None and option.kid != self.recipient_id:
            raise errors.UnknownContext


class _FirstRequest(DerivedContext):
    """Opens a request #1 and nothing else; what it opens is to be answered in the context that R2 makes."""

    def __init__(self, inputs: "Inputs", id_context: bytes, r2: bytes) -> None:
        super().__init__(inputs, id_context, SenderSequence())
        self._inputs = inputs
        self._r2 = r2

    def unprotect_request(self, message: Message) -> AuthenticRequest:
        """Verify and open; never fresh, since anybody may have kept it."""
        authentic = super().unprotect_request(message)
        answering = _FirstResponse(self._inputs, self._r2 + (self.id_context or b""), SenderSequence())
        answering.owner = self.owner
        was = authentic.state
        authentic.state = RequestState(answering, was.number, was.nonce, was.aad, False, False)
        authentic.fresh = False
        return authentic


class _FirstResponse(DerivedContext):
    """Protects the response #1, and tells R2.

    Its ID Context is new with each request, so no Echo value was made for it: nothing becomes fresh by it.
    """

    def protect_response(self, message: Message, state: RequestState, with_piv: bool = True) -> Message:  # noqa: ARG002
        """Protect, with a Partial IV of its own, and name R2 in the kid context."""
        outer = super().protect_response(message, state, with_piv=True)
        r2 = (self.id_context or b"")[:R2_LEN]
        piv = decode_option(outer.get(L.OPT_OSCORE) or b"").piv
        return outer.set(L.OPT_OSCORE, encode_option(piv, None, kid_context_of(r2)))


class _SecondRequest(DerivedContext):
    """The context that begins with a request #2."""

    def __init__(
        self,
        inputs: "Inputs",
        id_context: bytes,
        sequence: SenderSequence,
        taken: "Callable[[DerivedContext], None]",
    ) -> None:
        super().__init__(inputs, id_context, sequence)
        self._taken: Callable[[DerivedContext], None] | None = taken

    def unprotect_request(self, message: Message) -> AuthenticRequest:
        """Verify and open; the first time it succeeds the context is taken on."""
        authentic = super().unprotect_request(message)
        taken, self._taken = self._taken, None
        if taken is not None:
            taken(self)
        return authentic
