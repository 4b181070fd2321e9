"""The registry: which clients, resource servers, users and OSCORE parties the authorization server knows.

The records are frozen values; Registry creates and changes them through the store and hands out each generated secret
exactly once.  Never keeps a client secret (only its SHA-256; the secrets are 256-bit random, so a slow hash gains nothing).
RFC 9200 section 4 (registration), appendix D.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.secret import Secret
from holdfast_server.caller import Caller

if TYPE_CHECKING:
    from holdfast_server.store_sqlite import Store

FORMAT_REFERENCE = "reference"
FORMAT_ENCRYPTED = "cwt-encrypted"
FORMAT_NESTED = "cwt-nested"
FORMAT_SIGNED = "cwt-signed"
FORMATS = (FORMAT_REFERENCE, FORMAT_ENCRYPTED, FORMAT_NESTED, FORMAT_SIGNED)
SECRET_FORMATS = (FORMAT_REFERENCE, FORMAT_ENCRYPTED, FORMAT_NESTED)  # those that may carry a symmetric key

# The AS's own Sender ID in every context; each party has its own Master Secret, so keys never coincide (RFC 8613 section 3.3).
AS_SENDER_ID = b"AS"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client.  scopes: what it may ever get, by audience; default_scopes: what it gets when it names none.

    public_keys: encoded COSE_Keys that were proven to be the client's at registration (RFC 9201 section 3.1).
    """

    client_id: str
    grant_types: tuple[int, ...]
    scopes: dict[str, tuple[str, ...]]
    default_scopes: dict[str, str] = field(default_factory=dict)
    redirect_uris: tuple[str, ...] = ()
    profiles: tuple[int, ...] = (L.PROFILE_COAP_OSCORE,)
    public_keys: tuple[bytes, ...] = ()
    secret_hash: bytes | None = field(default=None, repr=False)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """A registered RS.  scope_map: scope name -> [(path, method mask)] (RFC 9237); audiences: names it answers to.

    exi_lifetime_s: 0, or the lifetime counted from first reception, for an RS without a clock (RFC 9200 section 5.10.3).
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
    public_key: bytes | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A resource owner who can log in.  scopes: what the user may approve, by audience.  password_hash: argon2id string."""

    user_id: str
    password_hash: str = field(default="", repr=False)
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class OscoreParty:
    """The OSCORE context between the AS and one party.  recipient_id: the party's Sender ID, which it sends as kid."""

    recipient_id: bytes
    master_secret: Secret
    master_salt: bytes
    client_id: str | None = None
    rs_id: str | None = None
    sender_id: bytes = AS_SENDER_ID
    sequence_reserved: int = 0  # no Partial IV below this may be used again by the AS

    def caller(self) -> Caller:
        """Return who speaks when this context opens a request."""
        return Caller(self.client_id, self.rs_id, authenticated=True)


class Registry:
    """Creates and changes registry records.  rng: n -> n random bytes; every method is one transaction."""

    def __init__(self, store: "Store", rng: Callable[[int], bytes]) -> None:
        self._store = store
        self._rng = rng

    def add_client(self, client: Client, now_s: int, with_secret: bool = False) -> Secret | None:
        """Register a client; with_secret: return its new 43-character secret, which is shown this once."""
        raise NotImplementedError

    def add_resource_server(self, rs: ResourceServer, now_s: int) -> None:
        """Register an RS and make its encryption key."""
        raise NotImplementedError

    def add_user(self, user: User, now_s: int) -> None:
        """Register a user."""
        raise NotImplementedError

    def add_oscore_party(self, now_s: int, client_id: str | None = None, rs_id: str | None = None) -> OscoreParty:
        """Make the OSCORE context between the AS and a registered client, RS or both."""
        raise NotImplementedError
