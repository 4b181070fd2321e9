"""Token buckets in front of anything expensive: one per address, one for all, so that a flood costs little.

Never remembers more addresses than max_addresses, and never punishes: a bucket refills with time alone, whether what it
let in succeeded or failed, so no number of failures locks anybody out for longer than burst / rate.
"""

from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable


class _Bucket:
    """Tokens in thousandths, as of at_ms."""

    __slots__ = ("at_ms", "milli")

    def __init__(self, burst: int, now_ms: int) -> None:
        self.milli: float = burst * 1000
        self.at_ms = now_ms

    def refill(self, rate: float, burst: int, now_ms: int) -> None:
        """Add rate tokens a second, up to burst."""
        self.milli = min(burst * 1000, self.milli + (now_ms - self.at_ms) * rate)
        self.at_ms = now_ms


class TokenBucket:
    """An admission port for CoapStack: TokenBucket(...).admit.

    rate, burst: requests a second (a fraction is fine) and at once, per address.  total_rate, total_burst: for all
    addresses together.
    max_addresses: buckets kept; the one unused for longest makes room, as by then it is most likely full again.
    Peers that are tuples share a bucket by their first item, the host.
    """

    __slots__ = (
        "_all",
        "_buckets",
        "_burst",
        "_max_addresses",
        "_rate",
        "_total_burst",
        "_total_rate",
    )

    def __init__(
        self,
        rate: float = 5,
        burst: int = 20,
        total_rate: float = 200,
        total_burst: int = 400,
        max_addresses: int = 1024,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._total_rate = total_rate
        self._total_burst = total_burst
        self._max_addresses = max_addresses
        self._all = _Bucket(total_burst, 0)
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(self, peer: "Hashable", now_ms: int, datagram_len: int) -> bool:  # noqa: ARG002 - the port's shape
        """Take one token from both buckets; False when either is empty, and then neither loses one."""
        self._all.refill(self._total_rate, self._total_burst, now_ms)
        bucket = self._bucket(peer[0] if isinstance(peer, tuple) else peer, now_ms)
        bucket.refill(self._rate, self._burst, now_ms)
        if bucket.milli < 1000 or self._all.milli < 1000:
            return False
        bucket.milli -= 1000
        self._all.milli -= 1000
        return True

    def _bucket(self, address: "Hashable", now_ms: int) -> _Bucket:
        bucket = self._buckets.pop(address, None)
        if bucket is None:
            if len(self._buckets) >= self._max_addresses:
                del self._buckets[next(iter(self._buckets))]
            bucket = _Bucket(self._burst, now_ms)
        self._buckets[address] = bucket
        return bucket
