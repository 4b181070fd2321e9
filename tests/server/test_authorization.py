"""The authorization endpoint's rules: what may be shown to a user, and the URLs clients are sent to (RFC 6749 4.1)."""

import dataclasses
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_server.authz.errors import AuthorizeError, ServiceUnavailable
from holdfast_server.records import ResourceServer, User
from testkit.authz import (
    DOCTOR,
    DOCTOR_APP,
    EKG,
    EKG_SCOPE,
    ISSUER,
    NOW_S,
    REDIRECT_URI,
    TUBE,
    authorize_params,
    change_client,
    change_rs,
    code_of,
    code_params,
    consent_of,
    refused,
)


def query_of(url):
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == REDIRECT_URI
    return {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}


def refusal(story, **changes):
    with pytest.raises(AuthorizeError) as caught:
        story.server.authorize(authorize_params(**changes), NOW_S)
    return caught.value


def test_a_good_request_is_shown_as_it_will_be_bound(story):
    request = story.server.authorize(authorize_params(), NOW_S)
    assert (request.client_id, request.audience, request.scope) == (DOCTOR_APP, EKG, EKG_SCOPE)
    assert story.server.approvable_scope(request, DOCTOR) == ["read_ekg", "read_result"]


def test_audience_and_scope_have_the_clients_defaults(story):
    change_client(story, DOCTOR_APP, default_scopes={EKG: "read_ekg"})
    request = story.server.authorize(authorize_params(audience=None, scope=None), NOW_S)
    assert (request.audience, request.scope) == (EKG, "read_ekg")


def test_a_name_that_comes_twice_is_one(story):
    request = story.server.authorize(authorize_params(scope="read_result read_ekg read_result"), NOW_S)
    assert request.scope == "read_result read_ekg"
    assert story.server.approvable_scope(request, DOCTOR) == ["read_result", "read_ekg"]


# --- refusals that must not redirect ---


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "stranger"},
        {"redirect_uri": REDIRECT_URI + "/"},
        {"redirect_uri": REDIRECT_URI + "?x=1"},
        {"redirect_uri": REDIRECT_URI + "#f"},
        {"redirect_uri": REDIRECT_URI + "/../callback"},
        {"redirect_uri": REDIRECT_URI.replace("8765", "65536")},
        {"redirect_uri": REDIRECT_URI.replace("8765", "080")},
        {"redirect_uri": REDIRECT_URI.replace("8765", "")},
        {"redirect_uri": REDIRECT_URI.replace("8765", "1@evil.example")},
        {"redirect_uri": REDIRECT_URI.replace("127.0.0.1", "localhost")},
        {"redirect_uri": REDIRECT_URI.replace("127.0.0.1", "[::1]")},
        {"redirect_uri": REDIRECT_URI.replace("127.0.0.1", "user@127.0.0.1")},
        {"redirect_uri": REDIRECT_URI.replace("127.0.0.1", "127.0.0.1.evil.example")},
        {"redirect_uri": REDIRECT_URI.replace("/callback", "\\callback")},
        {"redirect_uri": REDIRECT_URI.replace("http", "HTTP", 1)},
        {"redirect_uri": REDIRECT_URI.replace("http:", "https:", 1)},
        {"redirect_uri": REDIRECT_URI[:-1]},
        {"redirect_uri": REDIRECT_URI + "%00"},
        {"redirect_uri": "https://evil.example/"},
    ],
)
def test_without_a_known_client_and_its_exact_uri_nobody_is_redirected(story, changes):
    refused = refusal(story, **changes)
    assert refused.redirect_uri is None
    with pytest.raises(LocalError):
        refused.location(ISSUER)


def test_a_locked_client_is_not_redirected_to(story):
    change_client(story, DOCTOR_APP, disabled=True)
    assert refusal(story).redirect_uri is None


# --- refusals the client is told ---


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "=" * 43}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"audience": TUBE}, "invalid_target"),
        ({"audience": "nowhere"}, "invalid_target"),
        ({"resource": TUBE}, "invalid_target"),
        ({"resource": "https://rs.example/"}, "invalid_target"),
        ({"audience": None, "resource": "https://rs.example/"}, "invalid_target"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "read_ekg  read_result"}, "invalid_scope"),
        ({"scope": "read_ekg calibrate"}, "invalid_scope"),
        ({"scope": "calibrate"}, "invalid_scope"),
    ],
)
def test_other_refusals_go_back_to_the_client_with_its_state(story, changes, error):
    query = query_of(refusal(story, **changes).location(ISSUER))
    assert query.pop("error_description")
    assert query == {"error": error, "state": "s1", "iss": ISSUER}


def test_a_client_without_the_grant_is_told(story):
    change_client(story, DOCTOR_APP, grant_types=(L.GRANT_CLIENT_CREDENTIALS,))
    assert refusal(story).error == "unauthorized_client"


def test_a_client_of_several_audiences_names_one(story):
    change_client(story, DOCTOR_APP, scopes={EKG: ("read_ekg",), TUBE: ("read_result",)})
    assert refusal(story, audience=None).error == "invalid_request"
    request = story.server.authorize(authorize_params(scope="read_ekg"), NOW_S)
    assert request.audience == EKG


def test_a_locked_rs_is_not_offered(story):
    change_rs(story, EKG, disabled=True)
    assert refusal(story).error == "invalid_target"


def test_a_group_with_a_locked_member_is_not_offered(story):
    scopes = {"read_ekg": (("/ekg", L.METHOD_GET),)}
    for rs_id in ("ward1", "ward2"):
        rs = ResourceServer(rs_id, (rs_id, "wards"), scopes, "cwt-signed", (L.PROFILE_COAP_DTLS,))
        story.registry.add_resource_server(rs, NOW_S)
    change_client(story, DOCTOR_APP, scopes={"wards": ("read_ekg",)})
    params = {"audience": "wards", "scope": "read_ekg"}
    assert story.server.authorize(authorize_params(**params), NOW_S).audience == "wards"
    for rs_id in ("ward1", "ward2"):
        change_rs(story, rs_id, disabled=True)
        assert refusal(story, **params).error == "invalid_target"
        change_rs(story, rs_id, disabled=False)


def test_a_resource_is_an_audience_by_another_name(story):
    for changes in ({"audience": None, "resource": EKG}, {"resource": EKG}):
        assert story.server.authorize(authorize_params(**changes), NOW_S).audience == EKG


@pytest.mark.parametrize(
    "registered", ["http://127.0.0.1:8765/cb", "http://127.0.0.1/cb", "http://[::1]:8765/cb?x=1", "http://[::1]:1"]
)
def test_an_app_on_loopback_may_have_any_port(story, registered):
    """RFC 8252 section 7.3; the code is bound to the port that was asked for."""
    change_client(story, DOCTOR_APP, redirect_uris=(registered,))
    host, rest = re.fullmatch(r"(http://[0-9.]+|http://\[::1\])(?::[0-9]+)?(.*)", registered).groups()
    asked = f"{host}:53219{rest}"
    request = story.server.authorize(authorize_params(redirect_uri=asked), NOW_S)
    code = code_of(story.server.grant_code(request, DOCTOR, EKG_SCOPE, NOW_S))
    other = code_params(code, redirect_uri=f"{host}:53220{rest}")
    assert refused(story, other) == L.ERR_INVALID_GRANT
    assert story.server.token(code_params(code, redirect_uri=asked), story.doctor_app, NOW_S)
    last = f"{host}:65535{rest}"
    assert story.server.authorize(authorize_params(redirect_uri=last), NOW_S).redirect_uri == last
    for wrong in (
        last.replace("65535", "65536"),
        asked + "x",
        asked.replace(host, "http://localhost"),
        asked.replace("http", "https", 1),
    ):
        assert refusal(story, redirect_uri=wrong).redirect_uri is None


def test_a_client_with_one_uri_need_not_name_it(story):
    """RFC 6749 sections 3.1.2.3 and 4.1.3: who named it names it again, who did not need not."""
    request = story.server.authorize(authorize_params(redirect_uri=None), NOW_S)
    assert request.redirect_uri == REDIRECT_URI
    for named in ({}, {"redirect_uri": None}):
        code = code_of(story.server.grant_code(request, DOCTOR, EKG_SCOPE, NOW_S))
        other = code_params(code, redirect_uri=REDIRECT_URI + "/")
        assert refused(story, other) == L.ERR_INVALID_GRANT
        params = {name: value for name, value in code_params(code, **named).items() if value is not None}
        assert story.server.token(params, story.doctor_app, NOW_S)["access_token"]
    code = story.code()
    unnamed = {name: value for name, value in code_params(code).items() if name != "redirect_uri"}
    assert refused(story, unnamed) == L.ERR_INVALID_REQUEST
    change_client(story, DOCTOR_APP, redirect_uris=(REDIRECT_URI, "https://app.example/cb"))
    assert refusal(story, redirect_uri=None).redirect_uri is None
    change_client(story, DOCTOR_APP, redirect_uris=())
    assert refusal(story, redirect_uri=None).redirect_uri is None


def test_only_loopback_addresses_have_that_freedom(story):
    for registered in ("http://localhost:8765/cb", "https://app.example:8765/cb", "com.example.app:8765/cb"):
        change_client(story, DOCTOR_APP, redirect_uris=(registered,))
        assert refusal(story, redirect_uri=registered.replace("8765", "8766")).redirect_uri is None


@pytest.mark.parametrize("name", ["scope", "state", "response_type", "code_challenge", "code_challenge_method"])
def test_a_parameter_that_comes_twice_is_told_to_the_client(story, name):
    with pytest.raises(AuthorizeError) as caught:
        story.server.authorize(authorize_params(), NOW_S, {name})
    assert (caught.value.error, caught.value.redirect_uri) == ("invalid_request", REDIRECT_URI)
    assert caught.value.state == (None if name == "state" else "s1")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_client_or_a_uri_that_comes_twice_is_nobodys(story, name):
    with pytest.raises(AuthorizeError) as caught:
        story.server.authorize(authorize_params(), NOW_S, {name})
    assert caught.value.redirect_uri is None


def test_a_client_that_narrows_gets_the_part_that_it_may_have_and_is_told(story):
    change_client(story, DOCTOR_APP, narrows=True)
    request = story.server.authorize(authorize_params(scope="calibrate read_ekg fly"), NOW_S)
    assert request.scope == "read_ekg"
    code = code_of(story.server.grant_code(request, DOCTOR, "read_ekg", NOW_S))
    assert story.server.token(code_params(code), story.doctor_app, NOW_S)["scope"] == "read_ekg"
    assert refusal(story, scope="calibrate fly").error == "invalid_scope"
    assert refusal(story, scope="read_ekg  fly").error == "invalid_scope"


def test_who_asked_for_no_scope_is_told_which_one_it_is(story):
    change_client(story, DOCTOR_APP, default_scopes={EKG: "read_ekg"})
    request = story.server.authorize(authorize_params(scope=None), NOW_S)
    code = code_of(story.server.grant_code(request, DOCTOR, "read_ekg", NOW_S))
    assert story.server.token(code_params(code), story.doctor_app, NOW_S)["scope"] == "read_ekg"


def test_no_page_before_the_clock_is_set(story):
    request = story.server.authorize(authorize_params(), NOW_S)
    early_s = story.settings.clock_floor_s - 1
    with pytest.raises(ServiceUnavailable):
        story.server.authorize(authorize_params(), early_s)
    with pytest.raises(ServiceUnavailable):
        story.server.grant_code(request, DOCTOR, "read_ekg", early_s)


# --- the code ---


def test_the_url_carries_code_state_and_issuer(story):
    request = story.server.authorize(authorize_params(state="a b&c=d"), NOW_S)
    url = story.server.grant_code(request, DOCTOR, EKG_SCOPE, NOW_S)
    query = query_of(url)
    assert set(query) == {"code", "state", "iss"}
    assert (query["state"], query["iss"], len(query["code"])) == ("a b&c=d", ISSUER, 43)
    assert story.server.token(code_params(code_of(url)), story.doctor_app, NOW_S)["access_token"]


def test_state_is_left_out_when_the_client_sent_none(story):
    request = story.server.authorize(authorize_params(state=None), NOW_S)
    assert set(query_of(story.server.grant_code(request, DOCTOR, EKG_SCOPE, NOW_S))) == {"code", "iss"}
    assert set(query_of(story.server.deny(request))) == {"error", "error_description", "iss"}


def test_a_registered_query_is_kept(story):
    uri = REDIRECT_URI + "?app=1"
    change_client(story, DOCTOR_APP, redirect_uris=(uri,))
    request = story.server.authorize(authorize_params(redirect_uri=uri), NOW_S)
    assert story.server.grant_code(request, DOCTOR, EKG_SCOPE, NOW_S).startswith(uri + "&code=")


def test_no_is_access_denied(story):
    query = query_of(story.server.deny(story.server.authorize(authorize_params(), NOW_S)))
    assert (query["error"], query["state"], query["iss"]) == ("access_denied", "s1", ISSUER)


@pytest.mark.parametrize(
    ("user_id", "approved", "error"),
    [
        (DOCTOR, "read_ekg calibrate", "invalid_scope"),
        (DOCTOR, "", "invalid_scope"),
        ("stranger", "read_ekg", "access_denied"),
        ("nurse", "read_ekg", "access_denied"),
        ("retired", "read_ekg", "access_denied"),
    ],
)
def test_no_user_gives_what_was_not_asked_or_is_not_theirs(story, user_id, approved, error):
    story.registry.add_user(User("nurse", "", {EKG: ("read_result",), TUBE: ("read_ekg",)}), NOW_S)
    story.registry.add_user(User("retired", "", {EKG: ("read_ekg",)}, disabled=True), NOW_S)
    request = story.server.authorize(authorize_params(), NOW_S)
    with pytest.raises(AuthorizeError) as caught:
        story.server.grant_code(request, user_id, approved, NOW_S)
    assert (caught.value.error, caught.value.redirect_uri) == (error, REDIRECT_URI)
    assert story.store._one("SELECT count(*) FROM authorization_codes")[0] == 0


def test_the_page_offers_only_what_the_user_may_give(story):
    story.registry.add_user(User("nurse", "", {EKG: ("read_result",)}), NOW_S)
    request = story.server.authorize(authorize_params(), NOW_S)
    assert story.server.approvable_scope(request, "nurse") == ["read_result"]
    assert story.server.approvable_scope(request, "stranger") == []
    story.store.put_user(dataclasses.replace(story.store.user("nurse"), disabled=True), NOW_S)
    assert story.server.approvable_scope(request, "nurse") == []


def test_a_client_locked_while_the_page_was_open_gets_no_code(story):
    request = story.server.authorize(authorize_params(), NOW_S)
    change_client(story, DOCTOR_APP, disabled=True)
    with pytest.raises(AuthorizeError):
        story.server.grant_code(request, DOCTOR, "read_ekg", NOW_S)


def test_the_consent_is_remembered(story):
    assert consent_of(story.store, DOCTOR, DOCTOR_APP, EKG) is None
    story.code(approved="read_ekg")
    assert consent_of(story.store, DOCTOR, DOCTOR_APP, EKG) == "read_ekg"
    assert consent_of(story.store, DOCTOR, DOCTOR_APP, TUBE) is None


def test_a_code_leaves_a_row_that_says_whose_it_is(story):
    request = story.server.authorize(authorize_params(), NOW_S)
    story.server.grant_code(request, DOCTOR, request.scope, NOW_S, "192.0.2.1")
    row = story.store.audit_rows(1)[0]
    assert (row.event, row.client_id, row.user_id, row.address) == ("code-issued", DOCTOR_APP, DOCTOR, "192.0.2.1")
