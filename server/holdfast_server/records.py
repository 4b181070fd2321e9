"""The frozen records that all rooms share: clients, resource servers, people, OSCORE parties, keys, codes, tokens.

Never reads or writes a store: registry.py and changes.py do; what each record must be is in party_checks.py.
RFC 9200 section 4 (registration).
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, TypeVar

from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.kinds import (
    CWT_ENCRYPTED,
    CWT_MAC,
    CWT_NESTED,
    CWT_SIGNED,
    REFERENCE,
    ROLE_ENCRYPT,
    ROLE_MAC,
    STRICT,
)
from holdfast_core.secret import Secret
from holdfast_server.authz.caller import Caller
from holdfast_server.base64url import b64

READABLE_FORMATS = (CWT_SIGNED, CWT_MAC)
"""Anybody on the way can read what is in them, so they carry a client's public key and never a secret one."""
SIGNED_FORMATS = (CWT_NESTED, CWT_SIGNED)
SHARED_FORMATS = (CWT_NESTED, CWT_ENCRYPTED, CWT_MAC)
"""Those that need a key which the RS shares with the server."""

SEALED_FORMATS = (CWT_NESTED, CWT_ENCRYPTED)
"""Those that only the device can open, so that a hub which carries one learns nothing of what is in it."""
HUB_LIFETIME_S = 600
"""Unless the operator says otherwise: so long may a hub post a token after it was revoked."""

MAX_LIFETIME_S = 10 * 366 * 86400
"""Of a token. No store and no reader holds any number; beyond some years revoking is the only end that a token has."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")

MAX_USERNAME_LEN = 128
PARTY_WORDS = {"client": "client", "rs": "resource server", "user": "user"}
"""The kinds of parties that the registry knows by name, and what people call them."""

# The AS's own Sender ID in every context; each party has its own Master Secret, so keys differ (RFC 8613 section 3.3).
AS_SENDER_ID = b"AS"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client.  scopes: what it may ever get, by audience; default_scopes: what it gets when it names none.

    public_keys: encoded COSE_Keys that were proven to be the client's at registration (RFC 9201 section 3.1).
    public: it has no secret and redeems codes by PKCE alone (RFC 6749 section 2.1).  narrows: a scope that is allowed
    in part is issued in part (RFC 6749 section 3.3), not refused.  lenient: its CoAP requests may lack Content-Format.
    tells_token_type: its answers over HTTPS name PoP, which some OAuth libraries refuse.
    is_hub: an edge gateway.  All it gets are tokens sealed to devices, each for a reference that a client showed it.
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
    is_hub: bool = False
    title: str = ""  # what people call it
    secret_hash: bytes | None = field(default=None, repr=False)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """A registered RS.  scope_map: scope name -> [(path, method mask)] (RFC 9237); audiences: names it answers to.

    sealed_format: "", or the format that its device reads: clients hold references, and a hub gets a token of this
    format for one (sealing.py).  is_split: a client carries the part of a token that proves, and a hub gets the rest.
    hub_lifetime_s: how long a hub may go on with what it got, before it asks again.
    exi_lifetime_s: 0, or the lifetime counted from first reception, for an RS without a clock (RFC 9200 5.10.3).
    clock: it knows what time it is.  title, scope_titles: what people call it and its scopes.
    public_key: encoded COSE_Key for rs_cnf, with public-key profiles only (RFC 9201 section 3.2).
    """

    rs_id: str
    audiences: tuple[str, ...]
    scope_map: dict[str, tuple[tuple[str, int], ...]]
    token_format: str = REFERENCE
    profiles: tuple[int, ...] = (L.PROFILE_COAP_OSCORE,)
    token_lifetime_s: int = 3600
    exi_lifetime_s: int = 0
    connected: bool = True
    freshness: bool = False  # it takes only tokens with a cnonce of its own (RFC 9200 section 5.3.1)
    token_shape: str = STRICT  # of kinds.TOKEN_SHAPES: what else than this server's tokens it takes
    sealed_format: str = ""
    is_split: bool = False
    hub_lifetime_s: int = HUB_LIFETIME_S
    clock: bool = False
    title: str = ""
    scope_titles: dict[str, str] = field(default_factory=dict)
    public_key: bytes | None = None
    disabled: bool = False

    @property
    def wants_hub(self) -> bool:
        """Whether a hub must complete what its clients hold."""
        return self.is_split or bool(self.sealed_format)

    @property
    def device_format(self) -> str:
        """The format that its device reads, which is not what a client holds when hubs seal tokens to it."""
        return self.sealed_format or self.token_format

    @property
    def is_timeless(self) -> bool:
        """Whether its device has no idea of time, so that it takes a token that ended long ago."""
        return not (self.connected or self.exi_lifetime_s or self.freshness or self.clock)


@dataclass(frozen=True, slots=True)
class User:
    """A resource owner who can log in.  scopes: what they may approve, by audience.  password_hash: argon2id string."""

    user_id: str
    password_hash: str = field(default="", repr=False)
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person approved last for a client and an audience. granted_at: seconds since 1970."""

    client_id: str
    audience: str
    scope: str
    granted_at: int


_Party = TypeVar("_Party", Client, ResourceServer, User)


def in_force(party: _Party | None) -> _Party | None:
    """Return a party that may do anything at all; None when it is unknown or locked.  Nobody else asks whether."""
    return None if party is None or party.disabled else party


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
    alg: int = L.ALG_AES_CCM_16_64_128

    def caller(self) -> Caller:
        """Return who speaks when this context opens a request."""
        return Caller(self.client_id, self.rs_id, authenticated=True)


STATE_NEXT = "next"
STATE_CURRENT = "current"
STATE_RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key of the AS.  secret: a P-256 scalar (sign) or an AES key (encrypt); rs_id: whose, for encrypt."""

    kid: bytes
    role: str
    rs_id: str | None
    alg: int
    secret: Secret
    state: str
    created_at: int
    retired_until: int | None = None


def token_hash_of(token: bytes) -> bytes:
    """Return the 32 bytes by which a revocation list names a token: SHA-256 of its base64url text (RFC 9770 4.2.1).

    The list puts one byte for the hash function before them.  It is also what the token is found by here.
    """
    return hashlib.sha256(b64(token).encode()).digest()


@dataclass(frozen=True, slots=True)
class CodeRecord:
    """An authorization code and everything it is bound to.

    expires_at, consumed_at: unix seconds; a consumed one is remembered, for its replay, until expires_at.
    redirect_named: its request named redirect_uri.
    """

    code_hash: bytes
    client_id: str
    user_id: str
    redirect_uri: str
    code_challenge: str
    audience: str
    scope: str
    requested_scope: str
    expires_at: int
    consumed_at: int | None = None
    redirect_named: bool = True


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An issued token.  claims: CBOR map for introspection; it holds key material for reference tokens only."""

    token_hash: bytes
    token_format: str
    client_id: str
    user_id: str | None
    audience: str
    scope: str | bytes
    claims: bytes = field(repr=False)
    pop_kid: bytes | None
    issued_at: int
    expires_at: int
    parent_id: int | None = None
    code_hash: bytes | None = None
    revoked_at: int | None = None
    token_id: int = 0  # given by the store


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A revoked token with live ones that were exchanged for it.  revoked: so many of them have gone up to now."""

    token_id: int
    reason: str
    address: str
    revoked: int = 0


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """The last export of a device.  parts: see exports.parts_of."""

    exported_at: int
    parts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClientUsage:
    """All numbers since the client was added, but live_tokens, which are now. last_at: of its last request, or None."""

    client_id: str
    live_tokens: int = 0
    issued: int = 0
    requests: int = 0
    refused: int = 0
    limited: int = 0
    last_at: int | None = None


@dataclass(frozen=True, slots=True)
class KeptClock:
    """seen_s: the last time that was believed. swept_s: the sweeping time. accepted: counts what the operator says."""

    seen_s: int
    swept_s: int
    accepted: int


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event.

    reason: "" or the constant text of the refusal; address: where the request came from; operator: who ran the
    command.  *_number: which of all those that ever had this id, None for an id that was not registered.
    """

    at: int
    event: str
    client_id: str | None
    rs_id: str | None
    user_id: str | None
    token_id: int | None
    reason: str
    address: str
    operator: str
    client_number: int | None
    rs_number: int | None
    user_number: int | None


class RegistryError(LocalError):
    """A record that cannot be; the detail is for the operator."""

    reason = "registry"


class NotRegistered(RegistryError):
    """There is no party of this kind (client, rs or user) and id."""

    def __init__(self, kind: str, party_id: str) -> None:
        super().__init__(f"no such {PARTY_WORDS[kind]}")
        self.kind = kind
        self.party_id = party_id


class AlreadyRegistered(RegistryError):
    """There is a party of this kind (client, rs or user) and id already."""

    def __init__(self, kind: str, party_id: str) -> None:
        super().__init__(f"a {PARTY_WORDS[kind]} of this id exists")
        self.kind = kind
        self.party_id = party_id


def shared_role(rs: ResourceServer) -> str:
    """Return the role of the keys that this RS shares with the server."""
    return ROLE_MAC if rs.device_format == CWT_MAC else ROLE_ENCRYPT
