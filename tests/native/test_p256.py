"""The C core's ES256 in every build and geometry: Wycheproof, RFC 6979, OpenSSL, and what combs get wrong."""

import hashlib
import json

import pytest

from testkit import p256_native as kit
from testkit.native_build import ROOT

VECTORS = ROOT / "tests" / "vectors"
EACH = [
    pytest.param(build, geometry, id=f"{build}-T{geometry[0]}B{geometry[1]}")
    for build in kit.BUILDS
    for geometry in kit.GENERATORS
]
every_build = pytest.mark.parametrize(("build", "geometry"), EACH)

N = kit.N
EDGES = (0, 1, 2, 3, N - 1, N - 2, (N - 1) // 2, (N + 1) // 2, 1 << 43, 1 << 32, (1 << 215) - 1, 1 << 255)
KEYS = (1, N - 1, 2, N - 2, 3, 5, 7, 16, (N + 1) // 2, 1 << 32, 1 << 43, N - (1 << 43), N - (1 << 215))


def rows(name):
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]


def same_verdict(native, point, tables, digest, sig, good, what):
    """Every way to ask gives this answer."""
    want = kit.OK if good else kit.NOT_AUTHENTIC
    assert native.verify(kit.sec1(*point), digest, sig) == want, what
    for teeth, blocks in tables:
        assert native.verify_fixed(kit.table(point, teeth, blocks), digest, sig) == want, (what, teeth, blocks)


@every_build
def test_wycheproof(build, geometry):
    native = kit.native(build, geometry)
    seen = {"valid": 0, "invalid": 0}
    for row in rows("wycheproof_ecdsa_p1363.jsonl"):
        sig, public = bytes.fromhex(row["sig"]), bytes.fromhex(row["public"])
        seen[row["result"]] += 1
        if len(sig) != 64:  # the prototype says 64: whoever calls checks
            assert row["result"] == "invalid"
            continue
        point = (int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big"))
        digest = hashlib.sha256(bytes.fromhex(row["msg"])).digest()
        good = row["result"] == "valid"
        same_verdict(native, point, ((4, 2), (6, 1), (8, 1)), digest, sig, good, row["tcId"])
    assert seen == {"valid": 173, "invalid": 89}


@every_build
def test_published_signatures(build, geometry):
    native = kit.native(build, geometry)
    published = rows("crypto_es256.jsonl")
    assert len(published) > 5
    for row in published:
        point = (int(row["x"], 16), int(row["y"], 16))
        digest, sig = hashlib.sha256(bytes.fromhex(row["msg"])).digest(), bytes.fromhex(row["sig"])
        same_verdict(native, point, kit.KEY_TABLES, digest, sig, True, row["id"])
        other = bytes((digest[0] ^ 1,)) + digest[1:]
        same_verdict(native, point, kit.KEY_TABLES, other, sig, False, row["id"])


@every_build
def test_as_openssl_on_random_signatures(build, geometry):
    native = kit.native(build, geometry)
    cases = kit.random_cases(2000, "p256")
    assert 1000 < sum(good for *_, good in cases) < 1300
    for i, (point, digest, sig, good) in enumerate(cases):
        same_verdict(native, point, (kit.KEY_TABLES[i % len(kit.KEY_TABLES)],), digest, sig, good, i)


@pytest.mark.parametrize("build", kit.BUILDS)
def test_every_meeting_of_two_combs(build):
    """u1 G + u2 d G for small, extreme and cancelling multipliers: infinity, equal and opposite addends, Q = G, -G."""
    native = kit.native(build, (6, 1))
    infinities = 0
    for d in KEYS:
        for u1 in EDGES:
            for u2 in (u for u in EDGES if u):
                total = (u1 + u2 * d) % N
                infinities += total == 0
                # when the sum is infinity no r can be right: try that of G
                digest, sig = kit.signature_for(u1, u2, kit.multiple(total or 1))
                tables = ((6, 1), (4, 2))
                same_verdict(native, kit.multiple(d), tables, digest, sig, total != 0, (d, u1, u2))
                if total:
                    nearby = kit.signature_for(u1, u2, kit.multiple(3 * total))
                    same_verdict(native, kit.multiple(d), tables, *nearby, good=False, what=(d, u1, u2, "nearby"))
    assert infinities > 20


def last_column(k, teeth=6, spacing=43):
    """What the last column of the generator's comb adds to k G, see hf_p256_comb.h; one block."""
    odd = k if k % 2 else N - k
    digits = (odd - 1) // 2 + (1 << teeth * spacing - 1)
    column = sum((2 * (digits >> spacing * tooth & 1) - 1) << spacing * tooth for tooth in range(teeth))
    return column if k % 2 else -column


@pytest.mark.parametrize("build", kit.BUILDS)
def test_a_window_that_meets_its_opposite(build):
    """Any key: before its last digit the sum is minus what that digit adds; then only the last column remains."""
    native = kit.native(build, (6, 1))
    met = 0
    for u1 in range(1000, 1040):
        column = last_column(u1)
        u2 = (column - u1) % N  # Q = G: the sum is column * G
        met += u2 % 2  # else there is no last digit
        digest, sig = kit.signature_for(u1, u2, kit.multiple(column % N))
        same_verdict(native, kit.multiple(1), ((6, 1),), digest, sig, True, u1)
    assert met > 10


@every_build
def test_x_of_r_between_n_and_p(build, geometry):
    """r is x - n when x >= n (about one signature in 2^128: made, not found)."""
    native = kit.native(build, geometry)
    made = 0
    for offset in range(20):
        big_r = kit.lift(N + offset)
        if big_r is None or offset == 0:
            continue
        for u1, u2 in ((5, 7), (N - 3, 1 << 200)):
            # Q = (R - u1 G) / u2: its own logarithm is unknown, which is the point
            x, y = kit.multiple(u1)
            part = kit.generator.add(big_r, (x, kit.P - y))
            point = kit.times(pow(u2, -1, N), part)
            digest, sig = kit.signature_for(u1, u2, big_r)
            assert int.from_bytes(sig[:32], "big") == offset
            same_verdict(native, point, ((6, 1),), digest, sig, True, offset)
            made += 1
            wrong = sig[:31] + bytes((offset + 1,)) + sig[32:]
            same_verdict(native, point, ((6, 1),), digest, wrong, False, offset)
    assert made >= 10


@every_build
def test_ranges_of_r_and_s(build, geometry):
    native = kit.native(build, geometry)
    point, digest, sig, good = kit.random_cases(2000, "p256")[0]
    assert good
    r, s = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")
    same_verdict(native, point, ((6, 1),), digest, kit.sec1(r, N - s), True, "n - s")
    beyond = kit.P - N  # r + n is p, and then less than 2^256: no x of a point
    for bad in (
        *((0, s), (r, 0), (0, 0), (N, s), (r, N), (N + 1, s), (r, N + 1), (2**256 - 1, s), (r, 2**256 - 1)),
        *((beyond, s), (2**256 - N - 1, s)),
    ):
        same_verdict(native, point, ((6, 1),), digest, kit.sec1(*bad), False, bad)


@every_build
def test_hash_of_zero_and_above_n(build, geometry):
    native = kit.native(build, geometry)
    d, u2 = 12345, 678
    point = kit.multiple(d)
    digest, sig = kit.signature_for(0, u2, kit.multiple(u2 * d))
    assert digest == bytes(32)
    same_verdict(native, point, ((6, 1), (8, 4)), digest, sig, True, "e = 0")
    # e >= n is taken modulo n (FIPS 186-5 6.4.2 step 2 with a hash as long as n)
    for low in (0, 1, 5):
        s = 77
        u1 = low * pow(s, -1, N) % N
        # R and s are chosen, and the key is what makes them fit
        big_r = kit.multiple(991)
        r = big_r[0] % N
        u2 = r * pow(s, -1, N) % N
        d = (991 - u1) * pow(u2, -1, N) % N
        same_verdict(
            native, kit.multiple(d), ((6, 1),), (N + low).to_bytes(32, "big"), kit.sec1(r, s), True, ("e >= n", low)
        )
        assert kit.openssl_says(kit.sec1(*kit.multiple(d)), (N + low).to_bytes(32, "big"), kit.sec1(r, s))


@every_build
def test_points(build, geometry):
    native = kit.native(build, geometry)
    seen = {"valid": 0, "invalid": 0}
    for row in rows("wycheproof_p256_points.jsonl"):
        public = bytes.fromhex(row["public"])
        seen[row["result"]] += 1
        if len(public) == 65 and public[0] == 4:
            assert native.check_point(public[1:]) == (kit.OK if row["result"] == "valid" else kit.MALFORMED_KEY)
    assert seen == {"valid": 330, "invalid": 16}
    _, digest, sig, _ = kit.random_cases(2000, "p256")[0]
    x, y = kit.multiple(5)
    zero_y = 0  # no point of P-256 has it
    for bad in ((0, 0), (x, y ^ 1), (y, x), (x, zero_y), (kit.P, y), (x, kit.P), (2**256 - 1, 2**256 - 1)):
        assert not kit.on_curve(*bad)
        assert native.check_point(kit.sec1(*bad)) == kit.MALFORMED_KEY
        assert native.verify(kit.sec1(*bad), digest, sig) == kit.MALFORMED_KEY
        if build in kit.MAKERS:
            assert native.table_make(kit.sec1(*bad), 4, 1)[0] == kit.MALFORMED_KEY


@every_build
def test_a_coordinate_above_p_is_no_coordinate(build, geometry):
    native = kit.native(build, geometry)
    tried = 0
    for low in range(1, 60):
        point = kit.lift(low)
        if point is None:
            continue
        x, y = point
        assert native.check_point(kit.sec1(x, y)) == kit.OK
        assert native.check_point(kit.sec1(x + kit.P, y)) == kit.MALFORMED_KEY
        tried += 1
    assert tried > 20
