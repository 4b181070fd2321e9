"""The audit table's rows: who was given or refused what, written in the same transaction as the deed itself.

Never holds a secret, a token or a peer's bytes: ids are the registry's, reasons are constant text.
"""

import sqlite3
from dataclasses import dataclass

from holdfast_server.store_port import Rows


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event.  reason: "" or the constant text of the refusal."""

    at: int
    event: str
    client_id: str | None
    rs_id: str | None
    user_id: str | None
    token_id: int | None
    reason: str


class AuditRows(Rows):
    """Statements on audit."""

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
    ) -> None:
        """Add one row."""
        self._execute(
            "INSERT INTO audit (at, event, client_id, rs_id, user_id, token_id, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (now_s, event, client_id, rs_id, user_id, token_id, reason),
        )

    def audit_rows(self, limit: int = 100) -> list[AuditRow]:
        """Return the newest rows, newest first."""
        return [_audit_row(row) for row in self._all("SELECT * FROM audit ORDER BY audit_id DESC LIMIT ?", (limit,))]

    def sweep_audit(self, before_s: int, limit: int = 500) -> int:
        """Delete at most `limit` rows older than before_s; how long to keep them is the operator's decision."""
        statement = "DELETE FROM audit WHERE audit_id IN (SELECT audit_id FROM audit WHERE at < ? LIMIT ?)"
        return self._execute(statement, (before_s, limit)).rowcount


def _audit_row(row: sqlite3.Row) -> AuditRow:
    return AuditRow(
        row["at"], row["event"], row["client_id"], row["rs_id"], row["user_id"], row["token_id"], row["reason"]
    )
