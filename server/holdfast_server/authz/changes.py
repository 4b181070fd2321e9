"""A change of a record that is there: its keys, secrets, contexts and sessions stay.

What a change takes away it takes at once from every token that this server is asked about.  A token that a device
checks alone cannot be called back in part: it is revoked when it says more than is allowed, and the person who changes
the record learns which device may still take it.  Never decides who may have what: standing.py reads the changed
records.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from holdfast_core.kinds import REFERENCE
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.party_checks import check_client, check_resource_server, check_user
from holdfast_server.authz.ports import ChangeStore
from holdfast_server.authz.registry import Registry
from holdfast_server.authz.revocation import STEP, Revocations
from holdfast_server.authz.standing import LIVE, allowed_scope, end_of, state_of
from holdfast_server.records import Client, RegistryError, ResourceServer, TokenRecord, User, shared_role

Scopes = dict[str, tuple[str, ...]]


@dataclass(slots=True)
class Outcome:
    """What became of live tokens.  narrowed: with what is left of them; revoked: as they were."""

    narrowed: list[TokenRecord] = field(default_factory=list)
    revoked: list[TokenRecord] = field(default_factory=list)


class Settling:
    """Leaves each token of a changed party what is still allowed, in steps: between two of them others may be served.

    Nothing waits for it: standing.py asks the record, which is changed already. When the last step was not reached,
    Changes.unsettled does what is left; it comes before another change, which would give back what was taken.
    """

    def __init__(
        self,
        store: ChangeStore,
        now_s: int,
        *,
        client_id: str | None = None,
        rs_id: str | None = None,
        user_id: str | None = None,
        audiences: Sequence[str] = (),
    ) -> None:
        self.outcome = Outcome()
        self._store = store
        self._revocations = Revocations(store)
        self._now_s = now_s
        self._audit = partial(store.audit, client_id=client_id, rs_id=rs_id, user_id=user_id)
        self._tokens_after = partial(store.tokens_after, client_id=client_id, user_id=user_id, audiences=audiences)

    def finish(self) -> Outcome:
        """Take all steps at once."""
        for _ in self.steps():
            pass
        return self.outcome

    def steps(self) -> Iterator[None]:
        """Take them, each a transaction of at most STEP tokens."""
        families = self._families(self._tokens_after)
        while token_ids := list(islice(families, STEP)):
            with self._store.transaction():
                records = _Remembered(self._store)
                for token_id in token_ids:
                    self._settle(token_id, records)
            yield
        while revoked := self._revocations.go_on(self._now_s):
            self._tell(revoked)
            yield
        for verb, tokens in (("narrowed", self.outcome.narrowed), ("revoked", self.outcome.revoked)):
            if tokens:
                self._audit(self._now_s, f"tokens-{verb}", reason=f"{len(tokens)} that allowed more")

    def _families(self, tokens_after: Callable[[int, int], list[int]]) -> Iterator[int]:
        """The numbers of tokens, each after those that were exchanged for it: so none is left behind a revoked one."""
        after = 0
        while token_ids := tokens_after(after, STEP):
            for token_id in token_ids:
                yield from self._families(partial(self._store.live_children, token_id))
                yield token_id
            after = token_ids[-1]

    def _settle(self, token_id: int, records: "_Remembered") -> None:
        token = self._store.token_by_id(token_id)
        if token is None or state_of(token, self._now_s) != LIVE:
            return
        scope, expires_at = allowed_scope(token, records), end_of(token, records)
        if (scope, expires_at) == (token.scope, token.expires_at):
            return
        if scope is None or expires_at <= self._now_s or token.token_format != REFERENCE:
            self.outcome.revoked.append(token)
            self._tell(self._revocations.revoke([token_id], self._now_s, "not-allowed-any-more")[1:])
            return
        self._store.narrow_token(token_id, scope, expires_at)
        self._store.audit(self._now_s, "token-narrowed", client_id=token.client_id, token_id=token_id)
        self.outcome.narrowed.append(replace(token, scope=scope, expires_at=expires_at))

    def _tell(self, token_ids: Iterable[int]) -> None:
        """Of those that went with their original though the registry would allow them."""
        tokens = (self._store.token_by_id(token_id) for token_id in token_ids)
        self.outcome.revoked += [token for token in tokens if token is not None]


class Changes:
    """Changes records; every method is one transaction, and what it returns settles the tokens after it.

    Raises RegistryError for a record that cannot be.
    """

    def __init__(self, store: ChangeStore, registry: Registry, keyring: Keyring) -> None:
        self._store = store
        self._registry = registry
        self._keyring = keyring

    def client(self, after: Client, now_s: int, event: str, what: str) -> Settling:
        """Change a client's record.  event, what: for the audit; what names members and rights, never a secret."""
        check_client(after)
        _check_words(what)
        with self._store.transaction():
            self._registry.client(after.client_id)
            if after.public and self._store.oscore_party(client_id=after.client_id) is not None:
                raise RegistryError(
                    "a client with an OSCORE context has something to authenticate with: it is not public"
                )
            self._store.put_client(after, now_s)
            self._store.audit(now_s, event, client_id=after.client_id, reason=what)
        return Settling(self._store, now_s, client_id=after.client_id)

    def user(self, after: User, now_s: int, event: str, what: str) -> Settling:
        """Change what a person may give; their password and their logins stay."""
        check_user(after)
        _check_words(what)
        with self._store.transaction():
            self._registry.user(after.user_id)
            self._store.put_user(after, now_s)
            self._store.audit(now_s, event, user_id=after.user_id, reason=what)
        return Settling(self._store, now_s, user_id=after.user_id)

    def resource_server(
        self, after: ResourceServer, now_s: int, event: str, what: str, client_id: str | None = None
    ) -> Settling:
        """Change an RS's record; its encryption keys and its exi numbers stay, and its context while it is connected.

        A shorter lifetime ends reference tokens sooner; what a device checks alone ends when it says.
        client_id: the client that the device is from now on; it gets a new context with the device.
        """
        _check_words(what)
        with self._store.transaction():
            before = self._registry.resource_server(after.rs_id)
            self._registry.check_audiences(after)
            check_resource_server(after)
            self._store.put_resource_server(after, now_s)
            self._keyring.make_keys(shared_role(after), after.rs_id, now_s)  # another format may want another kind
            self._registry.connect(after, now_s, client_id)
            self._store.audit(now_s, event, rs_id=after.rs_id, reason=what)
        audiences = tuple(dict.fromkeys((*before.audiences, *after.audiences)))
        return Settling(self._store, now_s, rs_id=after.rs_id, audiences=audiences)

    def unsettled(
        self, now_s: int, *, client_id: str | None = None, rs_id: str | None = None, user_id: str | None = None
    ) -> Settling:
        """Do what a change of this party that was interrupted has left to do."""
        rs = None if rs_id is None else self._store.resource_server(rs_id)
        audiences = () if rs is None else (*rs.audiences, *self._store.strange_audiences())
        return Settling(self._store, now_s, client_id=client_id, rs_id=rs_id, user_id=user_id, audiences=audiences)


def _check_words(what: str) -> None:
    if not what.isprintable():
        raise RegistryError("A right has a character that cannot be printed.")


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


class _Remembered:
    """The records of one step, each read once, except tokens, which change meanwhile."""

    def __init__(self, store: ChangeStore) -> None:
        self._store = store
        self._clients: dict[str, Client | None] = {}
        self._users: dict[str, User | None] = {}
        self._members: dict[str, Sequence[ResourceServer]] = {}

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
        return self._store.token_by_id(token_id)
