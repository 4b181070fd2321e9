"""How much each box holds, and how often what happened: counted as it changes, so that nothing is ever added up.

A tally lives for one transaction. Another process may have changed the rows before it, and cannot meanwhile.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass

WHOLE = ""
"""The name, which no box has, of the row that stands for all of them."""


@dataclass(slots=True)
class Held:
    """What a box holds. aside: of count, those set aside. gone: ids remembered of parcels that have left."""

    count: int = 0
    len: int = 0
    aside: int = 0
    gone: int = 0


class Tally:
    """The rows of boxes and counts that a transaction has touched."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._held: dict[str, Held] = {}
        self._changed: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.whole = self.of(WHOLE)

    def of(self, box: str) -> Held:
        """What a box holds now."""
        held = self._held.get(box)
        if held is None:
            row = self._connection.execute("SELECT count, len, aside, gone FROM boxes WHERE box = ?", (box,)).fetchone()
            held = self._held[box] = Held(*row) if row else Held()
        return held

    def add(self, box: str, *, count: int = 0, length: int = 0, aside: int = 0, gone: int = 0) -> None:
        """Count a change of a box and of the whole."""
        self._changed.add(box)
        for held in (self.of(box), self.whole):
            held.count += count
            held.len += length
            held.aside += aside
            held.gone += gone

    def write(self) -> None:
        """Write what has changed; the row of a box that holds nothing goes."""
        if self._changed:
            self._changed.add(WHOLE)
        changed = [(box, self._held[box]) for box in self._changed]
        self._connection.executemany(
            "INSERT INTO boxes VALUES (?, ?, ?, ?, ?) ON CONFLICT (box) DO UPDATE "
            "SET count = excluded.count, len = excluded.len, aside = excluded.aside, gone = excluded.gone",
            [(box, held.count, held.len, held.aside, held.gone) for box, held in changed],
        )
        self._connection.executemany(
            "DELETE FROM boxes WHERE box = ?", [(box,) for box, held in changed if not held.count and not held.gone]
        )
        self._connection.executemany(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            list(self.counts.items()),
        )
