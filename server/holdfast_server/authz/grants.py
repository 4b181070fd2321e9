"""The grant types: how a client shows that it may have a token.  A rule turns a request into an Authority.

GRANT_RULES is the whole list.  policy.py decides what the token holds, issue.py issues.  RFC 6749 sections 4.1, 4.4;
RFC 7636 (S256 only); RFC 8693 (the subject token is one of ours, the actor is the authenticated client).
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

import cbor2

from holdfast_core import labels as L
from holdfast_core.kinds import MAX_ACTORS
from holdfast_server.authz.authorization import is_registered
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import CodeReplayed, OAuthError
from holdfast_server.authz.policy import Authority
from holdfast_server.authz.ports import GrantStore
from holdfast_server.authz.standing import standing
from holdfast_server.authz.token_request import TokenRequest
from holdfast_server.base64url import b64
from holdfast_server.records import Client, CodeRecord, TokenRecord, User, in_force

GrantRule = Callable[[TokenRequest, Client, Caller, GrantStore, int], Authority]

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.1


def client_credentials(_: TokenRequest, client: Client, __: Caller, ___: GrantStore, ____: int) -> Authority:
    """Let the client act for itself (RFC 6749 section 4.4)."""
    return Authority(sub=client.client_id)


def authorization_code(request: TokenRequest, client: Client, _: Caller, store: GrantStore, now_s: int) -> Authority:
    """Use up a one-time code (RFC 6749 section 4.1.3).

    Everything that shows the request to be the rightful client's is checked before the code is touched: a stolen code
    neither works nor can be used to burn the code or to revoke the tokens of its owner.
    """
    if not request.code or not request.code_verifier:
        raise OAuthError(L.ERR_INVALID_REQUEST, "code or code_verifier is missing")
    code_hash = hashlib.sha256(request.code).digest()
    code = store.code(code_hash)
    if code is None or not _belongs(code, request, client) or not is_registered(code.redirect_uri, client):
        raise OAuthError(L.ERR_INVALID_GRANT, "authorization code is not valid")
    if code.redirect_named and not request.redirect_uri:
        raise OAuthError(L.ERR_INVALID_REQUEST, "redirect_uri is missing")
    if code.consumed_at is not None:
        raise CodeReplayed(code_hash)
    if now_s >= code.expires_at:
        raise OAuthError(L.ERR_INVALID_GRANT, "authorization code is not valid")
    if not store.consume_code(code_hash, now_s):
        raise CodeReplayed(code_hash)
    return Authority(
        sub=code.user_id,
        user=_user(store, code.user_id),
        audience=code.audience,
        scope_limit=frozenset(code.scope.split(" ")),
        default_scope=code.scope,
        asked_scope=code.requested_scope,
        code_hash=code_hash,
    )


def token_exchange(request: TokenRequest, client: Client, caller: Caller, store: GrantStore, now_s: int) -> Authority:
    """Act for the subject of a token that was presented to the caller as RS (RFC 8693).

    Whatever is wrong with that token is invalid_request (RFC 8693 section 2.2.2).
    The new token has no more scopes and no longer life than the subject token, keeps its sub, and names the caller
    as the actor with earlier actors nested inside.
    """
    if not request.subject_token:
        raise OAuthError(L.ERR_INVALID_REQUEST, "subject_token is missing")
    original = store.token(request.subject_token)
    left = None if original is None else standing(original, store, now_s)
    if original is None or left is None or not _is_for(original, caller, store):
        raise OAuthError(L.ERR_INVALID_REQUEST, "subject_token is not valid")
    scope, end_s = left
    if isinstance(scope, bytes):
        raise OAuthError(L.ERR_INVALID_REQUEST, "paths of one audience say nothing about another's")
    claims = cbor2.loads(original.claims)
    return Authority(
        sub=claims[L.CLAIM_SUB],
        user=None if original.user_id is None else _user(store, original.user_id, L.ERR_INVALID_REQUEST),
        scope_limit=frozenset(scope.split(" ")),
        default_scope=scope,
        exp_limit=end_s,
        act=_actor(client.client_id, claims.get(L.PRIV_ACT)),
        parent_id=original.token_id,
        refusal=L.ERR_INVALID_REQUEST,
    )


GRANT_RULES: dict[int, GrantRule] = {
    L.GRANT_AUTHORIZATION_CODE: authorization_code,
    L.GRANT_CLIENT_CREDENTIALS: client_credentials,
    L.PRIV_GRANT_TOKEN_EXCHANGE: token_exchange,
}


def code_challenge_of(code_verifier: str) -> str:
    """Return BASE64URL(SHA-256(verifier)) (RFC 7636 section 4.6)."""
    return b64(hashlib.sha256(code_verifier.encode()).digest())


def _belongs(code: CodeRecord, request: TokenRequest, client: Client) -> bool:
    verifier = request.code_verifier
    return (
        code.client_id == client.client_id
        and request.redirect_uri in ("", code.redirect_uri)
        and VERIFIER.fullmatch(verifier) is not None
        and hmac.compare_digest(code_challenge_of(verifier), code.code_challenge)
    )


def _user(store: GrantStore, user_id: str, refusal: int = L.ERR_INVALID_GRANT) -> User:
    user = store.user(user_id)
    if user is None:
        raise OAuthError(refusal, "user is unknown")
    return user


def _is_for(token: TokenRecord, caller: Caller, store: GrantStore) -> bool:
    return any(rs.rs_id == caller.rs_id and in_force(rs) is not None for rs in store.members_of(token.audience))


def _actor(client_id: str, earlier: Any) -> dict[int, Any]:
    actor: dict[int, Any] = {L.CLAIM_SUB: client_id}
    depth, inner = 1, earlier
    while inner is not None:
        depth, inner = depth + 1, inner.get(L.PRIV_ACT)
    if depth > MAX_ACTORS:
        raise OAuthError(L.ERR_INVALID_REQUEST, "chain of actors is too long")
    if earlier is not None:
        actor[L.PRIV_ACT] = earlier
    return actor
