"""The parties that the registry knows: each found by its name, locked, unlocked and removed in the same way.

A party that is locked or removed loses every token that it holds, gave or takes, in steps of a bounded number.
Never adds or changes a record otherwise: registry.py and changes.py do.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from holdfast_server.authz.ports import RegistryStore
from holdfast_server.authz.revocation import STEP, Revocations
from holdfast_server.records import Client, NotRegistered, RegistryError, ResourceServer, TokenRecord, User


class _Party(NamedTuple):
    client_id: str | None
    rs_id: str | None
    user_id: str | None


def _party(client_id: str | None, rs_id: str | None, user_id: str | None) -> _Party:
    if (client_id, rs_id, user_id).count(None) != 2:
        raise RegistryError("name one client, one resource server or one user")
    return _Party(client_id, rs_id, user_id)


class Parties:
    """Finds, locks and removes clients, resource servers and people."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store
        self._revocations = Revocations(store)

    def client(self, client_id: str) -> Client:
        """Return a client, locked or not; raises NotRegistered."""
        client = self._store.client(client_id)
        if client is None:
            raise NotRegistered("client", client_id)
        return client

    def resource_server(self, rs_id: str) -> ResourceServer:
        """Return an RS, locked or not; raises NotRegistered."""
        rs = self._store.resource_server(rs_id)
        if rs is None:
            raise NotRegistered("rs", rs_id)
        return rs

    def user(self, user_id: str) -> User:
        """Return a person, locked or not; raises NotRegistered."""
        user = self._store.user(user_id)
        if user is None:
            raise NotRegistered("user", user_id)
        return user

    def live_tokens(
        self, now_s: int, *, client_id: str | None = None, rs_id: str | None = None, user_id: str | None = None
    ) -> list[TokenRecord]:
        """Return the live tokens that go with a party, and what was exchanged for them; raises NotRegistered."""
        party = _party(client_id, rs_id, user_id)
        if party.rs_id is not None:
            return self._store.live_tokens(now_s, audiences=self.resource_server(party.rs_id).audiences)
        if party.client_id is not None:
            self.client(party.client_id)
        elif party.user_id is not None:
            self.user(party.user_id)
        return self._store.live_tokens(now_s, client_id=party.client_id, user_id=party.user_id)

    def set_disabled(
        self,
        disabled: bool,
        now_s: int,
        *,
        client_id: str | None = None,
        rs_id: str | None = None,
        user_id: str | None = None,
    ) -> None:
        """Lock or unlock a client, an RS or a user; the tokens held by, given by or made for it are revoked with it."""
        for _ in self.locking(disabled, now_s, client_id=client_id, rs_id=rs_id, user_id=user_id):
            pass

    def locking(
        self,
        disabled: bool,
        now_s: int,
        *,
        client_id: str | None = None,
        rs_id: str | None = None,
        user_id: str | None = None,
    ) -> Iterator[None]:
        """Do the same in steps, each a transaction of at most STEP tokens: between two of them others may be served.

        After the first step it is locked, and gets nothing. When the last was not reached, the next unlocking does what
        is left of it before it unlocks.
        """
        party = _party(client_id, rs_id, user_id)
        if disabled:
            with self._store.transaction():
                self._set_disabled(True, now_s, party)
                self._note(now_s, "disabled", party)
            yield
        yield from self._withdrawing(now_s, party)
        if not disabled:
            with self._store.transaction():
                self._set_disabled(False, now_s, party)
                self._note(now_s, "enabled", party)
            yield

    def removing(
        self, now_s: int, *, client_id: str | None = None, rs_id: str | None = None, user_id: str | None = None
    ) -> Iterator[None]:
        """Forget a client, an RS or a person and what goes with it, in steps as locking does; the first locks it.

        A client goes with its codes, its tokens and its context, unless that is a resource server's; a person with
        their codes, consents and every token in their name; an RS with its keys and its context, and a later RS
        of the same name is told nothing of its tokens.
        """
        party = _party(client_id, rs_id, user_id)
        with self._store.transaction():
            self._set_disabled(True, now_s, party)
        yield
        yield from self._withdrawing(now_s, party)
        after = 0
        while rs_id is None and (
            token_ids := self._store.tokens_after(after, STEP, client_id=client_id, user_id=user_id, revoked=True)
        ):
            after = token_ids[-1]
            yield from self._deleting(token_ids)
        with self._store.transaction():
            kind = "client" if client_id is not None else "rs" if rs_id is not None else "user"
            self._note(now_s, f"{kind}-removed", party)  # before its number goes with it
            if client_id is not None:
                self._store.delete_client(client_id)
            elif rs_id is not None:
                self._store.delete_resource_server(rs_id)
            elif user_id is not None:
                self._store.delete_user(user_id)
        yield

    def _withdrawing(self, now_s: int, party: "_Party") -> Iterator[None]:
        """Revoke every token of a party, and say how many."""
        rs = None if party.rs_id is None else self._store.resource_server(party.rs_id)
        audiences = () if rs is None else rs.audiences
        after = total = 0
        while token_ids := self._store.tokens_after(
            after, STEP, client_id=party.client_id, user_id=party.user_id, audiences=audiences
        ):
            after = token_ids[-1]
            total += len(self._revocations.revoke(token_ids, now_s, "party-locked", limit=STEP))
            yield
        while revoked := self._revocations.go_on(now_s):
            total += len(revoked)
            yield
        if total:
            self._note(now_s, "tokens-revoked", party, f"{total} of a party that was locked")

    def _deleting(self, token_ids: list[int]) -> Iterator[None]:
        """Delete tokens, and before them what was exchanged for them, at most STEP at a time."""
        while exchanged := self._store.exchanged_for(token_ids, STEP):
            yield from self._deleting(exchanged)
        self._store.delete_tokens(token_ids)
        yield

    def _note(self, now_s: int, event: str, party: "_Party", reason: str = "") -> None:
        client_id, rs_id, user_id = party
        self._store.audit(now_s, event, client_id=client_id, rs_id=rs_id, user_id=user_id, reason=reason)

    def _set_disabled(self, disabled: bool, now_s: int, party: "_Party") -> None:
        client_id, rs_id, user_id = party
        if client_id is not None:
            self._store.put_client(replace(self.client(client_id), disabled=disabled), now_s)
        elif rs_id is not None:
            self._store.put_resource_server(replace(self.resource_server(rs_id), disabled=disabled), now_s)
        elif user_id is not None:
            self._store.put_user(replace(self.user(user_id), disabled=disabled), now_s)
