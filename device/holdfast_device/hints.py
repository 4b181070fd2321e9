"""AS Request Creation Hints: what an RS tells a client that came without rights (RFC 9200 section 5.3).

They come unprotected: a client compares them with what it was configured with and never learns an AS from
them (RFC 9200 sections 6.4 and 6.9).
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L

MAX_HINTS_LEN = 512  # an absolute URI, an audience, a scope and a nonce


class Hints:
    """Decoded hints; absent members are None.  as_uri, audience: text; scope: text or bytes; kid, cnonce: bytes."""

    __slots__ = ("as_uri", "audience", "cnonce", "kid", "scope")

    def __init__(
        self,
        as_uri: str | None = None,
        audience: str | None = None,
        scope: str | bytes | None = None,
        cnonce: bytes | None = None,
        kid: bytes | None = None,
    ) -> None:
        self.as_uri = as_uri
        self.audience = audience
        self.scope = scope
        self.cnonce = cnonce
        self.kid = kid


_MEMBERS = (
    (L.HINT_AS, "as_uri", (str,)),
    (L.HINT_AUDIENCE, "audience", (str,)),
    (L.HINT_SCOPE, "scope", (str, bytes)),
    (L.HINT_CNONCE, "cnonce", (bytes,)),
    (L.HINT_KID, "kid", (bytes,)),
)


def encode_hints(hints: Hints) -> bytes:
    """Encode as the payload of a 4.01 with Content-Format application/ace+cbor."""
    members = {}
    for label, name, _kinds in _MEMBERS:
        value = getattr(hints, name)
        if value is not None:
            members[label] = value
    return cbor.encode(members)


def decode_hints(payload: bytes) -> Hints:
    """Decode; unknown members are ignored.  Raises MalformedRequest with detail: length, cbor, map, member."""
    if len(payload) > MAX_HINTS_LEN:
        raise errors.MalformedRequest("length")
    try:
        members = cbor.decode(payload)
    except errors.MalformedCbor:
        raise errors.MalformedRequest("cbor") from None
    if not isinstance(members, dict):
        raise errors.MalformedRequest("map")
    hints = Hints()
    for label, name, kinds in _MEMBERS:
        if label in members:
            if not isinstance(members[label], kinds):
                raise errors.MalformedRequest("member")
            setattr(hints, name, members[label])
    return hints
