"""The bounds of a token request and of the one decision, each with the value beside it."""

import cbor2
import pytest

from holdfast_core import labels as L
from holdfast_core.kinds import MAX_ACCESS_TOKEN_LEN
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_core.scope import encode_aif
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import OAuthError
from holdfast_server.authz.grants import _user
from holdfast_server.authz.policy import Authority, decide
from holdfast_server.authz.token_request import parse_token_request
from holdfast_server.records import Client, ResourceServer
from testkit.authz import DOCTOR, NOW_S, change_client, change_rs, cose_key, exchange_params, refused

# --- the request ---


@pytest.mark.parametrize(
    ("name", "unit", "longest", "error"),
    [
        ("scope", "x", 512, L.ERR_INVALID_SCOPE),
        ("scope", b"x", 512, L.ERR_INVALID_SCOPE),
        ("client_id", "x", 2048, L.ERR_INVALID_REQUEST),
        ("audience", "x", 2048, L.ERR_INVALID_REQUEST),
        ("redirect_uri", "x", 2048, L.ERR_INVALID_REQUEST),
        ("code_verifier", "x", 2048, L.ERR_INVALID_REQUEST),
        ("cnonce", b"x", 64, L.ERR_INVALID_REQUEST),
        ("code", b"x", MAX_ACCESS_TOKEN_LEN, L.ERR_INVALID_REQUEST),
        ("subject_token", b"x", MAX_ACCESS_TOKEN_LEN, L.ERR_INVALID_REQUEST),
    ],
)
def test_each_parameter_has_one_to_its_most_octets(name, unit, longest, error):
    for length in (1, longest):
        assert getattr(parse_token_request({name: unit * length}), name) == unit * length
    for length in (0, longest + 1):
        with pytest.raises(OAuthError) as caught:
            parse_token_request({name: unit * length})
        assert caught.value.ace_error == error


@pytest.mark.parametrize("value", [True, False, "coap_oscore", b"\x02"])
def test_a_profile_is_a_number_or_null(value):
    with pytest.raises(OAuthError) as caught:
        parse_token_request({"ace_profile": value})
    assert caught.value.ace_error == L.ERR_INVALID_REQUEST
    assert parse_token_request({"ace_profile": None}).names_profile
    assert parse_token_request({"ace_profile": 2}).ace_profile == 2


def test_an_exchange_says_what_it_brings():
    params = {"grant_type": L.PRIV_GRANT_TOKEN_EXCHANGE, "subject_token": b"x"}
    assert parse_token_request({**params, "subject_token_type": ACCESS_TOKEN_URN}).subject_token == b"x"
    for changes in ({}, {"subject_token_type": ACCESS_TOKEN_URN, "requested_token_type": "urn:x"}):
        with pytest.raises(OAuthError) as caught:
            parse_token_request({**params, **changes})
        assert caught.value.ace_error == L.ERR_INVALID_REQUEST


# --- scope ---

LED, TEMP = "/led", "/temp"


@pytest.mark.parametrize(
    "asked",
    [
        [("/other", L.METHOD_GET)],  # in no name
        [(TEMP, L.METHOD_GET), ("/other", L.METHOD_GET)],
        [(LED, L.METHOD_GET)],  # the names give PUT alone
        [(TEMP, L.METHOD_GET), (LED, 0)],  # nothing is no right
    ],
)
def test_paths_beyond_the_names_are_refused(story, sensor, asked):
    scopes = {"read": ((TEMP, L.METHOD_GET),), "write": ((LED, L.METHOD_PUT),)}
    change_rs(story, "sensor", scope_map=scopes)
    good = [(TEMP, L.METHOD_GET), (LED, L.METHOD_PUT)]
    assert story.server.token({"scope": encode_aif(good)}, sensor, NOW_S)["access_token"]
    encoded = cbor2.dumps([list(pair) for pair in asked])
    assert refused(story, {"scope": encoded}, sensor) == L.ERR_INVALID_SCOPE


def test_a_client_that_narrows_gets_the_part_that_is_granted_and_never_more(story, sensor):
    change_client(story, "panel", narrows=True)
    paths = [(TEMP, L.METHOD_GET), (LED, L.METHOD_PUT | L.METHOD_DELETE), ("/other", L.METHOD_GET)]
    for asked, issued in (
        ("admin read other", "read"),
        ("write", "write"),
        (encode_aif(paths), encode_aif([(TEMP, L.METHOD_GET), (LED, L.METHOD_PUT)])),
    ):
        story.server.token({"scope": asked}, sensor, NOW_S)
        assert story.store.tokens()[0].scope == issued
    for asked in ("admin", encode_aif([(LED, L.METHOD_DELETE)]), encode_aif([("/other", L.METHOD_GET)])):
        assert refused(story, {"scope": asked}, sensor) == L.ERR_INVALID_SCOPE


# --- keys, freshness, lifetime: of one, and of several ---

KEYS = cose_key(5), cose_key(6)
SCOPES = {"read": ((TEMP, L.METHOD_GET),)}


@pytest.fixture
def gates(story):
    """A signed group audience of two, whose first alone has no clock, and a client of it that has two keys."""
    for rs_id, changes in (("gate1", {"exi_lifetime_s": 60}), ("gate2", {})):
        rs = ResourceServer(rs_id, (rs_id, "gates"), SCOPES, "cwt-signed", (L.PROFILE_COAP_DTLS,), **changes)
        story.registry.add_resource_server(rs, NOW_S)
    client = Client(
        "fob",
        (L.GRANT_CLIENT_CREDENTIALS,),
        {"gates": ("read",), "gate1": ("read",)},
        {"gates": "read", "gate1": "read"},
        profiles=(L.PROFILE_COAP_DTLS,),
        public_keys=tuple(cbor2.dumps(key) for key in KEYS),
    )
    story.registry.add_client(client, NOW_S)
    return Caller("fob", authenticated=True)


def test_each_key_that_a_client_has_proven_is_good(story, gates):
    for key in KEYS:
        answer = story.server.token({"audience": "gate1", "req_cnf": {L.CNF_COSE_KEY: key}}, gates, NOW_S)
        assert key[L.KEY_X] in answer["access_token"]
    params = {"audience": "gate1", "req_cnf": {L.CNF_COSE_KEY: cose_key(7)}}
    assert refused(story, params, gates) == L.ERR_UNSUPPORTED_POP_KEY


@pytest.mark.parametrize("fresh", ["gate1", "gate2"])
def test_a_group_needs_a_cnonce_when_one_member_does(story, gates, fresh):
    params = {"audience": "gates", "req_cnf": {L.CNF_COSE_KEY: KEYS[0]}}
    assert story.server.token(params, gates, NOW_S)["access_token"]
    change_rs(story, fresh, freshness=True)
    assert refused(story, params, gates) == L.ERR_INVALID_REQUEST
    assert story.server.token({**params, "cnonce": b"fresh"}, gates, NOW_S)["access_token"]


def decided(story, authority, audience):
    request = parse_token_request({"audience": audience, "req_cnf": {L.CNF_COSE_KEY: KEYS[0]}})
    return decide(request, story.store.client("fob"), authority, story.store, NOW_S)


def test_only_a_token_for_one_device_without_a_clock_counts_from_its_arrival(story, gates):
    assert decided(story, Authority("fob"), "gate1").exi == 60
    assert decided(story, Authority("fob"), "gates").exi == 0


def test_a_grant_that_is_over_gives_nothing(story, gates):
    last = decided(story, Authority("fob", exp_limit=NOW_S + 1), "gate1")
    assert (last.exp, last.exi) == (NOW_S + 1, 1)
    for late_s in (0, 1):
        with pytest.raises(OAuthError) as caught:
            decided(story, Authority("fob", exp_limit=NOW_S - late_s, refusal=L.ERR_INVALID_REQUEST), "gate1")
        assert caught.value.ace_error == L.ERR_INVALID_REQUEST


def test_each_member_of_a_group_may_exchange_its_token_and_nobody_else(story, gates):
    params = {"audience": "gates", "req_cnf": {L.CNF_COSE_KEY: KEYS[0]}}
    original = story.server.token(params, gates, NOW_S)["access_token"]
    story.registry.add_resource_server(ResourceServer("archive", ("archive",), SCOPES), NOW_S)
    story.registry.add_client(Client("gateway", (L.PRIV_GRANT_TOKEN_EXCHANGE,), {"archive": ("read",)}), NOW_S)
    asked = exchange_params(original, audience="archive", scope="read")
    callers = {rs_id: Caller("gateway", rs_id, authenticated=True) for rs_id in ("gate1", "gate2", "archive")}
    for rs_id in ("gate1", "gate2"):
        assert story.server.token(asked, callers[rs_id], NOW_S)["access_token"]
    assert refused(story, asked, callers["archive"]) == L.ERR_INVALID_REQUEST
    change_rs(story, "gate2", disabled=True)
    assert refused(story, asked, callers["gate2"]) == L.ERR_INVALID_REQUEST


def test_a_person_who_is_not_known_has_granted_nothing(story):
    assert _user(story.store, DOCTOR).user_id == DOCTOR
    for refusal in (L.ERR_INVALID_GRANT, L.ERR_INVALID_REQUEST):
        with pytest.raises(OAuthError) as caught:
            _user(story.store, "stranger", refusal)
        assert caught.value.ace_error == refusal
