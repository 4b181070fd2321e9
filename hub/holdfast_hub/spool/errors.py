"""What can go wrong with the spool, each said in one sentence for an operator."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SpoolError(Exception):
    """The sentence says what is wrong and what to do.

    SpoolError
    |- SpoolAbsent    there is none in this directory
    |- SpoolLocked    another hub has it
    |- SpoolNewer     a later version of this program made it
    `- SpoolFailed    the disk or SQLite refuses
       |- SpoolFull      no room on the disk
       `- SpoolDamaged   it is not what was written
    """


class SpoolAbsent(SpoolError):
    """There is none in this directory."""


class SpoolLocked(SpoolError):
    """Another hub has it."""


class SpoolNewer(SpoolError):
    """A later version of this program made it."""


class SpoolFailed(SpoolError):
    """The disk or SQLite refuses."""


class SpoolFull(SpoolFailed):
    """No room on the disk."""


class SpoolDamaged(SpoolFailed):
    """It is not what was written."""


@contextlib.contextmanager
def failures(path: Path) -> Iterator[None]:
    """Raise SpoolFailed, with a sentence, instead of every error of SQLite and of the operating system inside."""
    try:
        yield
    except sqlite3.Error as error:
        raise failure_of(error, path) from None
    except UnicodeDecodeError:  # as which an error of SQLite comes that quotes a damaged name
        raise SpoolDamaged(f"The spool {path} is damaged: a text in it is no text.") from None
    except PermissionError as error:
        named = error.filename or path
        raise SpoolFailed(
            f"{named} cannot be opened: this user may not. Run as the user to whom the state directory belongs."
        ) from None
    except OSError as error:
        raise SpoolFailed(f"{error.filename or path} cannot be used: {error.strerror}.") from None


def failure_of(error: sqlite3.Error, path: Path) -> SpoolFailed:
    """Return what to raise instead of an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes have the plain one in their low octet
    if code == sqlite3.SQLITE_FULL:
        return SpoolFull(f"The disk of {path} is full: make room, and the hub goes on by itself.")
    if code in _DAMAGE:
        return SpoolDamaged(f"The spool {path} is damaged: {error}.")
    if code in _HELD:
        return SpoolFailed(f"The spool {path} is held by another process: end it, or wait for it.")
    if code == sqlite3.SQLITE_READONLY:
        return SpoolFailed(f"The spool {path} cannot be written: the file or its disk is read-only.")
    if code == sqlite3.SQLITE_CANTOPEN:
        return SpoolFailed(
            f"The spool {path} cannot be opened: look who owns it and its directory, and whether its disk is read-only."
        )
    return SpoolFailed(f"The spool {path} cannot be used: {error}.")
