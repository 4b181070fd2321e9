"""Client nonces without memory: the RS gives them out in hints and knows its own fresh ones again (RFC 9200 5.3.1).

    cnonce = monotonic seconds(4, big-endian) HMAC-SHA-256(key, seconds)[:12]

The key is drawn at every start, so that a cnonce of an earlier life is unknown, and a flood of
unauthenticated requests can push no honest client's cnonce out of a table, because there is none.
A sleep is no new life: key and monotonic time go on.
"""

from holdfast_core.crypto import equal, hmac_sha256

KEY_LEN = 32
TIME_LEN = 4
CHECK_LEN = 12
# Time to fetch a token; a person may have to log in for it, and a hub may carry it.
LIFE_S = 3600


class Cnonces:
    """Issues and checks.  key: KEY_LEN bytes of this life."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, now_ms: int) -> bytes:
        """Return a fresh cnonce, 16 bytes."""
        time = (now_ms // 1000).to_bytes(TIME_LEN, "big")
        return time + hmac_sha256(self._key, time)[:CHECK_LEN]

    def is_fresh(self, cnonce: bytes, now_ms: int) -> bool:
        """Whether this is one of ours and at most LIFE_S old."""
        time = cnonce[:TIME_LEN]
        if not equal(hmac_sha256(self._key, time)[:CHECK_LEN], cnonce[TIME_LEN:]):
            return False
        return 0 <= self.age_s(cnonce, now_ms) <= LIFE_S

    def age_s(self, cnonce: bytes, now_ms: int) -> int:
        """Return how long ago one of ours was given out."""
        return now_ms // 1000 - int.from_bytes(cnonce[:TIME_LEN], "big")

    def __repr__(self) -> str:
        return "Cnonces(<redacted>)"
