"""The registry: which clients, resource servers, users and OSCORE parties the authorization server knows.

The records are frozen values; Registry creates and changes them through the store and hands out each generated secret
exactly once.  Never keeps a client secret, only its SHA-256: secrets are 256-bit random, so a slow hash gains nothing.
RFC 9200 section 4 (registration), appendix D.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace

from holdfast_core.kinds import CWT_SIGNED, ROLE_SIGN
from holdfast_core.secret import Secret
from holdfast_server.authz.administrator import ADMIN_AUDIENCE
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.parties import Parties
from holdfast_server.authz.party_checks import check_client, check_resource_server, check_user
from holdfast_server.authz.ports import RegistryStore
from holdfast_server.authz.settings import Settings
from holdfast_server.base64url import b64
from holdfast_server.records import (
    SHARED_FORMATS,
    SIGNED_FORMATS,
    AlreadyRegistered,
    Client,
    OscoreParty,
    RegistryError,
    ResourceServer,
    User,
    shared_role,
)

CLIENT_SECRET_LEN = 32
MASTER_SECRET_LEN = 16
MASTER_SALT_LEN = 8
RECIPIENT_ID_LEN = 3  # unlike AS_SENDER_ID by its length, and 16 million parties

MAX_NAMED = 10


class Registry(Parties):
    """Creates and changes registry records; every method is one transaction.

    settings: issuer and address that devices are told.  rng: n -> n random bytes.  clock_doubt: why the time that the
    methods are told is not to be believed, "" when it is.
    """

    def __init__(
        self,
        store: RegistryStore,
        keyring: Keyring,
        settings: Settings,
        rng: Callable[[int], bytes],
        clock_doubt: str = "",
    ) -> None:
        super().__init__(store)
        self._clock_doubt = clock_doubt
        self._keyring = keyring
        self._settings = settings
        self._rng = rng

    def add_client(self, client: Client, now_s: int, with_secret: bool = False) -> Secret | None:
        """Register a client; with_secret: return its new 43-character secret, which is shown this once."""
        secret = self._new_secret() if with_secret else None
        client = replace(client, secret_hash=_hash_of(secret))
        with self._store.transaction():
            if self._store.client(client.client_id) is not None:
                raise AlreadyRegistered("client", client.client_id)
            check_client(client)
            self._store.put_client(client, now_s)
            self._store.audit(now_s, "client-added", client_id=client.client_id)
        return secret

    def new_client_secret(self, client_id: str, now_s: int) -> Secret:
        """Replace a client's secret; the old one stops working at once."""
        secret = self._new_secret()
        with self._store.transaction():
            client = self.client(client_id)
            self._store.put_client(replace(client, secret_hash=_hash_of(secret), public=False), now_s)
            self._store.audit(now_s, "client-secret-replaced", client_id=client_id)
        return secret

    def add_resource_server(self, rs: ResourceServer, now_s: int, client_id: str | None = None) -> None:
        """Register an RS, and make its encryption keys and, when it is connected, its OSCORE context.

        client_id: the client that the device also is; both speak in this one context.
        """
        with self._store.transaction():
            if self._store.resource_server(rs.rs_id) is not None:
                raise AlreadyRegistered("rs", rs.rs_id)
            self.check_audiences(rs)
            check_resource_server(rs)
            self._store.put_resource_server(rs, now_s)
            self._keyring.make_keys(shared_role(rs), rs.rs_id, now_s)
            self._store.audit(now_s, "rs-added", rs_id=rs.rs_id)
            self.connect(rs, now_s, client_id)

    def check_audiences(self, rs: ResourceServer) -> None:
        """Raise RegistryError for an audience that is this server's own, or another RS's."""
        if ADMIN_AUDIENCE in rs.audiences:
            raise RegistryError(f"{ADMIN_AUDIENCE} is this server's own audience: choose another name.")
        for audience in rs.audiences:
            for other in self._store.members_of(audience):
                # What one member of a group can make, the others would take for the server's (RFC 9200 section 6.1).
                are_signed = rs.token_format == other.token_format == CWT_SIGNED
                if other.rs_id != rs.rs_id and not are_signed:
                    raise RegistryError(
                        f"{other.rs_id} has the audience {audience} already: choose another name, or let both take "
                        "cwt-signed."
                    )

    def connect(self, rs: ResourceServer, now_s: int, client_id: str | None = None) -> None:
        """Make or end the OSCORE context of a registered RS, as its record says, in the transaction around it.

        client_id: the client that the device is from now on; it gets a new context with the device.
        """
        party = self._store.oscore_party(rs_id=rs.rs_id)
        linked = client_id is not None or (party is not None and party.client_id is not None)
        if not rs.connected and linked:
            raise RegistryError("a device that is a client too is connected")
        if not rs.connected and party is not None:
            self._store.delete_oscore_party(party.recipient_id)
        elif rs.connected and party is None:
            self.add_oscore_party(now_s, client_id=client_id, rs_id=rs.rs_id)
        elif client_id is not None:
            self.renew_oscore_party(rs.rs_id, now_s, client_id)

    def add_user(self, user: User, now_s: int) -> None:
        """Register a person."""
        with self._store.transaction():
            self.check_new_user(user)
            self._store.put_user(user, now_s)
            self._store.audit(now_s, "user-added", user_id=user.user_id)

    def check_new_user(self, user: User) -> None:
        """Raise RegistryError when add_user would; a password hash is not looked at."""
        check_user(user)
        if self._store.user(user.user_id) is not None:
            raise AlreadyRegistered("user", user.user_id)

    def replace_password(self, user_id: str, password_hash: str, now_s: int) -> None:
        """Replace a person's password, which ends their logins; password_hash: argon2id string."""
        with self._store.transaction():
            user = self.user(user_id)
            self._store.put_user(replace(user, password_hash=password_hash), now_s)
            self._store.audit(now_s, "password-replaced", user_id=user_id)

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

    def renew_oscore_party(self, rs_id: str, now_s: int, client_id: str | None = None) -> None:
        """End the OSCORE context of an RS, where it has one, and make it a new one, which its device must be told.

        client_id: the client that the device is from now on; the one that it was when not given.
        """
        with self._store.transaction():
            party = self._store.oscore_party(rs_id=rs_id)
            if party is not None:
                self._store.delete_oscore_party(party.recipient_id)
                self.add_oscore_party(now_s, client_id=client_id or party.client_id, rs_id=rs_id)
                check_address(self._settings)

    def put_oscore_party(self, party: OscoreParty, now_s: int) -> None:
        """Insert a context, in the transaction around it. Raises RegistryError for a party that has one."""
        client = None
        if party.client_id is not None:
            client = self._store.client(party.client_id)
            if client is None:
                raise RegistryError(f"There is no client {party.client_id}: add it first.")
            if self._store.oscore_party(client_id=party.client_id) is not None:
                raise RegistryError(
                    f"{party.client_id} has an OSCORE context already: add a device's client without --oscore."
                )
        if party.rs_id is not None:
            self.resource_server(party.rs_id)
            if self._store.oscore_party(rs_id=party.rs_id) is not None:
                raise RegistryError(f"{party.rs_id} has an OSCORE context already.")
        self._store.add_oscore_party(party, now_s)
        if client is not None and client.public:  # it has something to authenticate with now
            self._store.put_client(replace(client, public=False), now_s)

    def check_clock(self) -> None:
        """Raise RegistryError in doubt of the clock, before anything is made that lives by it."""
        if self._clock_doubt:
            raise RegistryError(
                f"Not done, because {self._clock_doubt}: see `holdfast server clock show`, then set the clock or say "
                "`holdfast server clock accept`."
            )

    def left_behind(self, rs_id: str | None = None) -> list[str]:
        """Return the RSs whose devices will need the next signing key, or the next key of this RS, and lack it."""
        rs = None if rs_id is None else self.resource_server(rs_id)
        role, formats = (ROLE_SIGN, SIGNED_FORMATS) if rs is None else (shared_role(rs), SHARED_FORMATS)
        without = set(self._store.devices_without(self._keyring.next_kid(role, rs_id)))
        return [
            one.rs_id
            for one in (self._store.resource_servers() if rs is None else [rs])
            if one.rs_id in without and one.device_format in formats
        ]

    def rotate_key(self, now_s: int, rs_id: str | None = None, force: bool = False) -> None:
        """Rotate the signing key, or the key that an RS shares with this server.

        Devices are told the old one for settings.key_overlap_s, and as long as a token made with it may live.
        force: also when a device holds only older keys and will refuse every new token; otherwise RegistryError.
        """
        rs = None if rs_id is None else self.resource_server(rs_id)
        self.check_clock()
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
        rs = self.resource_server(rs_id)
        if rs.device_format not in SHARED_FORMATS:
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


def check_address(settings: Settings) -> None:
    """Raise RegistryError when this server has no address that a device can be told."""
    if settings.as_port == 0:
        raise RegistryError("coap.bind has port 0, which no device can be told: set a port, or coap.advertise.")


def _hash_of(secret: Secret | None) -> bytes | None:
    return None if secret is None else hashlib.sha256(secret.reveal()).digest()


def secret_matches(client: Client | None, secret: bytes) -> bool:
    """Compare a client secret in constant time; the same work for an unknown client or one without a secret."""
    known = client.secret_hash if client is not None and client.secret_hash is not None else bytes(32)
    return hmac.compare_digest(hashlib.sha256(secret).digest(), known)
