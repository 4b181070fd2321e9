"""The CoAP resources of the authorization server: codes and content formats, row by row (RFC 9200 5.8 and 5.9)."""

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, request
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_core.oscore import SecurityContext
from holdfast_server.authz.caller import NOBODY, Caller
from holdfast_server.authz.errors import IssuanceFailed, ServiceUnavailable
from holdfast_server.coap.site import CoapSite
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, REDIRECT_URI, TUBE, VERIFIER, change_client

KEY = {L.KEY_KTY: L.KTY_SYMMETRIC, L.KEY_K: b"k" * 16}


@pytest.fixture
def site(story):
    return CoapSite(story.server)


def context_of(caller):
    """A security context that belongs to this caller; nothing is encrypted here."""
    context = SecurityContext(b"m" * 16, b"", b"AS", b"\x01")
    context.owner = caller
    return context


def post(path, fields, content_format=L.CF_ACE_CBOR):
    payload = fields if isinstance(fields, bytes) else cbor.encode(fields)
    return request(L.CODE_POST, path, payload, content_format)


def code_fields(story, **changes):
    fields = {
        L.ACE_GRANT_TYPE: L.GRANT_AUTHORIZATION_CODE,
        L.ACE_CODE: story.code(),
        L.ACE_REDIRECT_URI: REDIRECT_URI,
        L.PRIV_CODE_VERIFIER: VERIFIER,
    }
    fields.update({getattr(L, name): value for name, value in changes.items()})
    return fields


def error_of(answer):
    assert answer.content_format == L.CF_ACE_CBOR
    fields = cbor.decode(answer.payload)
    assert set(fields) <= {L.ACE_ERROR, L.ACE_ERROR_DESCRIPTION}
    return fields[L.ACE_ERROR]


# --- /token ---


def test_a_token_comes_with_its_key_and_lifetime_as_a_map_of_integers(story, site):
    fields = code_fields(story, ACE_PROFILE=None)
    answer = site.answer(post("/token", fields), context_of(story.doctor_app), NOW_S)
    assert (answer.code, answer.content_format) == (L.CODE_CREATED, L.CF_ACE_CBOR)
    token = cbor.decode(answer.payload)
    assert all(type(label) is int for label in token)
    assert token[L.ACE_EXPIRES_IN] == 3600
    assert token[L.ACE_PROFILE] == L.PROFILE_COAP_OSCORE
    assert set(token[L.ACE_CNF][L.CNF_OSC]) >= {L.OSC_ID, L.OSC_MS}
    assert type(token[L.ACE_ACCESS_TOKEN]) is bytes


def test_the_profile_is_named_only_when_it_was_asked_for(story, site):
    answer = site.answer(post("/token", code_fields(story)), context_of(story.doctor_app), NOW_S)
    assert L.ACE_PROFILE not in cbor.decode(answer.payload)


def test_the_ekg_exchanges_the_doctors_token_for_one_for_the_tube(story, site):
    fields = {
        L.ACE_GRANT_TYPE: L.PRIV_GRANT_TOKEN_EXCHANGE,
        L.ACE_AUDIENCE: TUBE,
        L.ACE_SCOPE: "read_result",
        L.PRIV_SUBJECT_TOKEN: story.doctor_token()["access_token"],
        L.PRIV_SUBJECT_TOKEN_TYPE: ACCESS_TOKEN_URN,
    }
    answer = site.answer(post("/token", fields), context_of(story.ekg), NOW_S)
    assert answer.code == L.CODE_CREATED
    assert cbor.decode(answer.payload)[L.ACE_ACCESS_TOKEN][:1] == b"\xd8"  # a CWT


def test_an_answer_that_lives_shorter_than_a_caches_minute_says_so(story, site):
    ends_soon = story.doctor_token(NOW_S - 3570)["access_token"]
    fields = {
        L.ACE_GRANT_TYPE: L.PRIV_GRANT_TOKEN_EXCHANGE,
        L.ACE_AUDIENCE: TUBE,
        L.ACE_SCOPE: "read_result",
        L.PRIV_SUBJECT_TOKEN: ends_soon,
        L.PRIV_SUBJECT_TOKEN_TYPE: ACCESS_TOKEN_URN,
    }
    answer = site.answer(post("/token", fields), context_of(story.ekg), NOW_S)
    assert answer.uint(L.OPT_MAX_AGE) == 30


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"ACE_CODE": b"\x00" * 32}, L.ERR_INVALID_GRANT),
        ({"PRIV_CODE_VERIFIER": "B" * 43}, L.ERR_INVALID_GRANT),
        ({"ACE_AUDIENCE": TUBE}, L.ERR_INVALID_GRANT),
        ({"ACE_SCOPE": "calibrate"}, L.ERR_INVALID_SCOPE),
        ({"ACE_SCOPE": ""}, L.ERR_INVALID_SCOPE),
        ({"ACE_GRANT_TYPE": L.GRANT_CLIENT_CREDENTIALS}, L.ERR_UNAUTHORIZED_CLIENT),
        ({"ACE_GRANT_TYPE": L.GRANT_PASSWORD}, L.ERR_UNSUPPORTED_GRANT_TYPE),
        ({"ACE_GRANT_TYPE": 99}, L.ERR_UNSUPPORTED_GRANT_TYPE),
        ({"ACE_PROFILE": L.PROFILE_COAP_DTLS}, L.ERR_INCOMPATIBLE_ACE_PROFILES),
        ({"ACE_REQ_CNF": {L.CNF_COSE_KEY: KEY}}, L.ERR_INVALID_REQUEST),
        ({"ACE_REQ_CNF": {L.CNF_KID: b"never issued"}}, L.ERR_INVALID_REQUEST),
        ({"ACE_REQ_CNF": {}}, L.ERR_INVALID_REQUEST),
    ],
)
def test_a_refusal_is_4_00_with_its_error(story, site, changes, error):
    answer = site.answer(post("/token", code_fields(story, **changes)), context_of(story.doctor_app), NOW_S)
    assert answer.code == L.CODE_BAD_REQUEST
    assert error_of(answer) == error


def test_another_clients_id_or_a_locked_client_is_4_01_invalid_client(story, site):
    named = code_fields(story, ACE_CLIENT_ID="somebody_else")
    answer = site.answer(post("/token", named), context_of(story.doctor_app), NOW_S)
    assert (answer.code, error_of(answer)) == (L.CODE_UNAUTHORIZED, L.ERR_INVALID_CLIENT)
    fields = code_fields(story)
    story.registry.set_disabled(True, NOW_S, client_id=DOCTOR_APP)
    answer = site.answer(post("/token", fields), context_of(story.doctor_app), NOW_S)
    assert (answer.code, error_of(answer)) == (L.CODE_UNAUTHORIZED, L.ERR_INVALID_CLIENT)


ILL_TYPED = [
    {"token": b"text"},
    {"grant_type": 2},
    {"24": b"c"},
    {L.ACE_GRANT_TYPE: "authorization_code"},
    {L.ACE_GRANT_TYPE: True},
    {L.ACE_GRANT_TYPE: None},
    {L.ACE_CODE: "text"},
    {L.ACE_SCOPE: 5},
    {L.ACE_SCOPE: ["read_ekg"]},
    {L.ACE_AUDIENCE: b"ekg"},
    {L.ACE_CLIENT_ID: b"ekg"},
    {L.ACE_REDIRECT_URI: b"x"},
    {L.ACE_REQ_CNF: b"\xa0"},
    {L.ACE_REQ_CNF: [1]},
    {L.ACE_PROFILE: "coap_oscore"},
    {L.ACE_PROFILE: False},
    {L.ACE_CNONCE: "nonce"},
    {L.ACE_CNONCE: 7},
    {L.PRIV_CODE_VERIFIER: b"verifier"},
    {L.PRIV_SUBJECT_TOKEN: "token"},
    {L.ACE_ACCESS_TOKEN: b"t"},  # an answer's
    {L.ACE_EXPIRES_IN: 10},
    {L.ACE_ERROR: 1},
    {L.ACE_CLIENT_SECRET: b"s"},  # OSCORE authenticates
    {L.ACE_REFRESH_TOKEN: b"r"},
    {L.ACE_USERNAME: "u"},
    {"x": 1},
]


@pytest.mark.parametrize("fields", ILL_TYPED, ids=repr)
def test_a_parameter_with_a_text_key_of_the_wrong_type_or_of_an_answer_is_refused(story, site, fields):
    answer = site.answer(post("/token", fields), context_of(story.doctor_app), NOW_S)
    assert answer.code == L.CODE_BAD_REQUEST
    assert error_of(answer) == L.ERR_INVALID_REQUEST


def test_a_number_that_means_nothing_here_is_ignored(story, site):
    """RFC 6749 section 3.2: what another extension of the protocol asks does not break what this one does."""
    answer = site.answer(post("/token", {1000: 1, -1: {2: b"x"}}), context_of(story.doctor_app), NOW_S)
    assert error_of(answer) == L.ERR_UNAUTHORIZED_CLIENT
    known = {L.INTRO_TOKEN: b"unknown"}
    for fields in (known, {**known, 1000: 1, L.ACE_SCOPE: "s"}):
        answer = site.answer(post("/introspect", fields), context_of(story.ekg), NOW_S)
        assert (answer.code, cbor.decode(answer.payload)) == (L.CODE_CREATED, {L.INTRO_ACTIVE: False})


NO_MAPS = [
    b"",
    b"\x80",
    b"\x01",
    b"\xf6",
    b"\xa1\x18\x21",
    b"\xa0\x00",
    b"\xbf\xff\x00",
    b"\xbf\x18\x21\xff",
    b"\xbf\x18\x21\x02\x19\x00\x21\x02\xff",
    b"\xa2\x18\x21\x02\x18\x21\x02",
    b"\xd8\x3d\xa0",
    b"\xa1\xf5\x02",
    b"\x9b" + b"\xff" * 8,
    b"\x81" * 200,
    b"{}",
]


@pytest.mark.parametrize("payload", NO_MAPS, ids=lambda payload: payload[:12].hex() or "empty")
@pytest.mark.parametrize("path", ["/token", "/introspect"])
def test_what_is_not_one_map_with_integer_keys_is_invalid_request(story, site, path, payload):
    answer = site.answer(post(path, payload), context_of(story.ekg), NOW_S)
    assert answer.code == L.CODE_BAD_REQUEST
    assert error_of(answer) == L.ERR_INVALID_REQUEST


# --- who, how, and in what format ---


@pytest.mark.parametrize("path", ["/token", "/introspect"])
@pytest.mark.parametrize("method", [L.CODE_POST, L.CODE_GET, L.CODE_PUT, L.CODE_FETCH])
def test_without_oscore_nothing_is_served(story, site, path, method):
    asked = request(method, path, cbor.encode(code_fields(story)), L.CF_ACE_CBOR)
    answer = site.answer(asked, None, NOW_S)
    assert (answer.code, error_of(answer)) == (L.CODE_UNAUTHORIZED, L.ERR_INVALID_CLIENT)
    assert not story.store.tokens()


@pytest.mark.parametrize("path", ["/token", "/introspect"])
def test_a_context_that_belongs_to_nobody_is_not_authenticated(story, site, path):
    fields = code_fields(story) if path == "/token" else {L.INTRO_TOKEN: b"t"}
    for owner in (None, "doctor_app", NOBODY, Caller(DOCTOR_APP), Caller(rs_id=EKG)):
        answer = site.answer(post(path, fields), context_of(owner), NOW_S)
        assert (answer.code, error_of(answer)) == (L.CODE_UNAUTHORIZED, L.ERR_INVALID_CLIENT), owner


@pytest.mark.parametrize("path", ["/token", "/introspect"])
@pytest.mark.parametrize("method", [L.CODE_GET, L.CODE_PUT, L.CODE_DELETE, L.CODE_FETCH, L.CODE_PATCH, L.CODE_IPATCH])
def test_only_post_is_allowed(story, site, path, method):
    answer = site.answer(request(method, path), context_of(story.ekg), NOW_S)
    assert (answer.code, answer.payload) == (L.CODE_METHOD_NOT_ALLOWED, b"")


@pytest.mark.parametrize("path", ["/token", "/introspect"])
@pytest.mark.parametrize("content_format", [None, 0, L.CF_CBOR, L.CF_JSON, 18, 61, 65000])
def test_another_content_format_is_4_15(story, site, path, content_format):
    answer = site.answer(post(path, code_fields(story), content_format), context_of(story.doctor_app), NOW_S)
    assert (answer.code, answer.payload) == (L.CODE_UNSUPPORTED_CONTENT_FORMAT, b"")


def test_another_format_for_the_answer_cannot_be_had(story, site):
    for accept, code in ((L.CF_JSON, L.CODE_NOT_ACCEPTABLE), (L.CF_ACE_CBOR, L.CODE_CREATED)):
        asked = post("/token", code_fields(story)).add(L.OPT_ACCEPT, accept)
        assert site.answer(asked, context_of(story.doctor_app), NOW_S).code == code


def test_parameters_in_the_query_count_for_nothing(story, site):
    asked = post("/token", code_fields(story, ACE_SCOPE="read_ekg")).add(L.OPT_URI_QUERY, "scope=read_result")
    asked.add(L.OPT_URI_QUERY, "client_id=somebody_else")
    answer = site.answer(asked, context_of(story.doctor_app), NOW_S)
    assert answer.code == L.CODE_CREATED
    assert story.store.tokens()[0].scope == "read_ekg"
    bare = request(L.CODE_POST, "/token", b"", L.CF_ACE_CBOR).add(L.OPT_URI_QUERY, "grant_type=2")
    assert site.answer(bare, context_of(story.doctor_app), NOW_S).code == L.CODE_BAD_REQUEST


@pytest.mark.parametrize("path", ["/", "/Token", "/token/", "/token/x", "//token", "/authz-info", "/tokens"])
def test_another_path_is_not_found(story, site, path):
    asked = Message(L.CODE_POST, cbor.encode({}), None).add(L.OPT_CONTENT_FORMAT, L.CF_ACE_CBOR)
    for segment in path[1:].split("/"):
        asked.add(L.OPT_URI_PATH, segment)
    for context in (None, context_of(story.ekg)):
        assert site.answer(asked, context, NOW_S).code == L.CODE_NOT_FOUND


def test_the_links_are_for_everybody_and_short(site):
    answer = site.answer(request(L.CODE_GET, "/.well-known/core"), None, NOW_S)
    assert (answer.code, answer.content_format) == (L.CODE_CONTENT, L.CF_LINK_FORMAT)
    assert answer.payload == b"</token>;ct=19,</introspect>;ct=19"
    assert site.answer(request(L.CODE_POST, "/.well-known/core"), None, NOW_S).code == L.CODE_METHOD_NOT_ALLOWED


# --- /introspect ---


def test_an_rs_learns_of_its_own_token(story, site):
    token = story.doctor_token()
    for hint in ({}, {L.INTRO_TOKEN_TYPE_HINT: "access_token"}, {L.INTRO_TOKEN_TYPE_HINT: 1}):
        fields = {L.INTRO_TOKEN: token["access_token"], **hint}
        answer = site.answer(post("/introspect", fields), context_of(story.ekg), NOW_S)
        assert (answer.code, answer.content_format) == (L.CODE_CREATED, L.CF_ACE_CBOR)
        answered = cbor.decode(answer.payload)
        assert answered[L.INTRO_ACTIVE] is True
        assert (answered[L.INTRO_SUB], answered[L.INTRO_AUD], answered[L.INTRO_CLIENT_ID]) == (DOCTOR, EKG, DOCTOR_APP)
        assert answered[L.INTRO_CNF] == token["cnf"]


def test_every_other_token_is_answered_with_the_same_bytes(story, site):
    token = story.doctor_token()["access_token"]
    tube = story.tube_token(token)["access_token"]
    seen = {
        (answer.code, answer.content_format, answer.payload)
        for asked, now_s in ((b"unknown", NOW_S), (tube, NOW_S), (token, NOW_S + 3600), (b"x" * 1000, NOW_S))
        for answer in [site.answer(post("/introspect", {L.INTRO_TOKEN: asked}), context_of(story.ekg), now_s)]
    }
    assert seen == {(L.CODE_CREATED, L.CF_ACE_CBOR, cbor.encode({L.INTRO_ACTIVE: False}))}


def test_a_client_without_the_right_gets_4_03_and_no_payload(story, site):
    answer = site.answer(post("/introspect", {L.INTRO_TOKEN: b"t"}), context_of(story.doctor_app), NOW_S)
    assert (answer.code, answer.payload, answer.content_format) == (L.CODE_FORBIDDEN, b"", None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {L.INTRO_TOKEN: "text"},
        {L.INTRO_TOKEN: b""},
        {L.INTRO_TOKEN: 1},
        {"token": b"t"},
    ],
    ids=repr,
)
def test_a_malformed_question_is_4_00(story, site, fields):
    answer = site.answer(post("/introspect", fields), context_of(story.ekg), NOW_S)
    assert (answer.code, error_of(answer)) == (L.CODE_BAD_REQUEST, L.ERR_INVALID_REQUEST)


# --- our own trouble ---


def test_before_the_clock_is_set_it_is_5_03_and_a_failed_lint_5_00_both_empty(story, site, monkeypatch):
    asked = post("/token", code_fields(story))
    answer = site.answer(asked, context_of(story.doctor_app), 5_000)
    assert (answer.code, answer.payload) == (ServiceUnavailable.coap_code, b"")

    def failed(*_):
        raise IssuanceFailed

    monkeypatch.setattr(story.server, "token", failed)
    answer = site.answer(asked, context_of(story.doctor_app), NOW_S)
    assert (answer.code, answer.payload) == (L.CODE_INTERNAL_SERVER_ERROR, b"")


# --- requests that are not as ours ---


def test_a_request_in_any_valid_encoding_is_taken(story, site):
    fields = code_fields(story)
    loose = b"\xbf" + b"".join(
        b"\x19" + label.to_bytes(2, "big") + cbor.encode(value) if label >= 0 else cbor.encode({label: value})[1:]
        for label, value in fields.items()
    )
    answer = site.answer(post("/token", loose + b"\xff"), context_of(story.doctor_app), NOW_S)
    assert answer.code == L.CODE_CREATED
    token = cbor.decode(answer.payload)[L.ACE_ACCESS_TOKEN]
    asked = b"\xbf\x18\x0b\x5f" + cbor.encode(token[:8]) + cbor.encode(token[8:]) + b"\xff\xff"
    answer = site.answer(post("/introspect", asked), context_of(story.ekg), NOW_S)
    assert cbor.decode(answer.payload)[L.INTRO_ACTIVE] is True


@pytest.mark.parametrize("lenient", [False, True])
def test_a_request_without_content_format_is_taken_from_a_client_that_is_known_for_it(story, site, lenient):
    change_client(story, DOCTOR_APP, lenient=lenient)
    for content_format, code in ((None, L.CODE_CREATED), (L.CF_CBOR, None), (L.CF_TEXT_PLAIN, None)):
        message = request(L.CODE_POST, "/token", cbor.encode(code_fields(story)), content_format)
        answer = site.answer(message, context_of(story.doctor_app), NOW_S)
        expected = code if lenient and code else L.CODE_UNSUPPORTED_CONTENT_FORMAT
        assert answer.code == expected
