"""The primitives without the C core: the firmware's own for hashing and AES, our own P-256 arithmetic for ES256.

Never imported by name except from crypto.py and tests: crypto.py is the interface, documented there.
"""

import gc
import sys

from holdfast_core import errors, p256
from holdfast_core.aes_ccm import equal
from holdfast_core.crypto_firmware import Aead, hmac_sha256, sha256
from holdfast_core.kinds import COORDINATE_LEN

__all__ = ("PROVIDER", "Aead", "Es256Key", "equal", "hmac_sha256", "sha256")

PROVIDER = "micropython"
IS_MICROPYTHON = sys.implementation.name == "micropython"


class Es256Key:
    """A P-256 public key that verifies ECDSA signatures over SHA-256 (RFC 9053 section 2.1).

    x, y: 32 bytes each, big-endian. Raises MalformedKey unless they are the affine coordinates, both
    below p, of a point on the curve. The first verify fills a table and so takes about twice as long as those
    after it: keep the object. table: the C core's, left alone here.
    """

    __slots__ = ("_is_filled", "_table", "_x", "_y")

    def __init__(self, x: bytes, y: bytes, table: "bytes | None" = None) -> None:  # noqa: ARG002 - the C core's
        if len(x) != COORDINATE_LEN or len(y) != COORDINATE_LEN:
            raise errors.MalformedKey("coordinate-length")
        self._x = int.from_bytes(x, "big")
        self._y = int.from_bytes(y, "big")
        self._table = bytearray(p256.TABLE_LEN)  # now, not among the numbers of a verification: see below
        self._is_filled = False
        if not p256.is_on_curve(self._x, self._y):
            raise errors.MalformedKey("not-on-curve")

    def verify(self, message: bytes, signature: bytes) -> None:
        """Return if signature (r || s, 64 bytes) is this key's over message. Raises NotAuthentic."""
        if len(signature) != 2 * COORDINATE_LEN:
            raise errors.NotAuthentic("signature-length")
        if not self._is_filled:
            p256.comb_table(self._x, self._y, self._table)
            self._is_filled = True
        r = int.from_bytes(signature[:COORDINATE_LEN], "big")
        s = int.from_bytes(signature[COORDINATE_LEN:], "big")
        digest = int.from_bytes(sha256(message), "big")
        is_good = p256.is_signature(self._table, digest, r, s)
        if IS_MICROPYTHON:
            gc.collect()  # the numbers go, so that what lives long is not made among them: that leaves a heap in pieces
        if not is_good:
            raise errors.NotAuthentic("signature")
