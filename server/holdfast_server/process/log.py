"""The server's log: a line of key=value for each event, to standard error, and never a value that somebody sent.

What a stranger or a full disk can cause again and again is said once a minute, with the number of times.

Events: listening, stopped, backup-put-back, not-stopped-cleanly, windows-not-kept, bug, fault, sweep-failed,
database-unavailable, login-refused, clock-doubted, clock-agrees, connection-refused, connection-cut-off, accept-failed,
escaped, reloaded, reload-refused.
"""

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from holdfast_server.authz.errors import StoreFailed

log = logging.getLogger("holdfast.server")
FRAMES = 4
EVERY_MS = 60_000
MAX_LINES = 256
"""Remembered, the one said longest ago forgotten first."""


def start_logging() -> None:
    """Write our lines, and the errors of the web server, to standard error; its warnings are other people's noise."""
    logging.basicConfig(level=logging.INFO, format="level=%(levelname)s logger=%(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom())
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


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
        return True


def log_bug(error: BaseException, event: str = "bug") -> None:
    """Say what kind of exception it was and where: its text may quote what a peer sent, so that stays out."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    log.error('event=%s kind=%s at="%s"', event, type(error).__name__, where)


def log_unavailable(error: StoreFailed) -> None:
    """Say that the database cannot be used: by SQLite's name for the failure."""
    log.error("event=database-unavailable sqlite=%s", error.name)
