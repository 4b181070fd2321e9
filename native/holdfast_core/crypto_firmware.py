"""SHA-256, HMAC and AES-CCM by what the firmware carries, hashlib and cryptolib; in hardware where the chip has that.

Imports on CPython too, where tests lend it an `aes`; a board without cryptolib has no AES-CCM. Holds no cipher and no
hash of its own, and never signs or verifies. Never imported by name except from crypto.py, crypto_micropython.py and
tests: crypto.py is the interface, documented there. FIPS 180-4, RFC 2104, RFC 3610.
"""

import hashlib

from holdfast_core.aead_sizes import NONCE_LEN, aead_sizes
from holdfast_core.aes_ccm import AesCcm
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.aes_ccm import Aes

    aes: Aes | None = None
else:
    try:
        from cryptolib import aes
    except ImportError:
        aes = None

__all__ = ("Aead", "hmac_sha256", "sha256")

_BLOCK_LEN = 64
_IPAD = int.from_bytes(b"\x36" * _BLOCK_LEN, "big")
_OPAD = int.from_bytes(b"\x5c" * _BLOCK_LEN, "big")


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
