"""The spool of a hub that runs: the Spool of ports.py over one SQLite file, with one commit for many."""

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from holdfast_hub.ports import FAILED, FULL
from holdfast_hub.records import NAME, Now, Parcel
from holdfast_hub.spool import database
from holdfast_hub.spool.bounds import MAX_ID_LEN, MAX_PRIORITY, Bounds, size_of
from holdfast_hub.spool.errors import SpoolDamaged, SpoolFailed, SpoolFull, failures
from holdfast_hub.spool.rows import Rows
from holdfast_hub.spool.salvage import salvage
from holdfast_hub.spool.writer import Work, Writer

GROUP = 1024
GATHER_S = 0.005
MAX_WAITING = 10_000
"""Parcels that are not committed yet; the next one is refused as FULL."""
MAX_WAITING_LEN = 16 << 20
VACUUM_PAGES = 256
"""Given back to the file system in one step, about 2 ms, while nothing else is to do."""
_NO_ROOM = "The disk of {} has less than {} MiB free: make room, and new parcels are taken again."
MAX_TIME = 2**53 - 1
_BOX = re.compile(r"@?" + NAME.pattern)


@dataclass(frozen=True, slots=True)
class Level:
    """What the spool holds after a commit. count and len: what waits or is lent or was set aside.

    counts: how often since the spool was made: kept, duplicate, full, delivered, expired, dropped, purged, set_aside.
    failed: commits that have failed since this start. trouble: why the last commit has failed, or nothing new is taken.
    """

    count: int = 0
    len: int = 0
    aside: int = 0
    gone: int = 0
    failed: int = 0
    trouble: str = ""
    counts: dict[str, int] = field(default_factory=dict)


class SqliteSpool:
    """The spool in a state directory; one hub has it at a time.

    call: runs a function later in the thread of those who ask. Call tick every second, and close at the end: what was
    asked for before is written and reported.
    found: the sentence to tell an operator when the spool was damaged and has been set aside, else "".
    Raises SpoolError when the directory or the file cannot be used.
    """

    def __init__(
        self,
        directory: Path,
        now: Now,
        call: Callable[[Callable[[], None]], object],
        bounds: Bounds | None = None,
        *,
        boot: str | None = None,
        group: int = GROUP,
        gather_s: float = GATHER_S,
        threaded: bool = True,
    ) -> None:
        self._directory = directory
        self._path = directory / database.NAME
        self._call = call
        self._bounds = bounds or Bounds()
        self.found = ""
        self.level = Level()
        self._owed: list[Work] = []
        self._waiting_len = 0
        self._tends = False
        self._lock_fd = database.lock(directory)
        try:
            self._connection = self._open()
            with failures(self._path):
                self._rows = Rows(self._connection, self._bounds, database.boot_id() if boot is None else boot, now)
                with self._rows.transaction():
                    self._rows.take_back(blame=True)
                self._counts = self._rows.counts()
                self._identity = database.identity(directory)
        except BaseException:
            os.close(self._lock_fd)
            raise
        self._writer = Writer(self._commit, self._tend, call, group=group, gather_s=gather_s, threaded=threaded)

    def put(self, parcel: Parcel, now: Now, done: Callable[[str], None]) -> None:
        """Keep a parcel (see Spool). ValueError: a box, an id or a number that the caller should not have let in."""
        _check(parcel)
        size = size_of(parcel)
        if self._writer.waiting >= MAX_WAITING or self._waiting_len + size > MAX_WAITING_LEN:
            self._call(partial(done, FULL))
            return
        self._waiting_len += size

        def kept(answer: str) -> None:
            self._waiting_len -= size
            done(answer)

        self._writer.add((self._rows.put, (parcel, now), kept, FAILED, 1))

    def take(self, box: str, limit: int, now: Now, done: Callable[[list[Parcel]], None]) -> None:
        """Lend the first parcels of a box (see Spool); none when the disk does not let it be noted."""
        self._writer.add((self._rows.take, (box, limit, now), done, [], limit))

    def find(self, box: str, id_: bytes, now: Now, done: Callable[[Parcel | None], None]) -> None:
        """Look at one parcel of a box (see Spool)."""
        self._writer.add((self._rows.find, (box, id_, now), done, None, 1))

    def delivered(self, parcels: Sequence[Parcel], done: Callable[[bool], None]) -> None:
        """Forget what has arrived (see Spool)."""
        self._writer.add((self._rows.delivered, (tuple(parcels),), done, False, len(parcels)))

    def give_back(
        self, parcels: Sequence[Parcel], done: Callable[[bool], None], *, why: str = "", blame: bool = True
    ) -> None:
        """They have not arrived (see Spool)."""
        self._writer.add((self._rows.give_back, (tuple(parcels), why, blame), done, False, len(parcels)))

    @property
    def is_alive(self) -> bool:
        """Whether what is asked for will be done; a mistake of ours ends the writer's thread."""
        return self._writer.is_alive

    def check(self, done: Callable[[bool], None]) -> None:
        """Write to the disk. done(whether that went well, and there is room to keep more)."""
        self._writer.add((self._rows.check, (), done, False, 1))

    def tick(self, now: Now) -> None:
        """Once a second: sweep what is over, give room back, and write how long all has waited."""
        self._writer.add((self._sweep, (now,), None, None, 0))

    @property
    def waiting(self) -> int:
        """How much has been asked for and is not begun."""
        return self._writer.waiting

    def turn(self) -> None:
        """Write one group now; only without a thread."""
        self._writer.turn()

    def close(self) -> None:
        """Write what was asked for, note the time, and let another hub have the spool."""
        self._writer.end()
        with contextlib.suppress(SpoolFailed), failures(self._path):
            with self._rows.transaction():
                for method, values, *_ in self._owed:
                    method(*values)
                self._rows.take_back(blame=False)
                self._rows.write_clock()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        os.close(self._lock_fd)

    # --- in the writer's thread ---

    def _commit(self, group: list[Work]) -> list[Callable[[], None]]:
        """Do a group in one transaction; return what tells each of those who asked."""
        answers = self._answers(group)
        return [partial(work[2], answer) for work, answer in zip(group, answers, strict=True) if work[2]]

    def _answers(self, group: list[Work]) -> list[Any]:
        try:
            return self._done(group)
        except SpoolFailed as error:
            rest = [work for work in group if work[3] != FAILED]
            if len(rest) < len(group):  # without new parcels it may be possible, and make room
                others = iter(self._answers(rest) if rest else [])
                self._note(error)
                refusal = FULL if isinstance(error, SpoolFull) else FAILED
                return [next(others) if work[3] != FAILED else refusal for work in group]
            self._note(error)
            # They have arrived: nobody is lent them again before this is noted, for lending has to be noted too.
            self._owed += [work for work in group if work[0] == self._rows.delivered]
            return [work[3] for work in group]

    def _done(self, group: list[Work]) -> list[Any]:
        with failures(self._path):
            if database.identity(self._directory) != self._identity:  # what is written now would be gone at the end
                raise SpoolFailed(
                    f"The spool {self._path} was removed or replaced beside the hub: start the hub again."
                )
            self._rows.has_room = self._has_room()
            with self._rows.transaction() as tally:
                for method, values, *_ in self._owed:
                    method(*values)
                answers = [method(*values) for method, values, *_ in group]
        self._owed = []
        for name, number in tally.counts.items():
            self._counts[name] = self._counts.get(name, 0) + number
        whole, level = tally.whole, self.level
        trouble = "" if self._rows.has_room else _NO_ROOM.format(self._path, self._bounds.keep_free_len >> 20)
        self.level = Level(whole.count, whole.len, whole.aside, whole.gone, level.failed, trouble, dict(self._counts))
        return answers

    def _note(self, error: SpoolFailed) -> None:
        self.level = replace(self.level, failed=self.level.failed + 1, trouble=str(error))
        if isinstance(error, SpoolDamaged):
            with contextlib.suppress(SpoolFailed):
                database.doubt(self._directory)

    def _sweep(self, now: Now) -> None:
        if self._rows.sweep(now):
            self._writer.add((self._sweep, (now,), None, None, 0))
        self._rows.charge()
        self._counts = self._rows.counts()  # an operator's command may have purged
        self._tends = True

    def _tend(self) -> None:
        """Give a part of the room back that is free, when there is nothing else to do."""
        if not self._tends or self._writer.waiting:
            return
        self._tends = False
        try:
            with failures(self._path):
                if self._connection.execute("PRAGMA freelist_count").fetchone()[0]:
                    # Only executescript steps through all of them: execute frees a single page.
                    self._connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except SpoolFailed as error:
            self._note(error)

    def _has_room(self) -> bool:
        disk = os.statvfs(self._directory)
        return disk.f_bavail * disk.f_frsize >= self._bounds.keep_free_len

    # --- at the start ---

    def _open(self) -> sqlite3.Connection:
        said = f"The spool {self._path} was damaged."
        database.go_on_setting_aside(self._directory)
        try:
            connection = database.connect(self._directory)
        except SpoolDamaged as error:
            said = str(error)
            database.set_aside(self._directory)
            connection = database.connect(self._directory)
        kept = database.damaged(self._directory)
        if kept is not None and kept.is_file():
            with failures(self._path):
                self.found = f"{said} It was set aside as {kept.name}. {salvage(kept, connection)}"
            database.searched(self._directory)
        return connection


def _check(parcel: Parcel) -> None:
    if not _BOX.fullmatch(parcel.box):
        raise ValueError("box")
    if not 1 <= len(parcel.id) <= MAX_ID_LEN:
        raise ValueError("id")
    if not 0 <= parcel.priority <= MAX_PRIORITY:
        raise ValueError("priority")
    for number in (parcel.ends_s, parcel.lives_ms):
        if number is not None and not 0 <= number <= MAX_TIME:
            raise ValueError("time")
