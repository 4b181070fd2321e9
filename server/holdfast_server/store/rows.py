"""What the row classes need from the store that they are part of."""

import contextlib
import sqlite3
from typing import Any


class Rows:
    """Base of the store's parts; Store supplies these."""

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """See store.sqlite.Store."""
        raise NotImplementedError

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        raise NotImplementedError

    def _one(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Row | None:
        raise NotImplementedError

    def _many(self, statement: str, values: list[tuple[Any, ...]]) -> None:
        raise NotImplementedError

    def _keep_limits(self, *, oscore: int = 0, exi: int = 0) -> None:
        """See store.home.HomeRows."""
        raise NotImplementedError

    def _all(self, statement: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        raise NotImplementedError

    def _next_number(self, kind: str) -> int:
        """Return a number that nothing of this kind ever had: client, rs, user, token or edition."""
        row = self._one("UPDATE sequences SET last = last + 1 WHERE kind = ? RETURNING last", (kind,))
        assert row is not None, "the migration has made every kind"  # noqa: S101
        number: int = row["last"]
        return number
