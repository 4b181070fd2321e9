"""The administrator's page: what the server knows and has done lately, and a button that withdraws a token.

Behind the same door as every other page. Reads everything, changes nothing but
a token's state; whatever else there is to change is changed on the command line.
Never shows a secret, a hash of one, or a token.
"""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast_core.terminal_shell import as_text
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.errors import NotAdministrator
from holdfast_server.authz.standing import LIVE, state_of
from holdfast_server.records import TokenRecord
from holdfast_server.store.sqlite import Store
from holdfast_server.web.login import BadPost, Door, NotNow
from holdfast_server.web.sessions import BrowserSession
from holdfast_server.wire.readable import audit_words, client_words, rs_words, token_words, user_words

PATH = "/admin"
LATEST = 50
MAX_ROWS = 200
"""Of a table; the command line lists everything."""


class AdminPages:
    """/admin and its forms."""

    def __init__(self, authz_server: AuthorizationServer, store: Store, door: Door, clock: Callable[[], int]) -> None:
        self._authz = authz_server
        self._store = store
        self._door = door
        self._clock = clock

    def routes(self) -> list[Route]:
        """The routes of this part."""
        return [
            Route(PATH, self.show, methods=["GET"]),
            Route(PATH + "/login", self.login, methods=["POST"]),
            Route(PATH + "/logout", self.logout, methods=["POST"]),
            Route(PATH + "/revoke", self.revoke, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET: the page for an administrator, the login form for a visitor."""
        session = self._door.session(request)
        if session is None or not session.logged_in:
            return self._door.login_page(session, PATH + "/login", PATH)
        if not self._authz.is_administrator(session.user_id):
            return self._not_admin(session)
        return self._door.page(self._page(session), 200)

    async def login(self, request: Request) -> Response:
        """POST: check who it is."""
        try:
            post = await self._door.opened(request, "login")
        except BadPost as bad:
            return self._bad(bad)
        answer = self._door.on_to(PATH)
        try:
            await self._door.let_in(post, request, answer)
        except NotNow as refusal:
            return self._door.login_page(post.session, PATH + "/login", PATH, refusal)
        return answer

    async def logout(self, request: Request) -> Response:
        """POST: forget who it was."""
        try:
            post = await self._door.opened(request, "logout")
        except BadPost as bad:
            return self._bad(bad)
        answer = self._door.on_to(PATH)
        self._door.log_out(post.session, answer)
        return answer

    async def revoke(self, request: Request) -> Response:
        """POST: withdraw one token and what was exchanged for it, then show the page again."""
        try:
            post = await self._door.opened(request, "revoke")
        except BadPost as bad:
            return self._bad(bad)
        try:
            # The form token covers `about`, so this is a number that the page itself wrote.
            self._authz.revoke_by_administrator(int(post.about), post.session.user_id, self._clock(), post.source)
        except NotAdministrator:
            return self._not_admin(post.session)
        return self._door.on_to(PATH)

    def _bad(self, bad: BadPost) -> Response:
        return self._door.problem(bad.heading, bad.explanation, bad.status, again=PATH)

    def _not_admin(self, session: BrowserSession) -> Response:
        html = self._door.pages.not_admin(
            user_id=session.user_id, request=PATH, logout_token=self._door.form_token(session, "logout", PATH)
        )
        return self._door.page(html, 403)

    def _page(self, session: BrowserSession) -> str:
        store = self._store
        now_s = self._clock()
        tokens = [
            (_as_texts(token_words(record, now_s)), self._button(session, record, now_s))
            for record in store.tokens(limit=LATEST)
        ]
        return self._door.pages.admin(
            user_id=session.user_id,
            request=PATH,
            logout_token=self._door.form_token(session, "logout", PATH),
            tables={
                "Clients": [_as_texts(client_words(record)) for record in store.clients(MAX_ROWS)],
                "Resource servers": [_as_texts(rs_words(record)) for record in store.resource_servers(MAX_ROWS)],
                "Users": [_as_texts(user_words(record)) for record in store.users(MAX_ROWS)],
            },
            tokens=tokens,
            audit=[_as_texts(audit_words(row)) for row in store.audit_rows(LATEST)],
        )

    def _button(self, session: BrowserSession, record: TokenRecord, now_s: int) -> str:
        return self._door.form_token(session, "revoke", str(record.token_id)) if state_of(record, now_s) == LIVE else ""


def _as_texts(words: dict[str, Any]) -> dict[str, str]:
    return {name: as_text(value) for name, value in words.items()}
