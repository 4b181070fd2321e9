"""The rows of the server's own secrets, by name, and of the browser sessions that were ended (web/sessions.py).

Secrets lie there as keys do (store/keys.py).
"""

from holdfast_core.secret import Secret
from holdfast_server.store.rows import Rows


class SecretRows(Rows):
    """Statements on server_secrets and ended_sessions."""

    def server_secret(self, name: str, new: bytes) -> Secret:
        """The secret of this name; `new` becomes it when there is none."""
        self._execute("INSERT INTO server_secrets (name, secret) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, new))
        row = self._one("SELECT secret FROM server_secrets WHERE name = ?", (name,))
        assert row is not None  # noqa: S101 - it is there since the statement before
        return Secret(row["secret"])

    def ended_sessions(self) -> set[bytes]:
        """The nonces of the sessions that were ended."""
        return {row["nonce"] for row in self._all("SELECT nonce FROM ended_sessions")}

    def end_session(self, nonce: bytes) -> None:
        """Remember it as ended."""
        self._execute("INSERT INTO ended_sessions (nonce) VALUES (?) ON CONFLICT DO NOTHING", (nonce,))

    def forget_sessions(self, name: str) -> None:
        """Drop the secret that made the sessions, and with it what is known of any of them."""
        with self.transaction():
            self._execute("DELETE FROM server_secrets WHERE name = ?", (name,))
            self._execute("DELETE FROM ended_sessions")

    def _forget_server_secrets(self) -> None:
        self._execute("DELETE FROM server_secrets")
        self._execute("DELETE FROM ended_sessions")
