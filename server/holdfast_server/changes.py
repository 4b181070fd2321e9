"""A change of a record that is there: its keys, secrets, contexts and sessions stay.

What a change takes away it takes at once from every token that this server is asked about.  A token that a device
checks alone cannot be called back in part: it is revoked when it says more than is allowed, and whoever changes the
record learns which device may still take it.  Never decides who may have what: standing.py reads the changed records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from holdfast_server.keyring import Keyring
from holdfast_server.registry import (
    FORMAT_REFERENCE,
    Client,
    Registry,
    RegistryError,
    ResourceServer,
    User,
    check_client,
    check_resource_server,
    shared_role,
)
from holdfast_server.standing import allowed_scope
from holdfast_server.store_sqlite import Store
from holdfast_server.store_tokens import TokenRecord

Scopes = dict[str, tuple[str, ...]]


@dataclass(slots=True)
class Outcome:
    """What became of live tokens.  narrowed: with what is left of them; revoked: as they were."""

    narrowed: list[TokenRecord] = field(default_factory=list)
    revoked: list[TokenRecord] = field(default_factory=list)


class Changes:
    """Changes records; every method is one transaction.  Raises RegistryError for a record that cannot be."""

    def __init__(self, store: Store, registry: Registry, keyring: Keyring) -> None:
        self._store = store
        self._registry = registry
        self._keyring = keyring

    def client(self, after: Client, now_s: int, event: str, what: str) -> Outcome:
        """Change a client's record.  event, what: for the audit; what names members and rights, never a secret."""
        check_client(after)
        with self._store.transaction():
            if self._store.client(after.client_id) is None:
                raise RegistryError("no such client")
            self._store.put_client(after, now_s)
            self._store.audit(now_s, event, client_id=after.client_id, reason=what)
            return self._settle(self._store.live_tokens(now_s, client_id=after.client_id), now_s)

    def user(self, after: User, now_s: int, event: str, what: str) -> Outcome:
        """Change what a person may give; their password and their logins stay."""
        with self._store.transaction():
            if self._store.user(after.user_id) is None:
                raise RegistryError("no such user")
            self._store.put_user(after, now_s)
            self._store.audit(now_s, event, user_id=after.user_id, reason=what)
            return self._settle(self._store.live_tokens(now_s, user_id=after.user_id), now_s)

    def resource_server(self, after: ResourceServer, now_s: int, event: str, what: str) -> Outcome:
        """Change an RS's record; its encryption keys and its exi numbers stay, and its context while it is connected.

        A shorter lifetime ends reference tokens sooner; what a device checks alone ends when it says.
        """
        check_resource_server(after)
        with self._store.transaction():
            before = self._store.resource_server(after.rs_id)
            if before is None:
                raise RegistryError("no such resource server")
            self._store.put_resource_server(after, now_s)
            self._keyring.make_keys(shared_role(after), after.rs_id, now_s)  # another format may want another kind
            self._connect(after, now_s)
            self._store.audit(now_s, event, rs_id=after.rs_id, reason=what)
            audiences = tuple(dict.fromkeys((*before.audiences, *after.audiences)))
            lifetime_s = after.token_lifetime_s if after.token_lifetime_s < before.token_lifetime_s else None
            tokens = self._store.live_tokens(now_s, audiences=audiences)
            return self._settle(tokens, now_s, dict.fromkeys(audiences, lifetime_s))

    def _connect(self, rs: ResourceServer, now_s: int) -> None:
        party = self._store.oscore_party(rs_id=rs.rs_id)
        if rs.connected and party is None:
            self._registry.add_oscore_party(now_s, rs_id=rs.rs_id)
        elif not rs.connected and party is not None:
            if party.client_id is not None:
                raise RegistryError("a device that is a client too is connected")
            self._store.delete_oscore_party(party.recipient_id)

    def _settle(
        self, tokens: Sequence[TokenRecord], now_s: int, lifetimes: "dict[str, int | None] | None" = None
    ) -> Outcome:
        """Leave each token what is still allowed.  tokens: originals before what was exchanged for them."""
        records = _Remembered(self._store)
        outcome = Outcome()
        gone: set[int] = set()
        for token in tokens:
            if token.token_id in gone:
                continue
            scope = allowed_scope(token, records)
            expires_at = _end_of(token, records, (lifetimes or {}).get(token.audience))
            if (scope, expires_at) == (token.scope, token.expires_at):
                continue
            if scope is None or expires_at <= now_s or token.token_format != FORMAT_REFERENCE:
                gone.update(self._revoke(token, now_s))
                continue
            left = replace(token, scope=scope, expires_at=expires_at)
            self._store.narrow_token(token.token_id, scope, expires_at)
            self._store.audit(now_s, "token-narrowed", client_id=token.client_id, token_id=token.token_id)
            records.tokens[token.token_id] = left
            outcome.narrowed.append(left)
        outcome.revoked = [token for token in tokens if token.token_id in gone]
        return outcome

    def _revoke(self, token: TokenRecord, now_s: int) -> Iterable[int]:
        revoked = self._store.revoke_token(token.token_id, now_s)
        for token_id in revoked:
            self._store.audit(now_s, "token-revoked", token_id=token_id, reason="not-allowed-any-more")
        return revoked


def with_more(scopes: Scopes, more: Scopes) -> Scopes:
    """Return rights and more rights together, each once."""
    both = {**scopes, **{audience: (*scopes.get(audience, ()), *names) for audience, names in more.items()}}
    return {audience: tuple(dict.fromkeys(names)) for audience, names in both.items()}


def without(scopes: Scopes, less: Scopes) -> Scopes:
    """Return rights without those of less; an audience without names there goes whole."""
    kept: Scopes = {}
    for audience, names in scopes.items():
        left = tuple(name for name in names if name not in less.get(audience, ()))
        if left and less.get(audience) != ():
            kept[audience] = left
    return kept


def _end_of(token: TokenRecord, records: "_Remembered", lifetime_s: int | None) -> int:
    """When a token ends now: with its original at the latest, and a reference by its audience's new lifetime."""
    ends = [token.expires_at]
    if lifetime_s is not None and token.token_format == FORMAT_REFERENCE:
        ends.append(token.issued_at + lifetime_s)
    original = None if token.parent_id is None else records.token_by_id(token.parent_id)
    if original is not None:
        ends.append(original.expires_at)
    return min(ends)


class _Remembered:
    """The records of one settling, each read once.  tokens: as they are by now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clients: dict[str, Client | None] = {}
        self._users: dict[str, User | None] = {}
        self._members: dict[str, Sequence[ResourceServer]] = {}
        self.tokens: dict[int, TokenRecord | None] = {}

    def client(self, client_id: str) -> Client | None:
        if client_id not in self._clients:
            self._clients[client_id] = self._store.client(client_id)
        return self._clients[client_id]

    def user(self, user_id: str) -> User | None:
        if user_id not in self._users:
            self._users[user_id] = self._store.user(user_id)
        return self._users[user_id]

    def members_of(self, audience: str) -> Sequence[ResourceServer]:
        if audience not in self._members:
            self._members[audience] = self._store.members_of(audience)
        return self._members[audience]

    def token_by_id(self, token_id: int) -> TokenRecord | None:
        if token_id not in self.tokens:
            self.tokens[token_id] = self._store.token_by_id(token_id)
        return self.tokens[token_id]
