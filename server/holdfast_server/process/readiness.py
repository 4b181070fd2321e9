"""Can this server do what it is for? Asked by /readyz, answered with a write: a full disk reads as well as ever.

The write is a row of the clock, at most once in TRIED_FOR_MS however often somebody asks. A write that failed for a
request counts as well.
"""

from collections.abc import Callable

from holdfast_server.authz.errors import StoreFailed
from holdfast_server.process.clock_watch import WatchedClock
from holdfast_server.process.log import log_unavailable
from holdfast_server.store.sqlite import Store

TRIED_FOR_MS = 10_000
FAILED_FOR_MS = 1_000
UNWRITABLE = "the database cannot be written"


class Readiness:
    """Of one process."""

    def __init__(self, store: Store, clock: WatchedClock, monotonic_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._monotonic_ms = monotonic_ms
        self._writable = False
        self._try_at_ms: int | None = None
        self._failed_at_ms: int | None = None

    def failed(self, error: StoreFailed) -> None:
        """Note that the database has failed somebody, and say so in the log."""
        log_unavailable(error)
        self._failed_at_ms = self._monotonic_ms()

    def lacks(self) -> str:
        """Why nothing can be issued now, constant text, or ""."""
        now_ms = self._monotonic_ms()
        if self._try_at_ms is None or now_ms >= self._try_at_ms:
            self._writable = self._can_write()
            self._try_at_ms = now_ms + (TRIED_FOR_MS if self._writable else FAILED_FOR_MS)
        if not self._writable or (self._failed_at_ms is not None and now_ms - self._failed_at_ms < TRIED_FOR_MS):
            return UNWRITABLE
        self._clock.now_s()
        return self._clock.guard.doubt

    def _can_write(self) -> bool:
        try:
            self._store.check_writable()
        except StoreFailed:
            return False
        return True
