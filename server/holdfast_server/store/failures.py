"""SQLite's errors as the other rooms know them: StoreBusy and StoreFailed (authz/errors.py)."""

import contextlib
import sqlite3
from collections.abc import Iterator

from holdfast_server.authz.errors import StoreBusy, StoreFailed

_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNAVAILABLE = frozenset(
    (
        *_HELD,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )
)


def failure_of(error: sqlite3.Error) -> StoreFailed:
    """Return what to raise instead of an error of SQLite."""
    # Extended codes, such as that of a snapshot that is too old, have the plain one in their low octet.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind = StoreBusy if code in _HELD else StoreFailed
    return kind(
        str(error),
        getattr(error, "sqlite_errorname", "-"),
        is_unavailable=code in _UNAVAILABLE,
        is_damage=not isinstance(error, sqlite3.OperationalError),
    )


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Raise StoreBusy or StoreFailed instead of every error of SQLite inside."""
    try:
        yield
    except sqlite3.Error as error:
        raise failure_of(error) from error
