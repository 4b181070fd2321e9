"""Whether the database is whole: what SQLite says of it, its schema, and that every record of the registry reads.

A flipped bit inside a value that still reads, a name or a secret, cannot be seen here.  Never repairs anything.
"""

import sqlite3
from collections.abc import Callable

from holdfast_server.authz.errors import DatabaseDamaged, StoreFailed
from holdfast_server.store.keys import KeyRows
from holdfast_server.store.registry import RegistryRows

WHOLE_CHECK_LEN = 64 << 20
"""Up to so many bytes every index is read too, in about a second; beyond, a start leaves that to `check`."""

NO_TEXT = "a text in it is no text"
"""For UnicodeDecodeError, as which an error of SQLite comes that quotes a damaged name."""

Schema = dict[tuple[str, str], str]


class DamageRows(RegistryRows, KeyRows):
    """Statements that only look."""

    def damage(self, *, whole: bool = True) -> str | None:
        """Return the first thing that is wrong with the database, or None.

        whole: compare every index with its table, however long that takes.
        """
        try:
            return self._broken_pages(whole) or self._broken_schema() or self._broken_references() or self._unreadable()
        except StoreFailed as error:
            return error.detail
        except UnicodeDecodeError:
            return NO_TEXT

    def _broken_pages(self, whole: bool) -> str | None:
        length = self._number("page_count") * self._number("page_size")
        pragma = "integrity_check" if whole or length <= WHOLE_CHECK_LEN else "quick_check"
        first = self._one(f"PRAGMA {pragma}(1)")
        said = "it says nothing" if first is None else str(first[0]).splitlines()[-1]  # a headline may be above
        return None if said == "ok" else said

    def _number(self, pragma: str) -> int:
        row = self._one(f"PRAGMA {pragma}")
        return 0 if row is None else int(row[0])

    def _broken_schema(self) -> str | None:
        found, wanted = self._schema(), self._shipped_schema()
        for key, statement in wanted.items():
            if found.get(key) != statement:
                return f"{key[0]} {key[1]} {'is not as it was made' if key in found else 'is missing'}"
        return None

    def _schema(self) -> Schema:
        return schema_of(self._all)

    def _shipped_schema(self) -> Schema:
        raise NotImplementedError

    def _broken_references(self) -> str | None:
        first = self._one("PRAGMA foreign_key_check")
        return None if first is None else f"a row of {first[0]} names one of {first[2]} that is not there"

    def _unreadable(self) -> str | None:
        for kind in (self.clients, self.resource_servers, self.users, self.oscore_parties, self.all_keys):
            try:
                kind()
            except DatabaseDamaged as error:
                return error.detail
            except (ValueError, KeyError, TypeError, AttributeError):
                return f"a record of {kind.__name__} does not read"
        return None


def schema_of(query: Callable[[str], list[sqlite3.Row]]) -> Schema:
    """Return what makes each table and index."""
    rows = query("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {(row[0], row[1]): row[2] for row in rows}
