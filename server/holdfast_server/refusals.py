"""How often the same refusal is written down: once a minute for each client and network, with the number left out.

Whoever is refused a thousand times a second must not fill a disk with it, nor wait for it.  Bounded, in memory only; it
writes nothing itself.
"""

from collections.abc import Hashable

PERIOD_S = 60
MAX_KINDS = 1024
"""Kinds told apart in one period; what comes beyond them is one kind of its own."""


class Refusals:
    """Counts refusals of a kind; a kind is what a row would say, such as event, client and network."""

    def __init__(self) -> None:
        self._period = 0
        self._counts: dict[Hashable, int] = {}
        self._earlier: dict[Hashable, int] = {}

    def left_out(self, kind: Hashable, now_s: int) -> int | None:
        """Count one; return None to write nothing, or how many of this kind the period before did not write."""
        period = now_s // PERIOD_S
        if period != self._period:
            self._earlier = self._counts if period == self._period + 1 else {}
            self._counts, self._period = {}, period
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = None
        count = self._counts.get(kind, 0)
        self._counts[kind] = count + 1
        return None if count else max(0, self._earlier.get(kind, 0) - 1)
