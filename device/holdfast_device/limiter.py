"""Token buckets in front of the cryptography at authz-info: one for all, and one for each of a few addresses.

Refills with time alone, so neither failures nor a full table can ever leave it stuck.  Holds at most MAX_PEERS
addresses and forgets the longest silent one first (RFC 8516 for the answer, RFC 9200 section 5.10.1.2).
"""

from holdfast_core.errors import Overloaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

# A verification takes up to a second on a Cortex-M0; an honest client posts once per token or restart.
REFILL_MS = 500
BURST = 16
PEER_REFILL_MS = 2000
PEER_BURST = 4
MAX_PEERS = 16


class Bucket:
    """`burst` at once, then one every `refill_ms`."""

    __slots__ = ("_burst", "_left", "_refill_ms", "at_ms")

    def __init__(self, burst: int, refill_ms: int, now_ms: int) -> None:
        self._burst = burst
        self._refill_ms = refill_ms
        self._left = burst
        self.at_ms = now_ms

    def refill(self, now_ms: int) -> None:
        """Add what time has earned."""
        earned = max(0, now_ms - self.at_ms) // self._refill_ms
        if earned:
            self._left = min(self._burst, self._left + earned)
            self.at_ms += earned * self._refill_ms

    def wait_ms(self, now_ms: int) -> int:
        """Return 0 when one may be taken, else the time until then."""
        self.refill(now_ms)
        return 0 if self._left else self.at_ms + self._refill_ms - now_ms

    def take(self) -> None:
        """Take one; the caller has asked wait_ms."""
        self._left -= 1


class Limiter:
    """take() passes or raises Overloaded with .max_age_s, seconds to wait."""

    __slots__ = ("_all", "_peers")

    def __init__(self, now_ms: int) -> None:
        self._all = Bucket(BURST, REFILL_MS, now_ms)
        self._peers: dict[Hashable, Bucket] = {}

    def take(self, peer: "Hashable", now_ms: int) -> None:
        """Count one request of peer.  Raises TooManyPosts when it or everybody has used up the allowance."""
        bucket = self._peers.get(peer)
        if bucket is None:
            bucket = self._admit(peer, now_ms)
        wait_ms = max(bucket.wait_ms(now_ms), self._all.wait_ms(now_ms))
        if wait_ms:
            raise TooManyPosts((wait_ms + 999) // 1000)
        bucket.take()
        self._all.take()

    def _admit(self, peer: "Hashable", now_ms: int) -> Bucket:
        if len(self._peers) >= MAX_PEERS:
            oldest = min(self._peers, key=lambda known: self._peers[known].at_ms)
            del self._peers[oldest]
        bucket = self._peers[peer] = Bucket(PEER_BURST, PEER_REFILL_MS, now_ms)
        return bucket


class TooManyPosts(Overloaded):
    """4.29; max_age_s says when to come again."""

    def __init__(self, max_age_s: int) -> None:
        Overloaded.__init__(self, "posts")
        self.max_age_s = max_age_s
