"""The rows of exports: what each device was told last.

Never holds a secret: digests of what is public to the operator, and the ids of keys.
"""

import json
from typing import Any

from holdfast_server.records import ExportRecord
from holdfast_server.store.rows import Rows


class ExportRows(Rows):
    """Statements on exports."""

    def put_export(self, rs_id: str, parts: dict[str, Any], now_s: int) -> None:
        """Remember what a device is told now, instead of what it was told before."""
        self._execute("INSERT OR REPLACE INTO exports VALUES (?, ?, ?)", (rs_id, now_s, json.dumps(parts)))

    def export(self, rs_id: str) -> ExportRecord | None:
        """Return what a device was told last, or None when it never was."""
        row = self._one("SELECT * FROM exports WHERE rs_id = ?", (rs_id,))
        return None if row is None else ExportRecord(row["exported_at"], json.loads(row["told"]))
