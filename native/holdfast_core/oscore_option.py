"""The OSCORE option's value: flags, Partial IV, kid context, kid (RFC 8613 section 6.1).

Never looks at keys or contexts, and never repairs: a value that this encoder would not write is malformed.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.errors import LocalError

MAX_PIV_LEN = 5  # RFC 8613 section 6.1: n = 6 and 7 are reserved
_KNOWN_FLAGS = L.OSCFLAG_PIV_LEN | L.OSCFLAG_KID | L.OSCFLAG_KID_CONTEXT


class OscoreOption:
    """A decoded option. piv: 0..5 bytes, empty when absent; kid and kid_context: bytes, None when absent."""

    __slots__ = ("kid", "kid_context", "piv")

    def __init__(self, piv: bytes = b"", kid: bytes | None = None, kid_context: bytes | None = None) -> None:
        self.piv = piv
        self.kid = kid
        self.kid_context = kid_context


def encode_piv(number: int) -> bytes:
    """Encode a sequence number, 0..2^40-1, without leading zeros; 0 is one zero byte (RFC 8613 section 5)."""
    if not 0 <= number < 1 << 8 * MAX_PIV_LEN:
        raise LocalError("piv-range")
    length = 1
    while number >> (8 * length):
        length += 1
    return number.to_bytes(length, "big")


def encode_option(piv: bytes = b"", kid: bytes | None = None, kid_context: bytes | None = None) -> bytes:
    """Encode an option value; without any field it is empty (RFC 8613 section 2)."""
    flags = len(piv)
    fields = piv
    if kid_context is not None:
        if len(kid_context) > 255:
            raise LocalError("kid-context-length")
        flags |= L.OSCFLAG_KID_CONTEXT
        fields += bytes((len(kid_context),)) + kid_context
    if kid is not None:
        flags |= L.OSCFLAG_KID
        fields += kid
    return bytes((flags,)) + fields if flags else b""


def decode_option(value: bytes) -> OscoreOption:
    """Decode an option value.

    Raises MalformedOscore with detail: flags (reserved bits or zero byte), piv-length, truncated, piv-not-shortest,
    trailing.
    """
    if not value:
        return OscoreOption()
    flags = value[0]
    at = 1 + (flags & L.OSCFLAG_PIV_LEN)
    if flags == 0 or flags & ~_KNOWN_FLAGS:
        raise errors.MalformedOscore("flags")
    if at > 1 + MAX_PIV_LEN:
        raise errors.MalformedOscore("piv-length")
    piv = value[1:at]
    if at > len(value):
        raise errors.MalformedOscore("truncated")
    if len(piv) > 1 and piv[0] == 0:
        raise errors.MalformedOscore("piv-not-shortest")
    kid = kid_context = None
    if flags & L.OSCFLAG_KID_CONTEXT:
        end = at + 1 + value[at] if at < len(value) else at + 1
        if end > len(value):
            raise errors.MalformedOscore("truncated")
        kid_context = value[at + 1 : end]
        at = end
    if flags & L.OSCFLAG_KID:
        kid = value[at:]
    elif at != len(value):
        raise errors.MalformedOscore("trailing")
    return OscoreOption(piv, kid, kid_context)
