"""The rows of what each client has used; triggers of the database itself count its tokens."""

from holdfast_server.records import ClientUsage
from holdfast_server.store.rows import Rows


class UsageRows(Rows):
    """Statements on client_usage."""

    def live_tokens_of(self, client_id: str) -> int:
        """How many tokens of a client are not revoked and not deleted yet, by one look-up."""
        row = self._one("SELECT live_tokens FROM client_usage WHERE client_id = ?", (client_id,))
        return 0 if row is None else row["live_tokens"]

    def client_usages(self) -> list[ClientUsage]:
        """Every client, by its id."""
        rows = self._all(
            "SELECT client_id, ifnull(live_tokens, 0) AS live_tokens, ifnull(issued, 0) AS issued, "
            "ifnull(requests, 0) AS requests, ifnull(refused, 0) AS refused, ifnull(limited, 0) AS limited, last_at "
            "FROM clients LEFT JOIN client_usage USING (client_id) ORDER BY client_id"
        )
        return [ClientUsage(**row) for row in rows]

    def add_client_usage(self, client_id: str, requests: int, refused: int, limited: int, last_at: int) -> None:
        """Add to what a client has used; nothing when it was removed."""
        self._execute(
            "INSERT INTO client_usage (client_id, requests, refused, limited, last_at) "
            "SELECT client_id, ?, ?, ?, ? FROM clients WHERE client_id = ? ON CONFLICT (client_id) DO UPDATE SET "
            "requests = requests + excluded.requests, refused = refused + excluded.refused, "
            "limited = limited + excluded.limited, last_at = excluded.last_at",
            (requests, refused, limited, last_at, client_id),
        )
