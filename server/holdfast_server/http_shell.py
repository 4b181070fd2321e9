"""The HTTPS side of the authorization server: routes, headers, bounds.

`build_app` makes the ASGI application. Pages for people are in authorize_shell.py,
the JSON endpoints for clients in oauth_shell.py; this file holds what all of them
share. It reads at most a form's worth of body and gives every answer the headers
that keep it out of frames, caches and referrers.
"""

from collections.abc import Callable
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast_server.authenticator import Authenticator
from holdfast_server.authorization_server import AuthorizationServer
from holdfast_server.authorize_shell import AuthorizePages
from holdfast_server.browser_session import BrowserSessions
from holdfast_server.forms import MAX_FORM_LEN
from holdfast_server.oauth_shell import OAuthEndpoints
from holdfast_server.pages import Pages

Clock = Callable[[], int]

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
DEFAULT_CSP = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
HSTS = (b"strict-transport-security", b"max-age=31536000")


def build_app(
    authz_server: AuthorizationServer,
    authenticator: Authenticator,
    sessions: BrowserSessions,
    clock: Clock,
    *,
    server_name: str = "Holdfast",
    ready: Callable[[], bool] = lambda: True,
) -> ASGIApp:
    """The whole HTTPS application of one authorization server.

    clock: integer seconds since 1970. ready: whether the rest of the process can serve (for /readyz).
    Cookies are Secure and HSTS is sent exactly when the issuer is an https URI.
    """
    secure = authz_server.settings.issuer.startswith("https://")
    pages = Pages(authz_server.settings.issuer, server_name)
    people = AuthorizePages(authz_server, authenticator, pages, sessions, clock, secure=secure)
    clients = OAuthEndpoints(authz_server, clock)
    style = resources.files("holdfast_server").joinpath("static/style.css").read_bytes()

    async def stylesheet(_request: Request) -> Response:
        return Response(style, media_type="text/css", headers={"cache-control": "public, max-age=3600"})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        return PlainTextResponse("ready\n") if ready() else PlainTextResponse("not ready\n", 503)

    app = Starlette(
        routes=[
            *people.routes(),
            *clients.routes(),
            Route("/static/style.css", stylesheet),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={HTTPException: _refuse, 500: _our_fault},
    )
    return _Guard(app, secure=secure)


async def _refuse(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101 - the handler is registered for this class
    return JSONResponse({"error": "invalid_request"}, exc.status_code, headers=exc.headers)


async def _our_fault(_request: Request, _exc: Exception) -> Response:
    return JSONResponse({"error": "server_error"}, 500)


class _Guard:
    """ASGI wrapper: bounds the request body, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = (*SECURITY_HEADERS, *((HSTS,) if secure else ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_FORM_LEN:
                raise HTTPException(413)
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = [pair for pair in self._headers if pair[0] not in present]
                if b"content-security-policy" not in present:
                    extra.append((b"content-security-policy", DEFAULT_CSP))
                if b"cache-control" not in present:
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self._app(scope, bounded, with_headers)
