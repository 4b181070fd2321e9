"""Our P-256 arithmetic against OpenSSL's, with the points and scalars where addition formulas break."""

import functools
import random
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from holdfast_core import crypto_cryptography, crypto_micropython, p256
from holdfast_core.errors import NotAuthentic

N = p256.N
EDGE_SCALARS = (0, 1, 2, 3, N - 1, N - 2, (N - 1) // 2, (N + 1) // 2, 1 << 64, (1 << 192) - 1, 1 << 255)
# Keys d G chosen so that the two accumulated sums meet: equal, opposite, doubles, one tooth apart.
EDGE_KEYS = (1, N - 1, 2, N - 2, (N + 1) // 2, 1 << 64, N - (1 << 192), 3)


def multiple_of_g(k):
    """Affine (x, y) of k G by OpenSSL, None for infinity."""
    if k % N == 0:
        return None
    numbers = ec.derive_private_key(k % N, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x, numbers.y


def comb_table(x, y):
    table = bytearray(p256.TABLE_LEN)
    p256.comb_table(x, y, table)
    return table


table_of = functools.cache(lambda d: comb_table(*multiple_of_g(d)))


def affine(point):
    """The same Jacobian point with z = 1."""
    x, y, z = point
    z_inverse = pow(z, -1, p256.P)
    return x * z_inverse**2 % p256.P, y * z_inverse**3 % p256.P


def two_combs(u1, u2, d):
    """Affine u1 G + u2 (d G) by our code."""
    point = p256._two_combs(table_of(d), zip(p256._columns(u1), p256._columns(u2), strict=True))
    return affine(point) if point[2] else None


def digits_value(columns):
    return sum(
        (1 if column >> tooth & 1 else -1) << 64 * tooth + 63 - place
        for place, column in enumerate(columns)
        for tooth in range(4)
    )


def test_columns_spell_the_scalar():
    rng = random.Random(3)
    for u in (*EDGE_SCALARS, *(rng.randrange(N) for _ in range(200))):
        columns = p256._columns(u)
        assert len(columns) == 64
        assert all(0 <= column < 64 for column in columns)
        value = digits_value(columns)
        assert value == u if u & 1 else value == u - N


def test_table_holds_the_signed_sums_of_teeth():
    d = 0xD00D
    table = table_of(d)
    assert len(table) == 8 * 64
    for index in range(8):
        signs = sum((1 if index >> tooth & 1 else -1) << 64 * tooth for tooth in range(3))
        x, y = multiple_of_g(d * ((1 << 192) + signs))
        assert table[64 * index :][:64] == x.to_bytes(32, "big") + y.to_bytes(32, "big")
        assert p256._entry(table, 8 + index) == (x, y)
        assert p256._entry(table, 7 - index) == (x, p256.P - y)


def test_generator_table_is_what_the_board_would_compute():
    assert comb_table(*multiple_of_g(1)) == p256.G_TABLE


@pytest.mark.parametrize("d", EDGE_KEYS)
def test_edge_scalars_on_edge_keys(d):
    for u1 in EDGE_SCALARS:
        for u2 in (*EDGE_SCALARS, u1, -u1 * pow(d, -1, N) % N):
            assert two_combs(u1, u2, d) == multiple_of_g(u1 + u2 * d)


def test_random_scalars():
    rng = random.Random(4)
    for _ in range(60):
        u1, u2, d = (rng.randrange(1, N) for _ in range(3))
        assert two_combs(u1, u2, d) == multiple_of_g(u1 + u2 * d)


def test_add_is_complete():
    one, two = multiple_of_g(1), multiple_of_g(2)
    minus_one = multiple_of_g(-1)
    scaled = (one[0] * 9 % p256.P, one[1] * 27 % p256.P, 3)  # G with z = 3
    assert affine(p256._add(scaled, *one)) == two
    assert p256._add(scaled, *minus_one)[2] == 0
    assert p256._add((1, 1, 0), *one) == (*one, 1)
    assert p256._double((1, 1, 0))[2] == 0


def test_inverse():
    rng = random.Random(5)
    for m in (p256.P, N):
        for a in (1, 2, m - 1, m - 2, *(rng.randrange(1, m) for _ in range(50))):
            assert p256._inverse(a, m) * a % m == 1


def test_x_above_the_order_is_compared_modulo_the_order():
    """The affine x may lie in n..p-1 (about one in 2^128): then r is x - n."""
    for x in range(N, N + 40):
        y_squared = (x**3 - 3 * x + p256.B) % p256.P
        y = pow(y_squared, (p256.P + 1) // 4, p256.P)
        if y * y % p256.P != y_squared:
            continue
        r = x - N
        if not r:
            continue
        # With s = r, u2 is 1: the key Q = R - u1 G makes u1 G + u2 Q come out as R = (x, y).
        u1 = 5
        digest = u1 * r % N
        minus_five = multiple_of_g(N - u1)
        q = affine(p256._add((x, y, 1), *minus_five))
        table = comb_table(*q)
        assert p256.is_signature(table, digest, r, r)
        assert not p256.is_signature(table, digest, r + 1, r)
        assert not p256.is_signature(table, digest + 1, r, r)
        return
    pytest.fail("no such x near n")


def test_verification_agrees_with_openssl():
    rng = random.Random(6)
    for _ in range(60):
        private = ec.derive_private_key(rng.randrange(1, N), ec.SECP256R1())
        numbers = private.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        ours, theirs = crypto_micropython.Es256Key(x, y), crypto_cryptography.Es256Key(x, y)
        message = rng.randbytes(rng.randrange(100))
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        for key in (ours, theirs):
            key.verify(message, signature)
            key.verify(message, signature[:32] + (N - s).to_bytes(32, "big"))
        flip = rng.randrange(512)
        bad = bytearray(signature)
        bad[flip // 8] ^= 1 << flip % 8
        for key in (ours, theirs):
            for wrong in (
                (message, bytes(bad)),
                (message + b"x", signature),
                (message, signature[32:] + signature[:32]),
            ):
                with pytest.raises(NotAuthentic):
                    key.verify(*wrong)


def test_range_of_r_and_s():
    table = table_of(1)
    digest = int.from_bytes(sha256(b"sample").digest(), "big")
    for bad in (0, N, N + 1, -1):
        assert not p256.is_signature(table, digest, bad, 1)
        assert not p256.is_signature(table, digest, 1, bad)
