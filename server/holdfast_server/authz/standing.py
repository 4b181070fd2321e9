"""What an issued token still means: no more than today's registry would allow its holder.

The registry is asked at each look at a token, so a withdrawn right is gone at once, in whichever way
it was withdrawn.  Never widens a token, never changes one: see changes.py.  RFC 7662 section 2.2; RFC 8693.

    LIVE        issued; it means what the registry allows of it now
    EXPIRED     its time is over
    REVOKED     withdrawn before its row went, by a person, by a command, or with the token that it was exchanged for
    FORGOTTEN   its row is deleted, after its time or with its party; its number is never given out again
"""

from collections.abc import Sequence

from holdfast_core import labels as L
from holdfast_core.kinds import REFERENCE
from holdfast_core.scope import decode_aif, encode_aif
from holdfast_server.authz.ports import Records
from holdfast_server.records import ResourceServer, TokenRecord, in_force

LIVE, EXPIRED, REVOKED, FORGOTTEN = "live", "expired", "revoked", "forgotten"
TOKEN_STATES: dict[str, dict[str, str]] = {
    LIVE: {"narrow": LIVE, "expire": EXPIRED, "revoke": REVOKED},
    EXPIRED: {"revoke": REVOKED, "forget": FORGOTTEN},
    REVOKED: {"forget": FORGOTTEN},
    FORGOTTEN: {},
}
"""What happens to a token, and what it is then; whatever else is asked for leaves it as it is."""


def state_of(token: TokenRecord | None, now_s: int) -> str:
    """Return the state of a token, one of TOKEN_STATES.  token: None when the store has no row of it any more."""
    if token is None:
        return FORGOTTEN
    if token.revoked_at is not None:
        return REVOKED
    return LIVE if now_s < token.expires_at else EXPIRED


def standing(token: TokenRecord, records: Records, now_s: int) -> tuple[str | bytes, int] | None:
    """Return the scope that a token has now and when it ends, or None when the token is worth nothing.

    That is when it is over, revoked, held by or for somebody locked, or when nothing of its scope is allowed any more.
    """
    if state_of(token, now_s) != LIVE:
        return None
    scope, end_s = allowed_scope(token, records), end_of(token, records)
    return None if scope is None or now_s >= end_s else (scope, end_s)


def end_of(token: TokenRecord, records: Records) -> int:
    """Return when a token ends by today's registry: with its original at the latest.

    A shorter lifetime of its resource server ends a reference token sooner; what a device checks alone ends when it
    says.
    """
    ends = [token.expires_at]
    if token.token_format == REFERENCE:
        ends += [token.issued_at + rs.token_lifetime_s for rs in records.members_of(token.audience)]
    original = None if token.parent_id is None else records.token_by_id(token.parent_id)
    if original is not None:
        ends.append(end_of(original, records))
    return min(ends)


def allowed_scope(token: TokenRecord, records: Records) -> str | bytes | None:
    """Return what today's registry allows of a token's scope, whatever the time; None for nothing."""
    members = records.members_of(token.audience)
    names = _allowed_names(token, members, records)
    if isinstance(token.scope, str):
        return " ".join(name for name in token.scope.split(" ") if name in names) or None
    original = None if token.parent_id is None else records.token_by_id(token.parent_id)
    kept = decode_aif(token.scope)
    if original is not None:
        kept = _within(kept, allowed_scope(original, records))
    for rs in members:
        methods: dict[str, int] = {}
        for name in names:
            for path, mask in rs.scope_map[name]:
                methods[path] = methods.get(path, 0) | mask
        kept = [(path, mask & methods.get(path, 0)) for path, mask in kept]
    kept = [(path, mask) for path, mask in kept if mask]
    return encode_aif(kept) if kept else None


def _within(paths: list[tuple[str, int]], left: str | bytes | None) -> list[tuple[str, int]]:
    """Return what is left of the paths of a sealed token, which has those of its reference and no others."""
    allowed = dict(decode_aif(left)) if isinstance(left, bytes) else {}
    return [(path, mask & allowed.get(path, 0)) for path, mask in paths]


def grant_type_of(token: TokenRecord) -> int:
    """Return the grant that a token was issued for; its row shows which."""
    original: int = L.GRANT_CLIENT_CREDENTIALS if token.code_hash is None else L.GRANT_AUTHORIZATION_CODE
    return original if token.parent_id is None else int(L.PRIV_GRANT_TOKEN_EXCHANGE)


def _allowed_names(token: TokenRecord, members: Sequence[ResourceServer], records: Records) -> frozenset[str]:
    """The names of scopes that the client, the audience and the person who gave the right allow together.

    An exchanged token has the limits of its original, and nothing when that is revoked; the original has the person's
    (grants.token_exchange). A chain of them is as short as grants.MAX_ACTORS.
    """
    client = in_force(records.client(token.client_id))
    if client is None or grant_type_of(token) not in client.grant_types or not members:
        return frozenset()
    names = frozenset(client.scopes.get(token.audience, ()))
    for rs in members:
        names &= frozenset(() if in_force(rs) is None else rs.scope_map)
    if token.user_id is not None:
        user = in_force(records.user(token.user_id))
        if user is None:
            return frozenset()
        if token.parent_id is None:
            names &= frozenset(user.scopes.get(token.audience, ()))
    if token.parent_id is not None:
        original = records.token_by_id(token.parent_id)
        left = None if original is None or original.revoked_at is not None else allowed_scope(original, records)
        if isinstance(left, str):
            names &= frozenset(left.split(" "))
        elif left is None or isinstance(token.scope, str):  # paths of one audience say nothing about names of another
            names = frozenset()
    return names
