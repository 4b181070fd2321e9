"""What an operator sees of a spool and does to it, beside a hub that runs or without one."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast_hub.ports import MAX_TRIES
from holdfast_hub.records import ANSWERS, OUT, TOKENS, Now
from holdfast_hub.spool import database
from holdfast_hub.spool.bounds import Bounds
from holdfast_hub.spool.database import ASIDE, LENT, OVER, WAITING
from holdfast_hub.spool.errors import failures
from holdfast_hub.spool.rows import PURGED, Rows

STEP = 200
"""Parcels changed in one commit, so that a hub beside it waits for moments only."""
STATES = {WAITING: "waits", LENT: "lent", ASIDE: "set aside", OVER: "over"}
_COLUMNS = "number, box, kind, state, rank, size, tries, put_s, put_ms, ends_s, dies_ms, why, hex(id), length(body)"


@dataclass(frozen=True, slots=True)
class Seen:
    """A parcel as an operator sees it, without its body. priority: as it was put. Times in seconds.

    waited_s: without the time in which the machine was off. left_s: of the life that it was given, None for ever.
    why: what keeps it here.
    """

    number: int
    box: str
    kind: str
    state: str
    priority: int
    body_len: int
    tries: int
    put_s: int | None
    waited_s: int
    ends_s: int | None
    left_s: int | None
    why: str
    id: str


class Overview:
    """The spool of a state directory. Raises SpoolError."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / database.NAME
        self._connection = database.look(directory)
        self.is_running = _is_locked(directory / database.LOCK_NAME)
        with failures(self.path):
            now = Now(time.monotonic_ns() // 1_000_000, int(time.time()))
            self._rows = Rows(self._connection, Bounds(), database.boot_id(), now)

    def __enter__(self) -> "Overview":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def boxes(self) -> list[dict[str, Any]]:
        """What each box holds: box, count, len, aside; gone: ids of what has left."""
        names = ("box", "count", "len", "aside", "gone")
        rows = self._all("SELECT box, count, len, aside, gone FROM boxes WHERE box <> '' ORDER BY box")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def counts(self) -> dict[str, int]:
        """How often what has happened since the spool was made."""
        return dict(self._all("SELECT name, value FROM counts ORDER BY name"))

    def parcels(self, box: str | None, *, aside: bool, limit: int) -> list[Seen]:
        """The first parcels of one box or of all, in the order in which each box is emptied."""
        which, values = _which(box, aside=aside)
        order = "ORDER BY box, rank, number LIMIT ?"
        rows = self._all(f"SELECT {_COLUMNS} FROM parcels WHERE {which} {order}", (*values, limit))  # noqa: S608
        return [self._seen(row) for row in rows]

    def parcel(self, number: int) -> Seen | None:
        """One parcel; None when it is not there, or not any more."""
        rows = self._all(f"SELECT {_COLUMNS} FROM parcels WHERE number = ? ", (number,))  # noqa: S608
        return self._seen(rows[0]) if rows else None

    def purge(self, numbers: Iterable[int]) -> list[int]:
        """Drop parcels; returns those that were there. What a running hub has lent stays."""
        return self._each(numbers, self._purge)

    def put_back(self, numbers: Iterable[int]) -> list[int]:
        """Let parcels that were set aside wait again; returns those that had been."""
        return self._each(numbers, lambda some: [number for number in some if self._rows.put_back(number)])

    def numbers(self, box: str | None, *, aside: bool) -> list[int]:
        """The numbers of all parcels of a box, or of all boxes; aside: only of those set aside."""
        which, values = _which(box, aside=aside)
        return [row[0] for row in self._all(f"SELECT number FROM parcels WHERE {which}", values)]  # noqa: S608

    def _each(self, numbers: Iterable[int], change: Callable[[list[int]], list[int]]) -> list[int]:
        wanted, changed = list(numbers), []
        for start in range(0, len(wanted), STEP):
            with failures(self.path), self._rows.transaction(keeps_time=False):
                changed += change(wanted[start : start + STEP])
        return changed

    def _purge(self, numbers: list[int]) -> list[int]:
        if self.is_running:
            numbers = [number for number in numbers if not self._is_lent(number)]
        return self._rows.leave(numbers, PURGED)

    def _is_lent(self, number: int) -> bool:
        state = self._connection.execute("SELECT state FROM parcels WHERE number = ?", (number,)).fetchone()
        return state is not None and state[0] == LENT

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with failures(self.path):
            return self._connection.execute(statement, values).fetchall()  # no reader stays open: it would hold the log

    def _seen(self, row: tuple[Any, ...]) -> Seen:
        number, box, kind, state, rank, _, tries, put_s, put_ms, ends_s, dies_ms, why, id_, length = row
        life_ms = self._rows.life.ms
        left_s = None if dies_ms is None else max(0, dies_ms - life_ms) // 1000
        reason = self._reason(state, box, tries, why)
        waited_s = max(0, life_ms - put_ms) // 1000
        word = STATES[state]
        return Seen(number, box, kind, word, rank, length, tries, put_s, waited_s, ends_s, left_s, reason, id_.lower())

    def _reason(self, state: int, box: str, tries: int, why: str) -> str:
        if state == LENT:
            return "it is being delivered" if self.is_running else "the hub stopped while it was being delivered"
        if state == OVER:
            return "its end has passed by the clock; it goes when the clock has been right for a while"
        if state == ASIDE:
            return f"it did not arrive in {tries} tries" + (f": {why}" if why else "")
        if tries:
            return f"try {tries} of {MAX_TRIES} failed" + (f": {why}" if why else "")
        if box == TOKENS:
            return "it is used until it ends"
        waits_for = {OUT: "the broker", ANSWERS: "the client to ask for it"}
        return f"it waits for {waits_for.get(box, 'the device to be in contact')}"


def _which(box: str | None, *, aside: bool) -> tuple[str, tuple[Any, ...]]:
    states = (ASIDE, ASIDE) if aside else (WAITING, OVER)
    return ("state BETWEEN ? AND ?", states) if box is None else ("box = ? AND state BETWEEN ? AND ?", (box, *states))


def _is_locked(path: Path) -> bool:
    """Whether a hub runs."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)
    return False
