"""The clock that the whole server reads: the machine's, as far as clock_guard.py believes it.

Keeps in the database what was seen of the time, says once when a doubt begins or ends (a line in the log, a row in the
audit), and learns here that the operator has accepted the clock. `watch` is called every few seconds beside serving.
"""

import time
from collections.abc import Callable

from holdfast_server.authz.clock_guard import STEP_S, ClockGuard
from holdfast_server.authz.settings import Settings
from holdfast_server.process.log import log
from holdfast_server.records import KeptClock
from holdfast_server.store.sqlite import Store

KEEP_EVERY_S = 60
"""One row written a minute: after a power cut a clock that stands still for longer than that is found out."""

Clock = Callable[[], int]


def wall_s() -> int:
    """What the machine's clock says, in seconds since 1970."""
    return int(time.time())


def counting_ms() -> int:
    """Milliseconds that only count on, and where the system can tell through a sleep of the machine as well."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


def guard_of(kept: KeptClock | None, settings: Settings) -> ClockGuard:
    """A guard that knows what was kept."""
    seen_s, swept_s = (None, None) if kept is None else (kept.seen_s, kept.swept_s)
    return ClockGuard(seen_s, swept_s, settings.clock_floor_s, settings.clock_ceiling_s)


class WatchedClock:
    """now_s() for everybody, and guard.doubt."""

    def __init__(self, store: Store, settings: Settings, wall: Clock = wall_s, counting: Clock = counting_ms) -> None:
        kept = store.kept_clock()
        self.guard = guard_of(kept, settings)
        self._store = store
        self._accepted = 0 if kept is None else kept.accepted
        self._wall_s = wall
        self._counting_ms = counting
        self._logged = self._audited = ""
        self._keep_at_ms = 0
        self.now_s()

    def now_s(self) -> int:
        """The time, and in doubt the best that is known of it."""
        return self.guard.read(self._wall_s(), self._counting_ms())

    def watch(self) -> None:
        """Read the clock, say what has changed, keep what was seen. Raises StoreFailed."""
        self.now_s()
        if self.guard.doubt or self._counting_ms() >= self._keep_at_ms:
            self.keep()
        self._tell()

    def keep(self) -> None:
        """Write what was seen, or learn what the operator has accepted. Raises StoreFailed."""
        guard = self.guard
        kept = False
        if not guard.doubt and guard.seen_s is not None and guard.swept_s is not None:
            kept = self._store.keep_clock(guard.seen_s, guard.swept_s, self._accepted)
        if not kept:
            self._learn(self._store.kept_clock())
        self._keep_at_ms = self._counting_ms() + KEEP_EVERY_S * 1000

    def _learn(self, kept: KeptClock | None) -> None:
        if kept is None or kept.accepted == self._accepted:
            return
        self._accepted = kept.accepted
        now_s = self._wall_s()
        if abs(now_s - kept.seen_s) <= STEP_S:  # it is this clock that was accepted, moments ago
            self.guard.accept(now_s, self._counting_ms())

    def _tell(self) -> None:
        doubt = self.guard.doubt
        if doubt != self._logged:
            self._logged = doubt
            if doubt:
                log.error('event=clock-doubted reason="%s"', doubt)
            else:
                log.info("event=clock-agrees")
        if doubt != self._audited:
            self._store.audit(self.guard.now_s, "clock-doubted" if doubt else "clock-agrees", reason=doubt)
            self._audited = doubt
