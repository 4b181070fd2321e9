"""The registry: which clients, resource servers, users and OSCORE parties the authorization server knows.

The records are frozen values; Registry creates and changes them through the store and hands out each generated secret
exactly once.  Never keeps a client secret, only its SHA-256: secrets are 256-bit random, so a slow hash gains nothing.
RFC 9200 section 4 (registration), appendix D.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from holdfast_core.kinds import ROLE_SIGN
from holdfast_core.secret import Secret
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.ports import RegistryStore
from holdfast_server.authz.revocation import STEP, Revocations
from holdfast_server.authz.settings import Settings
from holdfast_server.base64url import b64
from holdfast_server.records import (
    SHARED_FORMATS,
    SIGNED_FORMATS,
    Client,
    OscoreParty,
    RegistryError,
    ResourceServer,
    User,
    check_client,
    check_resource_server,
    shared_role,
)

CLIENT_SECRET_LEN = 32
MASTER_SECRET_LEN = 16
MASTER_SALT_LEN = 8
RECIPIENT_ID_LEN = 3  # unlike AS_SENDER_ID by its length, and 16 million parties

MAX_NAMED = 10


class _Party(NamedTuple):
    client_id: str | None
    rs_id: str | None
    user_id: str | None


class Registry:
    """Creates and changes registry records; every method is one transaction.

    settings: issuer and address that devices are told.  rng: n -> n random bytes.
    """

    def __init__(self, store: RegistryStore, keyring: Keyring, settings: Settings, rng: Callable[[int], bytes]) -> None:
        self._store = store
        self._revocations = Revocations(store)
        self._keyring = keyring
        self._settings = settings
        self._rng = rng

    def add_client(self, client: Client, now_s: int, with_secret: bool = False) -> Secret | None:
        """Register a client; with_secret: return its new 43-character secret, which is shown this once."""
        check_client(client)
        with self._store.transaction():
            if self._store.client(client.client_id) is not None:
                raise RegistryError("a client of this id exists")
            secret = self._new_secret() if with_secret else None
            self._store.put_client(replace(client, secret_hash=_hash_of(secret)), now_s)
            self._store.audit(now_s, "client-added", client_id=client.client_id)
        return secret

    def new_client_secret(self, client_id: str, now_s: int) -> Secret:
        """Replace a client's secret; the old one stops working at once."""
        secret = self._new_secret()
        with self._store.transaction():
            client = self._store.client(client_id)
            if client is None:
                raise RegistryError("no such client")
            self._store.put_client(replace(client, secret_hash=_hash_of(secret), public=False), now_s)
            self._store.audit(now_s, "client-secret-replaced", client_id=client_id)
        return secret

    def add_resource_server(self, rs: ResourceServer, now_s: int) -> None:
        """Register an RS and make its encryption keys."""
        check_resource_server(rs)
        with self._store.transaction():
            if self._store.resource_server(rs.rs_id) is not None:
                raise RegistryError("a resource server of this id exists")
            self._store.put_resource_server(rs, now_s)
            self._keyring.make_keys(shared_role(rs), rs.rs_id, now_s)
            self._store.audit(now_s, "rs-added", rs_id=rs.rs_id)

    def add_user(self, user: User, now_s: int) -> None:
        """Register a person."""
        with self._store.transaction():
            if self._store.user(user.user_id) is not None:
                raise RegistryError("a user of this id exists")
            self._store.put_user(user, now_s)
            self._store.audit(now_s, "user-added", user_id=user.user_id)

    def replace_password(self, user_id: str, password_hash: str, now_s: int) -> None:
        """Replace a person's password, which ends their logins; password_hash: argon2id string."""
        with self._store.transaction():
            user = self._store.user(user_id)
            if user is None:
                raise RegistryError("no such user")
            self._store.put_user(replace(user, password_hash=password_hash), now_s)
            self._store.audit(now_s, "password-replaced", user_id=user_id)

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
        """Do the same in steps, each a transaction of at most STEP tokens: whoever goes on may let others in between.

        After the first step it is locked, and gets nothing. When the last was not reached, the next unlocking does what
        is left of it before it unlocks.
        """
        party = _Party(client_id, rs_id, user_id)
        if disabled:
            with self._store.transaction():
                self._set_disabled(True, now_s, client_id, rs_id, user_id)
                self._note(now_s, "disabled", party)
            yield
        yield from self._withdrawing(now_s, party)
        if not disabled:
            with self._store.transaction():
                self._set_disabled(False, now_s, client_id, rs_id, user_id)
                self._note(now_s, "enabled", party)
            yield

    def removing(
        self, now_s: int, *, client_id: str | None = None, rs_id: str | None = None, user_id: str | None = None
    ) -> Iterator[None]:
        """Forget a client, an RS or a person and what goes with it, in steps as locking does; the first locks it.

        A client goes with its codes, its tokens and its context, unless that is a resource server's; a person with
        their codes, consents and every token in their name; an RS with its keys and its context, and whoever takes its
        name later is told nothing of its tokens.
        """
        party = _Party(client_id, rs_id, user_id)
        with self._store.transaction():
            self._set_disabled(True, now_s, client_id, rs_id, user_id)
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

    def remove_resource_server(self, rs_id: str, now_s: int) -> None:
        """See removing."""
        for _ in self.removing(now_s, rs_id=rs_id):
            pass

    def remove_client(self, client_id: str, now_s: int) -> None:
        """See removing."""
        for _ in self.removing(now_s, client_id=client_id):
            pass

    def remove_user(self, user_id: str, now_s: int) -> None:
        """See removing."""
        for _ in self.removing(now_s, user_id=user_id):
            pass

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

    def _set_disabled(
        self, disabled: bool, now_s: int, client_id: str | None, rs_id: str | None, user_id: str | None
    ) -> None:
        client = self._store.client(client_id) if client_id is not None else None
        rs = self._store.resource_server(rs_id) if rs_id is not None else None
        user = self._store.user(user_id) if user_id is not None else None
        if client is not None:
            self._store.put_client(replace(client, disabled=disabled), now_s)
        elif rs is not None:
            self._store.put_resource_server(replace(rs, disabled=disabled), now_s)
        elif user is not None:
            self._store.put_user(replace(user, disabled=disabled), now_s)
        else:
            kind = "client" if client_id is not None else "resource server" if rs_id is not None else "user"
            raise RegistryError(f"no such {kind}")

    def add_oscore_party(self, now_s: int, client_id: str | None = None, rs_id: str | None = None) -> OscoreParty:
        """Make the OSCORE context between the AS and a registered client, RS or party that is both."""
        with self._store.transaction():
            party = OscoreParty(
                recipient_id=self.free_recipient_id(),
                master_secret=Secret(self._rng(MASTER_SECRET_LEN)),
                master_salt=self._rng(MASTER_SALT_LEN),
                client_id=client_id,
                rs_id=rs_id,
            )
            self.put_oscore_party(party, now_s)
            self._store.audit(now_s, "oscore-context-made", client_id=client_id, rs_id=rs_id)
        return party

    def put_oscore_party(self, party: OscoreParty, now_s: int) -> None:
        """Insert a context, in the transaction around it."""
        self._store.add_oscore_party(party, now_s)
        client = None if party.client_id is None else self._store.client(party.client_id)
        if client is not None and client.public:  # it has something to authenticate with now
            self._store.put_client(replace(client, public=False), now_s)

    def left_behind(self, rs_id: str | None = None) -> list[str]:
        """Return the RSs whose devices will need the next signing key, or the next key of this RS, and lack it."""
        rs = None if rs_id is None else self._store.resource_server(rs_id)
        role, formats = (ROLE_SIGN, SIGNED_FORMATS) if rs is None else (shared_role(rs), SHARED_FORMATS)
        without = set(self._store.devices_without(self._keyring.next_kid(role, rs_id)))
        return [
            one.rs_id
            for one in (self._store.resource_servers() if rs is None else [rs])
            if one.rs_id in without and one.token_format in formats
        ]

    def rotate_key(self, now_s: int, rs_id: str | None = None, force: bool = False) -> None:
        """Rotate the signing key, or the key that an RS shares with this server.

        Devices are told the old one for settings.key_overlap_s, and as long as a token made with it may live.
        force: also when a device holds only older keys and will refuse every new token; otherwise RegistryError.
        """
        rs = None if rs_id is None else self._store.resource_server(rs_id)
        if rs_id is not None and rs is None:
            raise RegistryError("no such resource server")
        behind = self.left_behind(rs_id)
        if behind and not force:
            named = ", ".join(behind[:MAX_NAMED]) + (f" and {len(behind) - MAX_NAMED} more" * (len(behind) > MAX_NAMED))
            raise RegistryError(
                f"{named} would refuse every new token, holding only older keys: run `holdfast server rs export` and "
                "bring them the file, or say --force"
            )
        role = ROLE_SIGN if rs is None else shared_role(rs)
        self._keyring.rotate(role, rs_id, now_s, self._overlap_s())

    def import_key(self, rs_id: str, kid: bytes, secret: Secret, now_s: int) -> None:
        """Share this key, which the device of an RS has, with that RS from now on. Raises RegistryError."""
        rs = self._store.resource_server(rs_id)
        if rs is None or rs.token_format not in SHARED_FORMATS:
            raise RegistryError("there is no such resource server, or it shares no key with this server")
        with self._store.transaction():
            self._keyring.take_in(shared_role(rs), rs_id, kid, secret, now_s, self._overlap_s())
            self._store.add_device_key(rs_id, kid)

    def _overlap_s(self) -> int:
        return max([self._settings.key_overlap_s, *(rs.token_lifetime_s for rs in self._store.resource_servers())])

    def _new_secret(self) -> Secret:
        return Secret(b64(self._rng(CLIENT_SECRET_LEN)).encode())

    def free_recipient_id(self) -> bytes:
        """Draw a Recipient ID that no party has."""
        taken = {party.recipient_id for party in self._store.oscore_parties()}
        while True:
            recipient_id = self._rng(RECIPIENT_ID_LEN)
            if recipient_id not in taken:
                return recipient_id


def _hash_of(secret: Secret | None) -> bytes | None:
    return None if secret is None else hashlib.sha256(secret.reveal()).digest()


def secret_matches(client: Client | None, secret: bytes) -> bool:
    """Compare a client secret in constant time; the same work for an unknown client or one without a secret."""
    known = client.secret_hash if client is not None and client.secret_hash is not None else bytes(32)
    return hmac.compare_digest(hashlib.sha256(secret).digest(), known)
