"""The rows of keys and of OSCORE contexts with registered parties.

Secrets lie in the database as they are: the file is 0600 in a 0700 directory, and a key to encrypt them would lie
beside it.  In memory they are Secret.  RFC 8613 section 7.5.1: sender sequence numbers are reserved here before they
are used.
"""

import sqlite3

from holdfast_core.secret import Secret
from holdfast_server.records import KeyRecord, OscoreParty
from holdfast_server.store.rows import Rows


class KeyRows(Rows):
    """Statements on keys and oscore_parties."""

    def add_key(self, key: KeyRecord) -> None:
        """Insert a key; StoreFailed when its kid is taken or its state is."""
        self._execute(
            "INSERT INTO keys (kid, role, rs_id, alg, secret, state, created_at, retired_until) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key.kid,
                key.role,
                key.rs_id,
                key.alg,
                key.secret.reveal(),
                key.state,
                key.created_at,
                key.retired_until,
            ),
        )

    def key(self, kid: bytes) -> KeyRecord | None:
        """Return the key with this kid, or None."""
        row = self._one("SELECT * FROM keys WHERE kid = ?", (kid,))
        return None if row is None else _key(row)

    def keys(self, role: str, rs_id: str | None = None) -> list[KeyRecord]:
        """Return the keys of a role, for encrypt those of one RS, oldest first."""
        rows = self._all("SELECT * FROM keys WHERE role = ? AND rs_id IS ? ORDER BY created_at, kid", (role, rs_id))
        return [_key(row) for row in rows]

    def all_keys(self) -> list[KeyRecord]:
        """Return every key, oldest first."""
        return [_key(row) for row in self._all("SELECT * FROM keys ORDER BY created_at, kid")]

    def set_key_state(self, kid: bytes, state: str, retired_until: int | None = None) -> None:
        """Move a key along next -> current -> retired."""
        self._execute("UPDATE keys SET state = ?, retired_until = ? WHERE kid = ?", (state, retired_until, kid))

    def _sweep_keys(self, now_s: int, limit: int) -> int:
        return self._execute(
            "DELETE FROM keys WHERE kid IN (SELECT kid FROM keys WHERE retired_until <= ? LIMIT ?)", (now_s, limit)
        ).rowcount

    def put_device_keys(self, rs_id: str, kids: list[bytes]) -> None:
        """Remember which keys the device of an RS holds now, instead of what it held before."""
        with self.transaction():
            self._execute("DELETE FROM device_keys WHERE rs_id = ?", (rs_id,))
            self._many("INSERT OR IGNORE INTO device_keys VALUES (?, ?)", [(rs_id, kid) for kid in kids])

    def add_device_key(self, rs_id: str, kid: bytes) -> None:
        """Remember that the device of an RS holds this key too."""
        self._execute("INSERT OR IGNORE INTO device_keys VALUES (?, ?)", (rs_id, kid))

    def devices_with(self, kid: bytes) -> list[str]:
        """Return the RSs whose devices hold this key, by id."""
        return [row["rs_id"] for row in self._all("SELECT rs_id FROM device_keys WHERE kid = ? ORDER BY 1", (kid,))]

    def devices_without(self, kid: bytes | None) -> list[str]:
        """Return the RSs whose devices were given keys, and not this one, by id; None: no key."""
        rows = self._all(
            "SELECT DISTINCT rs_id FROM device_keys AS given WHERE NOT EXISTS "
            "(SELECT 1 FROM device_keys WHERE rs_id = given.rs_id AND kid = ?) ORDER BY 1",
            (kid,),
        )
        return [row["rs_id"] for row in rows]

    # --- OSCORE contexts with registered parties ---

    def add_oscore_party(self, party: OscoreParty, now_s: int) -> None:
        """Insert a context; StoreFailed when its recipient_id, client or RS has one."""
        self._execute(
            "INSERT INTO oscore_parties (recipient_id, sender_id, master_secret, master_salt, client_id, rs_id, "
            "sequence_reserved, replay_highest, replay_seen, rederives, id_context, alg, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                party.recipient_id,
                party.sender_id,
                party.master_secret.reveal(),
                party.master_salt,
                party.client_id,
                party.rs_id,
                party.sequence_reserved,
                *(party.window or (None, None)),
                party.rederives,
                party.id_context,
                party.alg,
                now_s,
            ),
        )

    def remember_context(self, digest: bytes, limit: int) -> bool:
        """Remember a key of exchanged material; False, and nothing changes, when it is known already or `limit` are."""
        statement = (
            "INSERT OR IGNORE INTO exchanged_contexts SELECT ? WHERE (SELECT count(*) FROM exchanged_contexts) < ?"
        )
        return self._execute(statement, (digest, limit)).rowcount == 1

    def oscore_parties(self) -> list[OscoreParty]:
        """Return every context, by recipient_id."""
        return [_party(row) for row in self._all("SELECT * FROM oscore_parties ORDER BY recipient_id")]

    def oscore_party(self, *, client_id: str | None = None, rs_id: str | None = None) -> OscoreParty | None:
        """Return the context of a client or of an RS, or None."""
        row = self._one("SELECT * FROM oscore_parties WHERE client_id = ? OR rs_id = ?", (client_id, rs_id))
        return None if row is None else _party(row)

    def oscore_party_by_kid(self, recipient_id: bytes) -> OscoreParty | None:
        """Return the context that a request's kid names, or None."""
        row = self._one("SELECT * FROM oscore_parties WHERE recipient_id = ?", (recipient_id,))
        return None if row is None else _party(row)

    def delete_oscore_party(self, recipient_id: bytes) -> None:
        """Forget a context."""
        self._execute("DELETE FROM oscore_parties WHERE recipient_id = ?", (recipient_id,))

    def reserve_sender_sequence(self, recipient_id: bytes, limit: int) -> None:
        """Record, before they are used, that the Partial IVs below `limit` may have been used; never goes back."""
        self._keep_limits(oscore=limit)
        self._execute(
            "UPDATE oscore_parties SET sequence_reserved = max(sequence_reserved, ?) WHERE recipient_id = ?",
            (limit, recipient_id),
        )

    def take_window(self, recipient_id: bytes) -> None:
        """Record that the replay window of this row is being used, so that nobody believes it after a crash."""
        self._execute(
            "UPDATE oscore_parties SET replay_highest = NULL, replay_seen = NULL WHERE recipient_id = ?",
            (recipient_id,),
        )

    def renew_oscore_party(self, recipient_id: bytes, id_context: bytes) -> None:
        """Put a context of this ID Context, of which no number was used, in place of the one before; it is in use."""
        self._execute(
            "UPDATE oscore_parties SET id_context = ?, sequence_reserved = 0, replay_highest = NULL, "
            "replay_seen = NULL WHERE recipient_id = ?",
            (id_context, recipient_id),
        )


def _key(row: sqlite3.Row) -> KeyRecord:
    return KeyRecord(**{**row, "secret": Secret(row["secret"])})


def _party(row: sqlite3.Row) -> OscoreParty:
    return OscoreParty(
        recipient_id=row["recipient_id"],
        sender_id=row["sender_id"],
        master_secret=Secret(row["master_secret"]),
        master_salt=row["master_salt"],
        client_id=row["client_id"],
        rs_id=row["rs_id"],
        sequence_reserved=row["sequence_reserved"],
        window=None if row["replay_highest"] is None else (row["replay_highest"], row["replay_seen"]),
        rederives=bool(row["rederives"]),
        id_context=row["id_context"],
        alg=row["alg"],
    )
