"""Introspection: what the AS tells an RS about a token (RFC 9200 section 5.9, RFC 7662).

An RS learns of its own reference tokens only.  Everything else, unknown, over, revoked, another RS's or self-contained,
gets the very same {"active": False} after the same first look-up, so the endpoint is no oracle.
"""

from typing import Any

import cbor2

from holdfast_core import labels as L
from holdfast_core.kinds import MAX_ACCESS_TOKEN_LEN, REFERENCE
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import IntrospectionForbidden, InvalidClient, OAuthError
from holdfast_server.authz.ports import GrantStore
from holdfast_server.authz.standing import standing
from holdfast_server.records import in_force

INTROSPECTION_NAMES = {
    L.INTRO_ISS: "iss",
    L.INTRO_SUB: "sub",
    L.INTRO_AUD: "aud",
    L.INTRO_EXP: "exp",
    L.INTRO_NBF: "nbf",
    L.INTRO_IAT: "iat",
    L.INTRO_CTI: "cti",
    L.INTRO_CNF: "cnf",
    L.INTRO_SCOPE: "scope",
    L.INTRO_ACTIVE: "active",
    L.INTRO_CLIENT_ID: "client_id",
    L.INTRO_TOKEN_TYPE: "token_type",
    L.INTRO_USERNAME: "username",
    L.INTRO_ACE_PROFILE: "ace_profile",
    L.INTRO_CNONCE: "cnonce",
    L.INTRO_EXI: "exi",
    L.PRIV_ACT: "act",
}
_FROM_CLAIMS = (
    L.INTRO_ISS,
    L.INTRO_SUB,
    L.INTRO_AUD,
    L.INTRO_EXP,
    L.INTRO_IAT,
    L.INTRO_CNF,
    L.INTRO_SCOPE,
    L.INTRO_ACE_PROFILE,
    L.INTRO_CNONCE,
)


def introspect(params: dict[str, Any], caller: Caller, store: GrantStore, now_s: int) -> dict[str, Any]:
    """Answer one request.  params: token (bytes); token_type_hint is ignored (RFC 7662 section 2.1).

    Raises InvalidClient (4.01), IntrospectionForbidden (4.03), OAuthError invalid_request (4.00).
    """
    if not caller.authenticated:
        raise InvalidClient
    rs = None if caller.rs_id is None else in_force(store.resource_server(caller.rs_id))
    if rs is None:
        raise IntrospectionForbidden
    token = params.get("token")
    if not isinstance(token, bytes) or not token:
        raise OAuthError(L.ERR_INVALID_REQUEST, "token is missing")
    record = store.token(token) if len(token) <= MAX_ACCESS_TOKEN_LEN else None
    if record is None or record.audience not in rs.audiences or record.token_format != REFERENCE:
        return {"active": False}  # what is not for this RS costs no more look-ups than what does not exist
    left = standing(record, store, now_s)
    if left is None:
        return {"active": False}
    claims = cbor2.loads(record.claims)
    answer = {"active": True, "client_id": record.client_id}
    answer.update({INTROSPECTION_NAMES[label]: claims[label] for label in _FROM_CLAIMS if label in claims})
    answer["scope"], answer["exp"] = left  # what the token was issued with may have been narrowed
    if L.PRIV_ACT in claims:
        answer["act"] = _act(claims[L.PRIV_ACT])
    return answer


def _act(actor: dict[int, Any]) -> dict[str, Any]:
    """Return an actor chain by the RFC's names (RFC 8693 section 4.1)."""
    named: dict[str, Any] = {"sub": actor[L.CLAIM_SUB]}
    if L.PRIV_ACT in actor:
        named["act"] = _act(actor[L.PRIV_ACT])
    return named
