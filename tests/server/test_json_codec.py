"""JSON shapes of the ACE parameters: RFC 9200, 9201 and 9203, both ways and strictly."""

import json
from typing import Any

import pytest

from holdfast_core import labels as L
from holdfast_server.base64url import b64
from holdfast_server.web.oauth import TOKEN_PARAMETERS
from holdfast_server.wire.forms import read_form
from holdfast_server.wire.json_codec import BadJson, decode_cnf, decode_token_request, encode_answer, unb64

X, Y = b"\x01" * 32, b"\x02" * 32


def jwk(**over: Any) -> str:
    members = {"kty": "EC", "crv": "P-256", "x": b64(X), "y": b64(Y), **over}
    return json.dumps({"jwk": {name: value for name, value in members.items() if value is not None}})


def test_a_token_request_gets_its_labels_and_octets() -> None:
    params = decode_token_request(
        {"grant_type": "client_credentials", "ace_profile": "", "cnonce": "AQI", "scope": "a b", "code": "AQI"}
    )
    assert params == {
        "grant_type": L.GRANT_CLIENT_CREDENTIALS,
        "ace_profile": None,
        "cnonce": b"\x01\x02",
        "scope": "a b",
        "code": b"\x01\x02",
    }


def test_a_parameter_without_a_value_is_as_one_that_is_not_there() -> None:
    form, _ = read_form(b"grant_type=&scope=&req_cnf=&cnonce&ace_profile=", TOKEN_PARAMETERS)
    assert decode_token_request(form) == {"ace_profile": None}


def test_a_grant_that_is_not_served_has_parameters_of_its_own() -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x", "req_cnf": "{", "cnonce": "!"}
    assert decode_token_request(form) == {"grant_type": L.GRANT_REFRESH_TOKEN}


def test_an_unknown_grant_type_stays_text_for_the_server_to_refuse() -> None:
    assert decode_token_request({"grant_type": "implicit"}) == {"grant_type": "implicit"}


def test_an_answer_with_osc_material_is_written_as_rfc_9203_does() -> None:
    answer = encode_answer(
        {
            "access_token": b"\xff\xfe",
            "token_type": L.TOKEN_TYPE_POP,
            "expires_in": 60,
            "ace_profile": L.PROFILE_COAP_OSCORE,
            "cnf": {L.CNF_OSC: {L.OSC_ID: b"\x01", L.OSC_MS: b"\x02" * 16, L.OSC_SALT: b"", L.OSC_ALG: 10}},
        }
    )
    assert answer == {
        "access_token": "__4",
        "token_type": "PoP",
        "expires_in": 60,
        "ace_profile": "coap_oscore",
        "cnf": {"osc": {"id": "AQ", "ms": b64(b"\x02" * 16), "salt": "", "alg": 10}},
    }


def test_a_public_key_and_a_kid_go_both_ways() -> None:
    key = {L.KEY_KTY: L.KTY_EC2, L.KEY_CRV: L.CRV_P256, L.KEY_X: X, L.KEY_Y: Y}
    assert decode_cnf(jwk()) == {L.CNF_COSE_KEY: key}
    assert encode_answer({"cnf": {L.CNF_COSE_KEY: key}})["cnf"] == json.loads(jwk())
    assert decode_cnf('{"kid":"AQ"}') == {L.CNF_KID: b"\x01"}
    assert encode_answer({"cnf": {L.CNF_KID: b"\x01"}}) == {"cnf": {"kid": "AQ"}}


def test_a_symmetric_key_value_reaches_the_server_which_refuses_it() -> None:
    key = decode_cnf(jwk(kty="oct", k="AQ", x=None, y=None, crv=None))[L.CNF_COSE_KEY]
    assert key == {L.KEY_KTY: L.KTY_SYMMETRIC, L.KEY_K: b"\x01"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "{",
        '{"kid":1}',
        '{"kid":"A"}',
        '{"kid":"AQ=="}',
        '{"kid":"AR"}',
        '{"kid":"AQ","kid":"AQ"}',
        '{"kid":"AQ","jwk":{}}',
        jwk(crv=None),
        jwk(crv=[]),
        jwk(crv={}),
        jwk(d="AQ"),
        jwk(kty="OKP", crv="X25519", d="AQ"),
        jwk(x=5),
        jwk(y=None),
        jwk(kty="RSA"),
        "[" * 3000,
        '{"kid":"' + "A" * 5000 + '"}',
    ],
)
def test_what_is_not_a_cnf_is_refused(text: str) -> None:
    with pytest.raises(BadJson):
        decode_cnf(text)


def test_base64url_is_canonical_and_unpadded() -> None:
    assert unb64("AQI") == b"\x01\x02"
    for text in ("AQI=", "AQJ", "A", "+/+/", "AQ\n", "é", 7, None):
        with pytest.raises(BadJson):
            unb64(text)
