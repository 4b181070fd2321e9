"""The administrator's page: for administrators alone, telling everything but secrets, and able to withdraw a token."""

import dataclasses

import pytest

from testkit.authz import DOCTOR, EKG, NOW_S
from testkit.web import ADMIN, form_of, opened_web


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        yield made


def admin_page(web, browser=None):
    browser = browser or web.browser()
    return browser, browser.log_in(browser.get("/admin"), ADMIN)


def live(web):
    return [record.token_id for record in web.story.store.tokens() if record.revoked_at is None]


def test_a_visitor_sees_a_login_form_and_nothing_else(web):
    page = web.browser().get("/admin")
    assert "For those who look after this server" in page.text
    assert DOCTOR not in page.text
    assert EKG not in page.text


def test_the_administrator_sees_what_the_server_knows(web):
    web.story.doctor_token()
    _, page = admin_page(web)
    assert page.status_code == 200
    for told in ("doctor_app", EKG, "connected_tube_123", DOCTOR, "token-issued", "read_ekg: GET /ekg", "live"):
        assert told in page.text, told


def test_somebody_else_who_is_logged_in_is_sent_away_and_may_log_in_again(web):
    browser = web.browser()
    browser.consent_page()
    page = browser.get("/admin")
    assert page.status_code == 403
    assert "does not look after this server" in page.text
    assert EKG not in page.text
    again = browser.get(browser.submit(page).headers["location"])
    assert "Latest tokens" in browser.log_in(again, ADMIN).text


def test_the_button_withdraws_the_token_and_what_was_exchanged_for_it(web):
    subject = web.story.doctor_token()["access_token"]
    web.story.tube_token(subject)
    web.story.doctor_token()
    assert live(web) == [3, 2, 1]
    browser, page = admin_page(web)
    assert page.text.count(">Revoke<") == 3
    oldest = page.text[page.text.rindex('<form method="post" action="/admin/revoke">') :]
    answer = browser.post("/admin/revoke", form_of(oldest).hidden)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
    assert live(web) == [3]
    (row,) = [row for row in web.story.store.audit_rows() if row.event == "admin-revoked"]
    assert (row.user_id, row.token_id, row.at) == (ADMIN, 1, NOW_S)
    page = browser.get("/admin")
    assert page.text.count(">Revoke<") == 1
    assert page.text.count("<td>revoked</td>") == 2


def test_an_expired_token_has_no_button(web):
    web.story.doctor_token()
    web.wait(3600)
    _, page = admin_page(web)
    assert "<td>expired</td>" in page.text
    assert ">Revoke<" not in page.text


def test_the_button_works_for_its_own_token_and_browser_only(web):
    web.story.doctor_token()
    web.story.doctor_token()
    browser, page = admin_page(web)
    other_browser, other_page = admin_page(web)
    mine = dict(form_of(page.text, "/admin/revoke").hidden)
    foreign = dict(form_of(other_page.text, "/admin/revoke").hidden)
    logout = dict(form_of(page.text, "/admin/logout").hidden)
    for fields in (
        {**mine, "request": "1"},
        {**mine, "form_token": foreign["form_token"]},
        {**mine, "form_token": logout["form_token"]},
        {"request": mine["request"]},
        {"request": "x", "form_token": "y"},
    ):
        assert browser.post("/admin/revoke", fields).status_code == 403
    assert web.browser().post("/admin/revoke", mine).status_code == 403
    assert live(web) == [2, 1]
    assert other_browser.post("/admin/revoke", foreign).status_code == 303
    assert live(web) == [1]


def test_who_is_no_administrator_any_more_revokes_nothing(web):
    web.story.doctor_token()
    browser, page = admin_page(web)
    web.story.store.put_user(dataclasses.replace(web.story.store.user(ADMIN), scopes={}), NOW_S)
    answer = browser.submit(page, "/admin/revoke")
    assert (answer.status_code, "does not look after this server" in answer.text) == (403, True)
    assert browser.get("/admin").status_code == 403
    assert live(web) == [1]


def test_an_administrator_who_is_locked_is_logged_out(web):
    web.story.doctor_token()
    browser, page = admin_page(web)
    web.story.registry.set_disabled(True, NOW_S, user_id=ADMIN)
    assert browser.submit(page, "/admin/revoke").status_code == 403
    assert "For those who look after this server" in browser.get("/admin").text
    assert live(web) == [1]


def test_a_doctors_session_cannot_revoke_even_with_a_form_of_its_own(web):
    web.story.doctor_token()
    browser = web.browser()
    browser.consent_page()
    assert browser.post("/admin/revoke", {"request": "1", "form_token": "x"}).status_code == 403
    assert live(web) == [1]


def test_logging_out_ends_it(web):
    browser, page = admin_page(web)
    assert browser.submit(page, "/admin/logout").headers["location"] == "/admin"
    assert "For those who look after this server" in browser.get("/admin").text


def test_tries_at_the_administrators_password_are_counted_with_all_others(web):
    answers = []
    browser = web.browser("198.51.100.1")
    for number in range(11):
        page = browser.authorize() if number % 2 else browser.get("/admin")
        answers.append(browser.log_in(page, ADMIN, "wrong").status_code)
    assert answers == [403] * 10 + [429]


def test_an_administrator_has_no_right_to_give_anything_to_an_app(web):
    browser = web.browser()
    page = browser.log_in(browser.authorize(), ADMIN)
    assert "This is not yours to give" in page.text
