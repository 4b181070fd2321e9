"""Logging out ends the session on the server: a cookie and open pages that somebody kept are worth nothing."""

from urllib.parse import urlencode

import pytest

from holdfast_server.web import sessions as browser_session
from holdfast_server.web.sessions import BrowserSessions
from testkit.authz import DOCTOR, DOCTOR_APP, NOW_S, CountingRng, authorize_params
from testkit.session_rows import SessionRows
from testkit.web import ADMIN, FORMS, opened_web


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        yield made


def with_cookies(browser, kept):
    for name, value in kept.items():
        browser.cookies.set(name, value)
    return browser


@pytest.mark.parametrize("way_out", ["/authorize/logout", "/admin/logout"])
def test_a_session_that_was_logged_out_is_over_on_the_server(web, way_out):
    browser, bystander = web.browser(), web.browser("192.0.2.2")
    bystander.consent_page()
    is_admin = way_out.startswith("/admin")
    page = browser.get("/admin") if is_admin else browser.authorize()
    page = browser.log_in(page, username=ADMIN if is_admin else DOCTOR)
    kept = dict(browser.cookies)
    assert browser.submit(page, way_out).status_code == 303
    assert list(browser.cookies) == ["__Host-holdfast-known"]
    thief = with_cookies(web.browser("192.0.2.3"), kept)
    for path in ("/admin", "/authorize?" + urlencode(authorize_params())):
        assert 'type="password"' in thief.get(path).text
    for action, _ in FORMS.findall(page.text):
        thief = with_cookies(web.browser("192.0.2.3"), kept)
        assert thief.submit(page, action, decision="allow", scope=["read_ekg"]).status_code == 403
    assert 'type="password"' not in bystander.authorize().text


def test_who_logs_out_is_logged_out_also_when_the_app_is_gone(web):
    browser = web.browser()
    page = browser.consent_page()
    kept = dict(browser.cookies)
    web.story.registry.set_disabled(True, NOW_S, client_id=DOCTOR_APP)
    assert browser.submit(page, "/authorize/logout").status_code == 303
    assert 'type="password"' in with_cookies(browser, kept).get("/admin").text


def test_the_memory_of_what_was_ended_is_bounded_and_forgets_nothing(monkeypatch):
    """When it is full everybody logs in again, so that none of those who logged out comes back."""
    monkeypatch.setattr(browser_session, "MAX_ENDED", 3)
    sessions = BrowserSessions(CountingRng(), SessionRows())
    ended = [sessions.start("doctor", NOW_S) for _ in range(3)]
    cookies = [sessions.cookie(session) for session in ended]
    other = sessions.start("nurse", NOW_S)
    kept = sessions.cookie(other)
    for session in ended:
        sessions.end(session)
    assert sessions.read(kept, NOW_S) == other
    last = sessions.start("doctor", NOW_S)
    cookies.append(sessions.cookie(last))
    sessions.end(last)
    for shift_s in (-10_000, 0, 10_000):
        assert not any(sessions.read(cookie, NOW_S + shift_s) for cookie in cookies)
    assert sessions.read(kept, NOW_S) is None
    again = sessions.start("nurse", NOW_S)
    assert sessions.read(sessions.cookie(again), NOW_S) == again
    assert len(sessions._ended) == 1
