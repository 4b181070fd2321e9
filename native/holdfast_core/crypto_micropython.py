"""The primitives over what MicroPython carries: hashlib, cryptolib and our own P-256 arithmetic.

Imports on CPython too, where tests lend it an `aes`; a board without cryptolib has no AES-CCM.
Never imported by name except from crypto.py and tests: crypto.py is the interface, documented there.
"""

import hashlib

from holdfast_core import p256
from holdfast_core.aes_ccm import NONCE_LEN, AesCcm, aead_sizes, equal
from holdfast_core.errors import LocalError, MalformedKey, NotAuthentic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.aes_ccm import Aes

    aes: Aes | None = None
else:
    try:
        from cryptolib import aes
    except ImportError:
        aes = None

__all__ = ("PROVIDER", "Aead", "Es256Key", "equal", "hmac_sha256", "sha256")

PROVIDER = "micropython"

_BLOCK_LEN = 64
_IPAD = int.from_bytes(b"\x36" * _BLOCK_LEN, "big")
_OPAD = int.from_bytes(b"\x5c" * _BLOCK_LEN, "big")
_COORDINATE_LEN = 32


def sha256(message: bytes) -> bytes:
    """Return the 32-byte SHA-256 digest (FIPS 180-4)."""
    return hashlib.sha256(message).digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the 32-byte HMAC-SHA256 tag (RFC 2104); a shorter tag is its first bytes."""
    if len(key) > _BLOCK_LEN:
        key = sha256(key)
    # Padding is mixed in as one integer: a loop over 64 bytes costs more than the hashing.
    padded = int.from_bytes(key + bytes(_BLOCK_LEN - len(key)), "big")
    inner = hashlib.sha256((padded ^ _IPAD).to_bytes(_BLOCK_LEN, "big"))
    inner.update(message)
    outer = hashlib.sha256((padded ^ _OPAD).to_bytes(_BLOCK_LEN, "big"))
    outer.update(inner.digest())
    return outer.digest()


class Aead:
    """AES-CCM under one key (RFC 9053 section 4.2).

    alg: a COSE algorithm number that aead_sizes knows; key: exactly its key_len bytes.
    Raises UnsupportedAlg, or LocalError on a key of another length or where there is no AES.
    """

    __slots__ = ("_ccm", "alg")

    def __init__(self, alg: int, key: bytes) -> None:
        key_len, _, tag_len = aead_sizes(alg)
        if len(key) != key_len:
            raise LocalError("aead-key-length")
        if aes is None:
            raise LocalError("no-aes")
        self.alg = alg
        self._ccm = AesCcm(aes, key, tag_len)

    def __repr__(self) -> str:
        return f"<Aead alg {self.alg}>"

    def seal(self, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext || tag.

        nonce: 13 bytes, never used twice with this key; plaintext: 0..65535 bytes.
        Raises LocalError on other lengths.
        """
        if len(nonce) != NONCE_LEN:
            raise LocalError("aead-nonce-length")
        return self._ccm.seal(nonce, aad, plaintext)

    def open(self, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of ciphertext || tag.

        Raises NotAuthentic (wrong key, nonce, aad, text, tag, or an impossible length), LocalError on
        a nonce that is not 13 bytes.
        """
        if len(nonce) != NONCE_LEN:
            raise LocalError("aead-nonce-length")
        return self._ccm.open(nonce, aad, ciphertext)


class Es256Key:
    """A P-256 public key that verifies ECDSA signatures over SHA-256 (RFC 9053 section 2.1).

    x, y: 32 bytes each, big-endian. Raises MalformedKey unless they are the affine coordinates, both
    below p, of a point on the curve. The first verify builds a table of 2 kB and so takes
    about three times as long as those after it: keep the object. table: the C core's, left alone here.
    """

    __slots__ = ("_table", "_x", "_y")

    def __init__(self, x: bytes, y: bytes, table: "bytes | None" = None) -> None:  # noqa: ARG002 - the C core's
        if len(x) != _COORDINATE_LEN or len(y) != _COORDINATE_LEN:
            raise MalformedKey("coordinate-length")
        self._x = int.from_bytes(x, "big")
        self._y = int.from_bytes(y, "big")
        self._table = bytearray()
        if not p256.is_on_curve(self._x, self._y):
            raise MalformedKey("not-on-curve")

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if signature (r || s, 64 bytes) is this key's over message. Raises NotAuthentic."""
        if len(signature) != 2 * _COORDINATE_LEN:
            raise NotAuthentic("signature-length")
        if not self._table:
            self._table = p256.comb_table(self._x, self._y)
        r = int.from_bytes(signature[:_COORDINATE_LEN], "big")
        s = int.from_bytes(signature[_COORDINATE_LEN:], "big")
        digest = int.from_bytes(sha256(message), "big")
        if not p256.is_signature(self._table, digest, r, s):
            raise NotAuthentic("signature")
