"""What the row classes need from the store that they are part of."""

import contextlib
import sqlite3
from typing import Any


class Rows:
    """Base of the store's parts; Store supplies these."""

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """See store_sqlite.Store."""
        raise NotImplementedError

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        raise NotImplementedError

    def _one(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Row | None:
        raise NotImplementedError

    def _all(self, statement: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        raise NotImplementedError
