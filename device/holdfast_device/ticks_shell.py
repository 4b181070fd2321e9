"""The clocks of both interpreters in one shape: monotonic milliseconds that never wrap, and unix seconds or nothing.

MicroPython's tick counter wraps and its epoch is 1970 on some boards and 2000 on others (ESP32); both end here.
Never decides whether a time is believable: clock.py does.
"""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Unix seconds of 2000-01-01T00:00:00Z.
_EPOCH_2000_S = 946684800


class Ticks:
    """now_ms() must be called at least once in half a period of the counter, 149 hours on the usual ports."""

    __slots__ = ("_last", "_total_ms")

    def __init__(self, start_ms: int = 0) -> None:
        self._last = _raw_ms()
        self._total_ms = start_ms

    def now_ms(self) -> int:
        """Return start_ms and the milliseconds since this object was made."""
        now = _raw_ms()
        self._total_ms += _diff_ms(now, self._last)
        self._last = now
        return self._total_ms


def wall_s() -> int:
    """Return what the system says about unix time, in whole seconds."""
    offset_s = _EPOCH_2000_S if time.gmtime(0)[0] == 2000 else 0
    return int(time.time()) + offset_s


_time: "Any" = time

if hasattr(time, "ticks_ms"):
    _raw_ms = _time.ticks_ms
    _diff_ms = _time.ticks_diff
else:

    def _raw_ms() -> int:
        return int(_time.monotonic_ns()) // 1000000

    def _diff_ms(later: int, earlier: int) -> int:
        return later - earlier
