"""A bound on how often one source, and everybody together, may fail or try.

Token buckets in a bounded table, with time as a parameter. Used in front of
password hashing and client authentication, where one try costs much.
Never stores what was tried. The table keeps the latest sources: who floods it
with fresh addresses meets the global bucket instead.
"""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class Throttle:
    """`take(source, now_s)` is False when the source, or all sources together, tried too often."""

    def __init__(
        self,
        *,
        burst: int,
        per_s: float,
        global_burst: int,
        global_per_s: float,
        max_sources: int = 4096,
    ) -> None:
        self._burst, self._per_s = burst, per_s
        self._global_burst, self._global_per_s = global_burst, global_per_s
        self._max_sources = max_sources
        self._all = _Bucket(global_burst, 0.0)
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, source: str, now_s: float) -> bool:
        """Spend one try of `source`. A refused try spends nothing, so who keeps trying is not shut out longer."""
        if not self.peek(source, now_s):
            return False
        self._sources[source].tokens -= 1
        self._all.tokens -= 1
        return True

    def peek(self, source: str, now_s: float) -> bool:
        """Whether take would succeed now."""
        bucket = self._sources.pop(source, None) or _Bucket(self._burst, now_s)
        self._sources[source] = bucket
        if len(self._sources) > self._max_sources:
            self._sources.popitem(last=False)
        _refill(bucket, self._burst, self._per_s, now_s)
        _refill(self._all, self._global_burst, self._global_per_s, now_s)
        return bucket.tokens >= 1 and self._all.tokens >= 1


def _refill(bucket: _Bucket, burst: int, per_s: float, now_s: float) -> None:
    earned = max(0.0, now_s - bucket.at_s) * per_s
    bucket.tokens = min(float(burst), bucket.tokens + earned)
    bucket.at_s = now_s
