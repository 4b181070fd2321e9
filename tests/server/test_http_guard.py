"""What every HTTPS answer has and no request can: headers, bounds, words for people, and nothing that is code."""

import contextlib
import json
import logging
import sqlite3

import anyio
import pytest

from holdfast_server.records import Client, ResourceServer, User
from holdfast_server.store.sqlite import DATABASE_NAME
from holdfast_server.web import app as web_app
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S
from testkit.web import HASH, PASSWORD, form_of, opened_web, redeem_fields

ROUTES = [
    ("GET", "/"),
    ("GET", "/authorize"),
    ("POST", "/authorize/login"),
    ("POST", "/authorize/consent"),
    ("POST", "/authorize/logout"),
    ("GET", "/admin"),
    ("POST", "/admin/login"),
    ("POST", "/admin/logout"),
    ("POST", "/admin/revoke"),
    ("POST", "/token"),
    ("POST", "/introspect"),
    ("POST", "/revoke"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/jwks.json"),
    ("GET", "/static/style.css"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/nothing"),
]


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        yield made


def routes_of(web):
    """The paths that the application really has."""
    return {(next(iter(route.methods - {"HEAD"})), route.path) for route in web.app._app.routes}


def test_the_table_of_routes_is_whole(web):
    assert routes_of(web) == set(ROUTES) - {("GET", "/nothing")}


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_answer_stays_out_of_frames_caches_and_referrers(web, method, path, accept):
    for asked in (method, "PUT"):
        answer = web.browser().send(asked, path, headers={"accept": accept})
        headers = answer.headers
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert "server" not in headers
        if not path.startswith(("/static", "/.well-known", "/jwks")) or answer.status_code != 200:
            assert (headers["cache-control"], headers["pragma"]) == ("no-store", "no-cache")


def test_only_a_page_with_a_form_may_send_one_and_only_to_here_and_the_app(web):
    browser = web.browser()
    login = browser.authorize()
    assert login.headers["content-security-policy"].endswith("form-action 'self'")
    consent = browser.consent_page()
    assert consent.headers["content-security-policy"].endswith("form-action 'self' http://127.0.0.1:8765")


def test_http_has_no_hsts(tmp_path):
    with opened_web(tmp_path, issuer="http://127.0.0.1:8080") as web:
        assert "strict-transport-security" not in web.browser().get("/healthz").headers


def test_another_method_is_405_with_what_is_allowed(web):
    for method, path in ROUTES[:-1]:
        answer = web.browser().send("DELETE", path)
        assert answer.status_code == 405
        assert method in answer.headers["allow"]


def test_a_path_is_itself_and_nobody_is_sent_on_to_another(web):
    for method, path in ROUTES:
        answer = web.browser().send(method, path.rstrip("/") + "/x/", headers={"host": "evil.example"})
        assert (answer.status_code, "location" in answer.headers) == (404, False)
        if path == "/":
            continue
        answer = web.browser().send(method, path + "/", headers={"host": "evil.example"})
        assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_head_is_get_without_a_body(web):
    for path in ("/healthz", "/jwks.json", "/admin"):
        assert web.browser().send("HEAD", path).status_code == 200


def test_a_browser_gets_a_page_and_a_program_json(web):
    page = web.browser().get("/nothing")
    assert (page.status_code, "There is nothing here" in page.text) == (404, True)
    told = web.browser().get("/nothing", headers={"accept": "*/*"})
    assert (told.status_code, told.json()) == (404, {"error": "invalid_request"})


def test_health_and_readiness_are_two_things(web):
    browser = web.browser()
    assert browser.get("/readyz").text == "ready\n"
    web.not_ready = "why"
    assert (browser.get("/readyz").status_code, browser.get("/readyz").text) == (503, "not ready: why\n")
    assert (browser.get("/healthz").status_code, browser.get("/healthz").text) == (200, "ok\n")


# --- bounds ---


@pytest.mark.parametrize("path", ["/authorize/login", "/authorize/consent", "/admin/revoke", "/token", "/revoke"])
def test_a_body_beyond_a_forms_length_is_refused_everywhere(web, path):
    answer = web.browser().post(path, b"a=" + b"b" * 20_000)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_a_body_in_endless_small_pieces_is_refused_too(web):
    sent = 0

    async def drip():
        nonlocal sent
        while True:
            sent += 1
            yield b"a" * 100

    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert web.browser().send("POST", "/token", content=drip(), headers=headers).status_code == 413
    assert sent < 400


def test_a_body_that_does_not_come_is_not_waited_for(web, monkeypatch):
    monkeypatch.setattr(web_app, "BODY_TIMEOUT_S", 0.05)

    async def never():
        yield b"a=1"
        await anyio.sleep_forever()

    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = web.browser().send("POST", "/token", content=never(), headers=headers)
    assert answer.status_code == 408
    assert answer.headers["connection"] == "close"


def test_a_bug_is_answered_without_a_word_about_it_and_logged_without_what_was_sent(web, monkeypatch, caplog):
    def broken(*_):
        raise KeyError("the secret that somebody sent")

    monkeypatch.setattr(web.story.server, "token", broken)
    told = web.browser().token(redeem_fields("AA"), headers={"accept": "application/json"})
    assert (told.status_code, told.json()) == (500, {"error": "server_error"})
    monkeypatch.setattr(web.story.server, "authorize", broken)
    page = web.browser().authorize()
    assert (page.status_code, "It is not your fault" in page.text) == (500, True)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(line.startswith('event=bug kind=KeyError at="test_http_guard.py:') for line in lines)
    assert "secret" not in caplog.text


@contextlib.contextmanager
def held(web):
    """Somebody else holds the database, and the store does not wait long."""
    web.story.store._execute("PRAGMA busy_timeout = 1")
    with contextlib.closing(sqlite3.connect(web.story.store.path / DATABASE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_while_somebody_else_holds_the_database_it_is_503_and_afterwards_all_is_as_before(web, caplog):
    app, browser = web.browser(), web.browser()
    fields, login = redeem_fields(app.code()), browser.authorize()
    with held(web):
        told = app.token(fields, headers={"accept": "application/json"})
        page = browser.submit(login, username=DOCTOR, password=PASSWORD)
    assert (told.status_code, told.content) == (503, b"")
    assert (page.status_code, "This server is busy" in page.text) == (503, True)
    for answer in (told, page):
        assert (answer.headers["retry-after"], answer.headers["cache-control"]) == ("5", "no-store")
    assert [record.getMessage().split()[0] for record in caplog.records] == ["event=database-unavailable"] * 2
    assert app.token(fields).status_code == 200
    assert "Allow access?" in browser.log_in(login).text


def test_another_trouble_of_the_database_is_a_bug(web, monkeypatch):
    def broken(*_):
        web.story.store._execute("SELECT * FROM nothing")

    monkeypatch.setattr(web.story.server, "token", broken)
    told = web.browser().token(redeem_fields("AA"), headers={"accept": "application/json"})
    assert (told.status_code, told.json()) == (500, {"error": "server_error"})


# --- what people and apps write is never code ---

CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 654321*3 }}{% for x in range(9) %}",
    "${654321*3}#{654321*3}",
    "a\r\nset-cookie: evil=1",
    "a\r\n\r\n<html>",
    "'; DROP TABLE users; --",
    '" OR 1=1 --',
    "%s%n%(name)s{0}",
    "javascript:alert(1)",
    "\u202eevil",
    "\x00",
    "é" * 50,
]
FIELDS = ["client_id", "redirect_uri", "audience", "scope", "state", "code_challenge", "response_type", "x"]


def assert_is_inert(answer, text):
    assert answer.status_code < 500
    assert "evil" not in answer.headers
    assert "evil=1" not in answer.headers.get("set-cookie", "")
    assert "1962963" not in answer.text
    if "html" in answer.headers.get("content-type", ""):
        assert "<script" not in answer.text
        assert "<img" not in answer.text


@pytest.mark.parametrize("text", CORPUS)
def test_nothing_in_an_authorization_request_becomes_code(web, text):
    browser = web.browser()
    for field in FIELDS:
        assert_is_inert(browser.authorize(**{field: text}), text)
    page = browser.authorize(state=text)
    if page.status_code == 200:
        assert_is_inert(browser.submit(page, username=text, password=text), text)


@pytest.mark.parametrize("text", CORPUS)
def test_nothing_in_a_token_request_becomes_code(web, text):
    for field in ("grant_type", "code", "redirect_uri", "code_verifier", "scope", "audience", "cnonce", "req_cnf"):
        answer = web.browser().token(redeem_fields("AA", **{field: text}))
        assert_is_inert(answer, text)
        assert answer.status_code in (400, 401)
        assert text not in answer.text
    assert web.browser().token({"token": text}, url="/introspect").status_code in (400, 403)
    assert len(web.story.store.users()) == 2


@pytest.mark.parametrize("text", [text for text in CORPUS if text.isascii() and text.isprintable()])
def test_nothing_in_the_registry_becomes_code_on_the_pages(web, text):
    rs = ResourceServer(text, (text,), {"s": (("/" + text, 1),)})
    web.story.registry.add_resource_server(rs, NOW_S)
    web.story.registry.add_client(Client(text, (1,), {text: ("s",)}, redirect_uris=("https://app.example/cb",)), NOW_S)
    web.story.registry.add_user(User(text, HASH, {text: ("s",), "holdfast:server": ("admin",)}), NOW_S)
    browser = web.browser()
    page = browser.authorize(client_id=text, redirect_uri="https://app.example/cb", audience=text, scope="s")
    assert_is_inert(page, text)
    consent = browser.log_in(page, text)
    assert_is_inert(consent, text)
    assert form_of(consent.text, "/authorize/consent").choices == ["s"]
    admin = browser.get("/admin")
    assert "Latest tokens" in admin.text
    assert_is_inert(admin, text)


def test_no_secret_is_in_any_log_or_page(web, caplog):
    caplog.set_level(logging.DEBUG)
    browser = web.browser()
    browser.log_in(browser.authorize(), DOCTOR, "not " + PASSWORD)
    code = browser.code()
    token = browser.token(redeem_fields(code)).json()
    browser.token(redeem_fields(code))
    seen = caplog.text + json.dumps([repr(row) for row in web.story.store.audit_rows()])
    browser.submit(browser.consent_page(), "/authorize/logout")
    admin = browser.log_in(browser.get("/admin"), "admin")
    assert "Latest tokens" in admin.text
    secrets = [PASSWORD, code, token["access_token"], web.story.doctor_secret.reveal().decode(), HASH]
    secrets += [token["cnf"]["osc"]["ms"], web.story.store.client(DOCTOR_APP).secret_hash.hex()]
    for secret in secrets:
        assert secret not in seen + admin.text, secret
    assert EKG in admin.text
