"""CWT claims sets (RFC 8392 section 3, RFC 8747, RFC 9200 section 8.14) and introspection answers of the same claims.

A known claim of the wrong CBOR type is refused, an unknown claim is ignored.  Never checks time, audience or scope, and
never touches the protection: see verifier.py and cwt.py.  cnf stays the decoded map; cnf.py reads it.
"""

import math

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.kinds import MAX_ACTORS, MAX_AUDIENCES, MAX_TIME_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Claims:
    """Claims by name; an absent one is None, an absent aud is ().

    iss, sub, client_id: text.  aud: tuple of text.  exp, nbf, iat: whole seconds since 1970 UTC, a fraction rounded up,
    which keeps every comparison with a whole second as it was.  cti, cnonce: bytes.  cnf: decoded map.  scope: text or
    bytes.  ace_profile: int.  exi: seconds, 0 or more.  act: decoded map with sub, who acts for the subject.
    No time of them is further from 0 than MAX_TIME_S.
    """

    __slots__ = (
        "ace_profile",
        "act",
        "aud",
        "client_id",
        "cnf",
        "cnonce",
        "cti",
        "exi",
        "exp",
        "iat",
        "iss",
        "nbf",
        "scope",
        "sub",
    )

    def __init__(self) -> None:
        self.iss: str | None = None
        self.sub: str | None = None
        self.aud: tuple[str, ...] = ()
        self.exp: int | None = None
        self.nbf: int | None = None
        self.iat: int | None = None
        self.cti: bytes | None = None
        self.cnf: dict[object, object] | None = None
        self.scope: str | bytes | None = None
        self.ace_profile: int | None = None
        self.cnonce: bytes | None = None
        self.exi: int | None = None
        self.act: dict[object, object] | None = None
        self.client_id: str | None = None

    def __repr__(self) -> str:
        return f"Claims(iss={self.iss!r}, sub={self.sub!r}, aud={self.aud!r}, exp={self.exp!r}, exi={self.exi!r})"


def decode_claims(payload: bytes) -> Claims:
    """Decode a CWT claims set.

    payload: one CBOR map and nothing after it; tag 16 is allowed for an Encrypted_COSE_Key, other tags nowhere.
    Raises MalformedCbor, and MalformedClaims with detail `map` or the claim's name.
    """
    members = cbor.decode(payload, (L.TAG_COSE_ENCRYPT0,))
    if not isinstance(members, dict):
        raise errors.MalformedClaims("map")
    return _claims_from(members)


def claims_from_introspection(answer: object) -> Claims:
    """Read the claims of an introspection answer (RFC 9200 section 5.9.2), a decoded CBOR map.

    Its labels are those of a claims set (tables 6 and 1 agree), with client_id in addition.
    Raises MalformedClaims as decode_claims does.
    """
    if not isinstance(answer, dict):
        raise errors.MalformedClaims("map")
    claims = _claims_from(answer)
    if L.INTRO_CLIENT_ID in answer:
        claims.client_id = _text(answer[L.INTRO_CLIENT_ID], "client_id")
    return claims


def _claims_from(members: "dict[object, object]") -> Claims:
    claims = Claims()
    for label, name, read in _READERS:
        if label in members:
            setattr(claims, name, read(members[label], name))
    return claims


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise errors.MalformedClaims(name)
    return value


def _bytes(value: object, name: str) -> bytes:
    if not isinstance(value, bytes):
        raise errors.MalformedClaims(name)
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise errors.MalformedClaims(name)
    return value


def _seconds(value: object, name: str) -> int:
    """Read a duration: an unsigned integer (RFC 9200 section 5.10.3)."""
    seconds = _whole(value, name)
    if not 0 <= seconds <= MAX_TIME_S:
        raise errors.MalformedClaims(name)
    return seconds


def _numeric_date(value: object, name: str) -> int:
    """Read a NumericDate: untagged integer or float (RFC 8392 section 2).

    now >= d and now >= ceil(d) are the same for whole now, so rounding up loses nothing.
    """
    if isinstance(value, cbor.Double):
        value = value.ceil
    elif isinstance(value, float):
        value = math.ceil(value)
    date = _whole(value, name)
    if not -MAX_TIME_S <= date <= MAX_TIME_S:
        raise errors.MalformedClaims(name)
    return date


def _audience(value: object, name: str) -> "tuple[str, ...]":
    """Read one name or an array of them (RFC 8392 section 3.1.3)."""
    names = value if isinstance(value, list) else [value]
    if not 0 < len(names) <= MAX_AUDIENCES:
        raise errors.MalformedClaims(name)
    return tuple([_text(one, name) for one in names])


def _scope(value: object, name: str) -> "str | bytes":
    if not isinstance(value, (str, bytes)):
        raise errors.MalformedClaims(name)
    return value


def _map(value: object, name: str) -> "dict[object, object]":
    if not isinstance(value, dict):
        raise errors.MalformedClaims(name)
    return value


def _actor(value: object, name: str) -> "dict[object, object]":
    """Read act: a map with sub, and perhaps the actor before it in act (RFC 8693 section 4.1)."""
    actor: object = value
    for _ in range(MAX_ACTORS):
        members = _map(actor, name)
        _text(members.get(L.CLAIM_SUB), name)
        if L.PRIV_ACT not in members:
            return _map(value, name)
        actor = members[L.PRIV_ACT]
    raise errors.MalformedClaims(name)


if TYPE_CHECKING:
    Reader = Callable[[object, str], object]

_READERS: "tuple[tuple[int, str, Reader], ...]" = (
    (L.CLAIM_ISS, "iss", _text),
    (L.CLAIM_SUB, "sub", _text),
    (L.CLAIM_AUD, "aud", _audience),
    (L.CLAIM_EXP, "exp", _numeric_date),
    (L.CLAIM_NBF, "nbf", _numeric_date),
    (L.CLAIM_IAT, "iat", _numeric_date),
    (L.CLAIM_CTI, "cti", _bytes),
    (L.CLAIM_CNF, "cnf", _map),
    (L.CLAIM_SCOPE, "scope", _scope),
    (L.CLAIM_ACE_PROFILE, "ace_profile", _whole),
    (L.CLAIM_CNONCE, "cnonce", _bytes),
    (L.CLAIM_EXI, "exi", _seconds),
    (L.PRIV_ACT, "act", _actor),
)
