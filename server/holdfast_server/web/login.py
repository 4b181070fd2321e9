"""The front door of every page: the login form, how often it may be tried, and the cookie that remembers who came in.

What a page shows behind the door is in web/authorize.py and web/admin.py.
A person who logs in gets a new session; every form carries a token that fits one
browser, one step and one thing that it is about.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from holdfast_server.authz.network import network_of, told_by
from holdfast_server.authz.refusals import Refusal, RefusalRows
from holdfast_server.process.log import log
from holdfast_server.records import in_force
from holdfast_server.store.sqlite import Store
from holdfast_server.web.authenticator import Authenticator, LoginRefused
from holdfast_server.web.hashing import Hashing, QueueFull
from holdfast_server.web.login_limits import Lane, LoginLimits
from holdfast_server.web.pages import Pages
from holdfast_server.web.sessions import KNOWN_LIFETIME_S, LOGIN_LIFETIME_S, BrowserSession, BrowserSessions
from holdfast_server.wire.forms import BadForm, read_fields

REFUSED = "That name and password do not belong together. Try again."
NO_TIME = "This server does not know what time it is. Tell who looks after it."
TOO_OFTEN = "Too many tries. Wait a minute, then try again."


class NotNow(Exception):
    """A login that did not happen: the sentence for the person, and the HTTP status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


class BadPost(Exception):
    """A form that was not made here for this browser and step: heading, explanation, HTTP status.

    about: what the form says it is about; it is not to be believed.
    """

    def __init__(self, heading: str, explanation: str, status: int, about: str = "") -> None:
        super().__init__(heading)
        self.heading = heading
        self.explanation = explanation
        self.status = status
        self.about = about


@dataclass(frozen=True, slots=True)
class Post:
    """A form that was made for this browser. about: what it is about; chosen: the values of its checkboxes.

    source: the address that it came from.
    """

    fields: Mapping[str, str] = field(repr=False)  # a password may be among them
    chosen: Sequence[str]
    about: str
    session: BrowserSession
    source: str


class Door:
    """Sessions, forms and logins of one server."""

    def __init__(  # noqa: PLR0913 - one argument per part
        self,
        authenticator: Authenticator,
        sessions: BrowserSessions,
        pages: Pages,
        store: Store,
        clock: Callable[[], int],
        monotonic_ms: Callable[[], int],
        doubt: Callable[[int], str],
        refusals: RefusalRows,
        *,
        secure: bool,
        proxies: frozenset[str] = frozenset(),
    ) -> None:
        self.pages = pages
        self._authenticator = authenticator
        self._sessions = sessions
        self._store = store
        self._clock = clock
        self._monotonic_ms = monotonic_ms
        self._doubt = doubt
        self._secure = secure
        self._proxies = proxies
        # Servers that share a host, each under its path, have a cookie each.
        self._cookie_name = ("__Host-holdfast" if secure else "holdfast") + pages.root.replace("/", "-")
        self._known_name = self._cookie_name + "-known"
        self._limits = LoginLimits()
        self._refusals = refusals
        self._hashing = Hashing()

    def session(self, request: Request) -> BrowserSession | None:
        """The session that the browser shows, logged in or not; a lock or a new password ends a login."""
        session = self._sessions.read(request.cookies.get(self._cookie_name), self._clock())
        if session is None or not session.logged_in:
            return session
        user = in_force(self._store.user(session.user_id))
        known = user is not None and self._sessions.is_by(session, user.password_hash)
        return session if known else None

    def form_token(self, session: BrowserSession, step: str, about: str) -> str:
        """The hidden field that lets a form of this step back in."""
        return self._sessions.form_token(session, step, about)

    async def opened(self, request: Request, step: str, repeats: str = "") -> Post:
        """The form that was posted; only the field `repeats` may come more than once. Raises BadPost.

        A form token says who is logged in, so a visitor's form fits no user and a user's no visitor.
        """
        try:
            pairs = read_fields(await request.body())
        except BadForm:
            pairs = []
        single = [pair for pair in pairs if pair[0] != repeats]
        fields = dict(single)
        if not pairs or len(fields) != len(single):
            raise BadPost("This form cannot be read", "Go back to the app and start again.", 400)
        about = fields.get("request", "")
        session = self.session(request)
        if session is None or not self._sessions.form_token_fits(fields.get("form_token", ""), session, step, about):
            raise BadPost("This page is too old", "It was open for too long, or in another tab.", 403, about)
        return Post(
            fields, [value for name, value in pairs if name == repeats], about, session, self.source_of(request)
        )

    def login_page(
        self,
        session: BrowserSession | None,
        action: str,
        about: str,
        refusal: NotNow | None = None,
        client_name: str = "",
        audience: str = "",
    ) -> Response:
        """The login form, which posts to `action`; refusal: why the last try came to nothing."""
        visitor = self._sessions.start("", self._clock()) if session is None or session.logged_in else session
        html = self.pages.login(
            client_name=client_name,
            audience=audience,
            action=action,
            request=about,
            form_token=self.form_token(visitor, "login", about),
            fields=self._authenticator.fields,
            refused=refusal.sentence if refusal else "",
        )
        answer = self.page(html, refusal.status if refusal else 200)
        self._remember(answer, visitor)
        return answer

    async def let_in(self, post: Post, request: Request, answer: Response) -> None:
        """Check who it is; right: `answer` gets the cookie of a new session. Raises NotNow."""
        if self._doubt(self._clock()):
            raise NotNow(NO_TIME, 503)
        source = self.source_of(request)
        network = network_of(source)
        name = post.fields.get(self._authenticator.fields[0].name, "")
        known_browser = self._sessions.known_browser(request.cookies.get(self._known_name), self._clock())
        lane = self._limits.admit(name, network, known_browser, self._monotonic_ms())
        if lane is None:
            raise NotNow(TOO_OFTEN, 429)
        try:
            user_id, credential = await self._checked(lane, post.fields, name)
        except LoginRefused:
            # The name goes into the log only when it is one of ours: people type passwords into the wrong field.
            known = name if self._store.user(name) is not None else "-"
            log.warning("event=login-refused user=%s from=%s", known, source or "-")
            self._note_refused(name if known == name else None, source)
            raise NotNow(REFUSED, 403) from None
        except QueueFull:
            raise NotNow(TOO_OFTEN, 503) from None
        self._limits.succeeded(network)
        self._store.audit(self._clock(), "login", user_id=user_id, address=source)
        self._remember(answer, self._sessions.start(user_id, self._clock(), credential))
        known = self._sessions.known_cookie(user_id, self._clock())
        self._set_cookie(answer, self._known_name, known, KNOWN_LIFETIME_S)

    async def _checked(self, lane: Lane, fields: Mapping[str, str], name: str) -> tuple[str, str]:
        """Who it is, and the credential that says so. Raises LoginRefused, QueueFull."""
        looked_up = self._store.password_hash_of(name)
        user_id = await self._hashing.run(lane, self._authenticator.begin(fields))
        credential = self._store.password_hash_of(user_id)
        if user_id == name and credential != looked_up:  # a new password or a lock, while the old one was hashed
            raise LoginRefused
        return user_id, credential or ""

    def _note_refused(self, user_id: str | None, source: str) -> None:
        kind = Refusal("login-refused", user_id=user_id, network=network_of(source))
        self._refusals.note(kind, self._clock(), source)

    def source_of(self, request: Request) -> str:
        """The address that a request came from."""
        host = request.client.host if request.client else ""
        return told_by(request.headers.getlist("x-forwarded-for"), host, self._proxies)

    def log_out(self, session: BrowserSession, answer: Response) -> None:
        """End a session here, and let the browser forget it."""
        self._sessions.end(session)
        answer.delete_cookie(self._cookie_name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def on_to(self, path: str) -> Response:
        """Send the browser to another page here."""
        return RedirectResponse(self.pages.root + path, 303)

    def page(self, html: str, status: int, redirects_to: str = "") -> Response:
        """An HTML answer with its content security policy; redirects_to: where a form may end besides here."""
        # Browsers apply form-action to the redirect after the form too.
        policy = (
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action 'self' {redirects_to}".rstrip()
        )
        return HTMLResponse(html, status, headers={"content-security-policy": policy})

    def problem(self, heading: str, explanation: str, status: int, code: str = "", again: str = "") -> Response:
        """A page that says what went wrong; again: the path of a link that starts over."""
        return self.page(self.pages.problem(heading, explanation, code, again), status)

    def _remember(self, answer: Response, session: BrowserSession) -> None:
        self._set_cookie(answer, self._cookie_name, self._sessions.cookie(session), LOGIN_LIFETIME_S)

    def _set_cookie(self, answer: Response, name: str, value: str, max_age_s: int) -> None:
        # Lax, not Strict: the person arrives from the app's site, and a login should survive that.
        answer.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
