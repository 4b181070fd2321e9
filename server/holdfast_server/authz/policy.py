"""The one decision: whether this client, for this user, gets a token for this audience, and which.

Every grant in grants.py ends here, so a locked user, a narrowed registry record or a new rule takes effect for all of
them at once.  Never issues, never authenticates, never consumes a code; it reads the store and says yes or why not.
RFC 9200 sections 5.8, 6.1, 6.9; RFC 9201 section 3.1; RFC 9203 section 3.1.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.confirmation import CoseKey
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.errors import MalformedScope
from holdfast_core.kinds import CWT_SIGNED, REFERENCE
from holdfast_core.scope import decode_aif, encode_aif, split_scope
from holdfast_server.authz.errors import InvalidClient, InvalidTarget, OAuthError
from holdfast_server.authz.ports import GrantStore
from holdfast_server.authz.token_request import TokenRequest
from holdfast_server.records import READABLE_FORMATS, Client, ResourceServer, User, in_force

KEY_OSC = "osc"  # a new OSCORE Master Secret, made by the AS (RFC 9203 section 3.2)
KEY_REFERENCE = "kid"  # the one of a token issued before: an update of access rights (RFC 9203 section 3.1)
KEY_PUBLIC = "public"  # the client's own, proven at registration (RFC 9202 section 3.2)


@dataclass(frozen=True, slots=True)
class Authority:
    """What a grant has proven, and the most it allows.

    sub: for whom.  user: who must still be in good standing.  audience: what it is bound to, None for the request's.
    scope_limit: names it allows, None for all the client may have.  default_scope: when the request names none.
    asked_scope: what the client asked for at the authorization endpoint.  exp_limit: unix seconds.
    refusal: the error when what has proven it turns out not to be good.
    """

    sub: str
    user: User | None = None
    audience: str | None = None
    scope_limit: frozenset[str] | None = None
    default_scope: str | None = None
    asked_scope: str | None = None
    exp_limit: int | None = None
    act: dict[int, Any] | None = None
    parent_id: int | None = None
    code_hash: bytes | None = None
    refusal: int = L.ERR_INVALID_GRANT


@dataclass(frozen=True, slots=True)
class Decision:
    """A yes.  rs: who will take the token, several for a group audience; key: KEY_*; exi: 0 or seconds."""

    client: Client
    authority: Authority
    audience: str
    rs: tuple[ResourceServer, ...]
    scope: str | bytes
    tells_scope: bool
    token_format: str
    profile: int
    exp: int
    exi: int
    key: str
    public_key: CoseKey | None = None
    kid: bytes | None = None


def admit(client: Client | None, grant_type: int, served: Container[int]) -> Client:
    """Check that the client exists, is not locked and may use this grant type at all (RFC 6749 section 5.2)."""
    client = in_force(client)
    if client is None:
        raise InvalidClient("client is unknown or locked")
    if grant_type not in served:
        raise OAuthError(L.ERR_UNSUPPORTED_GRANT_TYPE, "grant type is not supported")
    if grant_type not in client.grant_types:
        raise OAuthError(L.ERR_UNAUTHORIZED_CLIENT, "client may not use this grant type")
    return client


def decide(request: TokenRequest, client: Client, authority: Authority, store: GrantStore, now_s: int) -> Decision:
    """Decide; raises OAuthError.  Reads store, changes nothing."""
    if in_force(client) is None:
        raise InvalidClient("client is unknown or locked")
    if authority.user is not None and in_force(authority.user) is None:
        raise OAuthError(authority.refusal, "user is locked")
    audience = _audience(request, client, authority)
    members = _members(audience, client, store)
    scope = _scope(request, audience, client, authority, members)
    token_format = _format(members)
    if request.cnonce is None and any(rs.freshness for rs in members):
        raise OAuthError(L.ERR_INVALID_REQUEST, "this audience needs a cnonce")
    profiles = _common_profiles(request, client, members)
    key, profile = _key(request, client, audience, token_format, profiles, store, now_s, wants_hub=members[0].wants_hub)
    if request.ace_profile not in (None, profile):
        raise OAuthError(L.ERR_INCOMPATIBLE_ACE_PROFILES, "the profile asked for does not go with the key")
    exp, exi = _lifetime(members, authority, now_s)
    asked = request.scope if request.scope is not None else authority.asked_scope
    return Decision(
        client=client,
        authority=authority,
        audience=audience,
        rs=members,
        scope=scope,
        tells_scope=scope != asked,
        token_format=token_format,
        profile=profile,
        exp=exp,
        exi=exi,
        key=key,
        public_key=request.req_cnf.key if request.req_cnf is not None else None,
        kid=request.req_cnf.kid if request.req_cnf is not None else None,
    )


# --- audience ---


def _audience(request: TokenRequest, client: Client, authority: Authority) -> str:
    if authority.audience is not None:
        if request.audience not in (None, authority.audience):
            raise InvalidTarget("grant is for another audience", L.ERR_INVALID_GRANT)
        return authority.audience
    if request.audience is not None:
        return request.audience
    if len(client.scopes) != 1:
        raise OAuthError(L.ERR_INVALID_REQUEST, "audience is missing")
    return next(iter(client.scopes))


def _members(audience: str, client: Client, store: GrantStore) -> tuple[ResourceServer, ...]:
    """Return the RSs behind an audience; the same refusal whether it is unknown, locked or not this client's."""
    members = tuple(store.members_of(audience))
    if audience not in client.scopes or not members or not all(map(in_force, members)):
        raise InvalidTarget("audience is unknown or not for this client")
    return members


# --- scope ---


def allowed_names(
    audience: str, client: Client, members: tuple[ResourceServer, ...], authority: Authority
) -> frozenset[str]:
    """Return the scope names that registry, every RS, the grant and the user's own rights allow together."""
    names = frozenset(client.scopes.get(audience, ()))
    for rs in members:
        names &= frozenset(rs.scope_map)
    if authority.scope_limit is not None:
        names &= authority.scope_limit
    if authority.user is not None and authority.parent_id is None:  # an exchanged token has the original's limit
        names &= frozenset(authority.user.scopes.get(audience, ()))
    return names


def _scope(
    request: TokenRequest, audience: str, client: Client, authority: Authority, members: tuple[ResourceServer, ...]
) -> str | bytes:
    allowed = allowed_names(audience, client, members, authority)
    if request.scope is None:
        default = authority.default_scope or client.default_scopes.get(audience, "")
        names = [name for name in default.split(" ") if name in allowed]
        if not names:
            raise OAuthError(L.ERR_INVALID_SCOPE, "scope is missing and there is no default")
        return " ".join(names)
    if isinstance(request.scope, str):
        return _text_scope(request.scope, allowed, client)
    return _aif_scope(request.scope, allowed, authority, members, client)


def _text_scope(scope: str, allowed: frozenset[str], client: Client) -> str:
    """Return the scope with repeated names left out; all of it must be allowed, unless the client is one that narrows.

    A part is never picked silently: the answer then names the scope (RFC 6749 section 3.3).
    """
    try:
        names = list(dict.fromkeys(split_scope(scope)))
    except MalformedScope:
        raise OAuthError(L.ERR_INVALID_SCOPE, "scope is malformed") from None
    if client.narrows:
        names = [name for name in names if name in allowed]
    if not names or not set(names) <= allowed:
        raise OAuthError(L.ERR_INVALID_SCOPE, "scope exceeds what is granted")
    return " ".join(names)


def _aif_scope(
    scope: bytes, allowed: frozenset[str], authority: Authority, members: tuple[ResourceServer, ...], client: Client
) -> bytes:
    """Return an AIF scope (RFC 9237) when each path's methods are within those of the allowed names, or that part."""
    if authority.parent_id is not None:
        raise OAuthError(L.ERR_INVALID_SCOPE, "paths of one audience say nothing about another's")
    try:
        asked = decode_aif(scope)
    except MalformedScope:
        raise OAuthError(L.ERR_INVALID_SCOPE, "scope is malformed") from None
    granted = asked
    for rs in members:
        methods: dict[str, int] = {}
        for name in allowed:
            for path, mask in rs.scope_map[name]:
                methods[path] = methods.get(path, 0) | mask
        granted = [(path, mask & methods.get(path, 0)) for path, mask in granted]
    if client.narrows:
        granted = [(path, mask) for path, mask in granted if mask]
    elif granted != asked:
        raise OAuthError(L.ERR_INVALID_SCOPE, "scope exceeds what is granted")
    if not granted or not all(mask for _, mask in granted):
        raise OAuthError(L.ERR_INVALID_SCOPE, "scope exceeds what is granted")
    return encode_aif(granted)


# --- format, profile and key ---


def _format(members: tuple[ResourceServer, ...]) -> str:
    """Return the members' one format; a group's must be signed, so that no member can mint (RFC 9200 section 6.1)."""
    formats = {rs.token_format for rs in members}
    if len(members) > 1 and formats != {CWT_SIGNED}:
        raise OAuthError(L.ERR_INVALID_REQUEST, "a group audience takes signed tokens only")
    return members[0].token_format


def _common_profiles(request: TokenRequest, client: Client, members: tuple[ResourceServer, ...]) -> frozenset[int]:
    common = frozenset(client.profiles)
    for rs in members:
        common &= frozenset(rs.profiles)
    if not common or request.ace_profile not in (None, *common):
        raise OAuthError(L.ERR_INCOMPATIBLE_ACE_PROFILES, "client and resource server share no profile")
    return common


def _key(
    request: TokenRequest,
    client: Client,
    audience: str,
    token_format: str,
    profiles: frozenset[int],
    store: GrantStore,
    now_s: int,
    *,
    wants_hub: bool,
) -> tuple[str, int]:
    """Return the kind of key and the profile that uses it."""
    cnf = request.req_cnf
    if cnf is not None and cnf.method == L.CNF_COSE_KEY:
        return _public_key(cnf.key, client, profiles)
    if token_format in READABLE_FORMATS or L.PROFILE_COAP_OSCORE not in profiles:
        raise OAuthError(L.ERR_UNSUPPORTED_POP_KEY, "this audience needs a public key in req_cnf")
    if cnf is None:
        return KEY_OSC, L.PROFILE_COAP_OSCORE
    if wants_hub:  # an update comes inside OSCORE, where no hub can complete it
        raise OAuthError(L.ERR_INVALID_REQUEST, "rights behind a hub change with a new token, not by an update")
    assert cnf.kid is not None  # noqa: S101 - token_request lets only COSE_Key and kid through
    if not store.pop_key_issued(client.client_id, audience, cnf.kid, now_s):
        raise OAuthError(L.ERR_INVALID_REQUEST, "req_cnf names no key of this client and audience")
    return KEY_REFERENCE, L.PROFILE_COAP_OSCORE


def _public_key(key: CoseKey | None, client: Client, profiles: frozenset[int]) -> tuple[str, int]:
    """Take a public key only when the client proved at registration that it is its own (RFC 9201 section 3.1).

    A client that could bind another's key to a token could make that other act under it (RFC 9202 section 7).
    """
    if L.PROFILE_COAP_DTLS not in profiles:
        raise OAuthError(L.ERR_UNSUPPORTED_POP_KEY, "the resource server cannot use a public key")
    assert key is not None  # noqa: S101 - the method is COSE_Key
    proven = [decode_cose_key(cbor.decode(encoded)) for encoded in client.public_keys]
    if not any((known.x, known.y) == (key.x, key.y) for known in proven):
        raise OAuthError(L.ERR_UNSUPPORTED_POP_KEY, "the key is not one the client has proven to hold")
    return KEY_PUBLIC, L.PROFILE_COAP_DTLS


# --- lifetime ---


def _lifetime(members: tuple[ResourceServer, ...], authority: Authority, now_s: int) -> tuple[int, int]:
    """Return (exp, exi): the shortest of the RSs' lifetimes, never beyond the grant's own end.

    exi is for one RS without a clock; exp is there too and bounds when such a token may first arrive, which the RS
    checks against its time floor (RFC 9200 section 5.10.3).
    """
    lifetime_s = min(rs.token_lifetime_s for rs in members)
    if authority.exp_limit is not None:
        lifetime_s = min(lifetime_s, authority.exp_limit - now_s)
    if lifetime_s <= 0:
        raise OAuthError(authority.refusal, "grant is over")
    single = len(members) == 1 and members[0].token_format != REFERENCE
    exi = min(members[0].exi_lifetime_s, lifetime_s) if single else 0
    return now_s + lifetime_s, exi
