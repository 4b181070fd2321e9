"""The HTTPS side of the authorization server: routes, headers, bounds.

`build_app` makes the ASGI application. Pages for people are in web/authorize.py and
web/admin.py, the JSON endpoints for clients in web/oauth.py; this file holds
what all of them share. It reads at most a form's worth of body, in bounded time, and
gives every answer the headers that keep it out of frames, caches and referrers.
"""

import re
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from urllib.parse import unquote

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.errors import RETRY_AFTER_S, StoreFailed
from holdfast_server.process.log import log_bug, log_unavailable
from holdfast_server.store.sqlite import Store
from holdfast_server.web.admin import AdminPages
from holdfast_server.web.authenticator import Authenticator
from holdfast_server.web.authorize import AuthorizePages
from holdfast_server.web.login import Door
from holdfast_server.web.oauth import OAuthEndpoints
from holdfast_server.web.pages import Pages
from holdfast_server.web.sessions import BrowserSessions
from holdfast_server.wire.forms import MAX_FORM_LEN

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
NOT_KEPT = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))  # RFC 6749 section 5.1 asks for both
WELL_KNOWN = "/.well-known/oauth-authorization-server"
"""RFC 8414 section 3.1: the path of an issuer comes after it."""
BODY_TIMEOUT_S = 10
"""From the first look at a request to the last octet of its form; a form is one or two packets."""


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def build_app(  # noqa: PLR0913 - what the pages stand on, each with a name
    authz_server: AuthorizationServer,
    store: Store,
    authenticator: Authenticator,
    sessions: BrowserSessions,
    clock: Clock,
    *,
    monotonic_ms: Clock = _monotonic_ms,
    server_name: str = "Holdfast",
    proxies: frozenset[str] = frozenset(),
    not_ready: Callable[[], str] = lambda: "",
    on_unavailable: Callable[[StoreFailed], None] = log_unavailable,
) -> ASGIApp:
    """The whole HTTPS application of one authorization server.

    clock: integer seconds since 1970. monotonic_ms: milliseconds that never go back, for how often a login may be
    tried. proxies: addresses whose X-Forwarded-For is believed. not_ready: why the process cannot serve, constant text
    (for /readyz). on_unavailable: told what the database failed by.
    Cookies are Secure and HSTS is sent exactly when the issuer is an https URI.
    """
    secure = authz_server.settings.issuer.startswith("https://")
    root = authz_server.settings.root
    pages = Pages(authz_server.settings.issuer, server_name, root)
    door = Door(
        authenticator,
        sessions,
        pages,
        store,
        clock,
        monotonic_ms,
        authz_server.clock_doubt,
        authz_server.login_refusals,
        secure=secure,
        proxies=proxies,
    )
    oauth = OAuthEndpoints(authz_server, clock, door.source_of)
    parts = (AuthorizePages(authz_server, door, clock), AdminPages(authz_server, store, door, clock), oauth)
    style = resources.files("holdfast_server.web").joinpath("static/style.css").read_bytes()

    async def stylesheet(_request: Request) -> Response:
        return Response(style, media_type="text/css", headers={"cache-control": "public, max-age=3600"})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        reason = not_ready()
        return PlainTextResponse(f"not ready: {reason}\n", 503) if reason else PlainTextResponse("ready\n")

    app = Starlette(
        routes=[
            *(
                Route(root + route.path, route.endpoint, methods=route.methods)
                for part in parts
                for route in part.routes()
            ),
            Route(WELL_KNOWN + root, oauth.metadata, methods=["GET"]),
            *(Route(path, _home(door)) for path in {root or "/", root + "/"}),
            Route(root + "/static/style.css", stylesheet),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={
            HTTPException: _refusal(door),
            StoreFailed: _unavailable(door, on_unavailable),
            Exception: _fault(door),
        },
    )
    app.router.redirect_slashes = False  # a form with a secret in it is never sent on to where the Host header says
    return _Guard(app, secure=secure)


def _home(door: Door) -> Callable[[Request], Awaitable[Response]]:
    """The page of the server's own address."""

    async def home(_request: Request) -> Response:
        return door.page(door.pages.home(), 200)

    return home


def _refusal(door: Door) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answer what the router or the guard refuses: a page for a browser, JSON for a program."""

    async def refuse(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)  # noqa: S101 - the handler is registered for this class
        if _is_browser(request):
            heading, explanation = REFUSALS.get(exc.status_code, REFUSALS[400])
            page = door.problem(heading, explanation, exc.status_code)
            page.headers.update(exc.headers or {})
            return page
        return JSONResponse({"error": "invalid_request"}, exc.status_code, headers=exc.headers)

    return refuse


def _unavailable(
    door: Door, report: Callable[[StoreFailed], None]
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answer 503 when the database cannot be used: nothing has happened, since nothing is sent before a commit."""

    async def try_again(request: Request, exc: Exception) -> Response:
        if not (isinstance(exc, StoreFailed) and exc.is_unavailable):
            raise exc
        report(exc)
        if _is_browser(request):
            return door.problem("This server is busy", "Wait a minute, then try again.", 503)
        return Response(status_code=503)

    return try_again


def _fault(door: Door) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answer a bug of ours, without a word about it; the guard logs it."""

    async def our_fault(request: Request, _exc: Exception) -> Response:
        if _is_browser(request):
            return door.problem(
                "Something is wrong here", "It is not your fault. Tell who looks after this server.", 500
            )
        return JSONResponse({"error": "server_error"}, 500)

    return our_fault


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")  # RFC 3986 section 3.2.2
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://[^/@]+(/.*)?")

REFUSALS = {
    400: ("This cannot be read", "Go back to the app and start again."),
    404: (
        "There is nothing here",
        "An app sends you to this server when it needs you; there is no page to begin with.",
    ),
    405: ("There is nothing here", "Go back to the app and start again."),
    408: ("This took too long", "Go back to the app and start again."),
    413: ("This is too long", "Go back to the app and start again."),
}


class _Guard:
    """ASGI wrapper: refuses what two readers of HTTP could take for two things, bounds the request body and its time,
    and adds the headers that every answer has.
    """  # noqa: D205 - three things

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = (*SECURITY_HEADERS, *((HSTS,) if secure else ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _is_ambiguous(scope):
            refusal = JSONResponse({"error": "invalid_request"}, 400, headers={"connection": "close"})
            await refusal(scope, receive, self._with_headers(send))
            return
        received = 0
        whole = False
        until = anyio.current_time() + BODY_TIMEOUT_S

        async def bounded() -> Message:
            nonlocal received, whole
            if whole:
                return await receive()
            with anyio.CancelScope(deadline=until) as slow:
                message = await receive()
                whole = not message.get("more_body", False)
            if slow.cancelled_caught:
                raise HTTPException(408, headers={"connection": "close"})
            received += len(message.get("body", b""))
            if received > MAX_FORM_LEN:
                raise HTTPException(413, headers={"connection": "close"})
            return message

        try:
            await self._app(_to_this_server(scope), bounded, self._with_headers(send))
        except ClientDisconnect:
            return  # it went away in the middle of its form
        except Exception as error:  # noqa: BLE001 - answered with 500 by now; what is left is to say so
            log_bug(error)

    def _with_headers(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = [pair for pair in self._headers if pair[0] not in present]
                if b"content-security-policy" not in present:
                    extra.append((b"content-security-policy", DEFAULT_CSP))
                if message["status"] in (429, 503) and b"retry-after" not in present:
                    extra.append((b"retry-after", b"%d" % RETRY_AFTER_S))
                if b"cache-control" not in present:
                    extra += NOT_KEPT
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        return with_headers


def _is_ambiguous(scope: Scope) -> bool:
    """Whether a proxy before us may have seen another request in these octets (RFC 9112 sections 3.2 and 6.1).

    Two lengths of one body, chunks in HTTP/1.0, another HTTP than 1, and a Host that is none. h11 itself refuses two
    Hosts and two Content-Lengths.
    """
    names = [name for name, _ in scope["headers"]]
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] == "1.0"):
        return True
    return not scope["http_version"].startswith("1.") or not all(_HOST.fullmatch(host) for host in hosts)


def _to_this_server(scope: Scope) -> Scope:
    """The request with its target in origin-form; a server takes absolute-form too (RFC 9112 section 3.2.2)."""
    absolute = _ABSOLUTE_FORM.fullmatch(scope.get("raw_path", b""))
    if absolute is None:
        return scope
    path = absolute[1] or b"/"
    return {**scope, "raw_path": path, "path": unquote(path.decode("ascii"))}
