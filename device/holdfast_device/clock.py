"""What a device knows about the time: a clock perhaps, and always a floor below which time cannot be.

The floor is the latest time that anything signed or MACed by the AS has proven (iat, never exp), plus the
seconds this device has counted since.  So time never runs backwards, whatever a clock, a battery or a
spoofed time server says.  The AS's clock can be wrong as well: the floor never goes beyond a clock that is set, and
within one start no further than MAX_STEP_S.  Only what is new for certain lowers it (timekeeper.py).
Never reads a clock: wall time arrives through set(), monotonic time as now_ms (RFC 9200 sections 5.10.3 and 6.6).
"""

# Any time before this is a clock that was never set (2020-01-01T00:00:00Z), and one from the year 2106 on is garbage.
EARLIEST_SANE_S = 1577836800
LATEST_SANE_S = 1 << 32
# How far the word of the AS moves the floor in one start, beyond what was counted.  No start has more to make up for
# than the time without power before it; what was off for longer makes it up in several starts.
MAX_STEP_S = 30 * 86400


class DeviceClock:
    """floor_s: unix seconds that have passed for certain, from flash or provisioning.

    step_s: how far prove() may still move it in this start.  ahead_s: how much further the word of the AS went.
    """

    __slots__ = ("_clock_ms", "_clock_s", "_floor_ms", "_floor_s", "ahead_s", "step_s")

    def __init__(self, floor_s: int, now_ms: int, step_s: int = MAX_STEP_S, ahead_s: int = 0) -> None:
        self.step_s = step_s
        self.ahead_s = ahead_s
        self._floor_s = floor_s
        self._floor_ms = now_ms
        self._clock_s: int | None = None
        self._clock_ms = 0

    def set(self, now_s: "float | None", now_ms: int) -> None:
        """Take wall time, of a float the whole seconds; None or a time that is not sane: there is no usable clock."""
        is_sane = now_s is not None and EARLIEST_SANE_S <= now_s < LATEST_SANE_S
        self._clock_s = int(now_s) if is_sane else None  # type: ignore[arg-type]  # not None
        self._clock_ms = now_ms

    def prove(self, time_s: int, now_ms: int) -> None:
        """Raise the floor towards a time that the AS vouches for, as far as it may go; it never falls by this."""
        floor_s = self.floor_s(now_ms)
        ahead_s = max(time_s - floor_s, self.ahead_s)
        if self.is_set(now_ms):
            time_s = min(time_s, self.now_s(now_ms))
        step_s = max(0, min(time_s - floor_s, self.step_s))
        if step_s:
            self.step_s -= step_s
            self.reset(floor_s + step_s, now_ms)
        self.ahead_s = ahead_s - step_s

    def reset(self, floor_s: int, now_ms: int) -> None:
        """Take another floor, also a lower one."""
        self.ahead_s = 0
        self._floor_s = floor_s
        self._floor_ms = now_ms

    def floor_s(self, now_ms: int) -> int:
        """Return the proven time plus what was counted since; this is what is persisted."""
        return self._floor_s + _seconds(now_ms - self._floor_ms)

    def floor_anchor_ms(self, now_ms: int) -> int:
        """Return the monotonic ms at which floor_s(now_ms) began."""
        return now_ms - max(0, now_ms - self._floor_ms) % 1000

    def now_s(self, now_ms: int) -> int:
        """Return the best knowledge of unix time: the clock, but never below the floor."""
        floor_s = self.floor_s(now_ms)
        if self._clock_s is None:
            return floor_s
        return max(floor_s, self._clock_s + _seconds(now_ms - self._clock_ms))

    def ms_at(self, time_s: int) -> int:
        """Return the monotonic ms at which now_s will be time_s, as far as is known now."""
        at_ms = self._floor_ms + (time_s - self._floor_s) * 1000
        if self._clock_s is None:
            return at_ms
        return min(at_ms, self._clock_ms + (time_s - self._clock_s) * 1000)

    def is_set(self, now_ms: int) -> bool:
        """Whether a clock agrees with the floor; otherwise now_s is a lower bound and no more."""
        return self._clock_s is not None and self._clock_s + _seconds(now_ms - self._clock_ms) >= self.floor_s(now_ms)


def _seconds(interval_ms: int) -> int:
    return max(0, interval_ms) // 1000
