"""Logging in over HTTPS: one answer for every failure, bounded tries, a new session, and forms that fit one browser."""

import dataclasses
import threading

import pytest

from holdfast_server.records import User
from holdfast_server.web.authenticator import (
    MAX_PASSWORD_LEN,
    MAX_USERNAME_LEN,
    Field,
    LoginRefused,
    PasswordAuthenticator,
)
from holdfast_server.web.login import Post
from holdfast_server.web.login_limits import HASHES_AT_ONCE, MAX_WAITING
from holdfast_server.web.sessions import KNOWN_LIFETIME_S, LOGIN_LIFETIME_S
from testkit.authz import DOCTOR, EKG, NOW_S
from testkit.web import HASHER, PASSWORD, form_of, opened_web


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        yield made


def test_the_right_password_leads_to_the_consent_page(web):
    page = web.browser().consent_page()
    assert page.status_code == 200
    assert "Allow access?" in page.text
    assert "You are" in page.text


def failures(web):
    """Every way to fail, by what is different about it."""
    web.story.registry.set_disabled(True, NOW_S, user_id="admin")
    tries = {
        "wrong password": (DOCTOR, "wrong"),
        "unknown user": ("nobody", PASSWORD),
        "locked user": ("admin", PASSWORD),
        "empty password": (DOCTOR, ""),
        "password too long": (DOCTOR, "x" * 600),
        "name too long": ("n" * 200, PASSWORD),
        "another case": ("Doctor", PASSWORD),
        "a space more": (DOCTOR + " ", PASSWORD),
    }
    for number, (name, (username, password)) in enumerate(tries.items()):
        browser = web.browser(f"192.0.2.{number + 1}")
        yield name, browser, browser.log_in(browser.authorize(), username, password)


def test_whatever_is_wrong_the_answer_is_the_same(web):
    seen = {}
    for name, browser, answer in failures(web):
        token = dict(form_of(answer.text).hidden)["form_token"]
        seen[name] = (answer.status_code, answer.text.replace(token, ""))
        assert "do not belong together" in answer.text
        assert browser.authorize().text.count("Log in") > 0, f"{name} is logged in"
    assert len(set(seen.values())) == 1, seen
    assert {status for status, _ in seen.values()} == {403}


def test_a_login_is_audited_with_the_name_and_a_refusal_is_logged_without_what_was_typed(web, caplog):
    for _ in failures(web):
        pass
    web.browser().consent_page()
    logins = [row for row in web.story.store.audit_rows() if row.event == "login"]
    assert [row.user_id for row in logins] == [DOCTOR]
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("event=login-refused user=doctor from=192.0.2.1") == 1
    assert "event=login-refused user=- from=192.0.2.2" in lines
    assert not [line for line in lines if "nobody" in line or PASSWORD in line or "wrong" in line]


# --- how often ---


def test_at_an_address_a_name_may_be_tried_ten_times_and_then_once_in_ten_seconds(web):
    browser = web.browser("198.51.100.1")
    page = browser.authorize()
    answers = [browser.log_in(page, DOCTOR, "wrong").status_code for _ in range(12)]
    assert answers == [403] * 10 + [429] * 2
    refused = browser.log_in(page)
    assert refused.status_code == 429
    assert "Wait a minute" in refused.text
    assert refused.headers["retry-after"]
    assert "Allow access?" in web.browser("203.0.113.1").consent_page().text
    web.wait(10)
    assert "Allow access?" in browser.log_in(refused).text


def test_where_somebody_floods_the_login_a_browser_that_was_logged_in_before_still_gets_in(web):
    browser = web.browser()
    browser.submit(browser.consent_page(), "/authorize/logout")
    attacker = web.browser()  # at the same address
    page = attacker.authorize()
    while attacker.log_in(page, DOCTOR, "x" * 600).status_code != 429:
        pass
    assert attacker.log_in(page).status_code == 429
    assert "Allow access?" in browser.consent_page().text
    browser.submit(browser.authorize(), "/authorize/logout")
    answers = [browser.log_in(browser.authorize(), DOCTOR, "wrong").status_code for _ in range(12)]
    assert answers.count(403) in (9, 10)  # its own tries have an end as well
    assert answers[-1] == 429


def test_the_cookie_of_a_known_browser_is_no_login_and_no_other_cookie_is_one(web):
    browser, other = web.browser(), web.browser()
    browser.consent_page()
    known = browser.cookies["__Host-holdfast-known"]
    other.cookies.set("__Host-holdfast", known)
    assert "Log in" in other.authorize().text
    sessions = web.sessions
    assert sessions.known_browser(known, web.now_s).user_id == DOCTOR
    assert sessions.known_browser(known, web.now_s + KNOWN_LIFETIME_S) is None
    for wrong in (None, "", "x", browser.cookies["__Host-holdfast"], known[:-2], "\u00e9"):
        assert sessions.known_browser(wrong, web.now_s) is None


def test_an_address_may_try_thirty_times_and_then_once_a_second(web):
    browser = web.browser()
    page = browser.authorize()
    answers = [browser.log_in(page, f"name{number}", "x" * 600).status_code for number in range(32)]
    assert answers == [403] * 30 + [429] * 2
    web.wait(1)
    assert "Allow access?" in browser.log_in(page).text


class Gate:
    """An authenticator whose check waits until the test lets it go; running: how many checks run at once, at most."""

    fields = (Field("username", "Username", "text", "username", 128),)

    def __init__(self):
        self.open, self.full = threading.Event(), threading.Event()
        self.running = self.most = 0
        self.lock = threading.Lock()

    def begin(self, form):
        def check():
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
                if self.running == HASHES_AT_ONCE:
                    self.full.set()
            assert self.open.wait(10)
            assert self.full.wait(10)
            with self.lock:
                self.running -= 1
            return DOCTOR

        return check


def test_only_so_many_passwords_are_hashed_and_only_so_many_wait(tmp_path):
    gate = Gate()
    with opened_web(tmp_path, authenticator=gate) as web:
        browsers = [web.browser(f"192.0.2.{number}") for number in range(30)]
        forms = [form_of(browser.authorize().text) for browser in browsers]

        async def submit(number):
            browser, form = browsers[number], forms[number]
            answer = await browser.client.post(form.action, data={**dict(form.hidden), "username": f"n{number}"})
            if answer.status_code == 503:
                refused.append(number)
                if len(refused) == len(browsers) - HASHES_AT_ONCE - MAX_WAITING:
                    gate.open.set()
            return answer.status_code

        refused = []
        answers = web.together([submit(number) for number in range(len(browsers))])
    assert gate.most == HASHES_AT_ONCE
    assert answers.count(303) == HASHES_AT_ONCE + MAX_WAITING
    assert answers.count(503) == len(browsers) - HASHES_AT_ONCE - MAX_WAITING


def test_an_unknown_name_costs_the_same_hash_as_a_known_one(web, monkeypatch):
    verified = []
    authenticator = PasswordAuthenticator(web.story.store.password_hash_of)
    real = authenticator._hasher.verify
    monkeypatch.setattr(
        type(authenticator._hasher),
        "verify",
        lambda self, known, password: verified.append(known) or real(known, password),
    )
    for username in (DOCTOR, "nobody"):
        with pytest.raises(LoginRefused):
            authenticator.begin({"username": username, "password": "wrong"})()
    assert len(verified) == 2
    assert all(known.startswith("$argon2id$") for known in verified)


def test_what_is_too_long_is_refused_before_anything_is_looked_up_or_hashed():
    looked_up = []
    authenticator = PasswordAuthenticator(looked_up.append, HASHER)
    names, passwords = "n" * MAX_USERNAME_LEN, "p" * MAX_PASSWORD_LEN
    for username, password in ((names + "n", "p"), ("n", passwords + "p")):
        with pytest.raises(LoginRefused):
            authenticator.begin({"username": username, "password": password})
    assert looked_up == []
    assert authenticator.begin({"username": names, "password": passwords})
    assert looked_up == [names]


# --- sessions ---


def session_cookie(browser):
    (name,) = [cookie.name for cookie in browser.cookies.jar if not cookie.name.endswith("-known")]
    return browser.cookies[name]


def test_the_session_of_before_is_not_the_one_after_login(web):
    browser = web.browser()
    page = browser.authorize()
    before = session_cookie(browser)
    assert "Allow access?" in browser.log_in(page).text
    assert session_cookie(browser) != before
    fixed = web.browser()
    fixed.cookies.set("__Host-holdfast", before)
    assert "Log in" in fixed.authorize().text


def test_a_login_ends_after_half_an_hour(web):
    browser = web.browser()
    browser.consent_page()
    web.wait(LOGIN_LIFETIME_S - 1)
    assert "Allow access?" in browser.authorize().text
    web.wait(1)
    assert "Log in" in browser.authorize().text


def another_password(web):
    web.story.registry.replace_password(DOCTOR, HASHER.hash("another one"), NOW_S)


def a_removal(web):
    assert web.story.store.delete_user(DOCTOR)


def another_person_of_that_name(web):
    a_removal(web)
    web.story.registry.add_user(User(DOCTOR, HASHER.hash(PASSWORD), {EKG: ("read_ekg",)}), NOW_S)


@pytest.mark.parametrize("change", [another_password, a_removal, another_person_of_that_name])
def test_a_login_ends_with_the_account_that_it_was_for(web, change):
    browser = web.browser()
    page = browser.consent_page()
    assert "Allow access?" in browser.authorize().text
    change(web)
    assert browser.submit(page, "/authorize/consent", scope=["read_ekg"], decision="allow").status_code == 403
    assert "Log in" in browser.authorize().text


def test_a_login_ends_while_its_account_is_locked(web):
    browser = web.browser()
    browser.consent_page()
    web.story.store.put_user(dataclasses.replace(web.story.store.user(DOCTOR), disabled=True), NOW_S)
    assert "Log in" in browser.authorize().text


def test_no_repr_shows_what_was_typed():
    assert PASSWORD not in repr(Post({"password": PASSWORD}, [], "", None, ""))


def test_the_half_hour_begins_at_the_login_and_every_login_is_another_session(web):
    browser = web.browser()
    page = browser.authorize()
    web.wait(LOGIN_LIFETIME_S - 1)
    assert "Allow access?" in browser.log_in(page).text
    first = session_cookie(browser)
    web.wait(2)
    assert "Allow access?" in browser.authorize().text
    browser.submit(browser.authorize(), "/authorize/logout")
    web.wait(-2)
    browser.log_in(browser.authorize())
    assert session_cookie(browser) != first


def test_somebody_else_may_log_in_instead(web):
    browser = web.browser()
    page = browser.consent_page()
    answer = browser.submit(page, "/authorize/logout")
    assert answer.status_code == 303
    assert [cookie.name for cookie in browser.cookies.jar] == ["__Host-holdfast-known"]
    again = browser.get(answer.headers["location"])
    assert "Log in" in again.text
    assert "doctor_app" in again.text


@pytest.mark.parametrize(
    ("issuer", "name", "flags"),
    [
        ("https://as.example", "__Host-holdfast", {"httponly", "path=/", "samesite=lax", "secure"}),
        ("http://127.0.0.1:8080", "holdfast", {"httponly", "path=/", "samesite=lax"}),
    ],
)
def test_the_cookie_has_the_flags_of_its_issuer(tmp_path, issuer, name, flags):
    with opened_web(tmp_path, issuer=issuer) as web:
        browser = web.browser()
        for answer in (browser.authorize(), browser.submit(browser.authorize(), username=DOCTOR, password=PASSWORD)):
            cookies = [line.lower().split("; ") for line in answer.headers.get_list("set-cookie")]
            ages = dict(zip((name.lower(), name.lower() + "-known"), (LOGIN_LIFETIME_S, KNOWN_LIFETIME_S), strict=True))
            for value, *rest in cookies:
                assert set(rest) == flags | {f"max-age={ages[value.partition('=')[0]]}"}


# --- forms ---


def changed(form, **changes):
    """The hidden fields of a form with some of them changed, or left out for None."""
    fields = {**dict(form.hidden), **changes}
    return [(name, value) for name, value in fields.items() if value is not None]


def test_a_login_form_without_its_token_or_with_another_browsers_is_refused(web):
    victim, attacker = web.browser(), web.browser()
    form = form_of(victim.authorize().text)
    foreign = dict(form_of(attacker.authorize().text).hidden)["form_token"]
    who = [("username", DOCTOR), ("password", PASSWORD)]
    for token in (None, "", "x", foreign, foreign[:-1], "\u00e9"):
        answer = victim.post(form.action, changed(form, form_token=token) + who)
        assert answer.status_code == 403, token
        assert "too old" in answer.text
        assert "set-cookie" not in answer.headers
    assert victim.post(form.action, changed(form) + who).status_code == 303


def test_a_form_fits_no_other_step_and_no_other_request(web):
    browser = web.browser()
    page = browser.consent_page()
    consent, logout = form_of(page.text, "/authorize/consent"), form_of(page.text, "/authorize/logout")
    other = form_of(browser.authorize(state="other").text, "/authorize/consent")
    decision = [("decision", "allow"), ("scope", "read_ekg")]
    crossed = [
        ("/authorize/consent", changed(logout)),
        ("/authorize/logout", changed(consent)),
        ("/authorize/login", changed(consent)),
        ("/authorize/consent", changed(consent, request=dict(other.hidden)["request"])),
        ("/authorize/consent", changed(consent, form_token=dict(other.hidden)["form_token"])),
    ]
    for action, fields in crossed:
        answer = browser.post(action, fields + decision)
        assert answer.status_code == 403, action
        assert "location" not in answer.headers
    assert browser.post("/authorize/consent", changed(consent) + decision).status_code == 303


def test_a_form_that_was_open_for_too_long_says_so_and_offers_to_start_again(web):
    browser = web.browser()
    page = browser.authorize()
    web.wait(LOGIN_LIFETIME_S)
    answer = browser.submit(page, username=DOCTOR, password=PASSWORD)
    assert answer.status_code == 403
    assert 'href="/authorize?response_type=code&amp;' in answer.text


def test_a_field_that_comes_twice_is_refused(web):
    browser = web.browser()
    form = form_of(browser.authorize().text)
    who = [("username", DOCTOR), ("password", PASSWORD)]
    for twice in (("username", "admin"), ("password", PASSWORD), form.hidden[0], form.hidden[1]):
        assert browser.post(form.action, [*form.hidden, *who, twice]).status_code == 400
    assert browser.post(form.action, [*form.hidden, *who]).status_code == 303


def test_consent_is_not_given_by_a_browser_that_has_no_session(web):
    form = form_of(web.browser().consent_page().text, "/authorize/consent")
    stranger = web.browser()
    answer = stranger.post(form.action, [*changed(form), ("decision", "allow"), ("scope", "read_ekg")])
    assert answer.status_code == 403
    stranger.authorize()  # now with a visitor's session
    assert stranger.post(form.action, [*changed(form), ("decision", "allow")]).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"request",
        b"request=a&request=a",
        b"form_token=%ff",
        b"a=%00",
        b"=&=&=",
        b"x" * 20_000,
        b"a=1&" * 40 + b"a=1",
    ],
)
def test_a_body_that_is_no_form_of_ours_is_refused(web, body):
    browser = web.browser()
    browser.authorize()
    assert browser.post("/authorize/login", body).status_code in (400, 403, 413)
