"""An issuer with a path: everything stands under it, and its metadata where RFC 8414 section 3.1 has them."""

from urllib.parse import urlencode

import pytest

from testkit.authz import EKG, authorize_params
from testkit.web import PASSWORD, form_of, opened_web, query_of, redeem_fields

ISSUER = "https://as.example/ward7/east"
ROOT = "/ward7/east"


@pytest.fixture(params=[ISSUER, ISSUER + "/"])
def web(tmp_path, request):
    with opened_web(tmp_path, issuer=request.param) as made:
        made.home = "https://as.example"
        yield made


def test_the_metadata_stand_where_a_client_looks_for_them(web):
    browser = web.browser()
    answered = browser.get(web.home + "/.well-known/oauth-authorization-server" + ROOT).json()
    assert answered["issuer"] == web.issuer
    for name, url in answered.items():
        if name.endswith(("_endpoint", "_uri")):
            assert url.startswith(ISSUER + "/")
            assert browser.send("OPTIONS", url).status_code == 405, name
    for path in ("/.well-known/oauth-authorization-server", ROOT + "/.well-known/oauth-authorization-server"):
        assert browser.get(web.home + path).status_code == 404


def test_a_code_and_a_token_come_from_under_the_path(web):
    browser = web.browser()
    assert browser.get(web.home + "/authorize").status_code == 404  # at the root of the host there is nothing
    page = browser.get(web.home + ROOT + "/authorize?" + urlencode(authorize_params()))
    assert f'href="{ROOT}/static/style.css"' in page.text
    assert browser.get(web.home + ROOT + "/static/style.css").status_code == 200
    answer = submit(browser, page, username="doctor", password=PASSWORD)
    assert answer.headers["location"].startswith(ROOT + "/authorize?")
    assert {"__Host-holdfast-ward7-east"} <= set(browser.cookies)
    page = browser.get(web.home + answer.headers["location"])
    answer = submit(browser, page, f"{ROOT}/authorize/consent", scope="read_ekg", decision="allow")
    got = query_of(answer.headers["location"])
    assert got["iss"] == web.issuer
    fields = redeem_fields(got["code"])
    assert browser.token(fields, url=web.home + "/token").status_code == 404
    assert browser.token(fields, url=web.home + ROOT + "/token").status_code == 200
    out = submit(browser, page, f"{ROOT}/authorize/logout")
    assert out.headers["location"].startswith(ROOT + "/authorize?")
    assert web.story.store.tokens()[0].audience == EKG


def submit(browser, page, action=None, **fields):
    form = form_of(page.text, action)
    return browser.post(browser.web.home + form.action, [*form.hidden, *fields.items()])


def test_health_is_asked_at_the_root_of_the_host(web):
    assert web.browser().get(web.home + "/healthz").status_code == 200
    assert web.browser().get(web.home + ROOT + "/admin").status_code == 200
