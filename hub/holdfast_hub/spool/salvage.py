"""What can still be read of a damaged spool goes into the new one; what cannot is counted, so that the hub can say it.

Nothing is repaired in the damaged file. A parcel whose id is remembered as gone is not brought back: it was delivered.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from holdfast_hub.spool.bounds import OVERHEAD_LEN
from holdfast_hub.spool.database import LENT, OVER, WAITING
from holdfast_hub.spool.tally import WHOLE

PARCEL = "number, box, id, kind, state, rank, size, tries, put_s, put_ms, ends_s, dies_ms, until_ms, why, about, body"
GONE = "box, id, until_ms"
_TYPES = (int, str, bytes, str, int, int, int, int, None, int, None, None, None, str, bytes, bytes)
"""Of the columns of PARCEL; None: an integer or nothing."""
Row = tuple[Any, ...]


def salvage(damaged: Path, connection: sqlite3.Connection) -> str:
    """Fill a new spool from a damaged one; returns the sentence that says what was kept and what is lost.

    A start that was killed on the way does it again.
    """
    with closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        held = _one(old, "SELECT count FROM boxes WHERE box = ''")
        connection.execute("BEGIN IMMEDIATE")
        saved = _copy(old, connection)
        connection.execute("COMMIT")
    if held is None:
        return f"{saved} parcels could be read in it and were kept: what else it held is lost."
    lost = held - saved
    rest = f"{lost} are lost" if lost > 0 else "none is lost"
    return f"Of the {held} parcels in it {saved} could be read and were kept: {rest}."


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> int:
    gone = _rows(old, f"SELECT {GONE} FROM gone ORDER BY box", f"SELECT {GONE} FROM gone ORDER BY box DESC")  # noqa: S608
    new.executemany("INSERT OR IGNORE INTO gone VALUES (?, ?, ?)", (row for row in gone if _is_gone(row)))
    read = f"SELECT {PARCEL} FROM parcels ORDER BY number"  # noqa: S608
    places = ", ".join(f"?{place}" for place in range(1, len(_TYPES) + 1))
    new.executemany(
        f"INSERT OR IGNORE INTO parcels ({PARCEL}) SELECT {places} "  # noqa: S608
        "WHERE NOT EXISTS (SELECT 1 FROM gone WHERE box = ?2 AND id = ?3)",
        (row for row in _rows(old, read, read + " DESC") if _is_parcel(row)),
    )
    new.execute(
        f"UPDATE parcels SET size = length(body) + length(about) + length(id) + {OVERHEAD_LEN}, "  # noqa: S608
        f"until_ms = NULL, state = CASE state WHEN {LENT} THEN {WAITING} ELSE state END"
    )
    new.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)", _clock(old, new))
    last = _one(old, "SELECT seq FROM sqlite_sequence WHERE name = 'parcels'")
    if last is not None:  # a number is never given twice
        new.execute("DELETE FROM sqlite_sequence WHERE name = 'parcels'")
        highest = new.execute("SELECT ifnull(max(number), 0) FROM parcels").fetchone()[0]
        new.execute("INSERT INTO sqlite_sequence VALUES ('parcels', ?)", (max(last, highest),))
    counted = (
        "SELECT box, 1 AS n, size, state = 2 AS aside, 0 AS gone FROM parcels "
        "UNION ALL SELECT box, 0, 0, 0, 1 FROM gone"
    )
    new.execute("DELETE FROM boxes")
    sums = "sum(n), sum(size), sum(aside), sum(gone)"
    new.execute(f"INSERT INTO boxes SELECT box, {sums} FROM ({counted}) GROUP BY box")  # noqa: S608
    new.execute(f"INSERT INTO boxes SELECT ?, {sums} FROM ({counted}) HAVING sum(n + gone) > 0", (WHOLE,))  # noqa: S608
    return int(new.execute("SELECT count(*) FROM parcels").fetchone()[0])


def _rows(old: sqlite3.Connection, forward: str, backward: str) -> Iterator[Row]:
    """The rows before the damage and those behind it; rows may come twice."""
    for statement in (forward, backward):
        try:
            yield from old.execute(statement)
        except (sqlite3.Error, UnicodeDecodeError):
            continue
        return


def _clock(old: sqlite3.Connection, new: sqlite3.Connection) -> Row:
    """The life clock; where it cannot be read, it was as late as the last parcel came."""
    with suppress(sqlite3.Error, UnicodeDecodeError):
        row = old.execute("SELECT boot, mono_ms, life_ms FROM clock").fetchone()
        if row is not None and [type(value) for value in row] == [str, int, int]:
            return tuple(row)
    return "", 0, new.execute("SELECT ifnull(max(put_ms), 0) FROM parcels").fetchone()[0]


def _one(old: sqlite3.Connection, statement: str) -> int | None:
    try:
        row = old.execute(statement).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row and isinstance(row[0], int) and row[0] >= 0 else None


def _is_gone(row: Row) -> bool:
    return [type(value) for value in row] == [str, bytes, int]


def _is_parcel(row: Row) -> bool:
    """Whether each column is of its type, and the state is one."""
    fits = all(
        isinstance(value, kind) if kind else value is None or isinstance(value, int)
        for value, kind in zip(row, _TYPES, strict=True)
    )
    return fits and WAITING <= row[4] <= OVER and row[0] > 0
