"""The primitives over hf_native, the C core as a module of MicroPython: in the firmware, or a .mpy beside the program.

Holds no arithmetic: it maps arguments and results between crypto.py's interface, documented there, and hf_native's.
Never imported by name except from crypto.py and tests. RFC 9053 sections 2.1 and 4.2.
"""

import hf_native
from hf_native import equal, hmac_sha256, sha256
from holdfast_core import errors
from holdfast_core.aead_sizes import NONCE_LEN, aead_sizes
from holdfast_core.errors import LocalError
from holdfast_core.kinds import COORDINATE_LEN

__all__ = ("PROVIDER", "Aead", "Es256Key", "equal", "hmac_sha256", "sha256")

PROVIDER = "hf_native"


class Aead:
    """AES-CCM under one key (RFC 9053 section 4.2).

    Each call expands the key anew: 9 k of at least 36 k instructions on a Cortex-M3, against 240 bytes a key if kept.
    alg: a COSE algorithm number that aead_sizes knows; key: exactly its key_len bytes.
    Raises UnsupportedAlg, or LocalError on a key of another length.
    """

    __slots__ = ("_key", "_tag_len", "alg")

    def __init__(self, alg: int, key: bytes) -> None:
        key_len, _, tag_len = aead_sizes(alg)
        if len(key) != key_len:
            raise LocalError("aead-key-length")
        self.alg = alg
        self._key = key
        self._tag_len = tag_len

    def __repr__(self) -> str:
        return f"<Aead alg {self.alg}>"

    def seal(self, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext || tag.

        nonce: 13 bytes, never used twice with this key; plaintext: 0..65535 bytes.
        Raises LocalError on other lengths.
        """
        if len(nonce) != NONCE_LEN:
            raise LocalError("aead-nonce-length")
        sealed = hf_native.ccm_seal(self._key, self._tag_len, nonce, aad, plaintext)
        if sealed is None:
            raise LocalError("aead-plaintext-length")
        return sealed

    def open(self, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of ciphertext || tag.

        Raises NotAuthentic (wrong key, nonce, aad, text, tag, or an impossible length), LocalError on
        a nonce that is not 13 bytes.
        """
        if len(nonce) != NONCE_LEN:
            raise LocalError("aead-nonce-length")
        plaintext = hf_native.ccm_open(self._key, self._tag_len, nonce, aad, ciphertext)
        if plaintext is None:
            raise errors.NotAuthentic("aead-tag")
        return plaintext


class Es256Key:
    """A P-256 public key that verifies ECDSA signatures over SHA-256 (RFC 9053 section 2.1).

    x, y: 32 bytes each, big-endian. Raises MalformedKey unless they are the affine coordinates, both
    below p, of a point on the curve. table: multiples of this key (p256_table.py), with which it verifies several
    times as fast; checked here, in about the time of one verification. Raises MalformedKey when it is another key's.
    """

    __slots__ = ("point", "table")

    def __init__(self, x: bytes, y: bytes, table: "bytes | None" = None) -> None:
        if len(x) != COORDINATE_LEN or len(y) != COORDINATE_LEN:
            raise errors.MalformedKey("coordinate-length")
        self.point = x + y
        self.table = table
        if hf_native.p256_check_point(self.point):
            raise errors.MalformedKey("not-on-curve")
        if table is not None and hf_native.p256_table_check(table, self.point):
            raise errors.MalformedKey("table")

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if signature (r || s, 64 bytes) is this key's over message. Raises NotAuthentic."""
        if len(signature) != 2 * COORDINATE_LEN:
            raise errors.NotAuthentic("signature-length")
        digest = sha256(message)
        if self.table is None:
            refused = hf_native.p256_verify(self.point, digest, signature)
        else:
            refused = hf_native.p256_verify_fixed(self.table, digest, signature)
        if refused:
            raise errors.NotAuthentic("signature")
