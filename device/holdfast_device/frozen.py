"""What a device that slept is told of itself when it wakes: a snapshot that hibernation.py has checked."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a clock may be wrong by in a sleep: 1 part in 16, more than the 5 % of an uncalibrated RC oscillator.
DRIFT = 16


class Frozen:
    """A snapshot, checked.  now_ms: monotonic time at which the device goes on; never earlier than it can be.

    floor_s, floor_ms: the time floor and the monotonic ms of it, never later than it can be.
    ahead_s, step_s: of clock.py.
    """

    __slots__ = (
        "ahead_s",
        "as_next",
        "carried",
        "exi",
        "floor_ms",
        "floor_s",
        "freshness_key",
        "mark",
        "now_ms",
        "sessions",
        "step_s",
        "wakes",
    )

    def __init__(self, values: "list[Any]", slept_ms: int) -> None:
        _, boot, generation, self.wakes, then_ms, _clock_ms, floor_s, floor_ms = values[:8]
        self.step_s: int = values[8]
        self.ahead_s: int = values[9]
        self.carried, self.freshness_key, self.as_next, (self.exi, self.sessions) = values[10:]
        self.mark: tuple[int, int] = (boot, generation)
        slack_ms = slept_ms // DRIFT + 1
        self.now_ms: int = then_ms + slept_ms + slack_ms
        self.floor_s: int = floor_s
        self.floor_ms: int = floor_ms + 2 * slack_ms

    def __repr__(self) -> str:
        return "Frozen(<redacted>)"
