"""The store: one SQLite database in one directory that belongs to one process.

This file opens it (permissions, lock, migrations) and runs transactions; the statements are in store/registry.py,
store/tokens.py, store/keys.py, store/audit.py and store/clock.py; store/home.py and store/damage.py look at what was
found.  One connection, used by one thread: SQLite has one writer anyway, and a shell that batches requests into one
outer transaction gets one fsync for all of them.  Never makes a decision and never reads a clock.
"""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from holdfast_server.authz.errors import DatabaseDamaged, MigrationChanged, StoreFailed, StoreLocked
from holdfast_server.store.clock import ClockRows
from holdfast_server.store.damage import NO_TEXT, DamageRows, Schema, schema_of
from holdfast_server.store.exports import ExportRows
from holdfast_server.store.failures import failure_of, failures
from holdfast_server.store.home import HomeRows
from holdfast_server.store.revocations import RevocationRows
from holdfast_server.store.usage import UsageRows

DATABASE_NAME = "holdfast.db"
LOCK_NAME = "lock"
MIGRATIONS_TABLE = (
    "CREATE TABLE IF NOT EXISTS migrations "
    "(number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT"
)
BUSY_TIMEOUT_MS = 5000  # an operator's command or a backup tool may be in the way for moments
IMPATIENT_MS = 50
"""After having waited in vain, until it is free again: the server answers others meanwhile."""
PROBE_MS = 500


class Store(DamageRows, HomeRows, ClockRows, ExportRows, UsageRows, RevocationRows):
    """The database of one authorization server.

    path: the state directory; made 0700 when absent, and everything in it 0600.  now_s: for the migration log.
    serving: only one server at a time, since OSCORE contexts live in its memory; an operator's command that changes a
    row beside a running server says False.  create: make what is not there.
    Raises StoreLocked when another server has it open, MigrationChanged when the schema is not the one shipped,
    DatabaseDamaged when a database was to be there and is not, or cannot be read.
    """

    def __init__(self, path: Path | str, now_s: int = 0, serving: bool = True, create: bool = True) -> None:
        self.path = Path(path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = take_lock(self.path / LOCK_NAME) if serving else None
        self._depth = 0
        self._waits_ms = BUSY_TIMEOUT_MS
        try:
            with failures():
                self._connection = _connect(self.path / DATABASE_NAME)
            self._migrate(now_s, create)
        except UnicodeDecodeError:
            self._unlock()
            raise DatabaseDamaged(NO_TEXT) from None
        except BaseException:
            self._unlock()
            raise

    def close(self) -> None:
        """Close the database and let another server have it."""
        self._connection.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed, or on an exception undone; nested calls are savepoints."""
        depth = self._depth
        if depth == 0:
            self._begin()
        else:
            self._execute(f"SAVEPOINT level{depth}")
        self._depth = depth + 1
        try:
            yield
            self._execute("COMMIT" if depth == 0 else f"RELEASE level{depth}")
        except BaseException:
            self._undo(depth)
            raise
        finally:
            self._depth = depth

    def _begin(self) -> None:
        try:
            self._execute("BEGIN IMMEDIATE")
        except StoreFailed:
            self._wait_at_most(IMPATIENT_MS)
            raise
        if self._waits_ms != BUSY_TIMEOUT_MS:
            self._wait_at_most(BUSY_TIMEOUT_MS)

    def _wait_at_most(self, waits_ms: int) -> None:
        self._waits_ms = waits_ms
        self._execute(f"PRAGMA busy_timeout = {waits_ms}")

    def check_writable(self) -> None:
        """Write one row as it is, which goes to the disk as any other write does. Raises StoreFailed."""
        before_ms = self._waits_ms
        self._wait_at_most(PROBE_MS)
        try:
            self._execute("UPDATE clock SET seen_s = seen_s")
        finally:
            self._wait_at_most(before_ms)

    def _undo(self, depth: int) -> None:
        """Roll back; SQLite itself has already done so after some errors, a full disk for one."""
        if not self._connection.in_transaction:
            return
        if depth == 0:
            self._execute("ROLLBACK")
            return
        self._execute(f"ROLLBACK TO level{depth}")
        self._execute(f"RELEASE level{depth}")

    def copy_to(self, path: Path) -> None:
        """Copy the database as it is at this moment into a new file; others may read and write meanwhile."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with failures(), contextlib.closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    def sweep(self, now_s: int, limit: int = 500) -> int:
        """Delete at most `limit` expired rows of each kind, found by index; returns how many went.

        Tokens go when expired, and codes with the last token that their replay could revoke.
        """
        with self.transaction():
            return self._sweep_tokens(now_s, limit) + self._sweep_keys(now_s, limit)

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise failure_of(error) from error

    def _many(self, statement: str, values: list[tuple[Any, ...]]) -> None:
        with failures():
            self._connection.executemany(statement, values)

    def _one(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Row | None:
        try:
            row: sqlite3.Row | None = self._execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise failure_of(error) from error
        return row

    def _all(self, statement: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        try:
            return self._execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise failure_of(error) from error

    # --- migrations ---

    def _migrate(self, now_s: int, create: bool) -> None:
        if not create and self._one("SELECT 1 FROM sqlite_schema") is None:
            raise DatabaseDamaged("it is empty")
        self._execute(MIGRATIONS_TABLE)
        applied = {row["number"]: row["sha256"] for row in self._all("SELECT number, sha256 FROM migrations")}
        shipped = _shipped_migrations()
        if set(applied) - set(shipped):
            raise MigrationChanged("the database is newer than this program")
        for number, (name, script) in sorted(shipped.items()):
            checksum = hashlib.sha256(script.encode()).digest()
            if number not in applied:
                self._apply(number, name, script, checksum, now_s)
            elif applied[number] != checksum:
                raise MigrationChanged(name)
        if create:
            with self.transaction():
                self._make_home()

    def _shipped_schema(self) -> Schema:
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
            model.execute(MIGRATIONS_TABLE)
            for _, script in sorted(_shipped_migrations().values()):
                model.executescript(script)
            return schema_of(lambda query: model.execute(query).fetchall())

    def _apply(self, number: int, name: str, script: str, checksum: bytes, now_s: int) -> None:
        with self.transaction():
            for statement in _statements(script):
                self._execute(statement)
            self._execute("INSERT INTO migrations VALUES (?, ?, ?, ?)", (number, name, checksum, now_s))


def take_lock(path: Path) -> int:
    """Return the open file of a lock that nobody else has; it ends when the file is closed. Raises StoreLocked."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise StoreLocked(str(path.parent)) from None
    return fd


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its -wal the same mode
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted here was a secret often enough
    return connection


def _shipped_migrations() -> dict[int, tuple[str, str]]:
    """Number -> (file name, text) of every migrations/NNNN_*.sql."""
    folder = resources.files("holdfast_server.store") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {int(name[:4]): (name, (folder / name).read_text(encoding="utf-8")) for name in names}


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: executescript would commit the transaction around them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
