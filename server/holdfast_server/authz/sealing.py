"""What a hub gets for what a client showed it: a token sealed to the device, or the rest of a split token.

A hub is a client whose one grant is token exchange (RFC 8693).  It gets nothing that its registration does not name,
nothing that says more or lives longer than what the client holds, and nothing that it could read: no cnf, no claims.
Decides; issue.py seals.
"""

from dataclasses import dataclass, replace

from holdfast_core import labels as L
from holdfast_core.kinds import REFERENCE
from holdfast_server.authz.errors import InvalidTarget, OAuthError
from holdfast_server.authz.ports import SealingStore
from holdfast_server.authz.standing import allowed_scope, standing
from holdfast_server.authz.token_request import TokenRequest
from holdfast_server.records import Client, ResourceServer, TokenRecord, in_force


@dataclass(frozen=True, slots=True)
class Sealing:
    """A yes.  original: what the client holds.  scope, end_s: what it means today.  rest: of a split token, or b""."""

    hub: Client
    rs: ResourceServer
    original: TokenRecord
    scope: str | bytes
    end_s: int
    rest: bytes


def decide_sealing(request: TokenRequest, hub: Client, store: SealingStore, now_s: int) -> Sealing:
    """Decide; raises OAuthError.  Reads store, changes nothing.

    The refusal is the same for what is unknown, over, revoked and another resource server's.
    """
    if request.scope is not None or request.req_cnf is not None or request.cnonce is not None or request.names_profile:
        raise OAuthError(L.ERR_INVALID_REQUEST, "a hub gets what the client's token says, and chooses nothing")
    if request.audience is None or not request.subject_token:
        raise OAuthError(L.ERR_INVALID_REQUEST, "audience or subject_token is missing")
    if request.audience not in hub.scopes:
        raise OAuthError(L.ERR_UNAUTHORIZED_CLIENT, "this hub serves no such audience")
    rs = _member(request.audience, store)
    if rs.is_split:
        original, rest = store.split_token(request.subject_token) or (None, b"")
    else:
        original, rest = store.token(request.subject_token), b""
    if original is None or original.audience != request.audience or (not rest and original.token_format != REFERENCE):
        raise OAuthError(L.ERR_INVALID_REQUEST, "subject_token is not valid")
    left = standing(original, store, now_s)
    if left is None:
        raise OAuthError(L.ERR_INVALID_REQUEST, "subject_token is not valid")
    scope, end_s = left
    sealed = replace(original, client_id=hub.client_id, scope=scope, parent_id=original.token_id)
    if allowed_scope(sealed, store) != scope:
        raise OAuthError(L.ERR_INVALID_SCOPE, "scope exceeds what this hub may serve")
    return Sealing(hub, rs, original, scope, min(end_s, now_s + rs.hub_lifetime_s), rest)


def _member(audience: str, store: SealingStore) -> ResourceServer:
    members = store.members_of(audience)
    if len(members) != 1 or in_force(members[0]) is None or not members[0].wants_hub:
        raise InvalidTarget("no hub completes tokens for this audience")
    return members[0]
