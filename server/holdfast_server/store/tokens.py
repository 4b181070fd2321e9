"""The rows of authorization codes and tokens.

Codes and tokens are found by a hash and never kept themselves.  Using a code is one UPDATE that succeeds once, so no
two requests can both have it, also when another process writes to the database.  RFC 6749 section 4.1.2.
"""

import json
import sqlite3
from collections.abc import Sequence

from holdfast_core.token_split import HANDLE_LEN, is_short
from holdfast_server.records import CodeRecord, TokenRecord, token_hash_of
from holdfast_server.store.rows import Rows


class TokenRows(Rows):
    """Statements on authorization_codes and tokens."""

    # --- authorization codes ---

    def add_code(self, code: CodeRecord) -> None:
        """Insert a code."""
        self._execute(
            "INSERT INTO authorization_codes (code_hash, client_id, user_id, redirect_uri, code_challenge, audience, "
            "scope, requested_scope, expires_at, redirect_named) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                code.code_hash,
                code.client_id,
                code.user_id,
                code.redirect_uri,
                code.code_challenge,
                code.audience,
                code.scope,
                code.requested_scope,
                code.expires_at,
                code.redirect_named,
            ),
        )

    def code(self, code_hash: bytes) -> CodeRecord | None:
        """Return a code, consumed or not, or None."""
        row = self._one("SELECT * FROM authorization_codes WHERE code_hash = ?", (code_hash,))
        return None if row is None else CodeRecord(**row)

    def consume_code(self, code_hash: bytes, now_s: int) -> bool:
        """Use a code up; True for exactly one caller ever."""
        row = self._one(
            "UPDATE authorization_codes SET consumed_at = ? WHERE code_hash = ? AND consumed_at IS NULL "
            "RETURNING code_hash",
            (now_s, code_hash),
        )
        return row is not None

    def remember_code(self, code_hash: bytes, until_s: int) -> None:
        """Keep a consumed code as long as what it gave: its replay revokes that (RFC 6749 section 4.1.2)."""
        self._execute(
            "UPDATE authorization_codes SET expires_at = max(expires_at, ?) WHERE code_hash = ?", (until_s, code_hash)
        )

    def _void_codes(self, now_s: int) -> None:
        self._execute("UPDATE authorization_codes SET consumed_at = ? WHERE consumed_at IS NULL", (now_s,))

    # --- tokens ---

    def add_token(self, token: TokenRecord) -> int:
        """Insert a token; returns its token_id, which no other token ever had or gets."""
        token_id = self._next_number("token")
        self._execute(
            "INSERT INTO tokens (token_id, token_hash, token_format, client_id, user_id, audience, scope, claims, "
            "pop_kid, issued_at, expires_at, parent_id, code_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token_id,
                token.token_hash,
                token.token_format,
                token.client_id,
                token.user_id,
                token.audience,
                token.scope,
                token.claims,
                token.pop_kid,
                token.issued_at,
                token.expires_at,
                token.parent_id,
                token.code_hash,
            ),
        )
        return token_id

    def token(self, token: bytes) -> TokenRecord | None:
        """Return the record of a token, or of the part of it that a client carries, whatever its state, or None."""
        row = self._one("SELECT * FROM tokens WHERE token_hash = ?", (token_hash_of(token),))
        if row is not None:
            return _token(row)
        split = self.split_token(token[:HANDLE_LEN]) if is_short(token) else None
        if split is None:
            return None
        record, rest = split
        return record if token_hash_of(rest + token[HANDLE_LEN:]) == record.token_hash else None

    def put_rest(self, token_id: int, handle: bytes, rest: bytes) -> None:
        """Keep what a hub gets for the handle of a split token."""
        self._execute("INSERT INTO token_rests (handle, token_id, rest) VALUES (?, ?, ?)", (handle, token_id, rest))

    def split_token(self, handle: bytes) -> tuple[TokenRecord, bytes] | None:
        """Return the record of a split token, whatever its state, and the rest of it, or None."""
        row = self._one("SELECT token_id, rest FROM token_rests WHERE handle = ?", (handle,))
        record = None if row is None else self.token_by_id(row["token_id"])
        return None if row is None or record is None else (record, row["rest"])

    def token_by_id(self, token_id: int) -> TokenRecord | None:
        """Return the record of a token by its number, whatever its state, or None."""
        row = self._one("SELECT * FROM tokens WHERE token_id = ?", (token_id,))
        return None if row is None else _token(row)

    def live_tokens(
        self,
        now_s: int,
        *,
        client_id: str | None = None,
        user_id: str | None = None,
        audiences: Sequence[str] = (),
    ) -> list[TokenRecord]:
        """Return the live tokens of a client, in a person's name or for any of these audiences, originals first.

        With each comes what was exchanged for it, to any depth.
        """
        marks = ", ".join("?" * len(audiences))
        rows = self._all(
            "WITH RECURSIVE family (id) AS (SELECT token_id FROM tokens WHERE revoked_at IS NULL AND expires_at > ? "  # noqa: S608
            f"AND (client_id = ? OR user_id = ? OR audience IN ({marks})) "
            "UNION SELECT token_id FROM tokens, family WHERE parent_id = id) "
            "SELECT * FROM tokens WHERE token_id IN (SELECT id FROM family) AND revoked_at IS NULL AND expires_at > ? "
            "ORDER BY token_id",
            (now_s, client_id, user_id, *audiences, now_s),
        )
        return [_token(row) for row in rows]

    def live_family(self, token_id: int) -> list[TokenRecord]:
        """Return a token, and what was exchanged for it to any depth, as far as they are not revoked."""
        rows = self._all(
            "WITH RECURSIVE family (id) AS (SELECT ? UNION SELECT token_id FROM tokens, family WHERE parent_id = id) "
            "SELECT * FROM tokens WHERE token_id IN (SELECT id FROM family) AND revoked_at IS NULL ORDER BY token_id",
            (token_id,),
        )
        return [_token(row) for row in rows]

    def narrow_token(self, token_id: int, scope: str | bytes, expires_at: int) -> None:
        """Leave a token less than it had; for reference tokens, since no other can be called back in part."""
        self._execute("UPDATE tokens SET scope = ?, expires_at = ? WHERE token_id = ?", (scope, expires_at, token_id))

    def tokens(self, client_id: str | None = None, limit: int = 100) -> list[TokenRecord]:
        """Return the newest tokens, of one client or of all."""
        if client_id is None:
            rows = self._all("SELECT * FROM tokens ORDER BY token_id DESC LIMIT ?", (limit,))
        else:
            statement = "SELECT * FROM tokens WHERE client_id = ? ORDER BY token_id DESC LIMIT ?"
            rows = self._all(statement, (client_id, limit))
        return [_token(row) for row in rows]

    def pop_key_issued(self, client_id: str, audience: str, pop_kid: bytes, now_s: int) -> bool:
        """Tell whether a token that is still good binds this key to this client and audience (RFC 9203 section 3.1)."""
        row = self._one(
            "SELECT 1 FROM tokens WHERE client_id = ? AND audience = ? AND pop_kid = ? "
            "AND revoked_at IS NULL AND expires_at > ?",
            (client_id, audience, pop_kid, now_s),
        )
        return row is not None

    def tokens_of_code(self, code_hash: bytes) -> list[int]:
        """Return the numbers of the tokens that were issued for an authorization code."""
        rows = self._all("SELECT token_id FROM tokens WHERE code_hash = ?", (code_hash,))
        return [row["token_id"] for row in rows]

    def tokens_after(
        self,
        after: int,
        limit: int,
        *,
        client_id: str | None = None,
        user_id: str | None = None,
        audiences: Sequence[str] = (),
        revoked: bool = False,
    ) -> list[int]:
        """Return at most `limit` numbers above `after` of tokens of a client, a person or audiences, in order.

        revoked: those too that are revoked.  One that is over by a clock that may be wrong is not left out.
        """
        marks = ", ".join("?" * len(audiences))
        rows = self._all(
            f"SELECT token_id FROM tokens WHERE token_id > ? {'' if revoked else 'AND revoked_at IS NULL'} "  # noqa: S608
            f"AND (client_id = ? OR user_id = ? OR audience IN ({marks})) ORDER BY token_id LIMIT ?",
            (after, client_id, user_id, *audiences, limit),
        )
        return [row["token_id"] for row in rows]

    def strange_audiences(self) -> list[str]:
        """Return the audiences of tokens that are not revoked to which no resource server answers any more."""
        rows = self._all(
            "SELECT DISTINCT audience FROM tokens WHERE revoked_at IS NULL "
            "AND audience NOT IN (SELECT audience FROM audiences)"
        )
        return [row["audience"] for row in rows]

    def exchanged_for(self, token_ids: Sequence[int], limit: int) -> list[int]:
        """Return at most `limit` tokens, revoked or not, that were exchanged for these."""
        rows = self._all(
            "SELECT token_id FROM tokens INDEXED BY tokens_parent "
            "WHERE parent_id IN (SELECT value FROM json_each(?)) LIMIT ?",
            (json.dumps(list(token_ids)), limit),
        )
        return [row["token_id"] for row in rows]

    def delete_tokens(self, token_ids: Sequence[int]) -> None:
        """Forget these tokens and all that was exchanged for them."""
        statement = "DELETE FROM tokens WHERE token_id IN (SELECT value FROM json_each(?))"
        self._execute(statement, (json.dumps(list(token_ids)),))

    def _sweep_tokens(self, now_s: int, limit: int) -> int:
        tokens = self._execute(
            "DELETE FROM tokens WHERE token_id IN (SELECT token_id FROM tokens AS one WHERE expires_at <= ? "
            # Thousands may have been exchanged for it and would go with it: they go first, and end no later.
            "AND NOT EXISTS (SELECT 1 FROM tokens WHERE parent_id = one.token_id) LIMIT ?)",
            (now_s, limit),
        )
        codes = self._execute(
            "DELETE FROM authorization_codes WHERE code_hash IN "
            "(SELECT code_hash FROM authorization_codes WHERE expires_at <= ? LIMIT ?)",
            (now_s, limit),
        )
        return tokens.rowcount + codes.rowcount


def _token(row: sqlite3.Row) -> TokenRecord:
    return TokenRecord(**row)
