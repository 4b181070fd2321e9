"""HMAC_DRBG against a published NIST vector and against the standard's steps written out plainly."""

from minitest import TestCase, unhex

from holdfast_core.crypto import hmac_sha256
from holdfast_core.drbg import MAX_REQUEST_LEN, HmacDrbg
from holdfast_core.errors import LocalError

SEED = bytes(range(32))
OTHER = bytes(range(32, 64))


class Plain:
    """SP 800-90A section 10.1.2, step by step, sharing no line with drbg.py."""

    def __init__(self, seed_material):
        self.k = bytes(32)
        self.v = bytes([1] * 32)
        self.update(seed_material)

    def update(self, provided):
        self.k = hmac_sha256(self.k, self.v + bytes([0]) + provided)
        self.v = hmac_sha256(self.k, self.v)
        if provided == b"":
            return
        self.k = hmac_sha256(self.k, self.v + bytes([1]) + provided)
        self.v = hmac_sha256(self.k, self.v)

    def generate(self, n):
        temp = b""
        while len(temp) < n:
            self.v = hmac_sha256(self.k, self.v)
            temp = temp + self.v
        self.update(b"")
        return temp[:n]


class TestHmacDrbg(TestCase):
    def test_nist_vector(self):
        # CAVS 14.3 HMAC_DRBG.rsp, SHA-256, no prediction resistance, no reseed, COUNT 0: the second 1024 bits.
        drbg = HmacDrbg(
            unhex("ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488"),
            unhex("659ba96c601dc69fc902940805ec0ca8"),
        )
        drbg.generate(128)
        expected = (
            "e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89"
            "d54fbb978a15b5c443c9ec21036d2460b6f73ebad0dc2aba6e624abf07745bc1"
            "07694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668"
            "961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8"
        )
        self.assertEqual(drbg.generate(128), unhex(expected))

    def test_agrees_with_the_plain_steps_through_requests(self):
        drbg = HmacDrbg(SEED, b"boot 7", b"tube 123")
        plain = Plain(SEED + b"boot 7" + b"tube 123")
        for n in (0, 1, 31, 32, 33, 64, 65, 1000):
            self.assertEqual(drbg.generate(n), plain.generate(n))

    def test_the_same_seed_repeats_and_any_other_does_not(self):
        first = HmacDrbg(SEED, b"n", b"p").generate(32)
        self.assertEqual(HmacDrbg(SEED, b"n", b"p").generate(32), first)
        for entropy, nonce, person in ((OTHER, b"n", b"p"), (SEED, b"m", b"p"), (SEED, b"n", b"q"), (SEED, b"", b"")):
            self.assertNotEqual(HmacDrbg(entropy, nonce, person).generate(32), first)

    def test_no_two_requests_repeat(self):
        drbg = HmacDrbg(SEED)
        seen = {drbg.generate(8) for _ in range(200)}
        self.assertEqual(len(seen), 200)

    def test_the_longest_request(self):
        self.assertEqual(len(HmacDrbg(SEED).generate(MAX_REQUEST_LEN)), MAX_REQUEST_LEN)

    def test_limits(self):
        for n in (-1, MAX_REQUEST_LEN + 1):
            self.assertRaises(LocalError, HmacDrbg(SEED).generate, n)
        self.assertRaises(LocalError, HmacDrbg, bytes(31))
        self.assertRaises(LocalError, HmacDrbg, b"", bytes(32))

    def test_its_state_is_not_shown(self):
        self.assertEqual(repr(HmacDrbg(SEED)), "HmacDrbg(<redacted>)")
