"""The primitives against published vectors and their opposites, on both interpreters.

Each class takes its primitives from `provider`, so that tests/core/test_crypto_providers.py can run the same
cases on the MicroPython provider under CPython.
"""

from minitest import TestCase, unhex, vectors

from holdfast_core import crypto
from holdfast_core import labels as L
from holdfast_core.errors import LocalError, MalformedKey, NotAuthentic, UnsupportedAlg

ALGS = (
    (L.ALG_AES_CCM_16_64_128, 16, 8),
    (L.ALG_AES_CCM_16_64_256, 32, 8),
    (L.ALG_AES_CCM_16_128_128, 16, 16),
    (L.ALG_AES_CCM_16_128_256, 32, 16),
)
UNSUPPORTED_AEADS = (0, 1, 3, 12, 13, 24, 32, 33, -7, -1)  # A128GCM, A256GCM, AES-CCM-64-.., ChaCha20, ..
NONCE = bytes(range(13))

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
G_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
X_5_Y = 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC  # a point with a small x


def be32(number):
    return number.to_bytes(32, "big")


def flipped(text, bit):
    changed = bytearray(text)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class Hashes(TestCase):
    provider = crypto

    def test_sha256(self):
        for message, digest in (
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ):
            self.assertEqual(self.provider.sha256(message), unhex(digest))

    def test_hmac_wycheproof(self):
        for case in vectors("wycheproof_hmac_sha256"):
            tag = self.provider.hmac_sha256(unhex(case["key"]), unhex(case["msg"]))[: case["tagSize"] // 8]
            self.assertEqual(self.provider.equal(tag, unhex(case["tag"])), case["result"] == "valid", case["tcId"])

    def test_hmac_key_lengths_around_the_block(self):
        tags = set()
        for length in (0, 1, 63, 64, 65, 131):
            tags.add(self.provider.hmac_sha256(b"k" * length, b"message"))
        self.assertEqual(len(tags), 6)
        # RFC 2104 section 2: a longer key is hashed first, a shorter one is filled up with zeros
        self.assertEqual(
            self.provider.hmac_sha256(b"k" * 65, b"message"),
            self.provider.hmac_sha256(self.provider.sha256(b"k" * 65), b"message"),
        )
        self.assertEqual(self.provider.hmac_sha256(b"k", b""), self.provider.hmac_sha256(b"k\0", b""))

    def test_equal(self):
        self.assertTrue(self.provider.equal(b"", b""))
        self.assertTrue(self.provider.equal(b"same", b"same"))
        for a, b in ((b"same", b"samf"), (b"same", b"tame"), (b"same", b"sam"), (b"", b"s"), (b"\0", b"")):
            self.assertFalse(self.provider.equal(a, b))
            self.assertFalse(self.provider.equal(b, a))


class Hkdf(TestCase):
    def test_published(self):
        for case in vectors("crypto_hkdf"):
            salt, ikm, info = unhex(case["salt"]), unhex(case["ikm"]), unhex(case["info"])
            okm = unhex(case["okm"])
            self.assertEqual(crypto.hkdf_sha256(salt, ikm, info, case["size"]), okm, case["id"])
            if "prk" in case:
                prk = crypto.hkdf_extract(salt, ikm)
                self.assertEqual(prk, unhex(case["prk"]), case["id"])
                self.assertEqual(crypto.hkdf_expand(prk, info, case["size"]), okm, case["id"])

    def test_wycheproof(self):
        for case in vectors("wycheproof_hkdf_sha256"):
            arguments = unhex(case["salt"]), unhex(case["ikm"]), unhex(case["info"]), case["size"]
            if case["result"] == "valid":
                self.assertEqual(crypto.hkdf_sha256(*arguments), unhex(case["okm"]), case["tcId"])
            else:
                with self.assertRaises(LocalError):
                    crypto.hkdf_sha256(*arguments)

    def test_length_bounds(self):
        for length in (0, 1, 31, 32, 33, 8160):
            self.assertEqual(len(crypto.hkdf_sha256(b"", b"ikm", b"", length)), length)
        for length in (-1, 8161):
            with self.assertRaises(LocalError):
                crypto.hkdf_sha256(b"", b"ikm", b"", length)


class AesCcm(TestCase):
    provider = crypto

    def check(self, case_id, aead, nonce, aad, plaintext, ciphertext, valid=True):
        if valid:
            self.assertEqual(aead.seal(nonce, aad, plaintext), ciphertext, case_id)
            self.assertEqual(aead.open(nonce, aad, ciphertext), plaintext, case_id)
        else:
            with self.assertRaises(NotAuthentic):
                aead.open(nonce, aad, ciphertext)

    def test_published(self):
        for case in vectors("crypto_aes_ccm"):
            aead = self.provider.Aead(case["alg"], unhex(case["key"]))
            nonce, aad = unhex(case["nonce"]), unhex(case["aad"])
            self.check(case["id"], aead, nonce, aad, unhex(case["msg"]), unhex(case["ct"]))

    def test_wycheproof(self):
        for case in vectors("wycheproof_aes_ccm"):
            aead = self.provider.Aead(case["alg"], unhex(case["key"]))
            nonce, aad, ciphertext = unhex(case["iv"]), unhex(case["aad"]), unhex(case["ct"] + case["tag"])
            valid = case["result"] == "valid"
            self.check(case["tcId"], aead, nonce, aad, unhex(case["msg"]), ciphertext, valid)

    def test_long_aad(self):
        """The length of the aad takes two bytes up to 0xfeff and six from 0xff00 on (RFC 3610 section 2.2)."""
        aead = self.provider.Aead(L.ALG_AES_CCM_16_64_128, bytes(range(16)))
        for aad_len, ciphertext in (
            (0xFEFF, "17898b9e0d668c6d83083a0c2684c838"),
            (0xFF00, "17898b9e0d668c6d206302fa26fa7dde"),
            (0xFF01, "17898b9e0d668c6d8efe7e78c8b31b3e"),
        ):
            self.check(aad_len, aead, bytes(13), bytes(aad_len), b"holdfast", unhex(ciphertext))

    def test_nothing_but_a_tag(self):
        aead = self.provider.Aead(L.ALG_AES_CCM_16_128_256, bytes(range(32)))
        self.check("empty", aead, bytes(13), b"", b"", unhex("bc8e760dfa723827f2fc5dd80a0d1859"))

    def test_each_flipped_bit_is_refused(self):
        for alg, key_len, tag_len in ALGS:
            key, aad, plaintext = b"K" * key_len, b"aad", b"text"
            aead = self.provider.Aead(alg, key)
            ciphertext = aead.seal(NONCE, aad, plaintext)
            self.assertEqual(len(ciphertext), len(plaintext) + tag_len)
            for bit in range(8 * len(ciphertext)):  # text and tag
                with self.assertRaises(NotAuthentic):
                    aead.open(NONCE, aad, flipped(ciphertext, bit))
            for bit in range(8 * len(NONCE)):
                with self.assertRaises(NotAuthentic):
                    aead.open(flipped(NONCE, bit), aad, ciphertext)
            for bit in range(8 * len(aad)):
                with self.assertRaises(NotAuthentic):
                    aead.open(NONCE, flipped(aad, bit), ciphertext)
            for bit in range(8 * key_len):
                with self.assertRaises(NotAuthentic):
                    self.provider.Aead(alg, flipped(key, bit)).open(NONCE, aad, ciphertext)
            for other_aad in (b"", b"aa", b"aad\0"):
                with self.assertRaises(NotAuthentic):
                    aead.open(NONCE, other_aad, ciphertext)
            self.assertEqual(aead.open(NONCE, aad, ciphertext), plaintext)

    def test_each_truncation_is_refused(self):
        for alg, key_len, _ in ALGS:
            aead = self.provider.Aead(alg, bytes(key_len))
            ciphertext = aead.seal(NONCE, b"", b"some plaintext")
            for length in range(len(ciphertext)):
                with self.assertRaises(NotAuthentic):
                    aead.open(NONCE, b"", ciphertext[:length])
            with self.assertRaises(NotAuthentic):
                aead.open(NONCE, b"", ciphertext + b"\0")

    def test_the_two_tag_lengths_do_not_mix(self):
        long_tag = self.provider.Aead(L.ALG_AES_CCM_16_128_128, bytes(16)).seal(NONCE, b"", b"text")
        with self.assertRaises(NotAuthentic):
            self.provider.Aead(L.ALG_AES_CCM_16_64_128, bytes(16)).open(NONCE, b"", long_tag[:-8])

    def test_text_lengths_around_the_block_and_the_limit(self):
        aead = self.provider.Aead(L.ALG_AES_CCM_16_64_128, bytes(16))
        for length in (0, 1, 15, 16, 17, 31, 32, 33, 1024, 65534, 65535):
            plaintext = bytes(length)
            self.assertEqual(aead.open(NONCE, b"a", aead.seal(NONCE, b"a", plaintext)), plaintext)
        with self.assertRaises(LocalError):
            aead.seal(NONCE, b"", bytes(65536))
        with self.assertRaises(NotAuthentic):
            aead.open(NONCE, b"", bytes(65536 + 8))

    def test_sizes(self):
        for alg, key_len, tag_len in ALGS:
            self.assertEqual(crypto.aead_sizes(alg), (key_len, 13, tag_len))
            aead = self.provider.Aead(alg, bytes(key_len))
            self.assertEqual(aead.alg, alg)
            for length in (0, 8, 12, 14, 15, 16, 24, 31, 33, 48):
                if length != key_len:
                    with self.assertRaises(LocalError):
                        self.provider.Aead(alg, bytes(length))
            for length in (0, 7, 12, 14):
                with self.assertRaises(LocalError):
                    aead.seal(bytes(length), b"", b"")
                with self.assertRaises(LocalError):
                    aead.open(bytes(length), b"", bytes(16))

    def test_other_algorithms_are_refused(self):
        for alg in UNSUPPORTED_AEADS:
            with self.assertRaises(UnsupportedAlg):
                crypto.aead_sizes(alg)
            with self.assertRaises(UnsupportedAlg):
                self.provider.Aead(alg, bytes(16))

    def test_the_key_does_not_show(self):
        self.assertEqual(repr(self.provider.Aead(L.ALG_AES_CCM_16_64_128, b"0123456789abcdef")), "<Aead alg 10>")


class Es256(TestCase):
    provider = crypto

    def refused(self, key, message, signature, case_id=None):
        try:
            key.verify(message, signature)
        except NotAuthentic:
            return
        self.fail(f"accepted {case_id}")

    def test_published(self):
        for case in vectors("crypto_es256"):
            key = self.provider.Es256Key(unhex(case["x"]), unhex(case["y"]))
            message, signature = unhex(case["msg"]), unhex(case["sig"])
            self.assertIsNone(key.verify(message, signature), case["id"])
            self.refused(key, message + b"\0", signature, case["id"])

    def test_wycheproof(self):
        public = key = None
        for case in vectors("wycheproof_ecdsa_p1363"):
            if case["public"] != public:
                public = case["public"]
                key = self.provider.Es256Key(unhex(public[2:66]), unhex(public[66:]))
            message, signature = unhex(case["msg"]), unhex(case["sig"])
            if case["result"] == "valid":
                self.assertIsNone(key.verify(message, signature), case["tcId"])
            else:
                self.refused(key, message, signature, case["tcId"])

    def test_wycheproof_points(self):
        for case in vectors("wycheproof_p256_points"):
            public = unhex(case["public"])
            if case["result"] == "valid":
                self.assertIsNotNone(self.provider.Es256Key(public[1:33], public[33:]), case["tcId"])
            else:
                with self.assertRaises(MalformedKey):
                    self.provider.Es256Key(public[1:33], public[33:])

    def test_points_that_are_none(self):
        for x, y in (
            (0, 0),
            (0, 1),
            (1, 0),
            (G_X, G_Y + 1),
            (G_X, P),
            (G_Y, G_X),
            (5 + P, X_5_Y),  # the same point, not reduced
            (G_X, P + 1),
            (2**256 - 1, 2**256 - 1),
        ):
            with self.assertRaises(MalformedKey):
                self.provider.Es256Key(be32(x), be32(y))
        self.assertIsNotNone(self.provider.Es256Key(be32(5), be32(X_5_Y)))

    def test_coordinate_lengths(self):
        x, y = be32(G_X), be32(G_Y)
        for bad_x, bad_y in ((x[1:], y), (b"\0" + x, y), (x, y[:-1]), (x, y + b"\0"), (b"", b""), (x + y, b"")):
            with self.assertRaises(MalformedKey):
                self.provider.Es256Key(bad_x, bad_y)

    def test_each_flipped_bit_is_refused(self):
        case = next(iter(vectors("crypto_es256")))
        key = self.provider.Es256Key(unhex(case["x"]), unhex(case["y"]))
        message, signature = unhex(case["msg"]), unhex(case["sig"])
        for bit in range(512):
            self.refused(key, message, flipped(signature, bit), bit)
        for bit in range(8 * len(message)):
            self.refused(key, flipped(message, bit), signature, bit)
        self.assertIsNone(key.verify(message, signature))

    def test_signature_lengths_and_ranges(self):
        case = next(iter(vectors("crypto_es256")))
        key = self.provider.Es256Key(unhex(case["x"]), unhex(case["y"]))
        message, signature = unhex(case["msg"]), unhex(case["sig"])
        for bad in (b"", signature[:-1], signature + b"\0", b"\0" + signature, signature[:32], signature * 2):
            self.refused(key, message, bad, len(bad))
        r, s = signature[:32], signature[32:]
        for number in (0, N, N + 1, 2**256 - 1):
            self.refused(key, message, be32(number) + s, number)
            self.refused(key, message, r + be32(number), number)
        self.refused(key, message, bytes(64))
        self.refused(key, message, s + r)
        self.refused(key, message, be32(int.from_bytes(r, "big") + 1) + s)
        # ECDSA accepts (r, n - s) too (RFC 9053 does not ask for low s): no token may be known by its signature.
        self.assertIsNone(key.verify(message, r + be32(N - int.from_bytes(s, "big"))))

    def test_each_case_needs_its_own_key(self):
        cases = list(vectors("crypto_es256"))
        key = self.provider.Es256Key(be32(G_X), be32(G_Y))
        for case in cases:
            self.refused(key, unhex(case["msg"]), unhex(case["sig"]), case["id"])
