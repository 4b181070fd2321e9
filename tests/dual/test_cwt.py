"""The strict shape of a token: what the RFC's examples lack, truncations, flipped bits, trust by role and kid."""

from minitest import MICROPYTHON, Rows, TestCase, unhex

from holdfast_core import cbor, crypto
from holdfast_core import labels as L
from holdfast_core.cwt import open_cwt
from holdfast_core.errors import (
    HeaderUnprotected,
    Malformed,
    MalformedCose,
    MalformedKey,
    TokenRejected,
    UnknownKey,
    UnsupportedAlg,
)
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_MAC, CWT_NESTED, CWT_SIGNED, FORMATS, MAX_ACCESS_TOKEN_LEN
from holdfast_core.kinds import RFC8392 as RFC_SHAPE
from holdfast_core.secret import Secret
from holdfast_core.trust import Trust, TrustedKey
from testkit.token_rules import load_rules, verify_row

RFC8392 = Rows("rfc8392", field="hex")
TOKENS = Rows("tokens")
RULES = load_rules()
ISSUER = "coap://as.example.com"
# In pure Python a P-256 signature takes long to check, so MicroPython flips bits of the others only.
FLIPPED = ("good-nested", "good-encrypted", "good-mac", "good-mac-256-64") + (() if MICROPYTHON else ("good-signed",))
CUT = ("good-nested", "good-encrypted", "good-mac", "good-signed")


def rfc8392_trust():
    ec = cbor.decode(RFC8392["key_ecdsa_p256"])
    enc = cbor.decode(RFC8392["key_128_symmetric"])
    mac = cbor.decode(RFC8392["key_256_symmetric"])
    return Trust(
        [
            TrustedKey("sign", ec[L.KEY_KID], L.ALG_ES256, ISSUER, crypto.Es256Key(ec[L.KEY_X], ec[L.KEY_Y])),
            TrustedKey("encrypt", enc[L.KEY_KID], L.ALG_AES_CCM_16_64_128, ISSUER, Secret(enc[L.KEY_K])),
            TrustedKey("mac", mac[L.KEY_KID], L.ALG_HMAC_256_64, ISSUER, Secret(mac[L.KEY_K])),
        ]
    )


class Rfc8392(TestCase):
    """The RFC's examples are sound COSE, and still not tokens here: kid and IV can be changed by anyone (RFC 9770)."""

    def test_without_tag_61(self):
        for name in ("signed_cwt", "encrypted_cwt", "nested_cwt", "maced_cwt_float"):
            with self.assertRaises(MalformedCose):
                open_cwt(RFC8392[name], rfc8392_trust(), FORMATS)

    def test_with_tag_61_and_an_unprotected_kid(self):
        tag = cbor.encode_head(6, L.TAG_CWT)
        for token in (RFC8392["maced_cwt_with_tag"], tag + RFC8392["signed_cwt"], tag + RFC8392["nested_cwt"]):
            with self.assertRaises(HeaderUnprotected):
                open_cwt(token, rfc8392_trust(), FORMATS)

    def test_an_rs_of_that_shape_takes_them_all_as_they_are_printed(self):
        claims = RFC8392["claims_set"]
        tag = cbor.encode_head(6, L.TAG_CWT)
        for name, token_format in (
            ("signed_cwt", CWT_SIGNED),
            ("maced_cwt_with_tag", CWT_MAC),
            ("encrypted_cwt", CWT_ENCRYPTED),
            ("nested_cwt", CWT_NESTED),
            ("maced_cwt_float", CWT_MAC),
        ):
            for token in (RFC8392[name], tag + RFC8392[name]):
                if token[:4] == tag + tag:
                    continue
                opened = open_cwt(token, rfc8392_trust(), FORMATS, RFC_SHAPE)
                self.assertEqual((opened.format, opened.issuer), (token_format, ISSUER))
                self.assertEqual(opened.payload == claims, name != "maced_cwt_float")

    def test_figure_11_of_rfc_9203_has_no_tag_at_all(self):
        token = RFC8392["encrypted_cwt"][1:]
        self.assertEqual(token[:9], unhex("8343a1010aa2044c53"))  # as much as the figure shows
        self.assertEqual(open_cwt(token, rfc8392_trust(), FORMATS, RFC_SHAPE).payload, RFC8392["claims_set"])

    def test_a_changed_bit_is_refused_in_that_shape_too(self):
        for name in ("encrypted_cwt", "maced_cwt_with_tag"):
            token = RFC8392[name]
            for at in range(len(token)):
                changed = token[:at] + bytes((token[at] ^ 1 << at % 8,)) + token[at + 1 :]
                with self.assertRaises((Malformed, TokenRejected)):
                    open_cwt(changed, rfc8392_trust(), FORMATS, RFC_SHAPE)


class Mutations(TestCase):
    def refuse(self, name, token, kinds):
        row = dict(TOKENS[name])
        row["token"] = token.hex()
        try:
            verify_row(row, RULES)
        except kinds:
            return
        self.fail(name + " accepted " + row["token"])

    def test_another_tag_in_place_of_61_is_malformed(self):
        token = bytes.fromhex(TOKENS["good-nested"]["token"])
        self.assertEqual(token[:2], cbor.encode_head(6, L.TAG_CWT))
        for number in (L.TAG_COSE_ENCRYPT0, L.TAG_COSE_MAC0, L.TAG_COSE_SIGN1):
            self.refuse("good-nested", cbor.encode_head(6, number) + token[2:], Malformed)

    def test_every_truncation_is_malformed(self):
        for name in CUT:
            token = bytes.fromhex(TOKENS[name]["token"])
            for end in range(len(token)):
                self.refuse(name, token[:end], Malformed)

    def test_every_trailing_byte_is_malformed(self):
        for name in CUT:
            token = bytes.fromhex(TOKENS[name]["token"])
            for last in range(256):
                self.refuse(name, token + bytes((last,)), Malformed)

    def test_no_flipped_bit_is_accepted(self):
        for name in FLIPPED:
            token = bytes.fromhex(TOKENS[name]["token"])
            for at in range(len(token)):
                # Every bit where it is cheap; on the slow interpreter one bit a byte, a different one each time.
                for bit in (at % 8,) if MICROPYTHON else range(8):
                    flipped = bytearray(token)
                    flipped[at] ^= 1 << bit
                    self.refuse(name, bytes(flipped), (Malformed, TokenRejected))

    def test_no_missing_or_doubled_byte_is_accepted(self):
        for name in FLIPPED[:2]:
            token = bytes.fromhex(TOKENS[name]["token"])
            for at in range(len(token)):
                self.refuse(name, token[:at] + token[at + 1 :], (Malformed, TokenRejected))
                self.refuse(name, token[: at + 1] + token[at:], (Malformed, TokenRejected))

    def test_the_unchanged_ones_are_accepted(self):
        for name in FLIPPED + CUT:
            self.assertIsNotNone(verify_row(TOKENS[name], RULES))


class Opening(TestCase):
    def opened(self, name):
        row = TOKENS[name]
        rules = RULES[row["keys"]]
        return open_cwt(bytes.fromhex(row["token"]), rules.trust, rules.formats)

    def test_formats_and_issuer(self):
        for name, token_format in (
            ("good-nested", CWT_NESTED),
            ("good-encrypted", CWT_ENCRYPTED),
            ("good-signed", CWT_SIGNED),
            ("good-mac", CWT_MAC),
        ):
            opened = self.opened(name)
            self.assertEqual((opened.format, opened.issuer), (token_format, "https://as.example"))
            self.assertEqual(cbor.decode(opened.payload)[L.CLAIM_SUB], "doctor")
            self.assertNotIn("doctor", repr(opened))

    def test_no_key_at_all(self):
        for name in CUT:
            with self.assertRaises(UnknownKey):
                open_cwt(bytes.fromhex(TOKENS[name]["token"]), Trust([]), FORMATS)

    def test_no_format_at_all(self):
        rules = RULES["any"]
        for name in CUT:
            with self.assertRaises(UnsupportedAlg):
                open_cwt(bytes.fromhex(TOKENS[name]["token"]), rules.trust, ())

    def test_takes_a_memoryview(self):
        row = TOKENS["good-nested"]
        rules = RULES[row["keys"]]
        token = memoryview(bytearray(bytes.fromhex(row["token"])))
        self.assertEqual(open_cwt(token, rules.trust, rules.formats).format, CWT_NESTED)

    def test_long_but_allowed(self):
        row = TOKENS["too-long"]
        with self.assertRaises(MalformedCose):
            open_cwt(bytes.fromhex(row["token"]), RULES["any"].trust, FORMATS)
        self.assertGreater(len(row["token"]) // 2, MAX_ACCESS_TOKEN_LEN)


class TrustedKeys(TestCase):
    def test_a_key_fits_its_role_and_algorithm(self):
        point = cbor.decode(RFC8392["key_ecdsa_p256"])
        public = crypto.Es256Key(point[L.KEY_X], point[L.KEY_Y])
        secret = Secret(bytes(32))
        for role, alg, key, detail in (
            ("sign", L.ALG_ES256, secret, "role"),
            ("sign", L.ALG_HMAC_256_256, public, "alg"),
            ("sign", L.ALG_EDDSA, public, "alg"),
            ("mac", L.ALG_HMAC_256_256, public, "role"),
            ("mac", L.ALG_ES256, secret, "alg"),
            ("mac", L.ALG_HMAC_512_512, secret, "alg"),
            ("mac", L.ALG_AES_CCM_16_64_256, secret, "alg"),
            ("mac", L.ALG_HMAC_256_256, Secret(bytes(31)), "length"),
            ("mac", L.ALG_HMAC_256_64, Secret(b""), "length"),
            ("encrypt", L.ALG_AES_CCM_16_64_128, public, "role"),
            ("encrypt", L.ALG_A128GCM, secret, "alg"),
            ("encrypt", L.ALG_HMAC_256_256, secret, "alg"),
            ("encrypt", L.ALG_AES_CCM_16_64_128, secret, "length"),
            ("encrypt", L.ALG_AES_CCM_16_64_256, Secret(bytes(16)), "length"),
            ("", L.ALG_HMAC_256_256, secret, "role"),
            ("SIGN", L.ALG_ES256, public, "role"),
        ):
            with self.assertRaises(MalformedKey) as caught:
                TrustedKey(role, b"k", alg, ISSUER, key)
            self.assertEqual(caught.exception.detail, detail)

    def test_found_by_role_kid_and_issuer(self):
        trust = RULES["two-as"].trust
        self.assertEqual(len(trust.find("sign", b"as-s1")), 2)
        self.assertEqual(len(trust.find("sign", b"as-s1", "https://as.example")), 1)
        self.assertEqual(trust.find("mac", b"as-s1"), [])
        self.assertEqual(trust.find("sign", b"as-s"), [])
        self.assertEqual(trust.find("sign", b"as-s1", "https://as"), [])
        self.assertEqual(len(trust.find("encrypt", None)), 2)

    def test_prints_no_key(self):
        for key in RULES["any"].trust.keys:
            if isinstance(key.key, Secret):
                for shown in (repr(key), str(key)):
                    self.assertNotIn(key.key.reveal().hex(), shown)
                    self.assertNotIn(repr(key.key.reveal())[2:-1], shown)
