"""The server's log: a line of key=value for each event, to standard error, and never a value that somebody sent.

What a stranger or a full disk can cause again and again is said once a minute, with the number of times.

Events: listening, stopped, backup-put-back, not-stopped-cleanly, windows-not-kept, bug, fault, sweep-failed,
database-unavailable, login-refused, clock-doubted, clock-agrees, connection-refused, connection-cut-off, accept-failed,
escaped, reloaded, reload-refused.
"""

import logging

from holdfast_core.log_shell import Seldom, where_of
from holdfast_server.authz.errors import StoreFailed

log = logging.getLogger("holdfast.server")


def start_logging() -> None:
    """Write our lines, and the errors of the web server, to standard error; its warnings are other people's noise."""
    logging.basicConfig(level=logging.INFO, format="level=%(levelname)s logger=%(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom())
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def log_bug(error: BaseException, event: str = "bug") -> None:
    """Say what kind of exception it was and where."""
    log.error('event=%s kind=%s at="%s"', event, type(error).__name__, where_of(error))


def log_unavailable(error: StoreFailed) -> None:
    """Say that the database cannot be used: by SQLite's name for the failure."""
    log.error("event=database-unavailable sqlite=%s", error.name)
