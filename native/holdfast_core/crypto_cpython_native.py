"""ES256 verification by the C core, through cffi: for public data only, so nothing secret ever enters it.

A key that comes with a table of its multiples, or verifies often and so gets one, verifies several times as fast.
Importing this file fails where the core was not built, and crypto.py then takes another provider.
Never imported by name except from crypto.py and tests: crypto.py is the interface, documented there.
"""

from holdfast_core import _native
from holdfast_core.crypto_cryptography import P_BYTES, sha256
from holdfast_core.errors import MalformedKey, NotAuthentic
from holdfast_core.kinds import COORDINATE_LEN
from holdfast_core.p256_table import table_len

_SIGNATURE_LEN = 64
PROVIDER = "cryptography, and the C core for ES256"

# Eight teeth in four blocks: 32 KB for each key, made in the time of about 100 verifications.
TEETH, BLOCKS = 8, 4
# A key that was used so often will be used again: it is an AS's, and not a client's of a single session.
TABLE_AFTER = 32


class Es256Key:
    """A P-256 public key that verifies ES256 signatures (RFC 9053 section 2.1).

    x, y: coordinates, 32 bytes each.  table: multiples of this key (p256_table.py), checked here.
    Raises MalformedKey: wrong length, not below p, not on the curve, another key's table.
    """

    __slots__ = ("_uses", "point", "table")

    def __init__(self, x: bytes, y: bytes, table: bytes | None = None) -> None:
        if len(x) != COORDINATE_LEN or len(y) != COORDINATE_LEN:
            raise MalformedKey("coordinate-length")
        if x >= P_BYTES or y >= P_BYTES:
            raise MalformedKey("coordinate-range")
        self.point = bytes(x) + bytes(y)
        self._uses = 0
        self.table: bytes | None = table
        if _native.lib.hf_p256_check_point(self.point):
            raise MalformedKey("not-on-curve")
        if table is not None and _native.lib.hf_p256_table_check(table, len(table), self.point):
            raise MalformedKey("table")

    def __repr__(self) -> str:
        return "<Es256Key>"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a signature, r || s, over a message.  Raises NotAuthentic."""
        if len(signature) != _SIGNATURE_LEN:
            raise NotAuthentic("signature-length")
        digest = sha256(message)
        if self.table is None:
            self._uses += 1
            if self._uses > TABLE_AFTER:
                self.table = make_table(self.point, TEETH, BLOCKS)
            refused = _native.lib.hf_p256_verify(self.point, digest, bytes(signature))
        else:
            refused = _native.lib.hf_p256_verify_fixed(self.table, len(self.table), digest, bytes(signature))
        if refused:
            raise NotAuthentic("signature")


def make_table(point: bytes, teeth: int, blocks: int) -> bytes:
    """Return the table of a public key, x || y (p256_table.py).  Raises MalformedKey when it is no point."""
    made = bytearray(table_len(teeth, blocks))
    if _native.lib.hf_p256_table_make(point, teeth, blocks, _native.ffi.from_buffer("uint8_t[]", made), len(made)):
        raise MalformedKey("not-on-curve")
    return bytes(made)
