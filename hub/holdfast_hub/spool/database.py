"""The file of the spool: who may open it, how it is kept durable, and what happens when it is damaged.

Write-ahead log, fsync at every commit. A commit that has returned survives a crash and a power cut.
"""

import fcntl
import os
import re
import sqlite3
from pathlib import Path

from holdfast_hub.spool.errors import SpoolAbsent, SpoolDamaged, SpoolLocked, SpoolNewer, failures

NAME = "spool.db"
LOCK_NAME = "spool.lock"
DOUBT_NAME = "spool.doubt"
"""Is there after SQLite has met damage in a hub that runs: the next start reads every page."""
APPLICATION_ID = 0x48465350  # "HFSP"
VERSION = 1
DAMAGED_NAME = "spool.damaged"
"""Names the damaged spool that was set aside, until what can be read of it is in the new one."""
_DAMAGED = re.compile(rf"damaged-[0-9]+-{re.escape(NAME)}")
BUSY_TIMEOUT_MS = 5000  # an operator's command writes in small steps
WAL_PAGES = 1000
CACHE_KIB = 8192
WAL_LEN = 4 << 20
"""What the log may keep on disk after a checkpoint: with it, what is delivered can be noted on a disk that is full."""
WHOLE_CHECK_LEN = 64 << 20
"""Up to so many octets every page is read at a start, in about a second; beyond, only after damage was met."""

WAITING, LENT, ASIDE, OVER = range(4)
"""State of a parcel: waits, is lent, was set aside, is past its end in wall time."""

SCHEMA = """
CREATE TABLE parcels (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    box TEXT NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    rank INTEGER NOT NULL,
    size INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    put_s INTEGER,
    put_ms INTEGER NOT NULL,
    ends_s INTEGER,
    dies_ms INTEGER,
    until_ms INTEGER,
    why TEXT NOT NULL DEFAULT '',
    about BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX by_id ON parcels (box, id);
CREATE INDEX in_order ON parcels (box, state, rank, number);
CREATE INDEX by_end ON parcels (state, ends_s) WHERE ends_s IS NOT NULL;
CREATE INDEX by_life ON parcels (dies_ms) WHERE dies_ms IS NOT NULL;
CREATE INDEX by_until ON parcels (state, until_ms) WHERE until_ms IS NOT NULL;
CREATE TABLE gone (box TEXT NOT NULL, id BLOB NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY (box, id))
STRICT, WITHOUT ROWID;
CREATE INDEX gone_of_box ON gone (box, until_ms);
CREATE INDEX gone_by_until ON gone (until_ms);
CREATE TABLE boxes (
    box TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    len INTEGER NOT NULL,
    aside INTEGER NOT NULL,
    gone INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL, mono_ms INTEGER NOT NULL,
                    life_ms INTEGER NOT NULL) STRICT;
"""


def lock(directory: Path) -> int:
    """Return the open file of a lock that no other hub has; it ends with the process. Raises SpoolError."""
    path = directory / LOCK_NAME
    with failures(path):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise SpoolLocked(
            f"Another hub runs in {directory}: stop it first, or give this one its own --state."
        ) from None
    return fd


def connect(directory: Path) -> sqlite3.Connection:
    """Open the spool, and make it when there is none. Raises SpoolError; SpoolDamaged when it must be set aside."""
    path = directory / NAME
    with failures(path):
        is_new = not path.exists()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its log the same mode
        if is_new:
            sync_directory(directory)
            sync_directory(directory.parent)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        with failures(path):
            _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def look(directory: Path) -> sqlite3.Connection:
    """Open the spool that is there, beside a hub that runs or without one. Raises SpoolError."""
    path = directory / NAME
    with failures(path):
        if not path.exists():
            raise SpoolAbsent(f"There is no spool in {directory}: `holdfast hub run` makes one. Is --state right?")
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        with failures(path):
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA synchronous = FULL")
            _check_version(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def set_aside(directory: Path) -> None:
    """Give a damaged spool another name, with its log, for damaged() to find; nothing is deleted."""
    number = 1
    while (kept := directory / f"damaged-{number}-{NAME}").exists():
        number += 1
    with failures(kept):
        with open(directory / DAMAGED_NAME, "w", encoding="ascii", opener=_private) as file:
            file.write(kept.name)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(directory)
    go_on_setting_aside(directory)


def go_on_setting_aside(directory: Path) -> None:
    """Do what a start that was killed has begun: without its log, a spool is an older one that may look sound."""
    kept = damaged(directory)
    if kept is None or kept.exists():
        return
    with failures(kept):
        for rest in ("-shm", "-wal", ""):  # the name of the database itself goes last: with it all is done
            old = directory / (NAME + rest)
            if old.exists():
                old.rename(directory / (kept.name + rest))
        sync_directory(directory)


def damaged(directory: Path) -> Path | None:
    """The damaged spool that is to be set aside and searched for what can be read."""
    try:
        name = (directory / DAMAGED_NAME).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return directory / name if _DAMAGED.fullmatch(name) else None


def searched(directory: Path) -> None:
    """Forget about the damaged spool: what could be read of it is in the new one."""
    with failures(directory):
        (directory / DAMAGED_NAME).unlink()
        sync_directory(directory)


def identity(directory: Path) -> tuple[tuple[int, int] | None, ...]:
    """What the files of an open spool are, so that it is seen when somebody removes or replaces them."""
    found: list[tuple[int, int] | None] = []
    for rest in ("", "-wal"):
        try:
            status = os.stat(directory / (NAME + rest))
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino))
    return tuple(found)


def doubt(directory: Path) -> None:
    """Let the next start read every page."""
    with failures(directory):
        (directory / DOUBT_NAME).touch(mode=0o600)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def boot_id() -> str:
    """What names this boot of the machine: monotonic times of two boots cannot be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""  # then every start counts as one after a boot when its monotonic time is lower


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA auto_vacuum = 2")  # only before the first page is written, and so before journal_mode
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LEN}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
        connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {VERSION}; COMMIT"
        )
    _check_version(connection, path)
    _check(connection, path)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application != APPLICATION_ID:
        raise SpoolDamaged(f"The spool {path} is damaged: it is not one of this program.")
    if version > VERSION:
        raise SpoolNewer(f"The spool {path} was made by a later version of this program: install that one again.")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise SpoolDamaged when a page, a table or an index is not as it was made."""
    length = 1
    for name in ("page_count", "page_size"):
        length *= connection.execute(f"PRAGMA {name}").fetchone()[0]
    doubt = path.with_name(DOUBT_NAME)
    if length <= WHOLE_CHECK_LEN or doubt.exists():
        said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        if said != "ok":
            raise SpoolDamaged(f"The spool {path} is damaged: {said.splitlines()[-1]}.")
        doubt.unlink(missing_ok=True)
    made = sqlite3.connect(":memory:")
    try:
        made.executescript(SCHEMA)
        wanted = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
        if made.execute(wanted).fetchall() != connection.execute(wanted).fetchall():
            raise SpoolDamaged(f"The spool {path} is damaged: a table or an index is not as it was made.")
    finally:
        made.close()
