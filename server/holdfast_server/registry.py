"""The registry: which clients, resource servers, users and OSCORE parties the authorization server knows.

The records are frozen values; Registry creates and changes them through the store and hands out each generated secret
exactly once.  Never keeps a client secret, only its SHA-256: secrets are 256-bit random, so a slow hash gains nothing.
RFC 9200 section 4 (registration), appendix D.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.errors import LocalError, Malformed
from holdfast_core.names import GRANT_NAMES
from holdfast_core.scope import ScopeMap
from holdfast_core.secret import Secret
from holdfast_core.trust import ROLE_ENCRYPT, ROLE_MAC, ROLE_SIGN
from holdfast_server.caller import Caller

if TYPE_CHECKING:
    from holdfast_server.keyring import Keyring
    from holdfast_server.settings import Settings
    from holdfast_server.store_sqlite import Store

CLIENT_SECRET_LEN = 32
MASTER_SECRET_LEN = 16
MASTER_SALT_LEN = 8
RECIPIENT_ID_LEN = 3  # unlike AS_SENDER_ID by its length, and 16 million parties

FORMAT_REFERENCE = "reference"
FORMAT_ENCRYPTED = "cwt-encrypted"
FORMAT_NESTED = "cwt-nested"
FORMAT_SIGNED = "cwt-signed"
FORMAT_MAC = "cwt-mac"
FORMATS = (FORMAT_REFERENCE, FORMAT_ENCRYPTED, FORMAT_NESTED, FORMAT_SIGNED, FORMAT_MAC)
READABLE_FORMATS = (FORMAT_SIGNED, FORMAT_MAC)
"""Anybody on the way can read what is in them, so they carry a client's public key and never a secret one."""
SIGNED_FORMATS = (FORMAT_NESTED, FORMAT_SIGNED)
SHARED_FORMATS = (FORMAT_NESTED, FORMAT_ENCRYPTED, FORMAT_MAC)
"""Those that need a key which the RS shares with the server."""
MAX_NAMED = 10

LOOPBACK = ("127.0.0.1", "::1", "localhost")

# The AS's own Sender ID in every context; each party has its own Master Secret, so keys differ (RFC 8613 section 3.3).
AS_SENDER_ID = b"AS"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client.  scopes: what it may ever get, by audience; default_scopes: what it gets when it names none.

    public_keys: encoded COSE_Keys that were proven to be the client's at registration (RFC 9201 section 3.1).
    public: it has no secret and redeems codes by PKCE alone (RFC 6749 section 2.1).  narrows: a scope that is allowed
    in part is issued in part (RFC 6749 section 3.3), not refused.  lenient: its CoAP requests may lack Content-Format.
    tells_token_type: its answers over HTTPS name PoP, which some OAuth libraries refuse.
    """

    client_id: str
    grant_types: tuple[int, ...]
    scopes: dict[str, tuple[str, ...]]
    default_scopes: dict[str, str] = field(default_factory=dict)
    redirect_uris: tuple[str, ...] = ()
    profiles: tuple[int, ...] = (L.PROFILE_COAP_OSCORE,)
    public_keys: tuple[bytes, ...] = ()
    public: bool = False
    narrows: bool = False
    lenient: bool = False
    tells_token_type: bool = True
    secret_hash: bytes | None = field(default=None, repr=False)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """A registered RS.  scope_map: scope name -> [(path, method mask)] (RFC 9237); audiences: names it answers to.

    exi_lifetime_s: 0, or the lifetime counted from first reception, for an RS without a clock (RFC 9200 5.10.3).
    public_key: encoded COSE_Key for rs_cnf, with public-key profiles only (RFC 9201 section 3.2).
    """

    rs_id: str
    audiences: tuple[str, ...]
    scope_map: dict[str, tuple[tuple[str, int], ...]]
    token_format: str = FORMAT_REFERENCE
    profiles: tuple[int, ...] = (L.PROFILE_COAP_OSCORE,)
    token_lifetime_s: int = 3600
    exi_lifetime_s: int = 0
    connected: bool = True
    freshness: bool = False  # it takes only tokens with a cnonce of its own (RFC 9200 section 5.3.1)
    public_key: bytes | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A resource owner who can log in.  scopes: what they may approve, by audience.  password_hash: argon2id string."""

    user_id: str
    password_hash: str = field(default="", repr=False)
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class OscoreParty:
    """The OSCORE context between the AS and one party.  recipient_id: the party's Sender ID, which it sends as kid.

    rederives: the party makes a new context at each start that does not go on with an earlier one (RFC 8613 appendix
    B.2); what it was provisioned with is none by itself.  id_context: of the context in force, None without.
    """

    recipient_id: bytes
    master_secret: Secret
    master_salt: bytes
    client_id: str | None = None
    rs_id: str | None = None
    sender_id: bytes = AS_SENDER_ID
    sequence_reserved: int = 0  # no Partial IV below this may be used again by the AS
    window: tuple[int, int] | None = (-1, 0)  # the replay window, as ReplayWindow.export(); None: not known
    rederives: bool = True
    id_context: bytes | None = None

    def caller(self) -> Caller:
        """Return who speaks when this context opens a request."""
        return Caller(self.client_id, self.rs_id, authenticated=True)


class RegistryError(LocalError):
    """A record that cannot be; the detail is for the operator."""

    reason = "registry"


class Registry:
    """Creates and changes registry records; every method is one transaction.

    settings: issuer and address that devices are told.  rng: n -> n random bytes.
    """

    def __init__(self, store: "Store", keyring: "Keyring", settings: "Settings", rng: Callable[[int], bytes]) -> None:
        self._store = store
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
        """Register a user, or replace one's record."""
        with self._store.transaction():
            self._store.put_user(user, now_s)
            self._store.audit(now_s, "user-put", user_id=user.user_id)

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
        with self._store.transaction():
            self._set_disabled(disabled, now_s, client_id, rs_id, user_id)
            event = "disabled" if disabled else "enabled"
            self._store.audit(now_s, event, client_id=client_id, rs_id=rs_id, user_id=user_id)
            if disabled and rs_id is not None:
                self._revoke_tokens_for(rs_id, now_s)
            elif disabled:
                self._store.revoke_tokens_of(now_s, client_id=client_id, user_id=user_id)

    def remove_resource_server(self, rs_id: str, now_s: int) -> None:
        """Forget an RS, its keys and its context; who takes its name later is told nothing of its tokens."""
        with self._store.transaction():
            self._store.audit(now_s, "rs-removed", rs_id=rs_id)  # before its number goes with it
            self._revoke_tokens_for(rs_id, now_s)
            if not self._store.delete_resource_server(rs_id):
                raise RegistryError("no such resource server")

    def remove_client(self, client_id: str, now_s: int) -> None:
        """Forget a client, its codes and its tokens; its context too, unless that is a resource server's."""
        with self._store.transaction():
            self._store.audit(now_s, "client-removed", client_id=client_id)
            if not self._store.delete_client(client_id):
                raise RegistryError("no such client")

    def remove_user(self, user_id: str, now_s: int) -> None:
        """Forget a person, their codes, consents and every token that was given in their name."""
        with self._store.transaction():
            self._store.audit(now_s, "user-removed", user_id=user_id)
            if not self._store.delete_user(user_id):
                raise RegistryError("no such user")

    def _revoke_tokens_for(self, rs_id: str, now_s: int) -> None:
        rs = self._store.resource_server(rs_id)
        for audience in () if rs is None else rs.audiences:
            self._store.revoke_tokens_of(now_s, audience=audience)

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
            raise RegistryError("no such party")

    def add_oscore_party(self, now_s: int, client_id: str | None = None, rs_id: str | None = None) -> OscoreParty:
        """Make the OSCORE context between the AS and a registered client, RS or party that is both."""
        with self._store.transaction():
            party = OscoreParty(
                recipient_id=self._free_recipient_id(),
                master_secret=Secret(self._rng(MASTER_SECRET_LEN)),
                master_salt=self._rng(MASTER_SALT_LEN),
                client_id=client_id,
                rs_id=rs_id,
            )
            self._store.add_oscore_party(party, now_s)
            client = None if client_id is None else self._store.client(client_id)
            if client is not None and client.public:  # it has something to authenticate with now
                self._store.put_client(replace(client, public=False), now_s)
            self._store.audit(now_s, "oscore-context-made", client_id=client_id, rs_id=rs_id)
        return party

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
        overlap_s = max([self._settings.key_overlap_s, *(rs.token_lifetime_s for rs in self._store.resource_servers())])
        self._keyring.rotate(role, rs_id, now_s, overlap_s)

    def _new_secret(self) -> Secret:
        return Secret(base64.urlsafe_b64encode(self._rng(CLIENT_SECRET_LEN)).rstrip(b"="))

    def _free_recipient_id(self) -> bytes:
        taken = {party.recipient_id for party in self._store.oscore_parties()}
        while True:
            recipient_id = self._rng(RECIPIENT_ID_LEN)
            if recipient_id not in taken:
                return recipient_id


def shared_role(rs: ResourceServer) -> str:
    """Return the role of the keys that this RS shares with the server."""
    return ROLE_MAC if rs.token_format == FORMAT_MAC else ROLE_ENCRYPT


def check_client(client: Client) -> None:
    """Raise RegistryError when a client's record cannot be."""
    if not client.client_id:
        raise RegistryError("client_id is empty")
    _check_printable("client_id", client.client_id)
    if not set(client.grant_types) <= set(GRANT_NAMES):
        raise RegistryError("grant type is unknown")
    _check_printable("redirect_uri", *client.redirect_uris)
    for uri in client.redirect_uris:
        _check_redirect_uri(uri)
    if client.public and (client.grant_types != (L.GRANT_AUTHORIZATION_CODE,) or client.secret_hash is not None):
        raise RegistryError("a public client has no secret and may only redeem codes: authorization_code")
    for encoded in client.public_keys:
        _check_public_key(encoded)


def check_resource_server(rs: ResourceServer) -> None:
    """Raise RegistryError when an RS's record cannot be."""
    if not rs.rs_id or not rs.audiences or not all(rs.audiences):
        raise RegistryError("rs_id or audiences are empty")
    _check_printable("rs_id", rs.rs_id)
    _check_printable("audience", *rs.audiences)
    if rs.token_format not in FORMATS:
        raise RegistryError("token format is unknown")
    if not rs.token_lifetime_s > 0 or rs.exi_lifetime_s < 0:
        raise RegistryError("lifetimes must be positive")
    if rs.exi_lifetime_s and rs.token_format == FORMAT_REFERENCE:
        raise RegistryError("exi is for self-contained tokens only (RFC 9200 section 5.10.3)")
    if rs.token_format in READABLE_FORMATS and L.PROFILE_COAP_OSCORE in rs.profiles:
        raise RegistryError(
            f"{rs.token_format} can be read by anybody on its way, so it never carries the secret key of coap_oscore: "
            "say --profile coap_dtls, whose tokens carry the client's public key (client add --public-key)"
        )
    try:
        ScopeMap({name: list(allowed) for name, allowed in rs.scope_map.items()})
    except LocalError:
        raise RegistryError("scope map has a bad name, path or method mask") from None
    if rs.public_key is not None:
        _check_public_key(rs.public_key)


def _check_printable(what: str, *names: str) -> None:
    """Refuse what a terminal, a log or a list could take for something else."""
    if not all(name.isprintable() for name in names):
        raise RegistryError(f"{what} has a character that cannot be printed")


def _check_redirect_uri(uri: str) -> None:
    """RFC 9700 section 2.6: a code never travels in the clear; RFC 8252 section 7.1: an app's scheme is a domain."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise RegistryError("redirect_uri is not a URI") from None
    if not parts.scheme or "#" in uri or not (parts.netloc or parts.path):
        raise RegistryError("redirect_uri is not an absolute URI without a fragment")
    web = parts.netloc and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))
    if not web and "." not in parts.scheme:
        raise RegistryError("redirect_uri is neither https, nor http on loopback, nor of a scheme like com.example.app")


def _check_public_key(encoded: bytes) -> None:
    try:
        decode_cose_key(cbor.decode(encoded)).es256()
    except Malformed:
        raise RegistryError("public key is not a COSE_Key on P-256") from None


def _hash_of(secret: Secret | None) -> bytes | None:
    return None if secret is None else hashlib.sha256(secret.reveal()).digest()


def secret_matches(client: Client | None, secret: bytes) -> bool:
    """Compare a client secret in constant time; the same work for an unknown client or one without a secret."""
    known = client.secret_hash if client is not None and client.secret_hash is not None else bytes(32)
    return hmac.compare_digest(hashlib.sha256(secret).digest(), known)
