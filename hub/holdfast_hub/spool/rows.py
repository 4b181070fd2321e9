"""What is done with parcels inside one transaction: kept, lent, forgotten, given back, and swept when they are over.

Each statement goes by an index to the rows that it wants: none costs more when more waits.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast_hub.ports import DUPLICATE, FULL, KEPT, MAX_TRIES
from holdfast_hub.records import Now, Parcel
from holdfast_hub.spool.bounds import (
    ALONE_FROM,
    GONE_IN_BOX,
    GONE_MS,
    GONE_WHOLE,
    LEASE_MS,
    MAX_PRIORITY,
    SWEEP_ROWS,
    Bounds,
    share_of,
    size_of,
)
from holdfast_hub.spool.clock import EAGER_MS, WRITE_MS, Calendar, LifeClock, dies_ms
from holdfast_hub.spool.database import ASIDE, LENT, OVER, WAITING
from holdfast_hub.spool.tally import Tally

COLUMNS = "box, id, kind, body, rank, ends_s, dies_ms, about, number, tries"
LEASE_OVER = "it was lent and never came back"
STOPPED = "the hub stopped while it was under way"

DELIVERED, EXPIRED, DROPPED, PURGED = "delivered", "expired", "dropped", "purged"
SET_ASIDE = "set_aside"


class Rows:
    """The parcels of an open spool. All other methods run inside transaction."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds, boot: str, now: Now) -> None:
        self._connection = connection
        self._bounds = bounds
        self._execute = connection.cursor().execute
        # By priority: count and length of a box, count and length of the whole.
        whole = (bounds.box_count, bounds.box_len, bounds.whole_count, bounds.whole_len)
        self._room = [tuple(share_of(bound, priority) for bound in whole) for priority in range(MAX_PRIORITY + 1)]
        self._calendar = Calendar()
        written = self._execute("SELECT boot, mono_ms, life_ms FROM clock").fetchone()
        self.life = LifeClock(boot, now.ms, written)
        self.has_room = True
        self._tally: Tally

    @contextmanager
    def transaction(self, *, keeps_time: bool = True) -> Iterator[Tally]:
        """Commit all that is done inside, or on any exception nothing of it. keeps_time: not for a second process."""
        self._execute("BEGIN IMMEDIATE")
        try:
            before = self._connection.total_changes
            self._tally = Tally(self._connection)
            yield self._tally
            self._tally.write()
            if keeps_time and self._connection.total_changes != before and self.life.unwritten_ms >= EAGER_MS:
                self.write_clock()
            self._execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite itself has rolled back after some errors, a full disk for one
                self._execute("ROLLBACK")
            self.life.forget()
            raise

    def write_clock(self) -> None:
        """Write the life clock."""
        self._execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)", self.life.record())

    def check(self) -> bool:
        """Write, and say whether there is room for more."""
        self.write_clock()
        return self.has_room

    def charge(self) -> None:
        """Write the life clock if something waits that has a life, and nothing else has caused it to be written."""
        if (
            self.life.unwritten_ms >= WRITE_MS
            and self._execute("SELECT 1 FROM parcels WHERE dies_ms IS NOT NULL LIMIT 1").fetchone()
        ):
            self.write_clock()

    # --- what the port does ---

    def put(self, parcel: Parcel, now: Now) -> str:
        """Keep a parcel: KEPT, DUPLICATE or FULL."""
        tally, size, key = self._tally, size_of(parcel), (parcel.box, parcel.id)
        if not self._fits(parcel, size, has_room=self.has_room):
            known = self._execute(
                "SELECT 1 FROM parcels WHERE box = ?1 AND id = ?2 "
                "UNION ALL SELECT 1 FROM gone WHERE box = ?1 AND id = ?2",
                key,
            ).fetchone()
            if known or not self._make_room(parcel, size):
                tally.counts[DUPLICATE if known else FULL] += 1
                return DUPLICATE if known else FULL
        life_ms = self.life.at(now.ms)
        kept = self._execute(
            "INSERT INTO parcels (box, id, kind, rank, size, put_s, put_ms, ends_s, dies_ms, about, body) "
            "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 "
            "WHERE NOT EXISTS (SELECT 1 FROM gone WHERE box = ?1 AND id = ?2) ON CONFLICT (box, id) DO NOTHING",
            (
                *key,
                parcel.kind,
                parcel.priority,
                size,
                now.wall_s,
                life_ms,
                parcel.ends_s,
                dies_ms(parcel.ends_s, parcel.lives_ms, now, life_ms),
                parcel.about,
                parcel.body,
            ),
        ).rowcount
        if not kept:
            tally.counts[DUPLICATE] += 1
            return DUPLICATE
        tally.add(parcel.box, count=1, length=size)
        tally.counts[KEPT] += 1
        return KEPT

    def take(self, box: str, limit: int, now: Now) -> list[Parcel]:
        """Lend the first parcels of a box that are not over."""
        self.sweep(now)
        life_ms = self.life.ms
        rows = self._execute(
            f"SELECT {COLUMNS} FROM parcels WHERE box = ? AND state = {WAITING} "  # noqa: S608 - constants
            "AND (ends_s IS NULL OR ends_s > ?) AND (dies_ms IS NULL OR dies_ms > ?) ORDER BY rank, number LIMIT ?",
            (box, -1 if now.wall_s is None else now.wall_s, life_ms, limit),
        ).fetchall()
        parcels = [self._parcel(row, tried=1) for row in rows]
        for at, parcel in enumerate(parcels):
            if parcel.tries > ALONE_FROM:
                del parcels[max(at, 1) :]
                break
        self._connection.executemany(
            f"UPDATE parcels SET state = {LENT}, tries = tries + 1, until_ms = ? WHERE number = ?",  # noqa: S608
            [(life_ms + LEASE_MS, parcel.number) for parcel in parcels],
        )
        return parcels

    def find(self, box: str, id_: bytes, now: Now) -> Parcel | None:
        """The parcel of this id, unless it is over or has left."""
        row = self._execute(
            f"SELECT {COLUMNS} FROM parcels WHERE box = ? AND id = ? "  # noqa: S608 - constants
            "AND (ends_s IS NULL OR ends_s > ?) AND (dies_ms IS NULL OR dies_ms > ?)",
            (box, id_, -1 if now.wall_s is None else now.wall_s, self.life.at(now.ms)),
        ).fetchone()
        return self._parcel(row) if row else None

    def delivered(self, parcels: Sequence[Parcel]) -> bool:
        """Forget what has arrived, all but the ids."""
        self.leave([parcel.number for parcel in parcels], DELIVERED)
        return True

    def give_back(self, parcels: Sequence[Parcel], why: str, blame: bool) -> bool:
        """Let what has not arrived wait again, or set it aside. What was lent to somebody else meanwhile stays lent."""
        for parcel in parcels:
            lent = self._execute(
                f"SELECT tries FROM parcels WHERE number = ? AND state = {LENT} AND tries = ?",  # noqa: S608
                (parcel.number, parcel.tries),
            ).fetchone()
            if lent:
                self._back(parcel.number, parcel.box, parcel.tries - (not blame), why)
        return True

    # --- what an operator does ---

    def leave(self, numbers: list[int], how: str) -> list[int]:
        """Drop parcels but remember their ids; returns the numbers that were there."""
        tally, until_ms = self._tally, self.life.ms + GONE_MS
        rows = self._execute(
            "DELETE FROM parcels WHERE number IN (SELECT value FROM json_each(?)) "
            "RETURNING box, id, state, size, number",
            (json.dumps(numbers),),
        ).fetchall()
        if not rows:
            return []
        self._connection.executemany(
            "INSERT OR IGNORE INTO gone VALUES (?, ?, ?)", [(row[0], row[1], until_ms) for row in rows]
        )
        for box, _, state, size, _ in rows:
            tally.add(box, count=-1, length=-size, aside=-(state == ASIDE), gone=1)
        tally.counts[how] += len(rows)
        for box in {row[0] for row in rows}:
            if (more := tally.of(box).gone - GONE_IN_BOX) > 0:
                self._forget("box = ? ORDER BY until_ms LIMIT ?", (box, more))
        if (more := tally.whole.gone - GONE_WHOLE) > 0:
            self._forget("until_ms IS NOT NULL ORDER BY until_ms LIMIT ?", (more,))
        return [row[4] for row in rows]

    def put_back(self, number: int) -> bool:
        """Let a parcel that was set aside wait again, as if it had never been tried; whether there was one."""
        row = self._execute("SELECT box FROM parcels WHERE number = ? AND state = ?", (number, ASIDE)).fetchone()
        if row is None:
            return False
        self._execute(f"UPDATE parcels SET state = {WAITING}, tries = 0, why = '' WHERE number = ?", (number,))  # noqa: S608
        self._tally.add(row[0], aside=-1)
        return True

    # --- what is over ---

    def take_back(self, *, blame: bool) -> None:
        """What is lent waits again. blame: the hub may have ended by it, so the try counts."""
        while self._give_up_leases(None, STOPPED, blame=blame):
            pass

    def sweep(self, now: Now) -> bool:
        """Look at SWEEP_ROWS at most of each kind that may be over; whether there is more."""
        life_ms = self.life.at(now.ms)
        steps = [self._give_up_leases(life_ms, LEASE_OVER)]
        steps.append(self._expire("dies_ms <= ?", (life_ms,)))
        if now.wall_s is not None:
            steps.append(self._move(WAITING, OVER, "ends_s <= ?", now.wall_s))
            steps.append(self._move(OVER, WAITING, "ends_s > ?", now.wall_s))  # the clock was set back
        settled_s = self._calendar.settled_s(now, life_ms)
        if settled_s is not None:
            for state in (OVER, ASIDE):
                steps.append(self._expire("state = ? AND ends_s <= ?", (state, settled_s)))  # noqa: PERF401
        steps.append(self._forget(f"until_ms <= ? LIMIT {SWEEP_ROWS}", (life_ms,)))
        return max(steps) >= SWEEP_ROWS

    def counts(self) -> dict[str, int]:
        """How often what has happened."""
        return dict(self._execute("SELECT name, value FROM counts").fetchall())

    def _fits(self, parcel: Parcel, size: int, *, has_room: bool) -> bool:
        box_count, box_len, whole_count, whole_len = self._room[parcel.priority]
        box, whole = self._tally.of(parcel.box), self._tally.whole
        return (
            has_room
            and box.count < box_count
            and box.len + size <= box_len
            and whole.count < whole_count
            and whole.len + size <= whole_len
        )

    def _make_room(self, parcel: Parcel, size: int) -> bool:
        """Drop the oldest of the least important in this box, where that is configured; whether the parcel fits now."""
        if parcel.box not in self._bounds.drop_oldest or size > self._room[parcel.priority][1]:
            return False
        freed = 0
        for _ in range(SWEEP_ROWS):
            last = self._execute(
                "SELECT max(rank) FROM parcels WHERE box = ? AND state = ?", (parcel.box, WAITING)
            ).fetchone()[0]
            if last is None or last < parcel.priority:
                return False
            oldest = self._execute(
                "SELECT number, size FROM parcels WHERE box = ? AND state = ? AND rank = ? ORDER BY number LIMIT 1",
                (parcel.box, WAITING, last),
            ).fetchone()
            self.leave([oldest[0]], DROPPED)
            freed += oldest[1]
            if self._fits(parcel, size, has_room=self.has_room or freed >= size):  # the file does not grow by it
                return True
        return False

    def _back(self, number: int, box: str, tries: int, why: str) -> None:
        is_aside = tries >= MAX_TRIES
        self._execute(
            "UPDATE parcels SET state = ?, tries = ?, until_ms = NULL, why = ? WHERE number = ?",
            (ASIDE if is_aside else WAITING, tries, why, number),
        )
        if is_aside:
            self._tally.add(box, aside=1)
            self._tally.counts[SET_ASIDE] += 1

    def _give_up_leases(self, until_ms: int | None, why: str, *, blame: bool = True) -> int:
        """until_ms None: all of them."""
        rows = self._execute(
            "SELECT number, box, tries FROM parcels WHERE state = ? AND until_ms <= ? LIMIT ?",
            (LENT, 2**63 - 1 if until_ms is None else until_ms, SWEEP_ROWS),
        ).fetchall()
        for number, box, tries in rows:
            self._back(number, box, tries - (not blame), why if blame else "")
        return len(rows)

    def _move(self, old: int, new: int, ends: str, wall_s: int) -> int:
        return self._execute(
            f"UPDATE parcels SET state = ? WHERE number IN "  # noqa: S608
            f"(SELECT number FROM parcels WHERE state = ? AND ends_s IS NOT NULL AND {ends} LIMIT {SWEEP_ROWS})",
            (new, old, wall_s),
        ).rowcount

    def _expire(self, which: str, values: tuple[int, ...]) -> int:
        rows = self._execute(f"SELECT number FROM parcels WHERE {which} LIMIT {SWEEP_ROWS}", values).fetchall()  # noqa: S608
        if rows:
            self.leave([row[0] for row in rows], EXPIRED)
        return len(rows)

    def _forget(self, which: str, values: tuple[Any, ...]) -> int:
        """Forget ids of parcels that have left."""
        rows = self._execute(f"SELECT box, id FROM gone WHERE {which}", values).fetchall()  # noqa: S608
        self._connection.executemany("DELETE FROM gone WHERE box = ? AND id = ?", rows)
        for box, _ in rows:
            self._tally.add(box, gone=-1)
        return len(rows)

    def _parcel(self, row: tuple[Any, ...], tried: int = 0) -> Parcel:
        box, id_, kind, body, rank, ends_s, dies, about, number, tries = row
        lives = None if dies is None else dies - self.life.ms
        return Parcel(box, id_, kind, body, rank, ends_s, lives, about, number, tries + tried)
