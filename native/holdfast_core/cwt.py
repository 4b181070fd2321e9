"""CWTs (RFC 8392 section 7.2, RFC 9770 section 3): from token bytes to an authenticated payload.

In the strict shape a token is tag 61, then one COSE tag, shortest heads, an empty unprotected header, and in the
protected one exactly alg and kid (and IV when encrypted).  Anything else could be rewritten on the way without breaking
the protection, and so change the hash by which a token is revoked.  In the shape of RFC 8392 the tags may be absent,
kid and IV may stand in the unprotected header, and kid may be absent where only one key can be meant: so tokens of
other ASes look, and RFC 9203 figure 11.
A nested token is encrypted outside and signed inside (RFC 8392 A.6); the inner COSE_Sign1 has its own tag, no tag 61.
The algorithm is the configured key's, a key has one role, and keys of other roles are never tried.
Never reads a claim: see claims.py.  Never checks time, audience or scope: see verifier.py.
"""

from holdfast_core import cbor, cose, errors
from holdfast_core import labels as L
from holdfast_core.kinds import (
    CWT_ENCRYPTED,
    CWT_MAC,
    CWT_NESTED,
    CWT_SIGNED,
    MAX_ACCESS_TOKEN_LEN,
    ROLE_ENCRYPT,
    ROLE_MAC,
    ROLE_SIGN,
    STRICT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast_core.trust import Trust, TrustedKey


_ROLE_OF_TAG = {L.TAG_COSE_ENCRYPT0: ROLE_ENCRYPT, L.TAG_COSE_MAC0: ROLE_MAC, L.TAG_COSE_SIGN1: ROLE_SIGN}
_SIGN1_HEAD = cbor.encode_head(6, L.TAG_COSE_SIGN1)
_TOKEN_TAGS = (L.TAG_CWT, L.TAG_COSE_ENCRYPT0, L.TAG_COSE_MAC0, L.TAG_COSE_SIGN1)


class Opened:
    """An authenticated payload: the claims bytes, the AS that protected them, and the token's format."""

    __slots__ = ("format", "issuer", "payload")

    def __init__(self, payload: bytes, issuer: str, token_format: str) -> None:
        self.payload = payload
        self.issuer = issuer
        self.format = token_format

    def __repr__(self) -> str:
        return f"Opened({self.format}, issuer={self.issuer!r})"


def open_cwt(token: bytes, trust: "Trust", formats: "Sequence[str]", shape: str = STRICT) -> Opened:
    """Check the protection of a token.

    token: 1..MAX_ACCESS_TOKEN_LEN bytes.  formats: those of FORMATS that this RS takes.  shape: of TOKEN_SHAPES.
    Returns the payload with the issuer of the key that protected it; for a nested token both keys are of one issuer.
    Raises MalformedCbor, MalformedCose (no token at all); UnsupportedAlg (a format not in formats, detail `format`; an
    alg that is not the key's), HeaderUnprotected, CritUnknown (a header parameter beyond the profile's), UnknownKey,
    BadSignature.
    """
    strict = shape == STRICT
    message = _decode_token(token, strict, formats)
    if message.tag != L.TAG_COSE_ENCRYPT0:
        token_format = CWT_SIGNED if message.tag == L.TAG_COSE_SIGN1 else CWT_MAC
        if token_format not in formats:
            raise errors.UnsupportedAlg("format")
        payload, key = _open_with_trust(message, trust, None, strict)
        return Opened(payload, key.issuer, token_format)
    if CWT_ENCRYPTED not in formats and CWT_NESTED not in formats:
        raise errors.UnsupportedAlg("format")
    payload, key = _open_with_trust(message, trust, None, strict)
    nested = payload.startswith(_SIGN1_HEAD)
    token_format = CWT_NESTED if nested else CWT_ENCRYPTED
    if token_format not in formats:
        raise errors.UnsupportedAlg("format")
    if nested:
        payload, _ = _open_with_trust(cose.decode_message(payload), trust, key.issuer, strict)
    return Opened(payload, key.issuer, token_format)


def _decode_token(token: bytes, strict: bool, formats: "Sequence[str]") -> cose.CoseMessage:
    """Decode tag 61 around one COSE tag around the message (RFC 9770 section 3); in the other shape with fewer tags."""
    if len(token) > MAX_ACCESS_TOKEN_LEN:
        raise errors.MalformedCose("too-long")
    outer = cbor.decode(token, _TOKEN_TAGS)
    if isinstance(outer, cbor.Tag) and outer.number == L.TAG_CWT:
        inner = outer.value
    elif strict:
        raise errors.MalformedCose("tag")
    elif isinstance(outer, list):
        return cose.message_from(_tag_of(len(outer), formats), outer)
    else:
        inner = outer
    if not isinstance(inner, cbor.Tag):
        raise errors.MalformedCose("tag")
    return cose.message_from(inner.number, inner.value)


def _tag_of(parts: int, formats: "Sequence[str]") -> int:
    """Return the COSE tag that an array of so many parts must have had, by what this RS takes."""
    tag: int = L.TAG_COSE_ENCRYPT0
    if parts != 3:
        if (CWT_SIGNED in formats) == (CWT_MAC in formats):
            raise errors.MalformedCose("tag")
        tag = L.TAG_COSE_SIGN1 if CWT_SIGNED in formats else L.TAG_COSE_MAC0
    return tag


def _open_with_trust(
    message: cose.CoseMessage, trust: "Trust", issuer: "str | None", strict: bool
) -> "tuple[bytes, TrustedKey]":
    """Try the keys that the header's kid names, of the role the COSE tag asks for; the first that fits wins."""
    kid = _checked_kid(message, strict)
    candidates = trust.find(_ROLE_OF_TAG[message.tag], kid, issuer)
    if kid is None and len([key for key in candidates if key.alg == message.headers[L.HDR_ALG]]) > 1:
        raise errors.UnknownKey("missing")
    return _open_with_any(message, candidates)


def _open_with_any(message: cose.CoseMessage, candidates: "list[TrustedKey]") -> "tuple[bytes, TrustedKey]":
    if not candidates:
        raise errors.UnknownKey("kid")
    alg = message.header(L.HDR_ALG)
    fitting = [key for key in candidates if key.alg == alg]
    if not fitting:
        raise errors.UnsupportedAlg("key")
    for key in fitting:  # kids are the AS's own business, so two ASes may use the same one
        try:
            return cose.open_message(message, key.alg, key.key), key
        except errors.BadSignature:
            continue
    raise errors.BadSignature("no-key-fits")


def _checked_kid(message: cose.CoseMessage, strict: bool) -> "bytes | None":
    """Check that the header is the profile's and return its kid; None when it has none, and may."""
    for label in message.unprotected:
        if strict or label not in (L.HDR_KID, L.HDR_IV):
            raise errors.HeaderUnprotected("unprotected")
    if L.HDR_CRIT in message.headers:
        raise errors.CritUnknown("crit")
    allowed = 1
    if message.tag == L.TAG_COSE_ENCRYPT0:
        if message.header(L.HDR_IV) is None:
            raise errors.MalformedCose("iv")
        allowed = 2
    if L.HDR_ALG not in message.headers:
        raise errors.UnsupportedAlg("missing")
    kid = message.header(L.HDR_KID)
    if isinstance(kid, bytes):
        allowed += 1
    elif strict:
        raise errors.UnknownKey("missing")
    else:
        kid = None
    if (
        len(message.headers) + len(message.unprotected) != allowed
    ):  # in a token every parameter counts as critical (RFC 8392 section 7.2 step 4)
        raise errors.CritUnknown("parameter")
    return kid


def open_encrypted_key(value: object, trust: "Trust", issuer: str) -> bytes:
    """Decrypt an Encrypted_COSE_Key (RFC 8747 section 3.3) with a key that the RS shares with the token's issuer.

    value: the decoded COSE_Encrypt0, tagged or not.  A kid in it is optional, and so is where its header stands: it is
    inside a protected token.
    Returns the encoded COSE_Key.  Raises MalformedCose, UnknownKey, UnsupportedAlg, CritUnknown, BadSignature.
    """
    if isinstance(value, cbor.Tag):
        message = cose.message_from(value.number, value.value)
    else:
        message = cose.message_from(L.TAG_COSE_ENCRYPT0, value)
    if message.tag != L.TAG_COSE_ENCRYPT0:
        raise errors.MalformedCose("tag")
    kid = message.header(L.HDR_KID)
    candidates = trust.find(ROLE_ENCRYPT, kid if isinstance(kid, bytes) else None, issuer)
    return _open_with_any(message, candidates)[0]
