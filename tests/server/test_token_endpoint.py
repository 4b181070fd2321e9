"""The token endpoint's answers and refusals: the error table of RFC 9200 section 5.8.3 and RFC 6749 section 5.2."""

import pytest

from holdfast_core import labels as L
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_server.authz.caller import NOBODY, Caller
from holdfast_server.authz.errors import InvalidClient, OAuthError
from holdfast_server.authz.token_request import TokenRequest
from testkit.authz import DOCTOR_APP, EKG, NOW_S, TUBE, change_client, change_rs, refused

# --- who asks ---


def test_nobody_gets_a_token(story, sensor):
    assert refused(story, {"client_id": DOCTOR_APP}, NOBODY) == L.ERR_INVALID_CLIENT
    assert refused(story, {}, Caller("panel", authenticated=False)) == L.ERR_INVALID_CLIENT
    assert refused(story, {}, Caller(None, TUBE, authenticated=True)) == L.ERR_INVALID_CLIENT
    assert refused(story, {}, Caller("stranger", authenticated=True)) == L.ERR_INVALID_CLIENT
    assert story.server.token({}, sensor, NOW_S)["expires_in"] == 600


def test_no_repr_shows_what_buys_a_token():
    shown = repr(TokenRequest(code=b"code-0", code_verifier="verifier-0", subject_token=b"token-0"))
    assert not [secret for secret in ("code-0", "verifier-0", "token-0") if secret in shown]


def test_client_id_must_be_the_authenticated_ones(story, sensor):
    assert refused(story, {"client_id": DOCTOR_APP}, sensor) == L.ERR_INVALID_CLIENT
    assert story.server.token({"client_id": "panel"}, sensor, NOW_S)["access_token"]


def test_a_client_secret_authenticates_and_anything_else_does_not(story):
    secret = story.doctor_secret.reveal().decode()
    assert len(secret) == 43
    assert story.server.authenticate_client(DOCTOR_APP, secret) == story.doctor_app
    for client_id, wrong in (
        (DOCTOR_APP, secret[:-1]),
        (DOCTOR_APP, ""),
        ("stranger", secret),
        (EKG, ""),
        (EKG, secret),
    ):
        with pytest.raises(InvalidClient, match="client authentication failed"):
            story.server.authenticate_client(client_id, wrong)
    change_client(story, DOCTOR_APP, disabled=True)
    with pytest.raises(InvalidClient, match="client authentication failed"):
        story.server.authenticate_client(DOCTOR_APP, secret)


def test_an_old_secret_stops_at_once(story):
    old = story.doctor_secret.reveal().decode()
    new = story.registry.new_client_secret(DOCTOR_APP, NOW_S).reveal().decode()
    assert story.server.authenticate_client(DOCTOR_APP, new)
    with pytest.raises(InvalidClient):
        story.server.authenticate_client(DOCTOR_APP, old)


# --- parameters ---


def test_without_grant_type_it_is_client_credentials(story, sensor):
    assert story.server.token({}, sensor, NOW_S)["access_token"]
    assert story.server.token({"grant_type": L.GRANT_CLIENT_CREDENTIALS}, sensor, NOW_S)["access_token"]


@pytest.mark.parametrize(
    "grant_type", [L.GRANT_PASSWORD, L.GRANT_REFRESH_TOKEN, 77, -1, "implicit", "client_credentials"]
)
def test_other_grant_types_are_unsupported(story, sensor, grant_type):
    assert refused(story, {"grant_type": grant_type}, sensor) == L.ERR_UNSUPPORTED_GRANT_TYPE


@pytest.mark.parametrize(
    "params",
    [
        {"grant_type": True},
        {"grant_type": None},
        {"grant_type": b"\x02"},
        {"audience": b"sensor"},
        {"audience": ""},
        {"audience": "elsewhere"},
        {"audience": EKG},
        {"scope": 5},
        {"scope": None},
        {"ace_profile": "coap_oscore"},
        {"ace_profile": True},
        {"cnonce": "text"},
        {"cnonce": b""},
        {"cnonce": bytes(65)},
        {"client_id": 7},
        {"req_cnf": {}},
        {"req_cnf": b"k"},
        {"req_cnf": {L.CNF_KID: "text"}},
        {"actor_token": b"t"},
        {"actor_token_type": ACCESS_TOKEN_URN},
        {"resource": "https://rs.example/"},
        {"resource": "https://rs.example/", "audience": "sensor"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    ],
)
def test_ill_typed_and_impossible_parameters_are_invalid_requests(story, sensor, params):
    assert refused(story, params, sensor) == L.ERR_INVALID_REQUEST


def test_unknown_parameters_are_ignored(story, sensor):
    assert story.server.token({"ui_locales": "de", "refresh_token": 5}, sensor, NOW_S)["access_token"]


def test_refusals_never_carry_what_the_peer_sent(story, sensor):
    canary = "canary-7d1f"
    for params in (
        {"audience": canary},
        {"scope": canary},
        {"grant_type": canary},
        {"client_id": canary},
        {"cnonce": canary},
        {"req_cnf": {L.CNF_KID: canary.encode()}},
        {"grant_type": L.PRIV_GRANT_TOKEN_EXCHANGE, "subject_token": canary.encode()},
    ):
        with pytest.raises(OAuthError) as caught:
            story.server.token(params, sensor, NOW_S)
        assert canary not in str(caught.value) + caught.value.description
    assert not any(canary in str(row) for row in story.store.audit_rows(1000))


# --- scope and audience ---


@pytest.mark.parametrize(
    ("asked", "issued", "told"),
    [
        (None, "read", True),
        ("read", "read", False),
        ("read write", "read write", False),
        ("write read", "write read", False),
        ("read read", "read", True),
    ],
)
def test_the_answer_names_the_scope_exactly_when_it_is_not_the_one_asked_for(story, sensor, asked, issued, told):
    answer = story.server.token({} if asked is None else {"scope": asked}, sensor, NOW_S)
    assert story.store.tokens()[0].scope == issued
    assert answer.get("scope") == (issued if told else None)


@pytest.mark.parametrize(
    "scope", ["admin", "read admin", "", "read  write", " read", "r\u00e9ad", "read\n", 'a"b', "x" * 513]
)
def test_a_scope_beyond_the_record_or_malformed_is_refused_whole(story, sensor, scope):
    assert refused(story, {"scope": scope}, sensor) == L.ERR_INVALID_SCOPE


def test_no_scope_and_no_default_is_refused(story, sensor):
    change_client(story, "panel", default_scopes={})
    assert refused(story, {}, sensor) == L.ERR_INVALID_SCOPE


def test_a_scope_the_rs_no_longer_has_is_not_issued(story, sensor):
    change_rs(story, "sensor", scope_map={"write": (("/led", L.METHOD_PUT),)})
    assert refused(story, {"scope": "read"}, sensor) == L.ERR_INVALID_SCOPE
    assert refused(story, {}, sensor) == L.ERR_INVALID_SCOPE
    assert story.server.token({"scope": "write"}, sensor, NOW_S)["access_token"]


def test_a_client_of_several_audiences_must_name_one(story, sensor):
    change_client(story, "panel", scopes={"sensor": ("read",), EKG: ("read_ekg",)})
    assert refused(story, {}, sensor) == L.ERR_INVALID_REQUEST
    assert story.server.token({"audience": "sensor"}, sensor, NOW_S)["access_token"]
    assert story.server.token({"audience": EKG, "scope": "read_ekg"}, sensor, NOW_S)["access_token"]


GET_TEMP = bytes.fromhex("81 82 65 2f74656d70 01".replace(" ", ""))  # [["/temp", 1]]
ALL_LED = bytes.fromhex("81 82 64 2f6c6564 05".replace(" ", ""))  # [["/led", 5]]
DELETE_LED = bytes.fromhex("81 82 64 2f6c6564 08".replace(" ", ""))
SOME_OF_LED = bytes.fromhex("81 82 64 2f6c6564 0c".replace(" ", ""))  # PUT, which the names cover, and DELETE


def test_an_aif_scope_is_issued_as_it_is_when_the_names_cover_it(story, sensor):
    answer = story.server.token({"scope": GET_TEMP}, sensor, NOW_S)
    assert story.store.tokens()[0].scope == GET_TEMP
    assert "scope" not in answer
    assert story.server.token({"scope": ALL_LED}, sensor, NOW_S)


@pytest.mark.parametrize(
    "scope", [DELETE_LED, SOME_OF_LED, b"\x80", b"\xff", b"read", GET_TEMP + b"\0", GET_TEMP[:-1] + b"\0"]
)
def test_an_aif_scope_beyond_the_names_or_malformed_is_refused(story, sensor, scope):
    assert refused(story, {"scope": scope}, sensor) == L.ERR_INVALID_SCOPE


def test_an_aif_scope_shrinks_with_the_clients_names(story, sensor):
    change_client(story, "panel", scopes={"sensor": ("read",)})
    assert refused(story, {"scope": ALL_LED}, sensor) == L.ERR_INVALID_SCOPE


# --- profiles ---


def test_ace_profile_is_answered_exactly_when_it_is_asked_for(story, sensor):
    assert story.server.token({"ace_profile": None}, sensor, NOW_S)["ace_profile"] == L.PROFILE_COAP_OSCORE
    assert "ace_profile" not in story.server.token({}, sensor, NOW_S)


def test_no_common_profile_is_refused(story, sensor):
    assert refused(story, {"ace_profile": L.PROFILE_COAP_DTLS}, sensor) == L.ERR_INCOMPATIBLE_ACE_PROFILES
    assert story.server.token({"ace_profile": L.PROFILE_COAP_OSCORE}, sensor, NOW_S)["ace_profile"] == 2
    change_client(story, "panel", profiles=(L.PROFILE_COAP_DTLS,))
    assert refused(story, {}, sensor) == L.ERR_INCOMPATIBLE_ACE_PROFILES


# --- client-nonce ---


def test_an_rs_that_needs_a_cnonce_gets_no_token_without(story, sensor):
    change_rs(story, "sensor", freshness=True)
    assert refused(story, {}, sensor) == L.ERR_INVALID_REQUEST
    assert story.server.token({"cnonce": b"fresh"}, sensor, NOW_S)["access_token"]
