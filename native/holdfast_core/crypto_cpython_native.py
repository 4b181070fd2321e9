"""ES256 verification by the C core, through cffi: for public data only, so nothing secret ever enters it.

A key that verifies often gets a table of its multiples, which makes each verification several times as fast; the first
few go without one. Importing this file fails where the core was not built, and crypto.py then takes another provider.
Never imported by name except from crypto.py and tests: crypto.py is the interface, documented there.
"""

from holdfast_core import _native
from holdfast_core.crypto_cryptography import P_BYTES, sha256
from holdfast_core.errors import MalformedKey, NotAuthentic

_COORDINATE_LEN = 32
_SIGNATURE_LEN = 64
PROVIDER = "cryptography, and the C core for ES256"

# Eight teeth in four blocks: 32 KB for each key, made in the time of about 100 verifications.
_TEETH, _BLOCKS = 8, 4
_TABLE_LEN = 4 + (_BLOCKS << (_TEETH - 1)) * 64
# A key that was used so often is one that will be: an AS's, not a client's of one session.
TABLE_AFTER = 32


class Es256Key:
    """A P-256 public key that verifies ES256 signatures (RFC 9053 section 2.1).

    x, y: coordinates, 32 bytes each.  Raises MalformedKey: wrong length, not below p, not on the curve.
    """

    __slots__ = ("_point", "_table", "_uses")

    def __init__(self, x: bytes, y: bytes) -> None:
        if len(x) != _COORDINATE_LEN or len(y) != _COORDINATE_LEN:
            raise MalformedKey("coordinate-length")
        if x >= P_BYTES or y >= P_BYTES:
            raise MalformedKey("coordinate-range")
        self._point = bytes(x) + bytes(y)
        self._uses = 0
        self._table: object = None
        if _native.lib.hf_p256_check_point(self._point):
            raise MalformedKey("not-on-curve")

    def __repr__(self) -> str:
        return "<Es256Key>"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a signature, r || s, over a message.  Raises NotAuthentic."""
        if len(signature) != _SIGNATURE_LEN:
            raise NotAuthentic("signature-length")
        digest = sha256(message)
        if self._table is None:
            self._uses += 1
            if self._uses > TABLE_AFTER:
                self._make_table()
            refused = _native.lib.hf_p256_verify(self._point, digest, bytes(signature))
        else:
            refused = _native.lib.hf_p256_verify_fixed(self._table, _TABLE_LEN, digest, bytes(signature))
        if refused:
            raise NotAuthentic("signature")

    def _make_table(self) -> None:
        table = _native.ffi.new("uint8_t[]", _TABLE_LEN)
        if _native.lib.hf_p256_table_make(self._point, _TEETH, _BLOCKS, table, _TABLE_LEN) == 0:
            self._table = table
