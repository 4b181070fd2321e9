"""The pages of the authorization endpoint: log in, decide, go back to the app (RFC 6749 section 4.1).

The authorization request travels through the pages as the query string it came
as, and is validated anew at each step, so nothing of it is trusted because it was
seen before. The consent page offers only what this person may give.
Knows no grant logic: authorization_server.py validates and issues.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast_server.authz.authorization import PARAMETERS
from holdfast_server.authz.authorization_server import AuthorizationRequest, AuthorizationServer
from holdfast_server.authz.errors import AuthorizeError, ServerRefusal
from holdfast_server.web.login import BadPost, Door, NotNow, Post
from holdfast_server.web.pages import choices_of, form_target, name_of_audience
from holdfast_server.web.sessions import BrowserSession
from holdfast_server.wire.forms import MAX_QUERY_LEN, BadForm, read_form


class _Answered(Exception):
    """The request has its answer already."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class AuthorizePages:
    """/authorize and the forms behind it."""

    def __init__(self, authz_server: AuthorizationServer, door: Door, clock: Callable[[], int]) -> None:
        self._authz = authz_server
        self._door = door
        self._clock = clock

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
        try:
            wanted = self._validated(query)
        except _Answered as done:
            return done.answer
        session = self._door.session(request)
        if session is None or not session.logged_in:
            return self._login_page(query, wanted, session)
        return self._consent_page(query, wanted, session)

    async def login(self, request: Request) -> Response:
        """POST: check who it is. Right: a new session, on to consent. Wrong: the form again."""
        try:
            post, wanted = await self._opened(request, "login")
        except _Answered as done:
            return done.answer
        answer = self._door.on_to("/authorize?" + post.about)
        try:
            await self._door.let_in(post, request, answer)
        except NotNow as refusal:
            return self._login_page(post.about, wanted, post.session, refusal)
        return answer

    async def consent(self, request: Request) -> Response:
        """POST: the decision. Either way the browser goes back to the app."""
        try:
            post, wanted = await self._opened(request, "consent")
            chosen = [name for name in wanted.scope.split() if name in post.chosen]
            if post.fields.get("decision") != "allow" or not chosen:
                return RedirectResponse(self._authz.deny(wanted), 303)
            return RedirectResponse(self._code_for(wanted, post, chosen), 303)
        except _Answered as done:
            return done.answer

    async def logout(self, request: Request) -> Response:
        """POST: forget who it was and show the login page again."""
        try:
            post = await self._post(request, "logout")
        except _Answered as done:
            return done.answer
        answer = self._door.on_to("/authorize?" + post.about)
        self._door.log_out(post.session, answer)
        return answer

    async def _opened(self, request: Request, step: str) -> tuple[Post, AuthorizationRequest]:
        """The form of this step and the request that it is about. Raises _Answered."""
        post = await self._post(request, step)
        return post, self._validated(post.about)

    async def _post(self, request: Request, step: str) -> Post:
        try:
            return await self._door.opened(request, step, repeats="scope")
        except BadPost as bad:
            # Starting over is a plain GET of a request that was not trusted before either.
            again = "/authorize?" + bad.about if bad.about else ""
            raise _Answered(self._door.problem(bad.heading, bad.explanation, bad.status, again=again)) from None

    def _validated(self, query: str) -> AuthorizationRequest:
        try:
            params, repeated = read_form(query, PARAMETERS, MAX_QUERY_LEN)
            return self._authz.authorize(params, self._clock(), repeated)
        except BadForm:
            answer = self._door.problem("The app's request cannot be read", "The app must be mended.", 400)
        except AuthorizeError as refused:
            answer = self._refused(refused)
        except ServerRefusal as refused:
            answer = self._not_working(refused)
        raise _Answered(answer)

    def _code_for(self, wanted: AuthorizationRequest, post: Post, chosen: list[str]) -> str:
        """The URL that takes the code to the app. Raises _Answered."""
        try:
            scope = " ".join(chosen)
            return self._authz.grant_code(wanted, post.session.user_id, scope, self._clock(), post.source)
        except AuthorizeError as refused:
            raise _Answered(self._refused(refused)) from None
        except ServerRefusal as refused:
            raise _Answered(self._not_working(refused)) from None

    def _refused(self, refused: AuthorizeError) -> Response:
        if refused.redirect_uri is not None:
            return RedirectResponse(refused.location(self._authz.settings.issuer), 303)
        return self._door.problem(
            "The app's request is not valid",
            "The app or its address is not registered here, so you were not sent back to it.",
            400,
            refused.error,
        )

    def _not_working(self, refused: ServerRefusal) -> Response:
        return self._door.problem(
            "This server cannot answer now", "Tell who looks after it.", refused.http_status, refused.reason
        )

    def _login_page(
        self,
        query: str,
        wanted: AuthorizationRequest,
        session: BrowserSession | None,
        refusal: NotNow | None = None,
    ) -> Response:
        return self._door.login_page(
            session,
            "/authorize/login",
            query,
            refusal,
            client_name=self._name_of(wanted),
            audience=name_of_audience(wanted.audience, self._authz.members_of(wanted.audience)),
        )

    def _name_of(self, wanted: AuthorizationRequest) -> str:
        client = self._authz.client(wanted.client_id)
        return client.title or client.client_id if client is not None else wanted.client_id

    def _consent_page(self, query: str, wanted: AuthorizationRequest, session: BrowserSession) -> Response:
        members = self._authz.members_of(wanted.audience)
        approvable = self._authz.approvable_scope(wanted, session.user_id)
        page = self._door.pages.consent(
            client_name=self._name_of(wanted),
            audience=name_of_audience(wanted.audience, members),
            scopes=choices_of(approvable, members),
            withheld=[name for name in wanted.scope.split() if name not in approvable],
            lifetime_s=min(member.token_lifetime_s for member in members),
            user_id=session.user_id,
            redirect_uri=wanted.redirect_uri,
            request=query,
            form_token=self._door.form_token(session, "consent", query),
            logout_token=self._door.form_token(session, "logout", query),
        )
        return self._door.page(page, 200, form_target(wanted.redirect_uri))
