"""The rows by which tokens are revoked, also a large family a few at a time.  Never decides: see revocation.py."""

import json
from collections.abc import Sequence

from holdfast_server.records import Unfinished
from holdfast_server.store.tokens import TokenRows


class RevocationRows(TokenRows):
    """Statements on unfinished_revocations, and on tokens that are revoked."""

    def revoke_tokens(self, token_ids: Sequence[int], now_s: int) -> list[int]:
        """Revoke these tokens and no others; returns the ids newly revoked."""
        rows = self._all(
            "UPDATE tokens SET revoked_at = ? WHERE token_id IN (SELECT value FROM json_each(?)) "
            "AND revoked_at IS NULL RETURNING token_id",
            (now_s, json.dumps(list(token_ids))),
        )
        return sorted(row["token_id"] for row in rows)

    def live_children(self, token_id: int, after: int, limit: int) -> list[int]:
        """Return at most `limit` numbers above `after` of live tokens that were exchanged for this one, in order."""
        rows = self._all(
            "SELECT token_id FROM tokens INDEXED BY tokens_live_of_parent "
            "WHERE parent_id = ? AND revoked_at IS NULL AND token_id > ? ORDER BY token_id LIMIT ?",
            (token_id, after, limit),
        )
        return [row["token_id"] for row in rows]

    def with_live_children(self, token_ids: Sequence[int]) -> list[int]:
        """Return those of these tokens for which one was exchanged that is not revoked."""
        rows = self._all(
            "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM tokens INDEXED BY tokens_live_of_parent "
            "WHERE parent_id = value AND revoked_at IS NULL)",
            (json.dumps(list(token_ids)),),
        )
        return [row["value"] for row in rows]

    def unfinished_revocations(self, limit: int) -> list[Unfinished]:
        """Return at most `limit` of them."""
        return [Unfinished(**row) for row in self._all("SELECT * FROM unfinished_revocations LIMIT ?", (limit,))]

    def put_unfinished_revocation(self, unfinished: Unfinished) -> None:
        """Add one, or count what was revoked."""
        self._execute(
            "INSERT INTO unfinished_revocations VALUES (?, ?, ?, ?) "
            "ON CONFLICT (token_id) DO UPDATE SET revoked = excluded.revoked",
            (unfinished.token_id, unfinished.reason, unfinished.address, unfinished.revoked),
        )

    def finish_revocation(self, token_id: int) -> None:
        """Forget one."""
        self._execute("DELETE FROM unfinished_revocations WHERE token_id = ?", (token_id,))
