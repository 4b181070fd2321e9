"""Client nonces without memory: the RS gives them out in hints and knows its own fresh ones again (RFC 9200 5.3.1).

    cnonce = seconds since start(4, big-endian) HMAC-SHA-256(key, seconds)[:12]

The key is drawn at every start, so that a cnonce of an earlier life is unknown, and a flood of
unauthenticated requests can push no honest client's cnonce out of a table, because there is none.
"""

from holdfast_core.crypto import equal, hmac_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KEY_LEN = 32
TIME_LEN = 4
CHECK_LEN = 12
# Time to fetch a token; a person may have to log in for it, and a hub may carry it.
LIFE_S = 3600


class Cnonces:
    """Issues and checks.  rng: bytes source, asked once; now_ms: monotonic."""

    __slots__ = ("_key", "_start_ms")

    def __init__(self, rng: "Callable[[int], bytes]", now_ms: int) -> None:
        self._key = rng(KEY_LEN)
        self._start_ms = now_ms

    def issue(self, now_ms: int) -> bytes:
        """Return a fresh cnonce, 16 bytes."""
        time = self._seconds(now_ms).to_bytes(TIME_LEN, "big")
        return time + hmac_sha256(self._key, time)[:CHECK_LEN]

    def is_fresh(self, cnonce: bytes, now_ms: int) -> bool:
        """Whether this is one of ours and at most LIFE_S old."""
        time = cnonce[:TIME_LEN]
        if not equal(hmac_sha256(self._key, time)[:CHECK_LEN], cnonce[TIME_LEN:]):
            return False
        return 0 <= self._seconds(now_ms) - int.from_bytes(time, "big") <= LIFE_S

    def _seconds(self, now_ms: int) -> int:
        return (now_ms - self._start_ms) // 1000

    def __repr__(self) -> str:
        return "Cnonces(<redacted>)"
