"""The one row that says what was known of the time; clock_guard.py says what it is for."""

from holdfast_server.records import KeptClock
from holdfast_server.store.rows import Rows


class ClockRows(Rows):
    """Statements on clock."""

    def kept_clock(self) -> KeptClock | None:
        """What was kept, or None."""
        row = self._one("SELECT seen_s, swept_s, accepted FROM clock")
        return None if row is None else KeptClock(**row)

    def keep_clock(self, seen_s: int, swept_s: int, accepted: int) -> bool:
        """Keep both times; False, and nothing is kept, when the operator has accepted a time that is not known yet."""
        row = self._one(
            "INSERT INTO clock (one, seen_s, swept_s) SELECT 1, ?, ? WHERE true ON CONFLICT (one) DO UPDATE "
            "SET seen_s = excluded.seen_s, swept_s = excluded.swept_s WHERE accepted = ? RETURNING accepted",
            (seen_s, swept_s, accepted),
        )
        return row is not None

    def accept_clock(self, now_s: int) -> None:
        """Keep that the operator says that it is now_s; what may be deleted never moves on by it."""
        self._execute(
            "INSERT INTO clock (one, seen_s, swept_s, accepted) VALUES (1, ?, ?, 1) ON CONFLICT (one) DO UPDATE "
            "SET seen_s = excluded.seen_s, swept_s = min(swept_s, excluded.swept_s), accepted = accepted + 1",
            (now_s, now_s),
        )
