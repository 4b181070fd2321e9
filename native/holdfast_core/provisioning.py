"""What a device is told once, before it is deployed: who its AS is, which keys to trust, what it serves.

One CBOR map, version 1, strict: a missing member, an unknown one or an impossible value is refused, never
guessed.  It is full of secrets: it travels as a file of mode 0600 and is never sent, logged or shown (RFC 9200
section 6.3).  The server builds it and the device reads it; both use this file, so neither imports the other.
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.errors import Malformed
from holdfast_core.kinds import FORMATS, ROLE_SIGN, ROLES, STRICT, TOKEN_SHAPES
from holdfast_core.p256_table import is_table
from holdfast_core.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VERSION = 1
SEED_LEN = 32
MAX_OSCORE_ID_LEN = 7  # RFC 8613 section 3.3 with the 13-byte nonce of AES-CCM-16-64-128
MAX_SESSIONS_LIMIT = 64  # a device preallocates this many slots; more than any board here holds
DEFAULT_SESSIONS = 8
MAX_TEXT_LEN = 255
MAX_COUNT = (1 << 64) - 1


class ProvisionedKey:
    """One key of the AS.

    role: "sign" (material: 64 bytes x||y of P-256), "mac" or "encrypt" (material: the key); kid bytes; alg
    a COSE algorithm; issuer: the AS that this key speaks for; material: Secret.  table: multiples of a "sign" key,
    computed ahead (p256_table.py), or None.
    """

    __slots__ = ("alg", "issuer", "kid", "material", "role", "table")

    def __init__(
        self, role: str, kid: bytes, alg: int, issuer: str, material: Secret, table: "bytes | None" = None
    ) -> None:
        self.role = role
        self.kid = kid
        self.alg = alg
        self.issuer = issuer
        self.material = material
        self.table = table

    def __repr__(self) -> str:
        return f"ProvisionedKey({self.role}, kid={_hex(self.kid)})"


class RsProvisioning:
    """What the device is as a resource server.

    rs_id: the prefix of exi token ids; audiences: tuple of str; scopes: {text: [(path, method mask), ..]};
    formats: tuple of FORMATS; connected: it may introspect; freshness: tokens must carry a cnonce of its own.
    token_shape: of kinds.TOKEN_SHAPES.
    exi_floor: for a device that remembers nothing: exi tokens up to this sequence number are over, -1 for none.
    """

    __slots__ = ("audiences", "connected", "exi_floor", "formats", "freshness", "rs_id", "scopes", "token_shape")

    def __init__(
        self,
        rs_id: bytes,
        audiences: "tuple[str, ...]",
        scopes: "dict[str, list[tuple[str, int]]]",
        formats: "tuple[str, ...]",
        connected: bool = False,
        freshness: bool = False,
        exi_floor: int = -1,
        token_shape: str = STRICT,
    ) -> None:
        self.rs_id = rs_id
        self.audiences = tuple(audiences)
        self.scopes = scopes
        self.formats = tuple(formats)
        self.connected = connected
        self.freshness = freshness
        self.exi_floor = exi_floor
        self.token_shape = token_shape

    def __repr__(self) -> str:
        return "RsProvisioning(" + ",".join(self.audiences) + ")"


class AsContext:
    """The OSCORE context with the AS, seen from the device: its own sender_id, the AS's recipient_id."""

    __slots__ = ("master_salt", "master_secret", "recipient_id", "sender_id")

    def __init__(self, master_secret: Secret, master_salt: bytes, sender_id: bytes, recipient_id: bytes) -> None:
        self.master_secret = master_secret
        self.master_salt = master_salt
        self.sender_id = sender_id
        self.recipient_id = recipient_id

    def __repr__(self) -> str:
        return f"AsContext(sender={_hex(self.sender_id)}, recipient={_hex(self.recipient_id)})"


class Provisioning:
    """All that a device is told.

    issuer, as_uri: text; as_peer: (host, port) or None; keys: tuple of ProvisionedKey; rs: RsProvisioning
    or None; as_context: AsContext or None; client_id: text or None; seed: Secret of 32 bytes for the DRBG;
    time_floor_s: unix seconds that have certainly passed; max_sessions: 1..64.
    edition: counts what the AS has exported, so that a device knows a later record from one that was put back.
    """

    __slots__ = (
        "as_context",
        "as_peer",
        "as_uri",
        "client_id",
        "edition",
        "issuer",
        "keys",
        "max_sessions",
        "rs",
        "seed",
        "time_floor_s",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - one argument per member
        self,
        issuer: str,
        as_uri: str,
        seed: Secret,
        time_floor_s: int,
        as_peer: "tuple[str, int] | None" = None,
        keys: "tuple[ProvisionedKey, ...]" = (),
        rs: "RsProvisioning | None" = None,
        as_context: "AsContext | None" = None,
        client_id: "str | None" = None,
        max_sessions: int = DEFAULT_SESSIONS,
        edition: int = 0,
    ) -> None:
        self.issuer = issuer
        self.as_uri = as_uri
        self.seed = seed
        self.time_floor_s = time_floor_s
        self.as_peer = as_peer
        self.keys = tuple(keys)
        self.rs = rs
        self.as_context = as_context
        self.client_id = client_id
        self.max_sessions = max_sessions
        self.edition = edition

    def __repr__(self) -> str:
        return f"Provisioning(rs={self.rs!r}, client_id={self.client_id!r})"


# --- encoding ---


def encode_provisioning(provisioning: Provisioning) -> bytes:
    """Encode, and check by decoding again, so that no record leaves that cannot be read.

    Raises MalformedProvisioning as decode_provisioning does.
    """
    record: dict[int, Any] = {
        L.PROV_VERSION: VERSION,
        L.PROV_ISSUER: provisioning.issuer,
        L.PROV_AS_URI: provisioning.as_uri,
        L.PROV_KEYS: [_encode_key(key) for key in provisioning.keys],
        L.PROV_SEED: provisioning.seed.reveal(),
        L.PROV_TIME_FLOOR: provisioning.time_floor_s,
        L.PROV_MAX_SESSIONS: provisioning.max_sessions,
        L.PROV_EDITION: provisioning.edition,
    }
    if provisioning.as_peer is not None:
        record[L.PROV_AS_PEER] = list(provisioning.as_peer)
    if provisioning.rs is not None:
        record[L.PROV_RS] = _encode_rs(provisioning.rs)
    if provisioning.as_context is not None:
        record[L.PROV_AS_CONTEXT] = _encode_context(provisioning.as_context)
    if provisioning.client_id is not None:
        record[L.PROV_CLIENT_ID] = provisioning.client_id
    encoded = cbor.encode(record)
    decode_provisioning(encoded)
    return encoded


def _encode_key(key: ProvisionedKey) -> "list[Any]":
    row = [key.role, key.kid, key.alg, key.issuer, key.material.reveal()]
    return row if key.table is None else row + [key.table]


def _encode_rs(rs: RsProvisioning) -> "dict[int, Any]":
    record = {
        L.PROV_RS_ID: rs.rs_id,
        L.PROV_RS_AUDIENCES: list(rs.audiences),
        L.PROV_RS_SCOPES: {text: [list(entry) for entry in entries] for text, entries in rs.scopes.items()},
        L.PROV_RS_FORMATS: list(rs.formats),
        L.PROV_RS_CONNECTED: rs.connected,
        L.PROV_RS_FRESHNESS: rs.freshness,
    }
    if rs.exi_floor >= 0:
        record[L.PROV_RS_EXI_FLOOR] = rs.exi_floor
    if rs.token_shape != STRICT:
        record[L.PROV_RS_TOKEN_SHAPE] = rs.token_shape
    return record


def _encode_context(context: AsContext) -> "dict[int, Any]":
    return {
        L.PROV_CTX_SECRET: context.master_secret.reveal(),
        L.PROV_CTX_SALT: context.master_salt,
        L.PROV_CTX_SENDER_ID: context.sender_id,
        L.PROV_CTX_RECIPIENT_ID: context.recipient_id,
    }


# --- decoding ---


def decode_provisioning(encoded: bytes) -> Provisioning:
    """Decode and check a record.

    Raises MalformedProvisioning with detail: cbor, version, members, or the name of the member that is wrong.
    """
    try:
        record = cbor.decode(encoded)
    except Malformed:
        raise errors.MalformedProvisioning("cbor") from None
    record = _members(record, "members", _REQUIRED, _OPTIONAL)
    _uint(record[L.PROV_VERSION], "version", VERSION, VERSION)
    return Provisioning(
        issuer=_text(record[L.PROV_ISSUER], "issuer"),
        as_uri=_text(record[L.PROV_AS_URI], "as-uri"),
        seed=_secret(record[L.PROV_SEED], "seed", SEED_LEN, SEED_LEN),
        time_floor_s=_uint(record[L.PROV_TIME_FLOOR], "time-floor", 0, 1 << 40),
        as_peer=_maybe(record, L.PROV_AS_PEER, _decode_peer),
        keys=tuple([_decode_key(row) for row in _list(record[L.PROV_KEYS], "keys", 0)]),
        rs=_maybe(record, L.PROV_RS, _decode_rs),
        as_context=_maybe(record, L.PROV_AS_CONTEXT, _decode_context),
        client_id=_maybe(record, L.PROV_CLIENT_ID, _decode_client_id),
        max_sessions=_uint(record[L.PROV_MAX_SESSIONS], "max-sessions", 1, MAX_SESSIONS_LIMIT),
        edition=_uint(record[L.PROV_EDITION], "edition", 0, MAX_COUNT),
    )


_REQUIRED = (
    L.PROV_VERSION,
    L.PROV_ISSUER,
    L.PROV_AS_URI,
    L.PROV_KEYS,
    L.PROV_SEED,
    L.PROV_TIME_FLOOR,
    L.PROV_MAX_SESSIONS,
    L.PROV_EDITION,
)
_OPTIONAL = (L.PROV_AS_PEER, L.PROV_RS, L.PROV_AS_CONTEXT, L.PROV_CLIENT_ID)
_RS_REQUIRED = (
    L.PROV_RS_ID,
    L.PROV_RS_AUDIENCES,
    L.PROV_RS_SCOPES,
    L.PROV_RS_FORMATS,
    L.PROV_RS_CONNECTED,
    L.PROV_RS_FRESHNESS,
)
_CTX_REQUIRED = (L.PROV_CTX_SECRET, L.PROV_CTX_SALT, L.PROV_CTX_SENDER_ID, L.PROV_CTX_RECIPIENT_ID)


def _decode_peer(value: object) -> "tuple[str, int]":
    row = _list(value, "as-peer", 2, 2)
    return _text(row[0], "as-peer"), _uint(row[1], "as-peer", 1, 65535)


def _decode_client_id(value: object) -> str:
    return _text(value, "client-id")


def _decode_key(value: object) -> ProvisionedKey:
    row = _list(value, "keys", 5, 6)  # the sixth is the table, where there is one
    role, kid, alg, issuer, material = row[:5]
    if role not in ROLES or not isinstance(alg, int) or isinstance(alg, bool):
        raise errors.MalformedProvisioning("keys")
    table = None
    if len(row) == 6:
        table = row[5]
        if role != ROLE_SIGN or not isinstance(table, bytes) or not is_table(table):
            raise errors.MalformedProvisioning("table")
    low, high = (64, 64) if role == ROLE_SIGN else (16, 64)
    return ProvisionedKey(
        role, _octets(kid, "keys", 0, 64), alg, _text(issuer, "keys"), _secret(material, "keys", low, high), table
    )


def _decode_rs(value: object) -> RsProvisioning:
    record = _members(value, "rs", _RS_REQUIRED, (L.PROV_RS_EXI_FLOOR, L.PROV_RS_TOKEN_SHAPE))
    connected, freshness = record[L.PROV_RS_CONNECTED], record[L.PROV_RS_FRESHNESS]
    if not isinstance(connected, bool) or not isinstance(freshness, bool):
        raise errors.MalformedProvisioning("rs")
    formats = tuple([_text(item, "formats") for item in _list(record[L.PROV_RS_FORMATS], "formats", 1)])
    for name in formats:
        if name not in FORMATS:
            raise errors.MalformedProvisioning("formats")
    token_shape = record.get(L.PROV_RS_TOKEN_SHAPE, STRICT)
    if token_shape not in TOKEN_SHAPES:
        raise errors.MalformedProvisioning("token-shape")
    return RsProvisioning(
        rs_id=_octets(record[L.PROV_RS_ID], "rs-id", 1, 64),
        audiences=tuple([_text(a, "audiences") for a in _list(record[L.PROV_RS_AUDIENCES], "audiences", 1)]),
        scopes=_decode_scopes(record[L.PROV_RS_SCOPES]),
        formats=formats,
        connected=connected,
        freshness=freshness,
        exi_floor=_uint(record.get(L.PROV_RS_EXI_FLOOR, -1), "exi-floor", -1, MAX_COUNT),
        token_shape=token_shape,
    )


def _decode_scopes(value: object) -> "dict[str, list[tuple[str, int]]]":
    if not isinstance(value, dict):
        raise errors.MalformedProvisioning("scopes")
    scopes: dict[str, list[tuple[str, int]]] = {}
    for text, entries in value.items():
        rows = []
        for entry in _list(entries, "scopes", 1):
            path, mask = _list(entry, "scopes", 2, 2)
            if _text(path, "scopes")[0] != "/":
                raise errors.MalformedProvisioning("scopes")
            rows.append((path, _uint(mask, "scopes", 1, MAX_COUNT)))
        if " " in _text(text, "scopes"):
            raise errors.MalformedProvisioning("scopes")
        scopes[text] = rows
    return scopes


def _decode_context(value: object) -> AsContext:
    record = _members(value, "as-context", _CTX_REQUIRED, ())
    sender_id = _octets(record[L.PROV_CTX_SENDER_ID], "as-context", 0, MAX_OSCORE_ID_LEN)
    recipient_id = _octets(record[L.PROV_CTX_RECIPIENT_ID], "as-context", 0, MAX_OSCORE_ID_LEN)
    if sender_id == recipient_id:
        raise errors.MalformedProvisioning("as-context")
    return AsContext(
        _secret(record[L.PROV_CTX_SECRET], "as-context", 16, 64),
        _octets(record[L.PROV_CTX_SALT], "as-context", 0, 64),
        sender_id,
        recipient_id,
    )


# --- checks ---


def _members(value: object, name: str, required: "tuple[int, ...]", optional: "tuple[int, ...]") -> "dict[int, Any]":
    if not isinstance(value, dict):
        raise errors.MalformedProvisioning(name)
    for key in required:
        if key not in value:
            raise errors.MalformedProvisioning(name)
    for key in value:
        if key not in required and key not in optional:
            raise errors.MalformedProvisioning(name)
    return value


def _maybe(record: "dict[int, Any]", label: int, decode: "Callable[[object], Any]") -> "Any":
    return decode(record[label]) if label in record else None


def _uint(value: object, name: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise errors.MalformedProvisioning(name)
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT_LEN:
        raise errors.MalformedProvisioning(name)
    return value


def _octets(value: object, name: str, low: int, high: int) -> bytes:
    if not isinstance(value, bytes) or not low <= len(value) <= high:
        raise errors.MalformedProvisioning(name)
    return value


def _secret(value: object, name: str, low: int, high: int) -> Secret:
    return Secret(_octets(value, name, low, high))


def _list(value: object, name: str, low: int, high: int = 64) -> "list[Any]":
    if not isinstance(value, list) or not low <= len(value) <= high:
        raise errors.MalformedProvisioning(name)
    return value


def _hex(octets: bytes) -> str:
    return "".join([f"{byte:02x}" for byte in octets])
