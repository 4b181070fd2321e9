"""The authorization endpoint in a browser: who is redirected where, with what, and who is not (RFC 6749, 7636)."""

import dataclasses
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from testkit.authz import DOCTOR, EKG, NOW_S, REDIRECT_URI, authorize_params, consent_of
from testkit.web import form_of, opened_web, query_of


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        yield made


def test_the_code_comes_back_with_the_state_unchanged_and_the_issuer(web):
    state = "a b+c%20&=#\u00e9/'\""
    browser = web.browser()
    answer = browser.submit(browser.consent_page(state=state), scope=["read_ekg"], decision="allow")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(REDIRECT_URI + "?")
    assert "#" not in answer.headers["location"]
    got = query_of(answer.headers["location"])
    assert set(got) == {"code", "state", "iss"}
    assert (got["state"], got["iss"]) == (state, web.issuer)
    assert len(got["code"]) == 43


def test_without_a_state_none_comes_back(web):
    browser = web.browser()
    answer = browser.submit(browser.consent_page(state=None), scope=["read_ekg"], decision="allow")
    assert set(query_of(answer.headers["location"])) == {"code", "iss"}


@pytest.mark.parametrize(
    "decision",
    [
        {"decision": "deny", "scope": ["read_ekg"]},
        {"decision": "allow"},
        {"scope": ["read_ekg"]},
        {"decision": "Allow"},
    ],
)
def test_anything_but_a_yes_to_something_is_a_no(web, decision):
    browser = web.browser()
    answer = browser.submit(browser.consent_page(), **decision)
    got = query_of(answer.headers["location"])
    assert answer.headers["location"].startswith(REDIRECT_URI + "?")
    assert (got["error"], got["state"], got["iss"]) == ("access_denied", "s1", web.issuer)
    assert "code" not in got


def test_the_consent_page_says_what_is_asked_and_offers_each_scope(web):
    page = web.browser().consent_page()
    assert form_of(page.text, "/authorize/consent").choices == ["read_ekg", "read_result"]
    for told in ("doctor_app", EKG, "read /ekg", "read /results", "1 hour", DOCTOR, "http://127.0.0.1:8765"):
        assert told in page.text, told


def test_a_part_may_be_allowed(web):
    browser = web.browser()
    answer = browser.submit(browser.consent_page(), scope=["read_result"], decision="allow")
    assert "code" in query_of(answer.headers["location"])
    assert consent_of(web.story.store, DOCTOR, "doctor_app", EKG) == "read_result"


def test_what_was_not_asked_for_cannot_be_allowed(web):
    browser = web.browser()
    answer = browser.submit(browser.consent_page(scope="read_ekg"), scope=["read_ekg", "read_result"], decision="allow")
    assert "code" in query_of(answer.headers["location"])
    assert consent_of(web.story.store, DOCTOR, "doctor_app", EKG) == "read_ekg"


def limit_doctor(web, *scopes):
    user = web.story.store.user(DOCTOR)
    web.story.store.put_user(type(user)(DOCTOR, user.password_hash, {EKG: scopes}), NOW_S)


def test_only_what_the_person_may_give_is_offered(web):
    limit_doctor(web, "read_ekg")
    browser = web.browser()
    page = browser.consent_page()
    assert form_of(page.text, "/authorize/consent").choices == ["read_ekg"]
    assert "It also asked for read_result, which you cannot give." in page.text
    answer = browser.submit(page, scope=["read_ekg", "read_result"], decision="allow")
    assert query_of(answer.headers["location"])["error"] == "access_denied"


def test_a_person_with_nothing_to_give_is_told_so_and_can_go_back(web):
    limit_doctor(web)
    browser = web.browser()
    page = browser.consent_page()
    assert "This is not yours to give" in page.text
    assert form_of(page.text, "/authorize/consent").choices == []
    answer = browser.submit(page, decision="deny")
    assert query_of(answer.headers["location"])["error"] == "access_denied"
    for scope in (["read_ekg"], []):
        answer = browser.submit(page, scope=scope, decision="allow")
        assert query_of(answer.headers["location"])["error"] == "access_denied"


def test_a_person_whose_rights_are_gone_since_the_page_was_shown_gives_nothing(web):
    browser = web.browser()
    page = browser.consent_page()
    web.story.store.put_user(dataclasses.replace(web.story.store.user(DOCTOR), scopes={}), NOW_S)
    answer = browser.submit(page, scope=["read_ekg"], decision="allow")
    assert query_of(answer.headers["location"])["error"] == "access_denied"
    assert "This is not yours to give" in browser.authorize().text


def test_a_parameter_without_a_value_is_as_one_that_is_not_there(web):
    page = web.browser().authorize(audience="", state="", unknown="")
    assert page.status_code == 200
    assert "state" not in query_of(web.browser().authorize(response_type="", state="").headers["location"])


# --- where nobody is redirected ---

TRICKS = [
    REDIRECT_URI + "/",
    REDIRECT_URI + "/evil",
    REDIRECT_URI + "?x=1",
    REDIRECT_URI + "#fragment",
    REDIRECT_URI[:-1],
    REDIRECT_URI.upper(),
    REDIRECT_URI + "/..",
    REDIRECT_URI.replace("/callback", "/a/../callback"),
    REDIRECT_URI.replace("/callback", "//callback"),
    REDIRECT_URI.replace("/callback", "/%63allback"),
    REDIRECT_URI.replace("/callback", "\\callback"),
    REDIRECT_URI.replace("8765", "87650"),
    REDIRECT_URI.replace(":8765", ""),
    REDIRECT_URI.replace("127.0.0.1", "localhost"),
    REDIRECT_URI.replace("127.0.0.1", "127.0.0.1.evil.example"),
    REDIRECT_URI.replace("127.0.0.1", "127.0.0.1@evil.example"),
    REDIRECT_URI.replace("127.0.0.1", "evil.example\\@127.0.0.1"),
    REDIRECT_URI.replace("http://", "https://"),
    REDIRECT_URI.replace("http://", "//"),
    REDIRECT_URI + "\u200b",
    " " + REDIRECT_URI,
    REDIRECT_URI + " ",
    "http://evil.example/" + REDIRECT_URI,
    "javascript:alert(1)",
    "data:text/html,x",
]


@pytest.mark.parametrize("redirect_uri", TRICKS)
def test_a_redirect_uri_that_is_not_the_registered_one_character_by_character_is_not_followed(web, redirect_uri):
    answer = web.browser().authorize(redirect_uri=redirect_uri)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "not valid" in answer.text
    assert "<form" not in answer.text


@pytest.mark.parametrize("client_id", ["nobody", "", None, "doctor_app ", "Doctor_app", "ekg_device_ABC"])
def test_a_client_that_is_not_registered_for_it_is_not_redirected(web, client_id):
    answer = web.browser().authorize(client_id=client_id)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_a_locked_client_is_not_redirected(web):
    web.story.registry.set_disabled(True, NOW_S, client_id="doctor_app")
    assert web.browser().authorize().status_code == 400


@pytest.mark.parametrize(
    "more",
    [
        "&audience=%ff",
        "&audience=%00",
        "&audience=a%0d%0aset-cookie:b",
        "&" + "&".join(f"x{number}=1" for number in range(40)),
        "&state2=" + "s" * 5000,
    ],
)
def test_a_query_that_is_ambiguous_or_no_form_is_not_redirected(web, more):
    answer = web.browser().get("/authorize?" + urlencode(authorize_params()) + more)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "cannot be read" in answer.text


@pytest.mark.parametrize("name", ["redirect_uri", "client_id"])
@pytest.mark.parametrize("value", ["http://evil.example/", REDIRECT_URI, "doctor_app", "nobody"])
def test_a_client_or_a_uri_that_is_said_twice_is_not_redirected(web, name, value):
    for order in (list, reversed):
        query = "&".join(order([urlencode(authorize_params()), urlencode({name: value})]))
        answer = web.browser().get("/authorize?" + query)
        assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    "more",
    [
        "&",
        "&&",
        "&prompt",
        "&prompt=",
        "&x=1&x=2",
        "&x=%ff",
        "&x=%00",
        "&x=a%0d%0aset-cookie:b",
        "&scope=",
        "&redirect_uri",
        "&client_id=&",
        "&=",
        "&request=x&request_uri=y&nonce=z&login_hint=doctor",
    ],
)
def test_what_has_no_value_or_no_meaning_is_as_if_it_were_not_there(web, more):
    query = urlencode(authorize_params())
    for text in (query + more, more.lstrip("&") + "&" + query):
        page = web.browser().get("/authorize?" + text)
        assert page.status_code == 200
        assert form_of(page.text, "/authorize/login").hidden


# --- what the app is told by redirect ---


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_type": "CODE"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "*" * 43}, "invalid_request"),
        ({"code_challenge": "A" * 44}, "invalid_request"),
        ({"audience": "connected_tube_123"}, "invalid_target"),
        ({"audience": "nowhere"}, "invalid_target"),
        ({"audience": ["ekg_device_ABC", "connected_tube_123"]}, "invalid_target"),
        ({"resource": ["ekg_device_ABC", "https://rs.example/"]}, "invalid_target"),
        ({"audience": "holdfast:server", "scope": "admin"}, "invalid_target"),
        ({"scope": ["read_ekg", "read_ekg"]}, "invalid_request"),
        ({"code_challenge_method": ["S256", "plain"]}, "invalid_request"),
        ({"response_type": ["code", "token"]}, "invalid_request"),
        ({"scope": "calibrate"}, "invalid_scope"),
        ({"scope": "read_ekg  read_result"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "read_ekg " + "x" * 3000}, "invalid_scope"),
    ],
)
def test_a_request_that_cannot_be_is_told_to_the_app_before_anybody_logs_in(web, changes, error):
    answer = web.browser().get("/authorize?" + urlencode(authorize_params(**changes), doseq=True))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(REDIRECT_URI + "?")
    got = query_of(answer.headers["location"])
    assert (got["error"], got["state"], got["iss"]) == (error, "s1", web.issuer)
    assert set(got) <= {"error", "error_description", "state", "iss"}


def test_a_redirect_uri_with_a_query_of_its_own_keeps_it(web):
    registered = "https://app.example/cb?tenant=7"
    client = web.story.store.client("doctor_app")
    web.story.store.put_client(replace(client, redirect_uris=(registered,)), NOW_S)
    answer = web.browser().authorize(redirect_uri=registered, scope="calibrate")
    assert answer.headers["location"].startswith(registered + "&error=invalid_scope&")


def test_before_the_clock_is_set_nothing_is_authorized(web):
    browser = web.browser()
    page = browser.consent_page()
    web.now_s = 5_000
    answer = browser.authorize()
    assert answer.status_code == 503
    assert "cannot answer now" in answer.text
    assert browser.submit(page, scope=["read_ekg"], decision="allow").status_code in (403, 503)


def test_a_request_changed_in_the_form_is_validated_anew(web):
    """Even with a form token that fits: what the server made of it is not in the form."""
    browser = web.browser()
    page = browser.consent_page()
    web.story.registry.set_disabled(True, NOW_S, client_id="doctor_app")
    answer = browser.submit(page, scope=["read_ekg"], decision="allow")
    assert answer.status_code == 400
    assert "location" not in answer.headers
