"""May the server believe its clock? Readings in, a verdict out.

The guard compares the wall clock with a clock that only counts on (monotonic), and with the last time that was seen
before the server was started. What the verdict is for a reading:

    reading                                                              doubt
    below the floor (the program is younger)                             NOT_SET
    at or above the ceiling                                              BEYOND
    settled, more than STEP_S behind what the monotonic clock says       BEHIND
    settled, more than STEP_S ahead of what the monotonic clock says     AHEAD
    not settled, more than STEP_S behind the last time seen (*)          BEHIND
    not settled, more than MAX_OFF_S ahead of it                         AHEAD
    anything else                                                        none

    (*) and what has been counted since the first reading after the start

A guard is settled when it has believed a clock for SETTLE_S. Until then a step is a correction, because a board
without a clock of its own starts with a time of yesterday and is told the right one within the first minute.
While a doubt lasts, `now_s` is counted on from the last reading that was believed. The doubt ends when a reading
agrees again, or when the operator accepts the clock.
The sweeping time never runs more than CATCH_UP times as fast as the monotonic clock, and stands still while a doubt
lasts: what a wrong clock would delete in a moment is still there hours later.
Sans-IO. Never deletes, never logs.
"""

NOT_SET = "the clock is not set"
BEYOND = "the clock is beyond the years that this program serves"
AHEAD = "the clock has jumped ahead"
BEHIND = "the clock has jumped back"

STEP_S = 300
"""A step that is no jump: time daemons step by less, and a virtual machine pauses for less."""
MAX_OFF_S = 100 * 86400
"""A server that was off for three months starts without a question; a clock that is years ahead is not believed."""
SETTLE_S = 120
SLEW_PARTS = 360
"""One second in so many, 10 s an hour: a clock that creeps faster is doubted. A bad oscillator loses 2 s an hour."""
CATCH_UP = 60
"""An hour a minute: after three months off, the sweeping time is right again in a day and a half."""


class ClockGuard:
    """One server's opinion of its clock.

    seen_s: the last time that was believed, as it was persisted; None: there is none yet.
    swept_s: the sweeping time likewise. floor_s, ceiling_s: no time outside of them is believed.
    """

    def __init__(self, seen_s: int | None, swept_s: int | None, floor_s: int, ceiling_s: int) -> None:
        self.doubt = NOT_SET
        """Why nothing may be issued, constant text; "" while the clock is believed."""
        self.now_s = 0 if seen_s is None else seen_s
        """The best that is known of the time."""
        self.seen_s = seen_s
        """The last time that was believed and has settled, to be persisted."""
        self._swept_ms = None if swept_s is None else swept_s * 1000
        self._floor_s = floor_s
        self._ceiling_s = ceiling_s
        self._settled = False
        self._since_ms: int | None = None  # believed without a step since then
        self._offset_ms = 0  # wall minus monotonic, of what is believed
        self._slewed_ms = 0  # when the offset was last corrected
        self._started_ms: int | None = None
        self._read_ms = 0

    @property
    def swept_s(self) -> int | None:
        """What ended before this may be deleted; None: nothing may be, as no clock has settled yet."""
        return None if self._swept_ms is None else self._swept_ms // 1000

    def read(self, wall_s: int, monotonic_ms: int) -> int:
        """Take one reading of both clocks; sets `doubt`, and returns `now_s`."""
        elapsed_ms = 0 if self.doubt else max(0, monotonic_ms - self._read_ms)
        self._read_ms = monotonic_ms
        if self._started_ms is None:
            self._started_ms = monotonic_ms
        self.doubt = self._doubt(wall_s, monotonic_ms)
        if self.doubt:
            self.now_s = self._counted_on(wall_s, monotonic_ms)
            return self.now_s
        self.now_s = wall_s
        self._follow(wall_s, monotonic_ms)
        if self._settled:
            self.seen_s = wall_s if self.seen_s is None else max(self.seen_s, wall_s)
        self._sweep_on(wall_s, elapsed_ms)
        return self.now_s

    def accept(self, wall_s: int, monotonic_ms: int) -> bool:
        """Believe this reading, as the operator says that it is right; False: it is outside of floor and ceiling."""
        if not self._floor_s <= wall_s < self._ceiling_s:
            return False
        self.doubt = ""
        self.now_s = self.seen_s = wall_s
        if self._swept_ms is None or self._swept_ms > wall_s * 1000:
            self._swept_ms = wall_s * 1000
        self._read_ms = monotonic_ms
        self._anchor(wall_s, monotonic_ms)
        self._settled = True
        return True

    def _doubt(self, wall_s: int, monotonic_ms: int) -> str:
        if wall_s < self._floor_s:
            return NOT_SET
        if wall_s >= self._ceiling_s:
            return BEYOND
        if self._settled:
            least_s = most_s = (self._offset_ms + monotonic_ms) // 1000
        elif self.seen_s is not None:
            least_s = self._since_start(self.seen_s, monotonic_ms)
            most_s = least_s + MAX_OFF_S
        else:
            return ""
        if wall_s < least_s - STEP_S:
            return BEHIND
        return AHEAD if wall_s > most_s + STEP_S else ""

    def _since_start(self, seen_s: int, monotonic_ms: int) -> int:
        return seen_s + (monotonic_ms - (self._started_ms or monotonic_ms)) // 1000

    def _follow(self, wall_s: int, monotonic_ms: int) -> None:
        drift_ms = wall_s * 1000 - monotonic_ms - self._offset_ms
        if self._since_ms is None or (not self._settled and abs(drift_ms) > STEP_S * 1000):
            self._anchor(wall_s, monotonic_ms)
            return
        self._settled = self._settled or monotonic_ms - self._since_ms >= SETTLE_S * 1000
        most_ms = (monotonic_ms - self._slewed_ms) // SLEW_PARTS
        if most_ms >= 1000:  # a reading has whole seconds
            self._offset_ms += max(-most_ms, min(most_ms, drift_ms))
            self._slewed_ms = monotonic_ms

    def _anchor(self, wall_s: int, monotonic_ms: int) -> None:
        self._offset_ms = wall_s * 1000 - monotonic_ms
        self._since_ms = self._slewed_ms = monotonic_ms

    def _counted_on(self, wall_s: int, monotonic_ms: int) -> int:
        if self._since_ms is not None:
            return (self._offset_ms + monotonic_ms) // 1000
        return wall_s if self.seen_s is None else self._since_start(self.seen_s, monotonic_ms)

    def _sweep_on(self, wall_s: int, elapsed_ms: int) -> None:
        most_ms = (wall_s - STEP_S) * 1000
        if self._swept_ms is None:
            self._swept_ms = most_ms if self.seen_s is not None else None
        else:
            self._swept_ms = max(self._swept_ms, min(most_ms, self._swept_ms + CATCH_UP * elapsed_ms))
