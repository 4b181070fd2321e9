"""The registry's rows: clients, resource servers and their audiences, users, consents.

Never decides who may have what; see policy.py.
"""

import json
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from holdfast_core.kinds import STRICT
from holdfast_server.authz.errors import DatabaseDamaged
from holdfast_server.records import HUB_LIFETIME_S, Client, Consent, ResourceServer, User, in_force
from holdfast_server.store.rows import Rows

T = TypeVar("T")


class RegistryRows(Rows):
    """Statements on clients, resource_servers, audiences, users and consents."""

    # --- clients ---

    def put_client(self, client: Client, now_s: int) -> None:
        """Insert or replace a client's record, secret hash and disabled flag."""
        self._execute(
            "INSERT INTO clients (client_id, record, secret_hash, disabled, created_at, number) "
            "VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (client_id) DO UPDATE SET record = excluded.record, secret_hash = excluded.secret_hash, "
            "disabled = excluded.disabled",
            (
                client.client_id,
                _client_record(client),
                client.secret_hash,
                client.disabled,
                now_s,
                self._next_number("client"),
            ),
        )

    def client(self, client_id: str) -> Client | None:
        """Return the client, disabled or not, or None."""
        row = self._one("SELECT * FROM clients WHERE client_id = ?", (client_id,))
        return None if row is None else _client(row)

    def clients(self, limit: int = -1) -> list[Client]:
        """Return the first clients by id, as many as limit says; -1: all."""
        return [_client(row) for row in self._all("SELECT * FROM clients ORDER BY client_id LIMIT ?", (limit,))]

    def delete_client(self, client_id: str) -> bool:
        """Delete a client with its codes, tokens, consents and OSCORE context; False when there is none.

        A context that is an RS's too stays with the RS.
        """
        with self.transaction():
            self._execute(
                "UPDATE oscore_parties SET client_id = NULL WHERE client_id = ? AND rs_id IS NOT NULL", (client_id,)
            )
            return self._execute("DELETE FROM clients WHERE client_id = ?", (client_id,)).rowcount == 1

    # --- resource servers ---

    def put_resource_server(self, rs: ResourceServer, now_s: int) -> None:
        """Insert or replace an RS and its audiences; its exi sequence number stays."""
        with self.transaction():
            self._execute(
                "INSERT INTO resource_servers (rs_id, record, disabled, created_at, number) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (rs_id) DO UPDATE SET record = excluded.record, disabled = excluded.disabled",
                (rs.rs_id, _rs_record(rs), rs.disabled, now_s, self._next_number("rs")),
            )
            self._execute("DELETE FROM audiences WHERE rs_id = ?", (rs.rs_id,))
            for audience in rs.audiences:
                self._execute("INSERT INTO audiences (audience, rs_id) VALUES (?, ?)", (audience, rs.rs_id))

    def resource_server(self, rs_id: str) -> ResourceServer | None:
        """Return the RS, disabled or not, or None."""
        row = self._one("SELECT * FROM resource_servers WHERE rs_id = ?", (rs_id,))
        return None if row is None else _rs(row)

    def resource_servers(self, limit: int = -1) -> list[ResourceServer]:
        """Return the first RSs by id, as many as limit says; -1: all."""
        return [_rs(row) for row in self._all("SELECT * FROM resource_servers ORDER BY rs_id LIMIT ?", (limit,))]

    def members_of(self, audience: str) -> list[ResourceServer]:
        """Return the RSs that answer to an audience; more than one: a group audience (RFC 9200 section 6.9)."""
        rows = self._all(
            "SELECT resource_servers.* FROM resource_servers JOIN audiences USING (rs_id) "
            "WHERE audience = ? ORDER BY rs_id",
            (audience,),
        )
        return [_rs(row) for row in rows]

    def delete_resource_server(self, rs_id: str) -> bool:
        """Delete an RS with its keys and OSCORE context; False when there is none."""
        return self._execute("DELETE FROM resource_servers WHERE rs_id = ?", (rs_id,)).rowcount == 1

    def next_exi_sequence(self, rs_id: str) -> int:
        """Return the next sequence number of exi tokens for this RS; it is used up when the transaction commits."""
        row = self._one(
            "UPDATE resource_servers SET exi_sequence = exi_sequence + 1 WHERE rs_id = ? RETURNING exi_sequence",
            (rs_id,),
        )
        assert row is not None, "the caller has just read this RS"  # noqa: S101
        sequence: int = row["exi_sequence"]
        self._keep_limits(exi=sequence + 1)
        return sequence

    def exi_sequence(self, rs_id: str) -> int:
        """Return the sequence number of the last exi token for this RS, 0 for none; the RS exists."""
        row = self._one("SELECT exi_sequence FROM resource_servers WHERE rs_id = ?", (rs_id,))
        assert row is not None, "the caller has just read this RS"  # noqa: S101
        sequence: int = row["exi_sequence"]
        return sequence

    def next_edition(self) -> int:
        """Return the number of the next export of any device; it is used up when the transaction commits."""
        return self._next_number("edition")

    # --- users ---

    def put_user(self, user: User, now_s: int) -> None:
        """Insert or replace a user."""
        self._execute(
            "INSERT INTO users (user_id, password_hash, scopes, disabled, created_at, number) "
            "VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, scopes = excluded.scopes, "
            "disabled = excluded.disabled",
            (
                user.user_id,
                user.password_hash,
                json.dumps(user.scopes),
                user.disabled,
                now_s,
                self._next_number("user"),
            ),
        )

    def user(self, user_id: str) -> User | None:
        """Return the user, disabled or not, or None."""
        row = self._one("SELECT * FROM users WHERE user_id = ?", (user_id,))
        return None if row is None else _user(row)

    def users(self, limit: int = -1) -> list[User]:
        """Return the first users by id, as many as limit says; -1: all."""
        return [_user(row) for row in self._all("SELECT * FROM users ORDER BY user_id LIMIT ?", (limit,))]

    def delete_user(self, user_id: str) -> bool:
        """Delete a user with their codes, tokens and consents; False when there is none."""
        return self._execute("DELETE FROM users WHERE user_id = ?", (user_id,)).rowcount == 1

    def password_hash_of(self, user_id: str) -> str | None:
        """Return the argon2id string of an active user, or None."""
        user = in_force(self.user(user_id))
        return user.password_hash if user is not None and user.password_hash else None

    # --- consents ---

    def put_consent(self, user_id: str, client_id: str, audience: str, scope: str, now_s: int) -> None:
        """Remember what a user approved last for a client and an audience."""
        self._execute(
            "INSERT OR REPLACE INTO consents (user_id, client_id, audience, scope, granted_at) VALUES (?, ?, ?, ?, ?)",
            (user_id, client_id, audience, scope, now_s),
        )

    def consents_of(self, user_id: str) -> list[Consent]:
        """Return what a user has approved, by client and audience."""
        rows = self._all(
            "SELECT client_id, audience, scope, granted_at FROM consents "
            "WHERE user_id = ? ORDER BY client_id, audience",
            (user_id,),
        )
        return [Consent(row["client_id"], row["audience"], row["scope"], row["granted_at"]) for row in rows]


def _or_damaged(read: Callable[[sqlite3.Row], T]) -> Callable[[sqlite3.Row], T]:
    """Make what a damaged row can raise one error, which an operator is told and a peer is not."""

    def sound(row: sqlite3.Row) -> T:
        try:
            return read(row)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DatabaseDamaged(f"the record of {row[0]!r} does not read") from None

    return sound


def _client_record(client: Client) -> str:
    return json.dumps(
        {
            "grant_types": client.grant_types,
            "scopes": client.scopes,
            "default_scopes": client.default_scopes,
            "redirect_uris": client.redirect_uris,
            "profiles": client.profiles,
            "public_keys": [key.hex() for key in client.public_keys],
            "public": client.public,
            "narrows": client.narrows,
            "lenient": client.lenient,
            "tells_token_type": client.tells_token_type,
            "is_hub": client.is_hub,
            "title": client.title,
        }
    )


@_or_damaged
def _client(row: sqlite3.Row) -> Client:
    record = json.loads(row["record"])
    return Client(
        client_id=row["client_id"],
        grant_types=tuple(record["grant_types"]),
        scopes=_tuples(record["scopes"]),
        default_scopes=record["default_scopes"],
        redirect_uris=tuple(record["redirect_uris"]),
        profiles=tuple(record["profiles"]),
        public_keys=tuple(bytes.fromhex(key) for key in record["public_keys"]),
        public=record.get("public", False),
        narrows=record.get("narrows", False),
        lenient=record.get("lenient", False),
        tells_token_type=record.get("tells_token_type", True),
        is_hub=record.get("is_hub", False),
        title=record.get("title", ""),
        secret_hash=row["secret_hash"],
        disabled=bool(row["disabled"]),
    )


def _rs_record(rs: ResourceServer) -> str:
    return json.dumps(
        {
            "audiences": rs.audiences,
            "scope_map": rs.scope_map,
            "token_format": rs.token_format,
            "profiles": rs.profiles,
            "token_lifetime_s": rs.token_lifetime_s,
            "exi_lifetime_s": rs.exi_lifetime_s,
            "connected": rs.connected,
            "freshness": rs.freshness,
            "clock": rs.clock,
            "title": rs.title,
            "scope_titles": rs.scope_titles,
            "token_shape": rs.token_shape,
            "sealed_format": rs.sealed_format,
            "is_split": rs.is_split,
            "hub_lifetime_s": rs.hub_lifetime_s,
            "public_key": None if rs.public_key is None else rs.public_key.hex(),
        }
    )


@_or_damaged
def _rs(row: sqlite3.Row) -> ResourceServer:
    record = json.loads(row["record"])
    public_key = record["public_key"]
    return ResourceServer(
        rs_id=row["rs_id"],
        audiences=tuple(record["audiences"]),
        scope_map={
            name: tuple((path, mask) for path, mask in allowed) for name, allowed in record["scope_map"].items()
        },
        token_format=record["token_format"],
        profiles=tuple(record["profiles"]),
        token_lifetime_s=record["token_lifetime_s"],
        exi_lifetime_s=record["exi_lifetime_s"],
        connected=record["connected"],
        freshness=record["freshness"],
        clock=record.get("clock", False),
        title=record.get("title", ""),
        scope_titles=record.get("scope_titles", {}),
        token_shape=record.get("token_shape", STRICT),
        sealed_format=record.get("sealed_format", ""),
        is_split=record.get("is_split", False),
        hub_lifetime_s=record.get("hub_lifetime_s", HUB_LIFETIME_S),
        public_key=None if public_key is None else bytes.fromhex(public_key),
        disabled=bool(row["disabled"]),
    )


@_or_damaged
def _user(row: sqlite3.Row) -> User:
    scopes = _tuples(json.loads(row["scopes"]))
    return User(row["user_id"], row["password_hash"], scopes, bool(row["disabled"]))


def _tuples(scopes: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {audience: tuple(names) for audience, names in scopes.items()}
