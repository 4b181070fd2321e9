"""A backup: one file with the database, the configuration and the TLS files of a state directory, and its digest.

    MAGIC | SHA-256 of the rest | an SQLite database: the server's, and the table `backed_up` with the other files

It is a key like the state directory itself: mode 0600, and not encrypted.  A database that was put back by hand from
inside of it is not at home (store/home.py) and not served.  Never replaces a file that is there.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from holdfast_server.authz.errors import BackupUnusable, DatabaseDamaged
from holdfast_server.store.failures import failures
from holdfast_server.store.home import PREFIX
from holdfast_server.store.sqlite import DATABASE_NAME, LOCK_NAME, Store, take_lock

MAGIC = b"HOLDFAST-BACKUP-1\n"
DIGEST_LEN = hashlib.sha256().digest_size
CHUNK_LEN = 1 << 20
UNFINISHED = ".holdfast-"
FILES_TABLE = "CREATE TABLE backed_up (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT"


def back_up(store: Store, names: list[str], to: Path) -> None:
    """Write a backup of an open store, which may be served meanwhile, and of the files of these names beside it.

    Raises BackupUnusable: `to` exists. DatabaseDamaged: the copy is not sound. OSError, StoreFailed.
    """
    if to.exists():
        raise BackupUnusable(f"{to} exists, and a backup never replaces a file")
    with _folder_in(to.parent) as folder:
        copy = folder / DATABASE_NAME
        store.copy_to(copy)
        with Store(folder, serving=False, create=False) as copied:
            _check(copied)
        with failures(), contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("UPDATE home SET marker = ''")
            connection.execute(FILES_TABLE)
            for name in names:
                content = (store.path / name).read_bytes()
                connection.execute("INSERT INTO backed_up VALUES (?, ?)", (name, content))
        whole = folder / "whole"
        _pack(copy, whole)
        try:
            os.link(whole, to)
        except FileExistsError:
            raise BackupUnusable(f"{to} exists, and a backup never replaces a file") from None
        except OSError:  # a file system without links
            whole.rename(to)


def restore(backup: Path, state: Path, now_s: int, operator: str, *, force: bool) -> list[str]:
    """Make a state directory of a backup; every number jumps. Returns the names of the files beside the database.

    force: also where a server was; everything in its place is replaced. Killed at any moment, the directory has the
    server of before or the new one, or says that it has none.
    Raises BackupUnusable, StoreLocked, DatabaseDamaged, MigrationChanged, OSError, StoreFailed.
    """
    if state.exists() and not force and not _is_unused(state):
        raise BackupUnusable(f"{state} is not empty: name a new directory, or say --force to replace what is in it")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = take_lock(state / LOCK_NAME)
    try:
        for left in state.glob(UNFINISHED + "*"):
            shutil.rmtree(left)
        with _folder_in(state) as folder:
            _unpack(backup, folder / DATABASE_NAME)
            with Store(folder, now_s, create=False) as store:
                store.operator = operator
                files = _check_and_take_files(store)
                store.after_restore(now_s)
            for name, content in files.items():
                _write(folder / name, content)
            _move(folder, state, sorted(files))
    finally:
        os.close(lock)
    return sorted(files)


def _is_unused(state: Path) -> bool:
    """Whether a directory holds nothing, or only what a restore that failed left there."""
    return all(path.name == LOCK_NAME or path.name.startswith(UNFINISHED) for path in state.iterdir())


def _check(store: Store) -> None:
    damaged = store.damage()
    if damaged is not None:
        raise DatabaseDamaged(damaged)


def _check_and_take_files(store: Store) -> dict[str, bytes]:
    _check(store)
    rows = store._all("SELECT name, content FROM backed_up")  # noqa: SLF001 - a table of this file's own
    store._execute("DROP TABLE backed_up")  # noqa: SLF001
    files = {row["name"]: row["content"] for row in rows}
    if any(name != Path(name).name or name.startswith((PREFIX, DATABASE_NAME, LOCK_NAME, ".")) for name in files):
        raise BackupUnusable("it names files that no backup has")
    return files


def _move(folder: Path, state: Path, names: list[str]) -> None:
    """Move everything up, the database last: until then the directory has the one of before, or none."""
    old = state / DATABASE_NAME
    with contextlib.suppress(sqlite3.Error, FileNotFoundError):  # what is in its log belongs to it until it is replaced
        if old.stat().st_size:
            with contextlib.closing(sqlite3.connect(old)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in [*folder.glob(PREFIX + "*"), *(folder / name for name in names)]:
        path.replace(state / path.name)
    for rest in ("-wal", "-shm"):
        old.with_name(DATABASE_NAME + rest).unlink(missing_ok=True)
    (folder / DATABASE_NAME).replace(old)
    descriptor = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pack(database: Path, to: Path) -> None:
    digest = hashlib.sha256()
    fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with database.open("rb") as source, os.fdopen(fd, "wb") as target:
        target.write(MAGIC + bytes(DIGEST_LEN))
        while chunk := source.read(CHUNK_LEN):
            digest.update(chunk)
            target.write(chunk)
        target.seek(len(MAGIC))
        target.write(digest.digest())
        target.flush()
        os.fsync(fd)


def _unpack(backup: Path, to: Path) -> None:
    digest = hashlib.sha256()
    with backup.open("rb") as source:
        if source.read(len(MAGIC)) != MAGIC:
            raise BackupUnusable(f"{backup} is not a file of `holdfast server backup`")
        wanted = source.read(DIGEST_LEN)
        fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as target:
            while chunk := source.read(CHUNK_LEN):
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(fd)
    if digest.digest() != wanted:
        raise BackupUnusable(f"{backup} is damaged: its digest is not that of its content")


def _write(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)


@contextlib.contextmanager
def _folder_in(parent: Path) -> Iterator[Path]:
    """A private folder on the same file system as what will come of it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=parent))
    except OSError as error:  # its file name would be one that nobody has typed
        raise OSError(error.errno, error.strerror, str(parent)) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
