"""The browser's session cookie and form tokens: made here, fit here, and nowhere else."""

import base64
import itertools

from holdfast_server.authz.clock_guard import STEP_S
from holdfast_server.web.sessions import LOGIN_LIFETIME_S, BrowserSessions
from testkit.session_rows import SessionRows

NOW_S = 1_800_000_000


def sessions(first: int = 1, rows: SessionRows | None = None) -> BrowserSessions:
    """Those of one start of the server; another first: another start. rows: what was kept, else nothing was."""
    counter = itertools.count(first)
    return BrowserSessions(lambda n: next(counter).to_bytes(n, "big"), rows or SessionRows())


def test_after_a_restart_a_login_goes_on_and_one_that_was_ended_stays_ended() -> None:
    rows = SessionRows()
    before = sessions(1, rows)
    cookies = [before.cookie(before.start("doctor", NOW_S)) for _ in range(2)]
    known = before.known_cookie("doctor", NOW_S)
    ended = before.read(cookies[1], NOW_S)
    assert ended is not None
    before.end(ended)
    after = sessions(99, rows)
    assert after.read(cookies[0], NOW_S) is not None
    assert after.read(cookies[1], NOW_S) is None
    assert after.known_browser(known, NOW_S) == before.known_browser(known, NOW_S) is not None
    rows._forget_server_secrets()
    restored = sessions(199, rows)
    assert restored.read(cookies[0], NOW_S) is None
    assert restored.known_browser(known, NOW_S) is None


def test_a_cookie_reads_back_as_the_session_it_was_made_for() -> None:
    made = sessions()
    session = made.start("doctor|with|bars", NOW_S)
    assert made.read(made.cookie(session), NOW_S + 5) == session


def test_a_cookie_ends_at_its_lifetime_and_lies_in_the_future_by_no_more_than_clocks_are_set_back() -> None:
    made = sessions()
    cookie = made.cookie(made.start("doctor", NOW_S))
    assert made.read(cookie, NOW_S + LOGIN_LIFETIME_S - 1) is not None
    assert made.read(cookie, NOW_S + LOGIN_LIFETIME_S) is None
    assert made.read(cookie, NOW_S - STEP_S) is not None
    assert made.read(cookie, NOW_S - STEP_S - 1) is None
    known = made.known_cookie("doctor", NOW_S)
    assert made.known_browser(known, NOW_S - STEP_S) is not None
    assert made.known_browser(known, NOW_S - STEP_S - 1) is None


def test_a_cookie_of_another_key_or_changed_in_any_character_is_no_session() -> None:
    made = sessions()
    cookie = made.cookie(made.start("doctor", NOW_S))
    assert sessions(99).read(cookie, NOW_S) is None
    for place in range(len(cookie) - 1):  # the last character has unused bits
        changed = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert made.read(changed, NOW_S) is None, place


def test_what_is_not_a_cookie_is_no_session() -> None:
    made = sessions()
    for cookie in (None, "", "=", "a", "é", "AAAA", "*" * 80):
        assert made.read(cookie, NOW_S) is None


def test_a_session_knows_the_credential_it_was_begun_with_and_does_not_show_it() -> None:
    made = sessions()
    session = made.start("doctor", NOW_S, "$argon2id$1")
    cookie = made.cookie(session)
    read = made.read(cookie, NOW_S)
    assert read is not None
    assert made.is_by(read, "$argon2id$1")
    assert not made.is_by(read, "$argon2id$2")
    assert not made.is_by(made.start("doctor", NOW_S), "$argon2id$1")
    assert b"argon2" not in base64.urlsafe_b64decode(cookie + "===")


def test_a_form_token_fits_one_session_step_and_request_only() -> None:
    made = sessions()
    doctor, thief = made.start("doctor", NOW_S), made.start("doctor", NOW_S)
    token = made.form_token(doctor, "consent", "client_id=a")
    assert made.form_token_fits(token, doctor, "consent", "client_id=a")
    assert not made.form_token_fits(token, thief, "consent", "client_id=a")
    assert not made.form_token_fits(token, doctor, "login", "client_id=a")
    assert not made.form_token_fits(token, doctor, "consent", "client_id=b")
    assert not made.form_token_fits("", doctor, "consent", "client_id=a")
