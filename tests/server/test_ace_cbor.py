"""The CBOR shapes of ACE parameters: every one both ways, and any bytes a value or Malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.errors import Malformed
from holdfast_core.names import ACE_NAMES
from holdfast_server.authz.introspection import INTROSPECTION_NAMES
from holdfast_server.authz.token_request import GRANT_TYPES
from holdfast_server.wire.ace_cbor import (
    TOKEN_REQUEST_TYPES,
    decode_introspection_request,
    decode_token_request,
    encode_error,
    encode_introspection_answer,
    encode_token_answer,
)

EXAMPLES = {str: "text", bytes: b"octets", int: 7, dict: {1: 2}, type(None): None}


def test_every_parameter_is_taken_in_each_of_its_types_and_no_other():
    for label, types in TOKEN_REQUEST_TYPES.items():
        for kind, value in EXAMPLES.items():
            encoded = cbor.encode({label: value})
            if kind in types:
                assert decode_token_request(encoded) == {ACE_NAMES[label]: value}
            else:
                with pytest.raises(Malformed):
                    decode_token_request(encoded)


def test_an_empty_map_is_a_request_with_defaults():
    assert decode_token_request(b"\xa0") == {}


def test_a_token_answer_is_a_map_of_integers():
    answer = {"access_token": b"t", "expires_in": 60, "cnf": {L.CNF_KID: b"k"}, "scope": "a", "ace_profile": 2}
    assert cbor.decode(encode_token_answer(answer)) == {
        L.ACE_ACCESS_TOKEN: b"t",
        L.ACE_EXPIRES_IN: 60,
        L.ACE_CNF: {L.CNF_KID: b"k"},
        L.ACE_SCOPE: "a",
        L.ACE_PROFILE: 2,
    }


def test_an_introspection_answer_is_a_map_of_integers_down_to_the_actors():
    answer = dict.fromkeys(INTROSPECTION_NAMES.values(), 1)
    answer["act"] = {"sub": "ekg", "act": {"sub": "hub", "iss": "https://as.example"}}
    answered = cbor.decode(encode_introspection_answer(answer))
    assert set(answered) == set(INTROSPECTION_NAMES)
    inner = {L.CLAIM_SUB: "hub", L.CLAIM_ISS: "https://as.example"}
    assert answered[L.PRIV_ACT] == {L.CLAIM_SUB: "ekg", L.PRIV_ACT: inner}


def test_an_error_says_no_more_than_it_was_given():
    assert cbor.decode(encode_error(L.ERR_INVALID_GRANT)) == {L.ACE_ERROR: L.ERR_INVALID_GRANT}
    assert cbor.decode(encode_error(L.ERR_INVALID_GRANT, "why")) == {
        L.ACE_ERROR: L.ERR_INVALID_GRANT,
        L.ACE_ERROR_DESCRIPTION: "why",
    }


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_malformed(octets):
    for decode in (decode_token_request, decode_introspection_request):
        try:
            params = decode(octets)
        except Malformed:
            continue
        assert all(type(name) is str for name in params)


VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.binary(max_size=5)
LABELS = st.sampled_from([*TOKEN_REQUEST_TYPES, L.INTRO_TOKEN, L.INTRO_TOKEN_TYPE_HINT, 0, 999])


@given(st.dictionaries(LABELS, VALUES | st.dictionaries(st.integers(1, 4), VALUES, max_size=2), max_size=4))
def test_any_map_is_a_request_of_known_names_and_types_or_malformed(fields):
    try:
        params = decode_token_request(cbor.encode(fields))
    except Malformed:
        assert any(
            label in ACE_NAMES and type(fields[label]) not in TOKEN_REQUEST_TYPES.get(label, ()) for label in fields
        )
    else:
        if params.get("grant_type", GRANT_TYPES[0]) not in GRANT_TYPES:
            fields = {L.ACE_GRANT_TYPE: fields[L.ACE_GRANT_TYPE]}  # the rest is the affair of a grant that is not ours
        assert params == {ACE_NAMES[label]: value for label, value in fields.items() if label in ACE_NAMES}
