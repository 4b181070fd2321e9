"""The OSCORE profile of ACE: from a token's OSCORE input material to a security context (RFC 9203).

Encodes and decodes the bodies at authz-info and derives the two ends' contexts.  Never verifies a token, never stores,
and never draws randomness but through the port it is handed.  CBOR only: the JSON form of the Master Salt (figure 14)
serves HTTP resource servers, which Holdfast has none of.
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.oscore import OSCORE_VERSION, SecurityContext, max_id_len

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from holdfast_core.confirmation import OscInput
    from holdfast_core.sender_sequence import SenderSequence

NONCE_LEN = 8  # RFC 9203 section 4.1: 64 random bits are RECOMMENDED
MAX_NONCE_LEN = 64  # ample; bounds what an unauthenticated POST makes us keep


class AuthzInfoPost:
    """A decoded POST to authz-info. nonce1 and client_recipientid are None in an update of access rights."""

    __slots__ = ("access_token", "client_recipientid", "nonce1")

    def __init__(
        self, access_token: bytes, nonce1: bytes | None = None, client_recipientid: bytes | None = None
    ) -> None:
        self.access_token = access_token
        self.nonce1 = nonce1
        self.client_recipientid = client_recipientid


def encode_authz_info(token: bytes, n1: bytes | None = None, id1: bytes | None = None) -> bytes:
    """Encode the body of a POST to authz-info; token alone for an update of access rights (RFC 9203 section 4.1)."""
    body: dict[int, object] = {L.ACE_ACCESS_TOKEN: token}
    if n1 is not None:
        body[L.ACE_NONCE1] = n1
    if id1 is not None:
        body[L.ACE_CLIENT_RECIPIENTID] = id1
    return cbor.encode(body)


def decode_authz_info(payload: bytes, update: bool = False) -> AuthzInfoPost:
    """Decode the body of a POST to authz-info (RFC 9203 section 4.1).

    update: the POST came protected, so that nonce and ID are ignored (section 4.2).  Other parameters are ignored.
    Raises MalformedRequest: not a map, or a parameter is missing or of a wrong type or length.
    """
    body = _map(payload)
    token = _bytes_of(body, L.ACE_ACCESS_TOKEN)
    if not token:
        raise errors.MalformedRequest("access-token")
    if update:
        return AuthzInfoPost(token)
    return AuthzInfoPost(token, _nonce_of(body, L.ACE_NONCE1), _bytes_of(body, L.ACE_CLIENT_RECIPIENTID))


def encode_authz_info_answer(n2: bytes, id2: bytes) -> bytes:
    """Encode the body of the 2.01 to a POST that is not an update (RFC 9203 section 4.2)."""
    return cbor.encode({L.ACE_NONCE2: n2, L.ACE_SERVER_RECIPIENTID: id2})


def decode_authz_info_answer(payload: bytes) -> "tuple[bytes, bytes]":
    """Decode the body of the 2.01: (N2, ID2). Raises MalformedRequest as decode_authz_info does."""
    body = _map(payload)
    return _nonce_of(body, L.ACE_NONCE2), _bytes_of(body, L.ACE_SERVER_RECIPIENTID)


def choose_recipient_id(rng: "Callable[[int], bytes]", used: "Container[bytes]", avoid: bytes = b"") -> bytes:
    """Choose a free Recipient ID: one byte, or two when all of those are taken.

    used: our Recipient IDs in use, such as a ContextTable.  avoid: the peer's choice (RFC 9203 section 4.2).
    The search starts at random, so that an ID freed just now is not the next one given out.
    """
    for length in (1, 2):
        count = 1 << (8 * length)
        start = int.from_bytes(rng(length), "big")
        for step in range(count):
            chosen = ((start + step) % count).to_bytes(length, "big")
            if chosen != avoid and chosen not in used:
                return chosen
    raise errors.Overloaded("recipient-ids")


def master_salt(salt: bytes, n1: bytes, n2: bytes) -> bytes:
    """Concatenate input salt, N1 and N2, each as a CBOR byte string with its head (RFC 9203 section 4.3).

    An omitted input salt is the empty one, h'' = 0x40: the literal reading, shared with the Rust implementations; Java
    ones drop the element instead.  Both agree when the AS sends a salt, and ours always does.
    """
    return cbor.encode_bytes(salt) + cbor.encode_bytes(n1) + cbor.encode_bytes(n2)


def client_context(
    osc: "OscInput", n1: bytes, n2: bytes, id1: bytes, id2: bytes, sequence: "SenderSequence | None" = None
) -> SecurityContext:
    """Derive the client's context (RFC 9203 section 4.3).

    Raises MalformedRequest: equal or over-long IDs.  KeyUnsuitable: algorithms or version we do not have.
    """
    return _context(osc, master_salt(osc.salt or b"", n1, n2), id2, id1, sequence)


def rs_context(
    osc: "OscInput", n1: bytes, n2: bytes, id1: bytes, id2: bytes, sequence: "SenderSequence | None" = None
) -> SecurityContext:
    """Derive the resource server's context; as client_context, with the IDs the other way round."""
    return _context(osc, master_salt(osc.salt or b"", n1, n2), id1, id2, sequence)


def _context(
    osc: "OscInput", salt: bytes, sender_id: bytes, recipient_id: bytes, sequence: "SenderSequence | None"
) -> SecurityContext:
    """Both ends: defaults of RFC 8613 section 3.2 for what the AS left out."""
    alg = L.ALG_AES_CCM_16_64_128 if osc.alg is None else osc.alg
    hkdf = L.ALG_HMAC_256_256 if osc.hkdf is None else osc.hkdf
    if osc.version is not None and osc.version != OSCORE_VERSION:
        raise errors.KeyUnsuitable("osc-version")
    try:
        limit = max_id_len(alg)
        if sender_id == recipient_id or len(sender_id) > limit or len(recipient_id) > limit:
            raise errors.MalformedRequest("recipientid")
        return SecurityContext(osc.ms, salt, sender_id, recipient_id, osc.context_id, alg, hkdf, sequence)
    except errors.UnsupportedAlg:
        raise errors.KeyUnsuitable("osc-alg") from None


def _map(payload: bytes) -> "dict[object, object]":
    try:
        body = cbor.decode(payload)
    except errors.MalformedCbor as err:
        raise errors.MalformedRequest(err.detail) from None
    if not isinstance(body, dict):
        raise errors.MalformedRequest("not-a-map")
    return body


def _bytes_of(body: "dict[object, object]", label: int) -> bytes:
    value = body.get(label)
    if not isinstance(value, bytes):
        raise errors.MalformedRequest("missing" if label not in body else "type")
    return value


def _nonce_of(body: "dict[object, object]", label: int) -> bytes:
    nonce = _bytes_of(body, label)
    if not 0 < len(nonce) <= MAX_NONCE_LEN:
        raise errors.MalformedRequest("nonce-length")
    return nonce
