"""Every parameter of every endpoint, absent, empty, malformed and twice, over HTTPS and CoAP: the exact error of each.

One table; the tests walk it. OK stands for an answer without an error, PAGE for a refusal that no app is told.
RFC 6749 sections 3.1, 3.2, 4.1.2.1 and 5.2; RFC 7009; RFC 7636; RFC 7662; RFC 8693; RFC 8707; RFC 9200 section 5.8.3.
"""

import base64
import re
from urllib.parse import urlencode

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.names import ACCESS_TOKEN_URN, ERROR_NAMES, TOKEN_EXCHANGE
from holdfast_core.oscore import SecurityContext
from holdfast_server.authz.authorization import PARAMETERS
from holdfast_server.base64url import b64
from holdfast_server.coap.site import CoapSite
from holdfast_server.web.oauth import TOKEN_ABOUT, TOKEN_PARAMETERS
from holdfast_server.wire.ace_cbor import TOKEN_REQUEST_TYPES
from testkit.authz import (
    DOCTOR_APP,
    EKG,
    NOW_S,
    REDIRECT_URI,
    TUBE,
    VERIFIER,
    authorize_params,
    code_params,
    exchange_params,
)
from testkit.web import opened_web, query_of

FORM = "application/x-www-form-urlencoded"
OK, PAGE = "ok", "page"
REQUEST, CLIENT, GRANT = "invalid_request", "invalid_client", "invalid_grant"
SCOPE, TARGET, PROFILES = "invalid_scope", "invalid_target", "incompatible_ace_profiles"
NO_GRANT, NO_RIGHT, NO_KEY = "unsupported_grant_type", "unauthorized_client", "unsupported_pop_key"
NO_TYPE = "unsupported_response_type"

# parameter: (absent, empty, twice, {malformed or impossible value: error})
REDEEM = {
    "grant_type": (NO_RIGHT, NO_RIGHT, REQUEST, {"x": NO_GRANT, "refresh_token": NO_GRANT, "password": NO_GRANT}),
    "code": (REQUEST, REQUEST, REQUEST, {"!": GRANT, "AA": GRANT}),
    "redirect_uri": (REQUEST, REQUEST, REQUEST, {"x": GRANT, REDIRECT_URI + "?": GRANT}),
    "code_verifier": (REQUEST, REQUEST, REQUEST, {"x": GRANT, VERIFIER + "!": GRANT, "\u00e9" * 43: GRANT}),
    "audience": (OK, OK, TARGET, {"nowhere": TARGET, TUBE: TARGET}),
    "resource": (OK, OK, TARGET, {"nowhere": TARGET, "https://rs.example/#x": TARGET, EKG: OK}),
    "scope": (OK, OK, REQUEST, {'a"b': SCOPE, "read_ekg  read_result": SCOPE, "fly": SCOPE, "read_ekg fly": SCOPE}),
    "req_cnf": (OK, OK, REQUEST, {"{": REQUEST, "{}": REQUEST, '{"kid":1}': REQUEST, '{"kid":"AA"}': REQUEST}),
    "ace_profile": (OK, OK, REQUEST, {"x": REQUEST, "coap_dtls": PROFILES, "coap_oscore": OK}),
    "cnonce": (OK, OK, REQUEST, {"!": REQUEST, "A": REQUEST, "AA": OK, "A" * 88: REQUEST}),
    "client_id": (OK, OK, REQUEST, {"other": REQUEST, DOCTOR_APP: OK}),
    "client_secret": (OK, OK, REQUEST, {"x": REQUEST}),
    "client_assertion": (OK, OK, REQUEST, {"x": CLIENT}),
    "client_assertion_type": (OK, OK, REQUEST, {"urn:x": CLIENT}),
    "actor_token": (OK, OK, REQUEST, {"x": REQUEST}),
    "actor_token_type": (OK, OK, REQUEST, {ACCESS_TOKEN_URN: REQUEST}),
    "requested_token_type": (OK, OK, REQUEST, {"x": REQUEST, ACCESS_TOKEN_URN: OK}),
    "unknown": (OK, OK, OK, {"\x00": OK, "x": OK}),
}
EXCHANGE = {
    "grant_type": (NO_RIGHT, NO_RIGHT, REQUEST, {TOKEN_EXCHANGE.upper(): NO_GRANT, "urn:x": NO_GRANT}),
    "subject_token": (REQUEST, REQUEST, REQUEST, {"!": REQUEST, "AA": REQUEST, "A" * 2000: REQUEST}),
    "subject_token_type": (REQUEST, REQUEST, REQUEST, {"x": REQUEST, ACCESS_TOKEN_URN + " ": REQUEST}),
    "requested_token_type": (OK, OK, REQUEST, {"x": REQUEST, ACCESS_TOKEN_URN: OK}),
    "actor_token": (OK, OK, REQUEST, {"x": REQUEST}),
    "actor_token_type": (OK, OK, REQUEST, {ACCESS_TOKEN_URN: REQUEST}),
    "audience": (OK, OK, TARGET, {"nowhere": TARGET, EKG: TARGET}),
    "resource": (OK, OK, TARGET, {"nowhere": TARGET, TUBE: OK}),
    "scope": (OK, OK, REQUEST, {"calibrate": SCOPE, "read_result calibrate": SCOPE}),
    "unknown": (OK, OK, OK, {"x": OK}),
}
ABOUT = {
    "token": (REQUEST, REQUEST, REQUEST, {"!": OK, "AA": OK, "A" * 3000: OK}),
    "token_type_hint": (OK, OK, OK, {"x": OK, "refresh_token": OK}),
    "client_id": (OK, OK, REQUEST, {"other": REQUEST}),
    "client_secret": (OK, OK, REQUEST, {"x": REQUEST}),
    "client_assertion": (OK, OK, REQUEST, {"x": CLIENT}),
    "client_assertion_type": (OK, OK, REQUEST, {"urn:x": CLIENT}),
    "unknown": (OK, OK, OK, {"x": OK}),
}
AUTHORIZE = {
    "response_type": (REQUEST, REQUEST, REQUEST, {"token": NO_TYPE, "code id_token": NO_TYPE, "CODE": NO_TYPE}),
    "response_mode": (OK, OK, REQUEST, {"query": OK, "fragment": REQUEST, "form_post": REQUEST, "x": REQUEST}),
    "client_id": (PAGE, PAGE, PAGE, {"nobody": PAGE, "\x00": PAGE}),
    "redirect_uri": (OK, OK, PAGE, {"x": PAGE, REDIRECT_URI + "/": PAGE}),
    "scope": (SCOPE, SCOPE, REQUEST, {'a"b': SCOPE, "fly": SCOPE, "read_ekg fly": SCOPE}),
    "state": (OK, OK, REQUEST, {"\x00": PAGE}),
    "audience": (OK, OK, TARGET, {"nowhere": TARGET, TUBE: TARGET}),
    "resource": (OK, OK, TARGET, {"nowhere": TARGET, EKG: OK}),
    "code_challenge": (REQUEST, REQUEST, REQUEST, {"x": REQUEST, "=" * 43: REQUEST, "A" * 44: REQUEST}),
    "code_challenge_method": (REQUEST, REQUEST, REQUEST, {"plain": REQUEST, "s256": REQUEST}),
    "unknown": (OK, OK, OK, {"\x00": OK, "x": OK}),
}
# label: (absent, empty of its type, {value of a wrong type or impossible: error}); what comes twice is no CBOR map
COAP_REDEEM = {
    L.ACE_GRANT_TYPE: (NO_RIGHT, None, {"x": REQUEST, None: REQUEST, True: REQUEST, 3: NO_GRANT, 99: NO_GRANT}),
    L.ACE_CODE: (REQUEST, REQUEST, {"x": REQUEST, b"x": GRANT}),
    L.ACE_REDIRECT_URI: (REQUEST, REQUEST, {b"x": REQUEST, "x": GRANT}),
    L.PRIV_CODE_VERIFIER: (REQUEST, REQUEST, {b"x": REQUEST, "x": GRANT}),
    L.ACE_AUDIENCE: (OK, REQUEST, {b"x": REQUEST, 1: REQUEST, "nowhere": GRANT}),
    L.ACE_SCOPE: (OK, SCOPE, {1: REQUEST, "fly": SCOPE, b"\x80": SCOPE, b"x": SCOPE}),
    L.ACE_REQ_CNF: (OK, REQUEST, {b"x": REQUEST, 1: REQUEST}),
    L.ACE_PROFILE: (OK, None, {"x": REQUEST, None: OK, 1: PROFILES, 2: OK, 77: PROFILES}),
    L.ACE_CNONCE: (OK, REQUEST, {"x": REQUEST, b"x": OK, bytes(65): REQUEST}),
    L.ACE_CLIENT_ID: (OK, REQUEST, {b"x": REQUEST, "other": CLIENT, DOCTOR_APP: OK}),
    L.ACE_CLIENT_SECRET: (OK, REQUEST, {b"x": REQUEST}),
    L.PRIV_ACTOR_TOKEN: (OK, REQUEST, {b"x": REQUEST}),
    L.PRIV_ACTOR_TOKEN_TYPE: (OK, REQUEST, {ACCESS_TOKEN_URN: REQUEST}),
    L.PRIV_REQUESTED_TOKEN_TYPE: (OK, REQUEST, {"x": REQUEST, b"x": REQUEST, ACCESS_TOKEN_URN: OK}),
    999: (OK, OK, {"x": OK, 1.5: OK}),
}
COAP_EXCHANGE = {
    L.PRIV_SUBJECT_TOKEN: (REQUEST, REQUEST, {"x": REQUEST, b"x": REQUEST, bytes(2000): REQUEST}),
    L.PRIV_SUBJECT_TOKEN_TYPE: (REQUEST, REQUEST, {"x": REQUEST, b"x": REQUEST}),
    L.PRIV_ACTOR_TOKEN_TYPE: (OK, REQUEST, {ACCESS_TOKEN_URN: REQUEST}),
    L.ACE_AUDIENCE: (OK, REQUEST, {b"x": REQUEST, "nowhere": REQUEST}),
}
COAP_INTROSPECT = {
    L.INTRO_TOKEN: (REQUEST, REQUEST, {"x": REQUEST, 1: REQUEST, b"x": OK, bytes(2000): OK}),
    L.INTRO_TOKEN_TYPE_HINT: (OK, OK, {"x": OK, 1: OK}),
    999: (OK, OK, {"x": OK}),
}


def flat(table):
    """(parameter, how, value, error) for each cell; a value of None: absent, a list: one pair for each."""
    for name, (absent, empty, twice, values) in table.items():
        yield name, None, absent
        yield name, "", empty
        yield name, "twice", twice
        for value, error in values.items():
            yield name, value, error


def changed(fields, name, value):
    """Pairs of a form with one parameter changed as a cell of the table says."""
    pairs = [pair for pair in fields.items() if pair[0] != name]
    if value == "twice":
        return [*pairs, *((name, text) for text in (fields.get(name, "x"), "y"))]
    return pairs if value is None else [*pairs, (name, value)]


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with opened_web(tmp_path_factory.mktemp("table")) as made:
        yield made


@pytest.fixture(scope="module")
def ekg_auth(web):
    return EKG, web.story.registry.new_client_secret(EKG, NOW_S).reveal().decode()


def told(answer):
    """The error of a JSON answer, or OK; the shape of either is checked."""
    assert answer.headers["cache-control"] == "no-store"
    if answer.status_code == 200:
        return OK
    body = answer.json()
    assert set(body) <= {"error", "error_description"}
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", body.get("error_description", ""))  # RFC 6749 section 5.2
    assert answer.status_code == (401 if body["error"] == CLIENT else 400)
    return body["error"]


@pytest.mark.parametrize(("name", "value", "error"), list(flat(REDEEM)))
def test_a_code_is_redeemed_over_https(web, name, value, error):
    fields = code_params(b64(web.story.code()), grant_type="authorization_code")
    assert told(web.browser().token(changed(fields, name, value))) == error


@pytest.mark.parametrize(("name", "value", "error"), list(flat(EXCHANGE)))
def test_a_token_is_exchanged_over_https(web, ekg_auth, name, value, error):
    subject = b64(web.story.doctor_token()["access_token"])
    fields = exchange_params(subject, grant_type=TOKEN_EXCHANGE)
    assert told(web.browser().token(changed(fields, name, value), ekg_auth)) == error


@pytest.mark.parametrize("endpoint", ["/introspect", "/revoke"])
@pytest.mark.parametrize(("name", "value", "error"), list(flat(ABOUT)))
def test_a_token_is_asked_about_or_withdrawn_over_https(web, ekg_auth, endpoint, name, value, error):
    fields = {"token": b64(b"nobody knows it")}
    assert told(web.browser().token(changed(fields, name, value), ekg_auth, url=endpoint)) == error


@pytest.mark.parametrize(("name", "value", "error"), list(flat(AUTHORIZE)))
def test_an_app_asks_for_a_code(web, name, value, error):
    answer = web.browser().get("/authorize?" + urlencode(changed(authorize_params(), name, value)))
    if error in (OK, PAGE):
        assert (answer.status_code, "location" in answer.headers) == (200 if error == OK else 400, False)
        return
    assert answer.headers["location"].startswith(REDIRECT_URI + "?")
    got = query_of(answer.headers["location"])
    assert (got["error"], got["iss"]) == (error, web.issuer)
    assert got.get("state") == (None if name == "state" else "s1")


# --- CoAP ---


def coap_told(story, path, fields, caller):
    """The error of a CoAP answer by its name, or OK. fields: a map, or bytes."""
    payload = fields if isinstance(fields, bytes) else cbor.encode(fields)
    context = SecurityContext(b"m" * 16, b"", b"AS", b"\x01")  # nothing is encrypted here
    context.owner = caller
    answer = CoapSite(story.server).answer(request(L.CODE_POST, path, payload, L.CF_ACE_CBOR), context, NOW_S)
    body = cbor.decode(answer.payload)
    if answer.code == L.CODE_CREATED:
        return OK
    assert set(body) <= {L.ACE_ERROR, L.ACE_ERROR_DESCRIPTION}
    name = ERROR_NAMES[body[L.ACE_ERROR]]
    assert answer.code == (L.CODE_UNAUTHORIZED if name == CLIENT else L.CODE_BAD_REQUEST)
    return name


def coap_flat(table):
    """(label, value, error) for each cell; ...: absent."""
    for label, (absent, empty, values) in table.items():
        kinds = TOKEN_REQUEST_TYPES.get(label, (bytes,))
        yield label, ..., absent
        if empty is not None:
            yield label, kinds[0](), empty
        for value, error in values.items():
            yield label, value, error


def coap_changed(fields, label, value):
    fields = {**fields, label: value}
    if value is ...:
        del fields[label]
    return fields


def redeem_map(story):
    return {
        L.ACE_GRANT_TYPE: L.GRANT_AUTHORIZATION_CODE,
        L.ACE_CODE: story.code(),
        L.ACE_REDIRECT_URI: REDIRECT_URI,
        L.PRIV_CODE_VERIFIER: VERIFIER,
    }


def exchange_map(story):
    return {
        L.ACE_GRANT_TYPE: L.PRIV_GRANT_TOKEN_EXCHANGE,
        L.PRIV_SUBJECT_TOKEN: story.doctor_token()["access_token"],
        L.PRIV_SUBJECT_TOKEN_TYPE: ACCESS_TOKEN_URN,
    }


@pytest.mark.parametrize(("label", "value", "error"), list(coap_flat(COAP_REDEEM)))
def test_a_code_is_redeemed_over_coap(web, label, value, error):
    fields = coap_changed(redeem_map(web.story), label, value)
    assert coap_told(web.story, "/token", fields, web.story.doctor_app) == error


@pytest.mark.parametrize(("label", "value", "error"), list(coap_flat(COAP_EXCHANGE)))
def test_a_token_is_exchanged_over_coap(web, label, value, error):
    fields = coap_changed(exchange_map(web.story), label, value)
    assert coap_told(web.story, "/token", fields, web.story.ekg) == error


@pytest.mark.parametrize(("label", "value", "error"), list(coap_flat(COAP_INTROSPECT)))
def test_a_token_is_asked_about_over_coap(web, label, value, error):
    fields = coap_changed({L.INTRO_TOKEN: b"nobody knows it"}, label, value)
    assert coap_told(web.story, "/introspect", fields, web.story.ekg) == error


def test_what_comes_twice_over_coap_is_no_map(web):
    for made, caller in ((redeem_map, web.story.doctor_app), (exchange_map, web.story.ekg)):
        fields = made(web.story)
        for label, value in fields.items():
            twice = bytes((0xA0 + len(fields) + 1,)) + cbor.encode(fields)[1:] + cbor.encode({label: value})[1:]
            assert coap_told(web.story, "/token", twice, caller) == REQUEST
        assert coap_told(web.story, "/token", fields, caller) == OK


def test_the_table_has_every_parameter():
    assert set(REDEEM) | set(EXCHANGE) == TOKEN_PARAMETERS | {"unknown"}
    assert set(ABOUT) == TOKEN_ABOUT | {"token_type_hint", "unknown"}
    assert set(AUTHORIZE) == PARAMETERS | {"unknown"}
    assert set(COAP_REDEEM) | set(COAP_EXCHANGE) >= set(TOKEN_REQUEST_TYPES)


# --- the grant that is not served ---


@pytest.mark.parametrize("more", [{"refresh_token": "x"}, {"username": "u", "password": "p"}, {"req_cnf": "{"}])
@pytest.mark.parametrize("grant_type", ["refresh_token", "password", "urn:ietf:params:oauth:grant-type:device_code"])
def test_a_grant_that_is_not_served_may_have_any_parameters(web, grant_type, more):
    assert told(web.browser().token({"grant_type": grant_type, **more})) == NO_GRANT


@pytest.mark.parametrize("more", [{L.ACE_REFRESH_TOKEN: b"x"}, {L.ACE_USERNAME: "u"}, {L.ACE_CODE: 5}])
@pytest.mark.parametrize("grant_type", [L.GRANT_REFRESH_TOKEN, L.GRANT_PASSWORD, 77, -7])
def test_a_grant_that_is_not_served_may_have_any_parameters_over_coap(web, grant_type, more):
    fields = {L.ACE_GRANT_TYPE: grant_type, **more}
    assert coap_told(web.story, "/token", fields, web.story.doctor_app) == NO_GRANT


# --- headers ---


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([("content-type", FORM)], OK),
        ([("content-type", FORM.upper() + " ; charset=utf-8")], OK),
        ([("content-type", FORM), ("content-encoding", "identity")], OK),
        ([("content-type", FORM), ("accept", "text/html;q=0, */*")], OK),
        ([("content-type", FORM), ("x-unknown", "\t?")], OK),
        ([], REQUEST),
        ([("content-type", "")], REQUEST),
        ([("content-type", "text/plain")], REQUEST),
        ([("content-type", FORM), ("content-type", FORM)], REQUEST),
        ([("content-type", FORM), ("content-type", "text/plain")], REQUEST),
        ([("content-type", FORM), ("content-encoding", "gzip")], REQUEST),
        ([("content-type", FORM), ("authorization", "Basic")], CLIENT),
        ([("content-type", FORM), ("authorization", "Basic  ")], CLIENT),
        ([("content-type", FORM), ("authorization", "Bearer x")], CLIENT),
        ([("content-type", FORM), ("authorization", "DPoP x")], CLIENT),
        ([("content-type", FORM), ("authorization", "x")], CLIENT),
    ],
)
def test_a_header_of_a_request_to_the_token_endpoint(web, headers, error):
    fields = code_params(b64(web.story.code()), grant_type="authorization_code")
    client = web.browser().client
    if not any(name == "authorization" for name, _ in headers):
        pair = f"{DOCTOR_APP}:{web.story.doctor_secret.reveal().decode()}".encode()
        headers = [*headers, ("authorization", "Basic " + base64.b64encode(pair).decode())]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    sent = client.build_request("POST", web.issuer + "/token", content=urlencode(fields).encode(), headers=raw)
    assert told(web.runner.run(client.send(sent))) == error
