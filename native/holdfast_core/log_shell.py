"""What the logs of all roles have in common: a line that comes again and again is said seldom, a bug says where.

Of CPython only.
"""

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path

FRAMES = 4
EVERY_MS = 60_000
MAX_LINES = 256
"""Remembered, the one said longest ago forgotten first."""


class Seldom(logging.Filter):
    """Lets a warning through at once, and the same again only once a minute, with how many there were."""

    def __init__(self, clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000) -> None:
        super().__init__()
        self._clock_ms = clock_ms
        self._lines: dict[str, tuple[int, int]] = {}  # a line -> when it may be said again, how often it was not

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to say it; the record is given the number."""
        if record.levelno < logging.WARNING:
            return True
        line = record.getMessage()
        now_ms = self._clock_ms()
        next_ms, unsaid = self._lines.pop(line, (now_ms, 0))
        if now_ms < next_ms:
            self._lines[line] = (next_ms, unsaid + 1)
            return False
        if len(self._lines) >= MAX_LINES:
            del self._lines[next(iter(self._lines))]
        self._lines[line] = (now_ms + EVERY_MS, 0)
        if unsaid:
            record.msg, record.args = f"{line} times={unsaid + 1}", ()
            record.times = unsaid + 1
        return True


def where_of(error: BaseException) -> str:
    """Where an exception was raised, innermost first. Its text may quote what a peer sent, so that stays out."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
