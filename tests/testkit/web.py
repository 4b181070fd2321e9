"""The story's authorization server behind its HTTPS application, and browsers and apps that talk to it in memory.

Time stands still unless a test moves it.  Passwords are hashed cheaply here; everything else is the real thing.
"""

import asyncio
import html
import re
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

import argon2
import httpx

from holdfast_server.authz.administrator import ADMIN_RIGHTS
from holdfast_server.records import User
from holdfast_server.web.app import build_app
from holdfast_server.web.authenticator import PasswordAuthenticator
from holdfast_server.web.sessions import BrowserSessions
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, CountingRng, authorize_params, build_story_as

PASSWORD = "a ward full of tubes"
ADMIN = "admin"
FORM = {"content-type": "application/x-www-form-urlencoded"}
HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASH = HASHER.hash(PASSWORD)


class Web:
    """One server. now_s, now_ms: its clocks; app: the ASGI application; story: what stands behind it."""

    def __init__(self, path, authenticator=None, **settings):
        self.story = build_story_as(path, password_hash=HASH, **settings)
        self.story.registry.add_user(User(ADMIN, HASH, dict(ADMIN_RIGHTS)), NOW_S)
        self.issuer = self.story.settings.issuer
        self.now_s = NOW_S
        self.now_ms = 1_000_000
        self.not_ready = ""
        self.sessions = BrowserSessions(CountingRng(b"cookies"), self.story.store)
        self.app = build_app(
            self.story.server,
            self.story.store,
            authenticator or PasswordAuthenticator(self.story.store.password_hash_of, HASHER),
            self.sessions,
            lambda: self.now_s,
            monotonic_ms=lambda: self.now_ms,
            server_name="Ward 7",
            not_ready=lambda: self.not_ready,
        )
        self.runner = asyncio.Runner()

    def wait(self, seconds):
        """Let time pass on both clocks."""
        self.now_s += seconds
        self.now_ms += seconds * 1000

    def browser(self, host="192.0.2.1"):
        """A browser without cookies at this address."""
        return Browser(self, host)

    def together(self, coroutines):
        """Run these coroutines at the same time and return their results."""

        async def gather():
            return await asyncio.gather(*coroutines)

        return self.runner.run(gather())

    def close(self):
        self.runner.close()
        self.story.store.close()


class Browser:
    """An HTTP client with cookies that does not follow redirects; what it gets is an httpx.Response."""

    def __init__(self, web, host):
        self.web = web
        transport = httpx.ASGITransport(web.app, raise_app_exceptions=False, client=(host, 50000))
        self.client = httpx.AsyncClient(transport=transport, base_url=web.issuer, headers={"accept": "text/html"})

    @property
    def cookies(self):
        return self.client.cookies

    def get(self, url, **more):
        return self.web.runner.run(self.client.get(url, **more))

    def post(self, url, fields=(), **more):
        return self.web.runner.run(self.client.post(url, content=encoded(fields), headers=FORM, **more))

    def send(self, method, url, **more):
        return self.web.runner.run(self.client.request(method, url, **more))

    def authorize(self, **changes):
        """Ask for authorization, as a browser that the app sends; changes: see testkit.authz.authorize_params."""
        return self.get("/authorize?" + urlencode(authorize_params(**changes)))

    def submit(self, page, action=None, **fields):
        """Fill in the first form of a page, or the one with this action, and send it."""
        form = form_of(page.text, action)
        return self.post(form.action, [*form.hidden, *pairs(fields)])

    def log_in(self, page, username=DOCTOR, password=PASSWORD):
        """Fill in the login form; on success follow the redirect back."""
        answer = self.submit(page, username=username, password=password)
        return self.get(answer.headers["location"]) if answer.status_code == 303 else answer

    def consent_page(self, **changes):
        """The consent page, for a doctor who logs in for it, or has logged in before."""
        page = self.authorize(**changes)
        return self.log_in(page) if 'type="password"' in page.text else page

    def code(self, **changes):
        """The code that the app gets when the doctor allows everything, as text."""
        answer = self.submit(self.consent_page(**changes), scope=["read_ekg", "read_result"], decision="allow")
        return query_of(answer.headers["location"])["code"]

    def token(self, fields, auth=None, **more):
        """POST /token as the doctor's app, by HTTP Basic unless auth says otherwise (None: the app; (): nobody)."""
        return self.web.runner.run(self.token_call(fields, auth, **more))

    def token_call(self, fields, auth=None, url="/token", headers=None):
        """The same as token(), as a coroutine."""
        if auth is None:
            auth = (DOCTOR_APP, self.web.story.doctor_secret.reveal().decode())
        return self.client.post(url, content=encoded(fields), headers={**FORM, **(headers or {})}, auth=auth or None)


class Form:
    """action: its path; hidden: its hidden fields; choices: its checkboxes' values."""

    def __init__(self, action, text):
        self.action = action
        self.hidden = [(name, html.unescape(value)) for name, value in HIDDEN.findall(text)]
        self.choices = [html.unescape(value) for value in CHOICE.findall(text)]


HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
CHOICE = re.compile(r'<input type="checkbox" name="scope" value="([^"]*)"')
FORMS = re.compile(r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)


def form_of(text, action=None):
    """The first form of a page, or the one with this action."""
    for found, inner in FORMS.findall(text):
        if action in (None, found):
            return Form(found, inner)
    raise AssertionError(f"no form {action or ''} in {text}")


def pairs(fields):
    """Fields as name-value pairs; a list is one pair for each value, None is left out."""
    return [
        (name, value)
        for name, values in fields.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]


def encoded(fields):
    """A form's body: from bytes as they are, from pairs or a dict encoded."""
    if isinstance(fields, bytes):
        return fields
    return urlencode(fields if not isinstance(fields, dict) else pairs(fields)).encode()


def query_of(url):
    """The parameters of a URL, each of which must be there once."""
    values = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(value) == 1 for value in values.values()), url
    return {name: value[0] for name, value in values.items()}


def redeem_fields(the_code, **changes):
    """The form that redeems a code."""
    from testkit.authz import REDIRECT_URI, VERIFIER

    fields = {
        "grant_type": "authorization_code",
        "code": the_code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "audience": EKG,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


@contextmanager
def opened_web(path, **more):
    """A Web that is closed at the end."""
    web = Web(path, **more)
    try:
        yield web
    finally:
        web.close()
