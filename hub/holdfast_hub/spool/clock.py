"""How long a parcel has waited, by a clock that nobody sets, and which ends in wall time have passed for sure.

The life clock counts the milliseconds in which this machine was seen to run, over all boots. What it cannot see (the
time in which the power was off) it does not count: a parcel that must end by then has an end in wall time too.
"""

from holdfast_hub.records import Now

WRITE_MS, STEP_MS = 12_000, 15_000
"""While something waits that has a life, the life clock is written every 12 s; a power cut charges 15 s."""
EAGER_MS = 1000
"""So often at most it is written with what else is."""
SETTLE_MS = 600_000
"""A wall clock that jumped ahead is believed to have been right all along after so long: until then nothing is lost."""
SLACK_MS = 60_000
"""What a wall clock may gain or lose against the monotonic one without having jumped."""
BACK_MS = 86_400_000
"""A wall clock that was set back keeps a parcel at most so much longer than it was to be kept."""


class LifeClock:
    """The life clock, from what was written of it. boot: names this boot of the machine."""

    def __init__(self, boot: str, now_ms: int, written: tuple[str, int, int] | None) -> None:
        """written: boot, monotonic ms and life ms of the last time that it was written."""
        self.boot = boot
        self._seen_ms = now_ms
        if written is None:
            self.ms = 0
        elif written[0] == boot and written[1] <= now_ms:
            self.ms = written[2] + now_ms - written[1]
        else:  # the last boot may have run for a step more than it wrote, and this one has for now_ms
            self.ms = written[2] + STEP_MS + now_ms
        self._written_ms: int | None = None

    def at(self, now_ms: int) -> int:
        """Go on to a monotonic time; a time from before what was seen counts nothing."""
        if now_ms > self._seen_ms:
            self.ms += now_ms - self._seen_ms
            self._seen_ms = now_ms
        return self.ms

    @property
    def unwritten_ms(self) -> int:
        """How much of it a power cut would hide."""
        return STEP_MS if self._written_ms is None else self.ms - self._written_ms

    def record(self) -> tuple[str, int, int]:
        """What to write; it counts as written."""
        self._written_ms = self.ms
        return self.boot, self._seen_ms, self.ms

    def forget(self) -> None:
        """What was to be written has not been."""
        self._written_ms = None


class Calendar:
    """Which ends in wall time have passed for sure: those that a clock has passed that did not just jump."""

    def __init__(self) -> None:
        self._offset_ms = self._since_ms = 0
        self._settled_ms: int | None = None
        self._known = False

    def settled_s(self, now: Now, life_ms: int) -> int | None:
        """The wall time of which all before is over, however the clock may be set next; None when none is sure."""
        if now.wall_s is None:
            self._known = False
            return None
        offset_ms = now.wall_s * 1000 - life_ms
        if not self._known or abs(offset_ms - self._offset_ms) > SLACK_MS:
            self._known, self._offset_ms, self._since_ms = True, offset_ms, life_ms
            if self._settled_ms is not None and offset_ms < self._settled_ms:
                self._settled_ms = None
        if life_ms - self._since_ms >= SETTLE_MS:
            self._settled_ms = self._offset_ms
        if self._settled_ms is None:
            return None
        return min(now.wall_s, (self._settled_ms + life_ms) // 1000)


def dies_ms(ends_s: int | None, lives_ms: int | None, now: Now, life_ms: int) -> int | None:
    """By the life clock, when a parcel that is put now is over; None for never."""
    ends = [] if lives_ms is None else [life_ms + lives_ms]
    if ends_s is not None and now.wall_s is not None and ends_s > now.wall_s:
        ends.append(life_ms + (ends_s - now.wall_s) * 1000 + BACK_MS)
    return min(ends, default=None)
