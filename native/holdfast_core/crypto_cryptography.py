"""The primitives over the `cryptography` package (OpenSSL) and the standard library, for CPython.

Never imported by name except from crypto.py and tests: crypto.py is the interface, documented there.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256

from holdfast_core.aead_sizes import NONCE_LEN, aead_sizes
from holdfast_core.aes_ccm import MAX_TEXT_LEN
from holdfast_core.errors import LocalError, MalformedKey, NotAuthentic
from holdfast_core.kinds import COORDINATE_LEN

PROVIDER = "cryptography"

_CURVE = ec.SECP256R1()
_ES256 = ec.ECDSA(SHA256())
P_BYTES = (0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF).to_bytes(COORDINATE_LEN, "big")


def sha256(message: bytes) -> bytes:
    """Return the 32-byte SHA-256 digest (FIPS 180-4)."""
    return hashlib.sha256(message).digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the 32-byte HMAC-SHA256 tag (RFC 2104); a shorter tag is its first bytes."""
    return hmac.digest(key, message, "sha256")


def equal(a: bytes, b: bytes) -> bool:
    """Compare in a time that depends on the lengths only."""
    return hmac.compare_digest(a, b)


class Aead:
    """AES-CCM under one key (RFC 9053 section 4.2).

    alg: a COSE algorithm number that aead_sizes knows; key: exactly its key_len bytes.
    Raises UnsupportedAlg, or LocalError on a key of another length.
    """

    __slots__ = ("_ccm", "_tag_len", "alg")

    def __init__(self, alg: int, key: bytes) -> None:
        key_len, _, self._tag_len = aead_sizes(alg)
        if len(key) != key_len:
            raise LocalError("aead-key-length")
        self.alg = alg
        self._ccm = AESCCM(key, tag_length=self._tag_len)

    def __repr__(self) -> str:
        return f"<Aead alg {self.alg}>"

    def seal(self, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext || tag.

        nonce: 13 bytes, never used twice with this key; plaintext: 0..65535 bytes.
        Raises LocalError on other lengths.
        """
        if len(nonce) != NONCE_LEN:
            raise LocalError("aead-nonce-length")
        if len(plaintext) > MAX_TEXT_LEN:
            raise LocalError("aead-plaintext-length")
        return self._ccm.encrypt(nonce, plaintext, aad)

    def open(self, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of ciphertext || tag.

        Raises NotAuthentic (wrong key, nonce, aad, text, tag, or an impossible length), LocalError on
        a nonce that is not 13 bytes.
        """
        if len(nonce) != NONCE_LEN:
            raise LocalError("aead-nonce-length")
        if not 0 <= len(ciphertext) - self._tag_len <= MAX_TEXT_LEN:
            raise NotAuthentic("aead-length")
        try:
            return self._ccm.decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            raise NotAuthentic("aead-tag") from None


class Es256Key:
    """A P-256 public key that verifies ECDSA signatures over SHA-256 (RFC 9053 section 2.1).

    x, y: 32 bytes each, big-endian. Raises MalformedKey unless they are the affine coordinates, both
    below p, of a point on the curve. table: the C core's, left alone here.
    """

    __slots__ = ("_key",)

    def __init__(self, x: bytes, y: bytes, table: "bytes | None" = None) -> None:  # noqa: ARG002 - the C core's
        if len(x) != COORDINATE_LEN or len(y) != COORDINATE_LEN:
            raise MalformedKey("coordinate-length")
        if x >= P_BYTES or y >= P_BYTES:  # OpenSSL takes them modulo p, so that one key would have several names
            raise MalformedKey("coordinate-range")
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), _CURVE)
        try:
            self._key = numbers.public_key()
        except ValueError:
            raise MalformedKey("not-on-curve") from None

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if signature (r || s, 64 bytes) is this key's over message. Raises NotAuthentic."""
        if len(signature) != 2 * COORDINATE_LEN:
            raise NotAuthentic("signature-length")
        r = int.from_bytes(signature[:COORDINATE_LEN], "big")
        s = int.from_bytes(signature[COORDINATE_LEN:], "big")
        try:
            self._key.verify(encode_dss_signature(r, s), message, _ES256)
        except InvalidSignature:
            raise NotAuthentic("signature") from None
