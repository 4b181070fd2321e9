"""Tokens for corners of the C core that no vector reaches, each with its verdict; the Python core says the same."""

import pytest
from minitest import vectors

from holdfast_core.errors import PeerError
from holdfast_core.moment import Moment
from holdfast_core.verifier import verify_token
from testkit import native_token as kit
from testkit import p256_native
from testkit.token_rules import rules_from
from vectors.gen import story as s
from vectors.gen import token_writer as w

every_build = pytest.mark.parametrize("build", kit.BUILDS.values(), ids=kit.BUILDS)
ANY = next(row for row in vectors("token_rules") if row["keys"] == "any")
BOTH = ANY | {"profiles": [2, 1]}
KID = b"k"
# Keys of one kid: two of alg 10 with others before, between and behind.
ONE_KID = ANY | {
    "trusted": [
        {"role": "encrypt", "kid": KID.hex(), "alg": alg, "issuer": s.ISSUER, "key": w.symmetric(name, length).hex()}
        for name, alg, length in (("a", 30, 16), ("b", 10, 16), ("c", 11, 32), ("d", 10, 16), ("e", 31, 32))
    ]
}
NOWHERE = w.array(w.tstr("/no"), w.integer(1))
BIG = w.integer(1 << 40)
SMALL = w.integer(-(1 << 40))
ONE = w.integer(1)
EC2 = [(1, w.integer(2)), (-1, ONE)]
X, Y = w.public_xy("as-s2")[:32], w.public_xy("as-s2")[32:]
P, BELOW_P = (number.to_bytes(32, "big") for number in (p256_native.P, p256_native.P - 1))
PSK = [(1, w.integer(4)), (-1, w.bstr(bytes(16)))]


def token(changes, extra=()):
    return w.cwt(16, s.encrypted(s.claims(changes, extra)))


def osc(*members):
    return token({8: w.mapping((4, w.mapping((0, w.bstr(s.OSC_ID)), (2, w.bstr(s.MS)), *members)))})


def dtls(*cnf):
    return token({8: w.mapping(*cnf), 38: ONE})


def key(*members):
    return dtls((1, w.mapping(*members)))


def secret_key(header, unprotected=w.EMPTY_MAP, plaintext=None):
    plaintext = w.mapping(*PSK) if plaintext is None else plaintext
    return dtls((2, w.encrypt0(plaintext, header, s.material(s.ENC), s.IV, unprotected=unprotected)))


def actors(depth):
    inner = w.mapping((2, w.tstr("x")))
    for _ in range(depth - 1):
        inner = w.mapping((2, w.tstr("x")), (-65544, inner))
    return token({-65544: inner})


def headed(*more):
    """A token whose protected header has more parameters."""
    return w.cwt(16, s.encrypted(s.claims(), header=w.protected(10, b"as-e1", s.IV, *more)))


def bare(header, unprotected=w.EMPTY_MAP, content=None):
    return w.cwt(17, w.array(w.bstr(header), unprotected, content or w.bstr(s.claims()), w.bstr(bytes(32))))


def by(name, alg=10, length=16):
    header = w.protected(alg, KID, s.IV)
    return w.cwt(16, w.encrypt0(s.claims(), header, w.symmetric(name, length), s.IV, w.TAG_LENS[alg]))


BIG_FLOAT = w.f64(bytes.fromhex("7e37e43c8800759c"))  # 1e300
MINUS = w.f64(bytes.fromhex("fe37e43c8800759c"))
CASES = [
    # NumericDate of every width, rounded up
    ("exp-f16-most", "token-expired: exp", token({4: w.f16(b"\x7b\xff")})),
    ("exp-f16-least", "token-expired: exp", token({4: w.f16(b"\x00\x01")})),
    ("exp-f16-minus", "token-expired: exp", token({4: w.f16(b"\xbc\x00")})),
    ("exp-f32-2^31", "", token({4: w.f32(b"\x4f\x00\x00\x00")})),
    ("exp-f32-least", "token-expired: exp", token({4: w.f32(b"\x00\x00\x00\x01")})),
    ("exp-f32-most", "malformed-claims: exp", token({4: w.f32(b"\x7f\x7f\xff\xff")})),
    ("exp-f64-1e300", "malformed-claims: exp", token({4: BIG_FLOAT})),
    ("exp-f64-zero", "token-expired: exp", token({4: w.f64(bytes(8))})),
    ("exp-f64-least", "token-expired: exp", token({4: w.f64(bytes(7) + b"\1")})),
    ("exp-f64-2^63", "malformed-claims: exp", token({4: w.f64(bytes.fromhex("43e0000000000000"))})),
    ("exp-f64-below-2^63", "malformed-claims: exp", token({4: w.f64(bytes.fromhex("43dfffffffffffff"))})),
    ("nbf-f64-minus-1e300", "malformed-claims: nbf", token({5: MINUS})),
    ("nbf-f64-minus-2^63", "malformed-claims: nbf", token({5: w.f64(bytes.fromhex("c3e0000000000000"))})),
    ("nbf-f64-1e300", "malformed-claims: nbf", token({5: BIG_FLOAT})),
    ("nbf-minus-half", "", token({5: w.f64(bytes.fromhex("bfe0000000000000"))})),
    ("exp-int-most", "malformed-claims: exp", token({4: w.integer((1 << 64) - 1)})),
    ("exp-int-least", "malformed-claims: exp", token({4: w.integer(-(1 << 64))})),
    # integers beyond 32 bits where small ones are known
    ("profile-big", "profile-unsupported: ace_profile", token({38: BIG})),
    ("profile-small", "profile-unsupported: ace_profile", token({38: SMALL})),
    ("claim-big", "", token({}, [(1 << 40, ONE), (-(1 << 40), ONE), ((1 << 32) + 8, ONE)])),
    ("header-big", "crit-unknown: parameter", headed((1 << 40, ONE))),
    ("header-small", "crit-unknown: parameter", headed((-(1 << 40), ONE))),
    ("alg-big", "unsupported-alg: key", bare(w.mapping((1, w.integer((1 << 32) + 5)), (4, w.bstr(b"as-m1"))))),
    ("osc-alg-big", "key-unsuitable: alg", osc((4, w.integer((1 << 32) + 10)))),
    # no COSE tag, but as many items as its number: the first of them must not be taken for the message
    ("array-of-16-for-tag-16", "malformed-cose: tag", w.tag(61, w.array(s.encrypted(s.claims()), *[ONE] * 15))),
    # headers
    ("piv-not-bytes", "malformed-cose: header", headed((6, ONE))),
    ("content-true", "malformed-cose: structure", bare(w.protected(5, b"as-m1"), content=w.TRUE)),
    ("protected-empty", "unsupported-alg: missing", bare(b"")),
    ("protected-empty-map", "unsupported-alg: missing", bare(w.EMPTY_MAP)),
    ("protected-empty-and-shared", "header-unprotected: unprotected", bare(b"", w.mapping((1, w.integer(5))))),
    # confirmation keys
    ("act-4", "", actors(4)),
    ("act-5", "malformed-claims: act", actors(5)),
    ("osc-label-7", "malformed-key: unknown", osc((7, ONE))),
    ("osc-label-minus", "malformed-key: unknown", osc((-1, ONE))),
    ("osc-label-text", "malformed-key: unknown", osc(("x", ONE))),
    ("osc-alg-name-11", "", osc((4, w.tstr("AES-CCM-16-64-256")))),
    ("osc-alg-name-30", "", osc((4, w.tstr("AES-CCM-16-128-128")))),
    ("osc-alg-name-31", "", osc((4, w.tstr("AES-CCM-16-128-256")))),
    ("osc-alg-name-short", "malformed-key: alg", osc((4, w.tstr("AES-CCM-16-64-12")))),
    ("osc-alg-name-long", "malformed-key: alg", osc((4, w.tstr("AES-CCM-16-64-1280")))),
    ("osc-alg-name-empty", "malformed-key: alg", osc((4, w.tstr("")))),
    ("osc-hkdf-name", "", osc((3, w.tstr("HMAC 256/256")))),
    ("osc-hkdf-other", "malformed-key: hkdf", osc((3, w.tstr("HMAC 384/384")))),
    ("osc-version-name", "malformed-key: version", osc((1, w.tstr("1")))),
    ("kid-beside-key-without", "", dtls((3, w.bstr(b"y")), (1, w.mapping(*PSK)))),
    ("kid-beside-same", "", dtls((3, w.bstr(b"y")), (1, w.mapping(*PSK, (2, w.bstr(b"y")))))),
    (
        "kid-beside-other",
        "malformed-claims: several-keys",
        dtls((3, w.bstr(b"y")), (1, w.mapping(*PSK, (2, w.bstr(b"z"))))),
    ),
    ("x-is-p", "malformed-key: coordinate-range", key(*EC2, (-2, w.bstr(b"\xff" * 32)), (-3, w.bstr(Y)))),
    ("y-is-p", "malformed-key: coordinate-range", key(*EC2, (-2, w.bstr(X)), (-3, w.bstr(b"\xff" * 32)))),
    ("x-is-p-itself", "malformed-key: coordinate-range", key(*EC2, (-2, w.bstr(P)), (-3, w.bstr(Y)))),
    ("y-is-p-itself", "malformed-key: coordinate-range", key(*EC2, (-2, w.bstr(X)), (-3, w.bstr(P)))),
    ("x-below-p", "malformed-key: not-on-curve", key(*EC2, (-2, w.bstr(BELOW_P)), (-3, w.bstr(Y)))),
    ("aud-16", "", token({3: w.array(*[w.tstr(s.TUBE)] * 16)})),
    ("aud-17", "malformed-claims: aud", token({3: w.array(*[w.tstr(s.TUBE)] * 17)})),
    ("xy", "", key(*EC2, (-2, w.bstr(X)), (-3, w.bstr(Y)))),
    ("yx", "malformed-key: not-on-curve", key(*EC2, (-2, w.bstr(Y)), (-3, w.bstr(X)))),
    ("ops-second-suits", "", key(*PSK, (4, w.array(w.integer(1), w.integer(8))))),
    ("ops-first-suits", "", key(*PSK, (4, w.array(w.integer(7))))),
    ("ops-none-suits", "key-unsuitable: key-ops", key(*PSK, (4, w.array(w.tstr("x"), ONE, w.integer(9))))),
    ("ops-verify", "", key(*EC2, (-2, w.bstr(X)), (-3, w.bstr(Y)), (4, w.array(ONE, w.integer(2))))),
    ("alg-text", "key-unsuitable: alg", key(*PSK, (3, w.tstr("HKDF")))),
    ("encrypted-key", "", secret_key(w.protected(10, b"as-e1", s.IV))),
    ("encrypted-key-crit", "crit-unknown: crit", secret_key(w.protected(10, None, s.IV, (2, w.array(ONE))))),
    ("encrypted-key-bare", "", secret_key(b"", w.mapping((1, w.integer(10)), (5, w.bstr(s.IV))))),
    ("encrypted-key-no-iv", "malformed-cose: iv", secret_key(w.protected(10))),
    ("encrypted-key-no-alg", "unsupported-alg: key", secret_key(w.protected(None, b"as-e1", s.IV))),
    ("encrypted-key-empty", "malformed-cbor: truncated", secret_key(w.protected(10, None, s.IV), plaintext=b"")),
    ("encrypted-key-array", "malformed-key: map", secret_key(w.protected(10, None, s.IV), plaintext=b"\x80")),
    ("encrypted-key-not-array", "malformed-cose: structure", dtls((2, ONE))),
    # scopes
    ("aif-path-empty", "malformed-scope: path", token({9: w.bstr(w.array(w.array(w.tstr(""), ONE)))})),
    ("aif-path-number", "malformed-scope: path", token({9: w.bstr(w.array(w.array(ONE, ONE)))})),
    ("aif-methods-big", "scope-unknown: method", token({9: w.bstr(w.array(w.array(w.tstr("/log"), BIG)))})),
    ("aif-two", "scope-unknown: path", token({9: w.bstr(w.array(NOWHERE, w.array(w.tstr("/log"), ONE)))})),
    ("aif-worse", "malformed-scope: entry", token({9: w.bstr(w.array(NOWHERE, ONE))})),
    ("aif-tag", "malformed-scope: cbor", token({9: w.bstr(w.tag(16, w.array()))})),
    ("scope-space", "malformed-scope: name", token({9: w.tstr(" ")})),
    ("scope-tilde", "scope-unknown: name", token({9: w.tstr("~")})),
    ("scope-del", "malformed-scope: name", token({9: w.tstr("a\x7f")})),
]
SAME_KID = [
    ("first-of-alg", "", by("b")),
    ("second-of-alg", "", by("d")),
    ("only-of-alg", "", by("e", 31, 32)),
    ("none-fits", "bad-signature: no-key-fits", by("x")),
    (
        "other-alg",
        "unsupported-alg: key",
        by("a", 10, 16).replace(w.protected(10, KID, s.IV), w.protected(3, KID, s.IV)),
    ),
]


def python_text(encoded, rules, exi_floor=None):
    try:
        verify_token(encoded, rules, Moment(s.NOW, exi_floor=exi_floor))
    except PeerError as error:
        return str(error)
    return ""


@every_build
@pytest.mark.parametrize(("row", "cases"), [(BOTH, CASES), (ONE_KID, SAME_KID)], ids=["corners", "one-kid"])
def test_corners(build, row, cases):
    rules = rules_from(row)
    records = [kit.record("R", kit.encode_rules(row)), *[kit.token_record(one, s.NOW) for _, _, one in cases]]
    verdicts = kit.run(kit.program(*build), records)[1:]
    for (name, want, encoded), verdict in zip(cases, verdicts, strict=True):
        assert (name, verdict.text) == (name, want)
        assert (name, python_text(encoded, rules)) == (name, want)


def floats():
    """Encoded floats of each width, sign and exponent that a date can have, and of some that it cannot."""
    for writer, fraction_bits, exponents in (
        (w.f16, 10, range(31)),
        (w.f32, 23, (*range(3), *range(100, 200), 253, 254)),
        (w.f64, 52, (*range(3), *range(1000, 1100), 2046)),
    ):
        width = {10: 2, 23: 4, 52: 8}[fraction_bits]
        for sign in (0, 1):
            for exponent in exponents:
                for fraction in (0, 1, 0x2B << fraction_bits - 7, (1 << fraction_bits) - 1):
                    bits = sign << 8 * width - 1 | exponent << fraction_bits | fraction
                    yield writer(bits.to_bytes(width, "big"))


def test_dates_are_the_same_numbers():
    """nbf, rounded up, of every kind of float: the verdict says where it is in time, the grant which number it is."""
    row, rules = BOTH, rules_from(BOTH)
    tokens = [token({5: date}) for date in floats()]
    verdicts = kit.run(
        kit.program(), [kit.record("R", kit.encode_rules(row)), *(kit.token_record(t, s.NOW) for t in tokens)]
    )
    seen = []
    for one, verdict in zip(tokens, verdicts[1:], strict=True):
        try:
            grant = verify_token(one, rules, Moment(s.NOW))
        except PeerError as error:
            assert verdict.text == str(error), one.hex()
        else:
            assert verdict.text == ""
            assert verdict.grant["nbf"] == kit.of_grant(grant)["nbf"], one.hex()
            seen.append(grant.nbf)
    assert len(set(seen)) > 200


@pytest.mark.parametrize("floor", [None, -1, 0, 6, 7, 8, 1 << 32, (1 << 64) - 1])
def test_sequence_numbers(floor):
    numbers = (0, 1, 7, 8, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, (1 << 63), (1 << 64) - 1)
    tokens = [token({7: w.bstr(s.RS_ID + n.to_bytes(8, "big")), 40: w.integer(60)}) for n in numbers]
    records = [kit.record("R", kit.encode_rules(ANY)), *[kit.token_record(one, s.NOW, floor) for one in tokens]]
    verdicts = [verdict.text for verdict in kit.run(kit.program(), records)[1:]]
    assert verdicts == [python_text(one, rules_from(ANY), floor) for one in tokens]
    assert verdicts.count("") == (0 if floor is None else sum(n > floor for n in numbers))


@every_build
def test_readers_stay_inside_what_was_never_checked(build):
    """Every reader on bytes that hf_cbor_check refuses: it ends, at or before the end (a sanitizer sees the rest)."""
    declared = [bytes((major << 5 | 27,)) + b"\xff" * 8 for major in range(7)]
    cases = [
        b"",
        b"\x82",
        b"\x82\1",
        b"\xa1\1",
        b"\xbf",
        b"\xd0",
        b"\x1c",
        b"\x9a\0\0\0\5\0",
        *declared,
        b"\xa2\1\x1c\2\3",
    ]
    verdicts = kit.run(kit.program(*build), [kit.record("W", case) for case in cases])
    assert [verdict.reason for verdict in verdicts] == [""] * len(cases)
