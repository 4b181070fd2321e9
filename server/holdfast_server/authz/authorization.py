"""The authorization endpoint's rules: a request that may be shown to a user, and the one-time code for their approval.

Authorization code with PKCE S256 only; redirect_uri is compared whole, character by character (RFC 9700 section 2.1),
but for the port of a loopback address (RFC 8252 section 7.3).
Never shows a page and never authenticates the user.  RFC 6749 section 4.1; RFC 7636; RFC 9207.
"""

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from holdfast_core import labels as L
from holdfast_core.errors import MalformedScope
from holdfast_core.scope import split_scope
from holdfast_server.authz.errors import AuthorizeError, OAuthError, redirect_url
from holdfast_server.authz.policy import Authority, admit, allowed_names
from holdfast_server.authz.ports import CodeStore
from holdfast_server.authz.settings import Settings
from holdfast_server.base64url import b64
from holdfast_server.records import Client, CodeRecord, User, in_force

AUTHZ_CODE_LEN = 32
# BASE64URL(SHA-256) without padding (RFC 7636 section 4.2).
CHALLENGE_LEN = 43
PARAMETERS = frozenset(
    (
        "response_type",
        "response_mode",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "audience",
        "resource",
        "code_challenge",
        "code_challenge_method",
    )
)
"""Everything else is ignored (RFC 6749 section 3.1)."""
TARGETS = frozenset(("audience", "resource"))
_LOOPBACK_URI = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\])):([1-9][0-9]{0,4})((?:/.*)?)")
_BASE64URL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A validated request: everything the consent page shows and the code is bound to.

    scope: never empty.  asked_scope: what the client asked for, "" for nothing, of which scope may be a part.
    redirect_named: the client said redirect_uri, which one that has registered a single URI need not.
    """

    client_id: str
    redirect_uri: str
    audience: str
    scope: str
    code_challenge: str
    asked_scope: str
    state: str | None = None
    redirect_named: bool = True


def validate(params: dict[str, str], repeated: Collection[str], store: CodeStore) -> AuthorizationRequest:
    """Check a request; raises AuthorizeError, with redirect_uri only once that is known to be the client's.

    repeated: the names of the parameters that came more than once.
    """
    if "client_id" in repeated or "redirect_uri" in repeated:
        raise AuthorizeError("invalid_request", "client_id or redirect_uri is repeated")
    client = in_force(store.client(params.get("client_id", "")))
    if client is None:
        raise AuthorizeError("unauthorized_client", "client is unknown or locked")
    redirect_uri = params.get("redirect_uri", "")
    if not redirect_uri and len(client.redirect_uris) == 1:  # RFC 6749 section 3.1.2.3
        redirect_uri = client.redirect_uris[0]
    if not is_registered(redirect_uri, client):
        raise AuthorizeError("invalid_request", "redirect_uri is not registered for this client")
    state = None if "state" in repeated else params.get("state")
    try:
        _check_once(repeated)
        return _validate(params, client, redirect_uri, store)
    except _Refused as refused:
        raise AuthorizeError(refused.error, refused.description, redirect_uri, state) from None


def is_registered(redirect_uri: str, client: Client) -> bool:
    """Tell whether a code may go there, or have gone there, by what is registered now."""
    return any(_matches(redirect_uri, registered) for registered in client.redirect_uris)


def _matches(redirect_uri: str, registered: str) -> bool:
    """Tell whether this is the registered URI; an app on loopback gets its port when it starts (RFC 8252 7.3)."""
    if redirect_uri == registered:
        return True
    asked = _LOOPBACK_URI.fullmatch(redirect_uri)
    if asked is None or int(asked[2]) > 65535:
        return False
    known = _LOOPBACK_URI.fullmatch(registered)
    return asked[1] + asked[3] == (known[1] + known[3] if known else registered)


class _Refused(Exception):
    """A refusal that the client is told by redirect."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


def _check_once(repeated: Collection[str]) -> None:
    if repeated:
        error = "invalid_target" if TARGETS.issuperset(repeated) else "invalid_request"
        raise _Refused(error, "a parameter is repeated")


def _validate(params: dict[str, str], client: Client, redirect_uri: str, store: CodeStore) -> AuthorizationRequest:
    if "response_type" not in params:
        raise _Refused("invalid_request", "response_type is missing")
    if params["response_type"] != "code":
        raise _Refused("unsupported_response_type", "only response_type=code is supported")
    if L.GRANT_AUTHORIZATION_CODE not in client.grant_types:
        raise _Refused("unauthorized_client", "client may not use authorization codes")
    if params.get("response_mode", "query") != "query":
        raise _Refused("invalid_request", "only response_mode=query is supported")
    challenge = params.get("code_challenge", "")
    if params.get("code_challenge_method") != "S256":
        raise _Refused("invalid_request", "code_challenge_method must be S256")
    if len(challenge) != CHALLENGE_LEN or not set(challenge) <= _BASE64URL:
        raise _Refused("invalid_request", "code_challenge is not a SHA-256 in base64url")
    audience = _audience(params, client)
    asked = params.get("scope", "")
    scope = _checked_scope(asked or client.default_scopes.get(audience, ""), audience, client, store)
    return AuthorizationRequest(
        client.client_id,
        redirect_uri,
        audience,
        scope,
        challenge,
        asked,
        params.get("state"),
        redirect_named="redirect_uri" in params,
    )


def _audience(params: dict[str, str], client: Client) -> str:
    """Return the one target: an audience, or a resource by its URI (RFC 8707 section 2)."""
    named = {params[name] for name in TARGETS if name in params}
    if len(named) > 1:
        raise _Refused("invalid_target", "a token is for one audience")
    if not named and len(client.scopes) != 1:
        raise _Refused("invalid_request", "audience is missing")
    return next(iter(named or client.scopes))


def _checked_scope(scope: str, audience: str, client: Client, store: CodeStore) -> str:
    """Return the scope with each name once."""
    members = tuple(store.members_of(audience))
    if audience not in client.scopes or not members or not all(map(in_force, members)):
        raise _Refused("invalid_target", "audience is unknown or not for this client")
    try:
        names = list(dict.fromkeys(split_scope(scope)))
    except MalformedScope:
        raise _Refused("invalid_scope", "scope is missing or malformed") from None
    allowed = allowed_names(audience, client, members, Authority(sub=""))
    if client.narrows:
        names = [name for name in names if name in allowed]
    if not names or not set(names) <= allowed:
        raise _Refused("invalid_scope", "scope exceeds what the client may have")
    return " ".join(names)


def make_code(
    request: AuthorizationRequest,
    user_id: str,
    approved_scope: str,
    store: CodeStore,
    settings: Settings,
    rng: Callable[[int], bytes],
    now_s: int,
    address: str = "",
) -> str:
    """Store a new code and return the URL to redirect to.

    approved_scope: a non-empty part of request.scope.  Raises AuthorizeError access_denied when it holds anything that
    the user has no right to give, invalid_scope when it was not asked for.
    """
    user = in_force(store.user(user_id))
    approved = set(approved_scope.split(" "))
    if not approved <= set(request.scope.split(" ")):
        raise _refusal(request, "invalid_scope", "more was approved than asked for")
    if user is None or not approved <= _user_rights(request, user, store):
        raise _refusal(request, "access_denied", "the user may not give this")
    code = rng(AUTHZ_CODE_LEN)
    store.add_code(
        CodeRecord(
            code_hash=hashlib.sha256(code).digest(),
            client_id=request.client_id,
            user_id=user_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            audience=request.audience,
            scope=" ".join(name for name in request.scope.split(" ") if name in approved),
            requested_scope=request.asked_scope,
            redirect_named=request.redirect_named,
            expires_at=now_s + settings.code_lifetime_s,
        )
    )
    store.put_consent(user_id, request.client_id, request.audience, approved_scope, now_s)
    store.audit(now_s, "code-issued", client_id=request.client_id, user_id=user_id, address=address)
    text = b64(code)
    return redirect_url(request.redirect_uri, {"code": text, "iss": settings.issuer}, request.state)


def denial(request: AuthorizationRequest, issuer: str) -> str:
    """Return the URL that tells the client the user said no."""
    return _refusal(request, "access_denied", "the user said no").location(issuer)


def approvable_scope(request: AuthorizationRequest, user_id: str, store: CodeStore) -> list[str]:
    """Return the names of the requested scope that this user may give, in the request's order, for the consent page."""
    user = in_force(store.user(user_id))
    rights = set() if user is None else _user_rights(request, user, store)
    return [name for name in request.scope.split(" ") if name in rights]


def _user_rights(request: AuthorizationRequest, user: User, store: CodeStore) -> set[str]:
    try:
        client = admit(store.client(request.client_id), L.GRANT_AUTHORIZATION_CODE, (L.GRANT_AUTHORIZATION_CODE,))
    except OAuthError:
        return set()
    members = tuple(store.members_of(request.audience))
    return set(allowed_names(request.audience, client, members, Authority(sub=user.user_id, user=user)))


def _refusal(request: AuthorizationRequest, error: str, description: str) -> AuthorizeError:
    return AuthorizeError(error, description, request.redirect_uri, request.state)
