"""The server's log: a line of key=value for each event, to standard error, and never a value that somebody sent.

Events: listening, stopped, bug, fault, sweep-failed, database-busy, login-refused, clock-doubted, clock-agrees.
"""

import logging
import traceback
from pathlib import Path

log = logging.getLogger("holdfast.server")
FRAMES = 4


def start_logging() -> None:
    """Write our lines, and the errors of the web server, to standard error; its warnings are other people's noise."""
    logging.basicConfig(level=logging.INFO, format="level=%(levelname)s logger=%(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def log_bug(error: BaseException, event: str = "bug") -> None:
    """Say what kind of exception it was and where: its text may quote what a peer sent, so that stays out."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    log.error('event=%s kind=%s at="%s"', event, type(error).__name__, where)
