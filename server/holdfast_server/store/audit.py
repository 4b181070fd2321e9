"""The audit table's rows: who was given or refused what, written in the same transaction as the deed itself.

Never holds a secret, a token or a peer's bytes: ids are the registry's, reasons are constant text.
"""

import sqlite3
from collections.abc import Sequence

from holdfast_server.records import AuditRow
from holdfast_server.store.rows import Rows


class AuditRows(Rows):
    """Statements on audit.  operator: who runs the command that this process is; "" in a server."""

    operator = ""

    def audit(
        self,
        now_s: int,
        event: str,
        *,
        client_id: str | None = None,
        rs_id: str | None = None,
        user_id: str | None = None,
        token_id: int | None = None,
        reason: str = "",
        address: str = "",
    ) -> None:
        """Add one row.  address: where the request came from."""
        self._execute(
            "INSERT INTO audit (at, event, client_id, rs_id, user_id, token_id, reason, address, operator, "
            "client_number, rs_number, user_number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "(SELECT number FROM clients WHERE client_id = ?), (SELECT number FROM resource_servers WHERE rs_id = ?), "
            "(SELECT number FROM users WHERE user_id = ?))",
            (
                now_s,
                event,
                client_id,
                rs_id,
                user_id,
                token_id,
                reason,
                address,
                self.operator,
                client_id,
                rs_id,
                user_id,
            ),
        )

    def audit_rows(
        self,
        limit: int = 100,
        *,
        since_s: int = 0,
        client_id: str | None = None,
        rs_id: str | None = None,
        user_id: str | None = None,
        events: Sequence[str] = (),
    ) -> list[AuditRow]:
        """Return the newest rows that match all the criteria given, newest first.  events: any of these; (): all."""
        marks = ", ".join("?" * len(events))
        # "+at": by number from the newest, which ends at the limit; by the index of times all rows would be sorted.
        rows = self._all(
            "SELECT * FROM audit WHERE +at >= ? AND ifnull(client_id = ?, ?) AND ifnull(rs_id = ?, ?) "  # noqa: S608
            f"AND ifnull(user_id = ?, ?) {f'AND event IN ({marks})' if events else ''} "
            "ORDER BY audit_id DESC LIMIT ?",
            (
                since_s,
                client_id,
                client_id is None,
                rs_id,
                rs_id is None,
                user_id,
                user_id is None,
                *events,
                limit,
            ),
        )
        return [_audit_row(row) for row in rows]

    def audit_events(self) -> list[str]:
        """Return the name of each event that the audit holds, in order.  It reads every row: for a command only."""
        return [row["event"] for row in self._all("SELECT DISTINCT event FROM audit ORDER BY 1")]

    def sweep_audit(self, before_s: int, limit: int = 500) -> int:
        """Delete at most `limit` rows older than before_s; how long to keep them is the operator's decision."""
        statement = "DELETE FROM audit WHERE audit_id IN (SELECT audit_id FROM audit WHERE at < ? LIMIT ?)"
        return self._execute(statement, (before_s, limit)).rowcount


def _audit_row(row: sqlite3.Row) -> AuditRow:
    return AuditRow(**{name: row[name] for name in row.keys() if name != "audit_id"})  # noqa: SIM118 - a Row has no other
