"""The rows that keep browser sessions when a process ends, in a database in memory with the shipped tables."""

import contextlib
import sqlite3

from holdfast_server.store import sqlite as store_sqlite
from holdfast_server.store.secrets import SecretRows


class SessionRows(SecretRows):
    """A SessionStore (web/sessions.py)."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        for name, script in store_sqlite._shipped_migrations().values():
            if name.endswith("server_secrets.sql"):
                self._connection.executescript(script)

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def _execute(self, statement, values=()):
        return self._connection.execute(statement, values)

    def _one(self, statement, values=()):
        return self._connection.execute(statement, values).fetchone()

    def _all(self, statement, values=()):
        return self._connection.execute(statement, values).fetchall()
