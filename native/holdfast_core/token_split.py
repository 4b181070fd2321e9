"""What a client shows for a token that a hub completes: a reference, or the part of a split token that proves.

A COSE message ends with what proves it: a signature, a MAC, or the tag at the end of a ciphertext.  A split token is
cut there.  The client carries a handle and the proof; the hub gets the rest for the handle and joins them byte for
byte.  Neither half is a token, and the whole is worth nothing without the key that it is bound to.  Hosts only: boards
read whole tokens.  RFC 9052 sections 4.2, 5.2 and 6.2.
"""

from holdfast_core.errors import LocalError, MalformedRequest
from holdfast_core.kinds import (
    CWT_ENCRYPTED,
    CWT_MAC,
    CWT_NESTED,
    CWT_SIGNED,
    MAC_KEY_LEN,
    MAX_ACCESS_TOKEN_LEN,
)

PROOF_LEN = {CWT_ENCRYPTED: 8, CWT_NESTED: 8, CWT_SIGNED: 64, CWT_MAC: MAC_KEY_LEN}
"""Octets at the end of a token of each format that nobody makes without its key: of AES-CCM-16-64-128, ES256 and
HMAC 256/256 (as long as its key).  A reference has no such part: nothing of it is worth carrying elsewhere."""
SPLIT_FORMATS = tuple(PROOF_LEN)
HANDLE_LEN = 8  # finds the rest, and need not be secret: it is of no use without the proof
REFERENCE_LEN = 16  # 128 random bits (RFC 6749 section 10.10 asks for a guess below 2^-128)
MAX_SHORT_LEN = HANDLE_LEN + max(PROOF_LEN.values())
CWT_HEAD = b"\xd8\x3d"  # tag 61 in its shortest form; no reference and no handle begins so


def is_short(token: bytes) -> bool:
    """Whether this is what a hub completes, by its form alone: a reference or the part that proves."""
    return HANDLE_LEN < len(token) <= MAX_SHORT_LEN and not token.startswith(CWT_HEAD)


def split_token(token: bytes, token_format: str, handle: bytes) -> "tuple[bytes, bytes]":
    """Return (what the client carries, what the hub gets for the handle) of a token by value."""
    if token_format not in PROOF_LEN or len(handle) != HANDLE_LEN or handle.startswith(CWT_HEAD):
        raise LocalError("split")
    cut = len(token) - PROOF_LEN[token_format]
    return handle + token[cut:], token[:cut]


def join_token(part: bytes, rest: bytes) -> bytes:
    """Return the token of which a client carries the part and the hub has the rest.

    Raises MalformedRequest: too long for a token, or no CWT.
    """
    token = rest + part[HANDLE_LEN:]
    if len(token) > MAX_ACCESS_TOKEN_LEN or not token.startswith(CWT_HEAD):
        raise MalformedRequest("token")
    return token
