"""The JSON endpoints for clients over HTTPS: /token, /introspect, /revoke, metadata and keys.

Forms in, JSON out (RFC 6749 section 5, RFC 7662, RFC 7009, RFC 8414). A client
shows its secret in HTTP Basic or in the form, never both, never in the query; a public one has none to show.
Translates and authenticates; authorization_server.py decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from holdfast_core import labels as L
from holdfast_server.authz.authorization import TARGETS
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import InvalidClient, InvalidTarget, OAuthError, ServerRefusal
from holdfast_server.authz.metadata import authorization_server_metadata, jwks
from holdfast_server.process.log import log
from holdfast_server.wire.forms import BadForm, read_basic, read_form
from holdfast_server.wire.json_codec import BadJson, decode_token, decode_token_request, encode_answer

Endpoint = Callable[[dict[str, str], Caller], Response]
TOKEN_PARAMETERS = frozenset(
    (
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "audience",
        "resource",
        "scope",
        "req_cnf",
        "ace_profile",
        "cnonce",
        "code",
        "redirect_uri",
        "code_verifier",
        "subject_token",
        "subject_token_type",
        "actor_token",
        "actor_token_type",
        "requested_token_type",
    )
)
TOKEN_ABOUT = frozenset(("token", "client_id", "client_secret", "client_assertion", "client_assertion_type"))
FORM = "application/x-www-form-urlencoded"
CACHED = {"cache-control": "public, max-age=300"}


class OAuthEndpoints:
    """The routes of this part."""

    def __init__(
        self, authz_server: AuthorizationServer, clock: Callable[[], int], source_of: Callable[[Request], str]
    ) -> None:
        self._authz = authz_server
        self._clock = clock
        self._source_of = source_of

    def routes(self) -> list[Route]:
        """Every route answers other methods with 405."""
        return [
            Route("/token", self.token, methods=["POST"]),
            Route("/introspect", self.introspect, methods=["POST"]),
            Route("/revoke", self.revoke, methods=["POST"]),
            Route("/jwks.json", self.jwks, methods=["GET"]),
        ]

    async def token(self, request: Request) -> Response:
        """RFC 6749 section 5 with the ACE parameters of RFC 9200 section 5.8 in their JSON shapes."""

        def issue(form: dict[str, str], caller: Caller) -> Response:
            answer = self._authz.token(decode_token_request(form), caller, self._clock())
            return JSONResponse(encode_answer({**self._token_type(caller), **answer}))

        return await self._answer(request, issue, TOKEN_PARAMETERS)

    async def introspect(self, request: Request) -> Response:
        """RFC 7662 section 2 with the members of RFC 9200 section 5.9.2."""

        def look(form: dict[str, str], caller: Caller) -> Response:
            params = {"token": decode_token(form["token"])} if "token" in form else {}
            return JSONResponse(encode_answer(self._authz.introspect(params, caller, self._clock())))

        return await self._answer(request, look, TOKEN_ABOUT)

    async def revoke(self, request: Request) -> Response:
        """RFC 7009 section 2: 200 and nothing to see, whether or not there was such a token."""

        def withdraw(form: dict[str, str], caller: Caller) -> Response:
            params = {"token": decode_token(form["token"])} if "token" in form else {}
            self._authz.revoke(params, caller, self._clock())
            return Response(status_code=200)

        return await self._answer(request, withdraw, TOKEN_ABOUT)

    async def metadata(self, _request: Request) -> Response:
        """RFC 8414 section 3."""
        return JSONResponse(authorization_server_metadata(self._authz.settings), headers=CACHED)

    async def jwks(self, _request: Request) -> Response:
        """RFC 7517 section 5: the public keys that verify the tokens this server signs."""
        return JSONResponse(jwks(self._authz.keyring), headers=CACHED)

    def _token_type(self, caller: Caller) -> dict[str, Any]:
        """RFC 6749 section 5.1 wants it; RFC 9200 section 5.8.2 has PoP for a default, which some libraries need."""
        client = self._authz.client(caller.client_id or "")
        return {"token_type": L.TOKEN_TYPE_POP} if client is None or client.tells_token_type else {}

    async def _answer(self, request: Request, endpoint: Endpoint, known: frozenset[str]) -> Response:
        try:
            form = await _form(request, known)
            caller = self._authenticate(request, form)
            return endpoint(form, caller)
        except (BadForm, BadJson):
            return _error("invalid_request", 400)
        except OAuthError as refused:
            return _oauth_error(refused)
        except ServerRefusal as refused:
            return Response(status_code=refused.http_status)

    def _authenticate(self, request: Request, form: dict[str, str]) -> Caller:
        """The caller of this request; takes client_secret out of the form. Raises InvalidClient, BadForm."""
        source, client_id = self._source_of(request), ""
        try:
            client_id, secret = _credentials(request.headers.getlist("authorization"), form)
            if secret is None:
                caller = self._authz.identify_public_client(client_id)
            else:
                caller = self._authz.authenticate_client(client_id, secret)
        except InvalidClient:
            if self._authz.note_unauthenticated(source, self._clock(), "wrong or no client secret", client_id):
                known = client_id if self._authz.client(client_id) is not None else "-"
                log.warning("event=client-refused client=%s from=%s", known, source or "-")
            raise
        return replace(caller, address=source)


async def _form(request: Request, known: frozenset[str]) -> dict[str, str]:
    # A parameter in the URL would be in somebody's log (RFC 6749 section 2.3.1), so there is none.
    kinds = [kind.partition(";")[0].strip().lower() for kind in request.headers.getlist("content-type")]
    if request.url.query or kinds != [FORM] or request.headers.get("content-encoding", "identity") != "identity":
        raise BadForm
    form, repeated = read_form(await request.body(), known)
    if repeated and repeated <= TARGETS:
        raise InvalidTarget("a token is for one audience")
    if repeated:
        raise BadForm
    return form


def _credentials(headers: list[str], form: dict[str, str]) -> tuple[str, str | None]:
    """Client id and secret, from the Authorization headers (at most one) or the form, never from both; or no secret."""
    if "client_assertion" in form or "client_assertion_type" in form:
        raise InvalidClient  # RFC 6749 section 5.2: an unsupported way to authenticate
    in_form = form.pop("client_secret", None)
    if not headers:
        return form.get("client_id", ""), in_form
    if in_form is not None or len(headers) > 1:
        raise BadForm
    try:
        client_id, secret = read_basic(headers[0])
    except BadForm:
        raise InvalidClient from None  # RFC 6749 section 5.2: 401 when it tried the header
    if form.get("client_id", client_id) != client_id:
        raise BadForm
    return client_id, secret


def _oauth_error(refused: OAuthError) -> Response:
    headers = {"www-authenticate": 'Basic realm="holdfast"'} if refused.http_status == 401 else None
    return _error(refused.error_name, refused.http_status, refused.description, headers)


def _error(name: str, status: int, description: str = "", headers: Mapping[str, str] | None = None) -> Response:
    body: dict[str, Any] = {"error": name}
    if description:
        body["error_description"] = description
    return JSONResponse(body, status, headers=headers)
