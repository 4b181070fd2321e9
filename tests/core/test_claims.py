"""Claims sets on their own: the RFC's example, each type, floats rounded so that no comparison moves, actors."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minitest import vectors

from holdfast_core.claims import claims_from_introspection, decode_claims
from holdfast_core.errors import Malformed, MalformedClaims
from holdfast_core.kinds import MAX_ACTORS, MAX_AUDIENCES, MAX_TIME_S

RFC8392 = {row["id"]: bytes.fromhex(row["hex"]) for row in vectors("rfc8392")}
NOW = 1_800_000_000
ACT = -65544


def decoded(claims):
    return decode_claims(cbor2.dumps(claims, canonical=True))


def test_rfc8392_a1():
    claims = decode_claims(RFC8392["claims_set"])
    assert (claims.iss, claims.sub, claims.aud) == ("coap://as.example.com", "erikw", ("coap://light.example.com",))
    assert (claims.exp, claims.nbf, claims.iat) == (1444064944, 1443944944, 1443944944)
    assert claims.cti == bytes.fromhex("0b71")
    assert (claims.cnf, claims.scope, claims.ace_profile, claims.cnonce, claims.exi) == (None,) * 5


def test_rfc8392_a1_truncated_at_every_byte():
    encoded = RFC8392["claims_set"]
    for end in range(len(encoded)):
        with pytest.raises(Malformed):
            decode_claims(encoded[:end])
    with pytest.raises(Malformed):
        decode_claims(encoded + b"\xf6")


def test_empty_set_has_nothing():
    claims = decoded({})
    assert [getattr(claims, name) for name in claims.__slots__ if name != "aud"] == [None] * (len(claims.__slots__) - 1)
    assert claims.aud == ()


def test_unknown_claims_are_ignored():
    claims = decoded({1: "i", 10: b"eat nonce", -70000: {"deep": [1]}, "exp": 5, "": None, 65535: True, 24: "x", 41: 1})
    assert claims.iss == "i"
    assert claims.exp is None
    assert claims.client_id is None  # 24 is a name in introspection answers only


def test_client_id_in_introspection():
    assert claims_from_introspection({24: "doctor_app"}).client_id == "doctor_app"
    with pytest.raises(MalformedClaims, match="client_id"):
        claims_from_introspection({24: b"doctor_app"})
    for answer in (None, [], b"", 1):
        with pytest.raises(MalformedClaims, match="map"):
            claims_from_introspection(answer)


@given(st.floats(min_value=-MAX_TIME_S, max_value=MAX_TIME_S), st.integers(-3, 3))
def test_a_rounded_float_compares_like_the_float(date, distance):
    """For whole seconds before, at and after: now >= exp and now < nbf mean the same for the float and our integer."""
    claims = decoded({4: date, 5: date})
    assert isinstance(claims.exp, int)
    now = int(date) + distance
    assert (now >= claims.exp) == (now >= date)
    assert (now < claims.nbf) == (now < date)


def test_extreme_dates():
    for date in (MAX_TIME_S, float(MAX_TIME_S), -MAX_TIME_S, -float(MAX_TIME_S)):
        assert decoded({4: date}).exp == int(date)
    assert decoded({4: 5e-324}).exp == 1
    for date in (MAX_TIME_S + 1, -MAX_TIME_S - 1, MAX_TIME_S + 0.5, 1e300, -1e300, 2**63, 2**64 - 1, -(2**64)):
        with pytest.raises(MalformedClaims, match="exp"):
            decoded({4: date})


def test_audiences():
    assert decoded({3: "a"}).aud == ("a",)
    assert decoded({3: ["a", "b"]}).aud == ("a", "b")
    assert len(decoded({3: ["a"] * MAX_AUDIENCES}).aud) == MAX_AUDIENCES
    for aud in ([], ["a"] * (MAX_AUDIENCES + 1), ["a", b"b"], [["a"]], b"a", {}, None, 1):
        with pytest.raises(MalformedClaims, match="aud"):
            decoded({3: aud})


def test_actors():
    chain = {2: "a"}
    for _ in range(MAX_ACTORS - 1):
        chain = {2: "x", ACT: chain}
    assert decoded({ACT: chain}).act == chain
    assert decoded({ACT: {2: "a", 99: 1}}).act == {2: "a", 99: 1}
    for act in ({}, {1: "a"}, {2: b"a"}, {2: "a", ACT: None}, {2: "a", ACT: {}}, {2: "x", ACT: chain}, "a", [], None):
        with pytest.raises(MalformedClaims, match="act"):
            decoded({ACT: act})


def test_exi_is_a_duration():
    assert decoded({40: 0}).exi == 0
    assert decoded({40: 60}).exi == 60
    for exi in (-1, 60.0, True, "60", None):
        with pytest.raises(MalformedClaims, match="exi"):
            decoded({40: exi})


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x01", b"\xf6", b"\xa1\x01", b"\xbf\xff", b"\xa2\x01\x40\x01\x40"])
def test_not_a_claims_set(payload):
    with pytest.raises(Malformed):
        decode_claims(payload)


def test_prints_no_key():
    claims = decoded({1: "i", 8: {4: {0: b"id", 2: b"top secret bytes"}}})
    assert "secret" not in repr(claims)
    assert "i" in repr(claims)
