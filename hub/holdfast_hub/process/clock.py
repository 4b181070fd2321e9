"""The time of the whole hub: monotonic milliseconds that always count, and a wall clock that is None until believed.

A gateway without a clock of its own starts years ago, or where it was switched off. Its clock is believed when it is
not before this program was made, not behind what was kept of an earlier run, and, where systemd-timesyncd runs, when
that has set it. A clock that jumps is not believed until it is set again or has gone on steadily for SETTLE_MS: a
reading that was wrong, in either direction, refuses nothing for ever.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from holdfast_hub.records import Now

BUILD_S = 1_767_225_600
"""2026-01-01: no clock that is right is before the year in which this was made."""
LATEST_S = BUILD_S + 40 * 366 * 86400
STEP_S = 60
"""What a wall clock may gain or lose against the monotonic one without having jumped."""
SETTLE_MS = 600_000
KEEP_EVERY_MS = 600_000
LOOK_EVERY_MS = 1000
TIMESYNC = Path("/run/systemd/timesync")
NAME = "clock"


def monotonic_ms() -> int:
    """Milliseconds that only count on, through a sleep of the machine as well where the system can tell."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


def wall_s() -> int:
    """What the machine's clock says, in seconds since 1970."""
    return int(time.time())


class HubClock:
    """now() for everybody, doubt for people.

    kept: the file with the floor. timesync: the folder of systemd-timesyncd.
    """

    def __init__(
        self,
        kept: Path,
        wall: Callable[[], int] = wall_s,
        counting: Callable[[], int] = monotonic_ms,
        timesync: Path = TIMESYNC,
    ) -> None:
        self.doubt = ""
        self._kept = kept
        self._wall = wall
        self._counting = counting
        self._timesync = timesync
        self._floor_s = self._read_floor()
        now_ms = counting()
        self._offset_s = wall() - now_ms // 1000
        self._jumped_ms: int | None = None  # when the clock was last seen to jump
        # When the clock had been set last, as far as was seen: now, and before the jump.
        self._seen_sync: float | None = None
        self._jumped_sync: float | None = None
        self._begun_ms = now_ms
        self._look_at_ms = self._keep_at_ms = now_ms
        self._look(wall(), now_ms)
        self._keep_at_ms = now_ms + KEEP_EVERY_MS

    def now(self) -> Now:
        """The time now."""
        now_ms, read_s = self._counting(), self._wall()
        jumped = abs(read_s - now_ms // 1000 - self._offset_s) > STEP_S
        if jumped:
            self._offset_s = read_s - now_ms // 1000
            self._jumped_ms, self._jumped_sync = now_ms, self._seen_sync
        if jumped or now_ms >= self._look_at_ms:
            self._look(read_s, now_ms)
        return Now(now_ms, None if self.doubt else read_s)

    def keep(self) -> None:
        """Write down what the time is at least, when it is believed; a disk that is full keeps the older floor."""
        now = self.now()
        if now.wall_s is None:
            return
        unfinished = self._kept.with_name(NAME + ".part")
        with contextlib.suppress(OSError):
            unfinished.write_text(f"{now.wall_s}\n")
            unfinished.replace(self._kept)
            self._floor_s = now.wall_s

    def _look(self, read_s: int, now_ms: int) -> None:
        self._look_at_ms = now_ms + LOOK_EVERY_MS
        self.doubt = self._doubt(read_s, now_ms)
        # A clock that has just begun to be believed is not written down yet: it may turn out to be wrong.
        if not self.doubt and now_ms >= self._keep_at_ms:
            self._keep_at_ms = now_ms + KEEP_EVERY_MS
            self.keep()

    def _doubt(self, read_s: int, now_ms: int) -> str:
        set_at = self._seen_sync = self._set_at()
        if not BUILD_S <= read_s < LATEST_S:
            return "the clock says a year that cannot be"
        since_ms = self._begun_ms if self._jumped_ms is None else self._jumped_ms
        is_settled = now_ms - since_ms >= SETTLE_MS
        if self._jumped_ms is not None and not is_settled and set_at in (None, self._jumped_sync):
            return "the clock has jumped"
        if set_at is not None or is_settled:
            return ""
        if self._timesync.is_dir():
            return "the clock has not been set since the start"
        return "the clock is behind what it was" if read_s < self._floor_s - STEP_S else ""

    def _set_at(self) -> float | None:
        """When systemd-timesyncd has set the clock last; None when it has not, or does not run."""
        try:
            return (self._timesync / "synchronized").stat().st_mtime
        except OSError:
            return None

    def _read_floor(self) -> int:
        try:
            text = self._kept.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return 0
        return int(text) if text.isdigit() and len(text) < 12 else 0
