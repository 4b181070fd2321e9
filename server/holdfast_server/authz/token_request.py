"""A request to the token endpoint with the types of its parameters checked, and nothing else.

Names that are not known here are ignored (RFC 6749 section 3.2); a known one of the wrong type, and one that asks for
what this server never does, is invalid_request.  Never looks anything up and never decides.  RFC 9200 section 5.8.1.
"""

from dataclasses import dataclass, field
from typing import Any

from holdfast_core import labels as L
from holdfast_core.cnf import decode_cnf
from holdfast_core.confirmation import Cnf
from holdfast_core.errors import Malformed
from holdfast_core.kinds import MAX_ACCESS_TOKEN_LEN
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_server.authz.errors import InvalidTarget, OAuthError

# A client-nonce is copied into the token, so its size is the token's (RFC 9200 section 5.3.1 leaves it open).
MAX_CNONCE_LEN = 64
MAX_SCOPE_LEN = 512
MAX_TEXT_LEN = 2048
GRANT_TYPES = (L.GRANT_CLIENT_CREDENTIALS, L.GRANT_AUTHORIZATION_CODE, L.PRIV_GRANT_TOKEN_EXCHANGE)
"""Those that are served here (grants.py); the first is what a request without grant_type asks for (RFC 9200 5.8.1)."""
UNKNOWN_GRANT = -1  # registered grant types are unsigned, private ones below -65536 (RFC 9200 section 8.5)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """grant_type: UNKNOWN_GRANT for a name without a number; names_profile: ace_profile was there, null or not."""

    grant_type: int = L.GRANT_CLIENT_CREDENTIALS
    client_id: str | None = None
    audience: str | None = None
    scope: str | bytes | None = None
    req_cnf: Cnf | None = None
    names_profile: bool = False
    ace_profile: int | None = None
    cnonce: bytes | None = None
    code: bytes = field(default=b"", repr=False)
    redirect_uri: str = ""
    code_verifier: str = field(default="", repr=False)
    subject_token: bytes = field(default=b"", repr=False)


def parse_token_request(params: dict[str, Any]) -> TokenRequest:
    """Check the types; raises OAuthError invalid_request, unsupported_pop_key for a public key of an unknown kind."""
    grant_type = grant_type_of(params)
    _refuse_unsupported(params, grant_type)
    profile = params.get("ace_profile")
    if profile is not None and (isinstance(profile, bool) or not isinstance(profile, int)):
        raise OAuthError(L.ERR_INVALID_REQUEST, "ace_profile is neither an integer nor null")
    return TokenRequest(
        grant_type=grant_type,
        client_id=_text(params, "client_id"),
        audience=_audience(params),
        scope=_scope(params),
        req_cnf=_req_cnf(params["req_cnf"]) if "req_cnf" in params else None,
        names_profile="ace_profile" in params,
        ace_profile=profile,
        cnonce=_cnonce(params),
        code=_octets(params, "code") or b"",
        redirect_uri=_text(params, "redirect_uri") or "",
        code_verifier=_text(params, "code_verifier") or "",
        subject_token=_octets(params, "subject_token") or b"",
    )


def _refuse_unsupported(params: dict[str, Any], grant_type: int) -> None:
    """Token exchange takes access tokens, and the actor is the authenticated client (RFC 8693 section 2.1)."""
    if "actor_token" in params or "actor_token_type" in params:
        raise OAuthError(L.ERR_INVALID_REQUEST, "actor_token is not supported")
    if grant_type == L.PRIV_GRANT_TOKEN_EXCHANGE and "subject_token_type" not in params:
        raise OAuthError(L.ERR_INVALID_REQUEST, "subject_token_type is missing")
    for name in ("subject_token_type", "requested_token_type"):
        if params.get(name, ACCESS_TOKEN_URN) != ACCESS_TOKEN_URN:
            raise OAuthError(L.ERR_INVALID_REQUEST, "token type is not supported")


def grant_type_of(params: dict[str, Any]) -> int:
    """Return the grant type, UNKNOWN_GRANT for one without a number; raises OAuthError when it is none at all."""
    value = params.get("grant_type", GRANT_TYPES[0])
    if isinstance(value, str):  # a codec of a text shape found no number for it
        return UNKNOWN_GRANT
    if isinstance(value, bool) or not isinstance(value, int):
        raise OAuthError(L.ERR_INVALID_REQUEST, "grant_type is not an integer")
    return value


def _text(params: dict[str, Any], name: str) -> str | None:
    value = params.get(name)
    if name in params and (not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_LEN):
        raise OAuthError(L.ERR_INVALID_REQUEST, "a text parameter is not text")
    return value


def _audience(params: dict[str, Any]) -> str | None:
    """Return the one target, an audience or a resource by its URI (RFC 8707 section 2), or None."""
    named = [params[name] for name in ("audience", "resource") if name in params]
    if named[1:] and named[0] != named[1]:
        raise InvalidTarget("a token is for one audience")
    return _text({"audience": named[0]}, "audience") if named else None


def _octets(params: dict[str, Any], name: str, max_len: int = MAX_ACCESS_TOKEN_LEN) -> bytes | None:
    value = params.get(name)
    if name in params and (not isinstance(value, bytes) or not 0 < len(value) <= max_len):
        raise OAuthError(L.ERR_INVALID_REQUEST, "a binary parameter is not a byte string")
    return value


def _cnonce(params: dict[str, Any]) -> bytes | None:
    return _octets(params, "cnonce", MAX_CNONCE_LEN)


def _scope(params: dict[str, Any]) -> str | bytes | None:
    scope = params.get("scope")
    if "scope" not in params:
        return None
    if not isinstance(scope, str | bytes):
        raise OAuthError(L.ERR_INVALID_REQUEST, "scope is neither text nor a byte string")
    if not 0 < len(scope) <= MAX_SCOPE_LEN:
        raise OAuthError(L.ERR_INVALID_SCOPE, "scope is empty or too long")
    return scope


def _req_cnf(value: object) -> Cnf:
    """Decode req_cnf: a public key or a kid, and never a secret (RFC 9201 section 3.1)."""
    if _is_other_public_key(value):
        raise OAuthError(L.ERR_UNSUPPORTED_POP_KEY, "only EC2 keys on P-256 are supported")
    try:
        cnf = decode_cnf(value)
        if cnf.key is not None and cnf.key.k is None:
            cnf.key.es256()
    except Malformed:
        raise OAuthError(L.ERR_INVALID_REQUEST, "req_cnf is not a confirmation") from None
    if cnf.osc is not None or (cnf.key is not None and cnf.key.k is not None):
        raise OAuthError(L.ERR_INVALID_REQUEST, "req_cnf holds a symmetric key")
    return cnf


def _is_other_public_key(value: object) -> bool:
    """Tell a well-meant public key of a kind that no RS here takes from nonsense (RFC 9200 section 5.8.3)."""
    key = value.get(L.CNF_COSE_KEY) if isinstance(value, dict) else None
    if not isinstance(key, dict):
        return False
    kty, crv = key.get(L.KEY_KTY), key.get(L.KEY_CRV)
    return kty == L.KTY_OKP or (kty == L.KTY_EC2 and isinstance(crv, int) and crv != L.CRV_P256)
