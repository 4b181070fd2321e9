"""The pages of the authorization endpoint: log in, decide, go back to the app (RFC 6749 section 4.1).

The authorization request travels through the pages as the query string it came
as, and is validated anew at each step, so nothing of it is trusted because it was
seen before. Every form carries a token that fits one browser, one step and one
request. After login the session is a new one.
Knows no grant logic: authorization_server.py validates and issues.
"""

from collections.abc import Callable, Mapping

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from holdfast_core.coap_admission import TokenBucket
from holdfast_server.authenticator import Authenticator, LoginRefused
from holdfast_server.authorization_server import AuthorizationRequest, AuthorizationServer
from holdfast_server.browser_session import LOGIN_LIFETIME_S, BrowserSession, BrowserSessions
from holdfast_server.errors import AuthorizeError
from holdfast_server.forms import MAX_QUERY_LEN, BadForm, read_fields, read_form
from holdfast_server.pages import Pages, choices_of, origin

HASHES_AT_ONCE = 2
"""argon2id takes 64 MiB each: this many at once, and MAX_WAITING more may wait."""
MAX_WAITING = 16

REFUSED = "That name and password do not belong together. Try again."
TOO_OFTEN = "Too many tries. Wait a minute, then try again."


class AuthorizePages:
    """/authorize and the forms behind it."""

    def __init__(
        self,
        authz_server: AuthorizationServer,
        authenticator: Authenticator,
        pages: Pages,
        sessions: BrowserSessions,
        clock: Callable[[], int],
        *,
        secure: bool,
    ) -> None:
        self._authz = authz_server
        self._authenticator = authenticator
        self._pages = pages
        self._sessions = sessions
        self._clock = clock
        self._secure = secure
        self._cookie_name = "__Host-holdfast" if secure else "holdfast"
        self._hashing = anyio.CapacityLimiter(HASHES_AT_ONCE)
        self._tries = TokenBucket(rate=1 / 10, burst=10, total_rate=10, total_burst=100)

    def routes(self) -> list[Route]:
        """The routes of this part."""
        return [
            Route("/authorize", self.authorize, methods=["GET"]),
            Route("/authorize/login", self.login, methods=["POST"]),
            Route("/authorize/consent", self.consent, methods=["POST"]),
            Route("/authorize/logout", self.logout, methods=["POST"]),
        ]

    async def authorize(self, request: Request) -> Response:
        """GET: the login page, or the consent page for somebody who has logged in."""
        query = request.url.query
        wanted = self._validated(query)
        if isinstance(wanted, Response):
            return wanted
        session = self._session(request)
        if session is None or not session.logged_in:
            return self._login_page(query, wanted, session)
        return self._consent_page(query, wanted, session)

    async def login(self, request: Request) -> Response:
        """POST: check who it is. Right: a new session, on to consent. Wrong: the form again."""
        opened = await self._open_form(request, "login")
        if isinstance(opened, Response):
            return opened
        fields, query, wanted, session = opened
        source = request.client.host if request.client else ""
        now_ms = self._clock() * 1000
        user = fields.get(self._authenticator.fields[0].name, "")
        if not all(self._tries.admit(who, now_ms, 0) for who in (f"from {source}", f"user {user}")):
            return self._login_page(query, wanted, session, TOO_OFTEN, 429)
        if self._hashing.statistics().tasks_waiting >= MAX_WAITING:
            return self._login_page(query, wanted, session, TOO_OFTEN, 503)
        try:
            check = self._authenticator.begin(fields)
            user_id = await anyio.to_thread.run_sync(check, limiter=self._hashing)
        except LoginRefused:
            return self._login_page(query, wanted, session, REFUSED, 403)
        answer = RedirectResponse("/authorize?" + query, 303)
        self._set_cookie(answer, self._sessions.start(user_id, self._clock()))
        return answer

    async def consent(self, request: Request) -> Response:
        """POST: the decision. Either way the browser goes back to the app."""
        opened = await self._open_form(request, "consent")
        if isinstance(opened, Response):
            return opened
        fields, _, wanted, session = opened
        chosen = [name for name in wanted.scope.split() if name in fields.get("scope", "").split()]
        if fields.get("decision") != "allow" or not chosen:
            return RedirectResponse(self._authz.deny(wanted), 303)
        try:
            target = self._authz.grant_code(wanted, session.user_id, " ".join(chosen), self._clock())
        except AuthorizeError as refused:
            return self._refused(refused)
        return RedirectResponse(target, 303)

    async def logout(self, request: Request) -> Response:
        """POST: forget who it was and show the login page again."""
        opened = await self._open_form(request, "logout")
        if isinstance(opened, Response):
            return opened
        answer = RedirectResponse("/authorize?" + opened[1], 303)
        answer.delete_cookie(self._cookie_name, path="/", secure=self._secure, httponly=True, samesite="lax")
        return answer

    async def _open_form(
        self, request: Request, step: str
    ) -> tuple[Mapping[str, str], str, AuthorizationRequest, BrowserSession] | Response:
        """The form's fields, its authorization request, and the session that it was made for."""
        try:
            pairs = read_fields(await request.body())
        except BadForm:
            return self._problem("This form cannot be read", "Go back to the app and start again.", 400)
        fields = dict(pairs)
        fields["scope"] = " ".join(value for name, value in pairs if name == "scope")
        query = fields.get("request", "")
        session = self._session(request)
        if (
            session is None
            or session.logged_in == (step == "login")
            or not self._sessions.form_token_fits(fields.get("form_token", ""), session, step, query)
        ):
            return self._problem("This page is too old", "Go back to the app and start again.", 403)
        wanted = self._validated(query)
        if isinstance(wanted, Response):
            return wanted
        return fields, query, wanted, session

    def _validated(self, query: str) -> AuthorizationRequest | Response:
        try:
            return self._authz.authorize(read_form(query, MAX_QUERY_LEN), self._clock())
        except BadForm:
            return self._problem("The app's request cannot be read", "The app must be mended.", 400)
        except AuthorizeError as refused:
            return self._refused(refused)

    def _refused(self, refused: AuthorizeError) -> Response:
        if refused.redirect_uri is not None:
            return RedirectResponse(refused.location(self._authz.settings.issuer), 303)
        return self._problem(
            "The app's request is not valid",
            "The app or its address is not registered here, so you were not sent back to it.",
            400,
            refused.error,
        )

    def _login_page(
        self,
        query: str,
        wanted: AuthorizationRequest,
        session: BrowserSession | None,
        refused: str = "",
        status: int = 200,
    ) -> Response:
        visitor = self._sessions.start("", self._clock()) if session is None or session.logged_in else session
        page = self._pages.login(
            client_name=wanted.client_id,
            audience=wanted.audience,
            request=query,
            form_token=self._sessions.form_token(visitor, "login", query),
            fields=self._authenticator.fields,
            refused=refused,
        )
        answer = self._page(page, status)
        self._set_cookie(answer, visitor)
        return answer

    def _consent_page(self, query: str, wanted: AuthorizationRequest, session: BrowserSession) -> Response:
        members = self._authz.store.members_of(wanted.audience)
        page = self._pages.consent(
            client_name=wanted.client_id,
            audience=wanted.audience,
            scopes=choices_of(wanted.scope, members),
            lifetime_s=min(member.token_lifetime_s for member in members),
            user_id=session.user_id,
            redirect_uri=wanted.redirect_uri,
            request=query,
            form_token=self._sessions.form_token(session, "consent", query),
            logout_token=self._sessions.form_token(session, "logout", query),
        )
        return self._page(page, 200, origin(wanted.redirect_uri))

    def _problem(self, heading: str, explanation: str, status: int, code: str = "") -> Response:
        return self._page(self._pages.problem(heading, explanation, code), status)

    def _page(self, html: str, status: int, redirects_to: str = "") -> Response:
        # Browsers apply form-action to the redirect after the form too, so consent names the app's origin.
        policy = (
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {redirects_to}".rstrip()
        )
        return HTMLResponse(html, status, headers={"content-security-policy": policy})

    def _session(self, request: Request) -> BrowserSession | None:
        return self._sessions.read(request.cookies.get(self._cookie_name), self._clock())

    def _set_cookie(self, answer: Response, session: BrowserSession) -> None:
        # Lax, not Strict: the person arrives from the app's site, and a login should survive that.
        answer.set_cookie(
            self._cookie_name,
            self._sessions.cookie(session),
            max_age=LOGIN_LIFETIME_S,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
