"""hf_native's tokens, run by MicroPython through hf_native_cases.py: rules and tokens as the C core takes them.

What a verdict means, and that both ways agree on it, is the dual suite's business: tests/dual/test_token_check.py.
"""

import gc

from minitest import Rows, TestCase, unhex

import hf_native
from holdfast_core import cbor
from holdfast_core import labels as L

NOW = 1800000000
KEY, KID, ISSUER, AUDIENCE = bytes(range(32)), b"m1", "https://as.example", "tube"
SECRET = bytes(range(0xE0, 0xF0))
LOCAL, MALFORMED_COSE, BAD_SIGNATURE, KEY_UNSUITABLE, MALFORMED_CBOR = 0x80, 0x11, 0x40, 0x4C, 0x10
MALFORMED_KEY, TOKEN_EXPIRED, CNONCE_STALE = 0x14, 0x46, 0x4A
FORMAT_MAC, ROLE_MAC, PROFILE_OSCORE = 8, 1, L.PROFILE_COAP_OSCORE
CLOCK_EXACT, EXI_REFUSED = 2, 0
G = bytes.fromhex(
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


def encoded_rules(*keys, version=2, leeway_s=0):
    """Rules of an RS that takes tokens with a MAC, of one AS."""
    keys = keys or ([ROLE_MAC, KID, L.ALG_HMAC_256_256, ISSUER, KEY, None],)
    scopes = [["read", [["/r", L.METHOD_GET]]]]
    return cbor.encode([version, FORMAT_MAC, [PROFILE_OSCORE], b"", leeway_s, 0, [AUDIENCE], list(keys), scopes])


def token(**more):
    """A token with a MAC: its key is only named, or in clear when osc says so; more: cnonce, exp_s, osc."""
    claims = {
        L.CLAIM_ISS: ISSUER,
        L.CLAIM_AUD: AUDIENCE,
        L.CLAIM_SCOPE: "read",
        L.CLAIM_EXP: more.get("exp_s", NOW + 60),
        L.CLAIM_CNF: {L.CNF_OSC: {L.OSC_ID: b"1", L.OSC_MS: SECRET}} if "osc" in more else {L.CNF_KID: b"1"},
    }
    if "cnonce" in more:
        claims[L.CLAIM_CNONCE] = more["cnonce"]
    protected, payload = cbor.encode({L.HDR_ALG: L.ALG_HMAC_256_256, L.HDR_KID: KID}), cbor.encode(claims)
    tag = hf_native.hmac_sha256(KEY, cbor.encode(["MAC0", protected, b"", payload]))
    return cbor.encode(cbor.Tag(L.TAG_CWT, cbor.Tag(L.TAG_COSE_MAC0, [protected, {}, payload, tag])))


def moment(now_s=NOW, asks=0, clock=CLOCK_EXACT):
    octets = list(now_s.to_bytes(8, "big"))
    return bytes((clock, EXI_REFUSED, asks)) + bytes(octets[::-1]) + bytes(8)


def status(verdict):
    return verdict & 0xFF


class TokenRules(TestCase):
    def test_what_is_refused(self):
        good = encoded_rules()
        for encoded in (b"", good[:-1], good + b"\0", b"\x89", b"\xf6", encoded_rules(version=1)):
            self.assertEqual(status(hf_native.rules_read(encoded)), LOCAL)
        for end in range(len(good)):
            self.assertEqual(status(hf_native.rules_read(good[:end])), LOCAL, end)
        for key in (
            [0, KID, L.ALG_ES256, ISSUER, G[1:], None],
            [0, KID, L.ALG_ES256, ISSUER, bytes(64), None],
            [0, KID, L.ALG_HMAC_256_256, ISSUER, G, None],
            [0, KID, L.ALG_ES256, ISSUER, G, b""],
            [0, KID, L.ALG_ES256, ISSUER, G, bytes(2000)],
            [ROLE_MAC, KID, L.ALG_HMAC_256_256, ISSUER, KEY[1:], None],
        ):
            self.assertEqual(status(hf_native.rules_read(encoded_rules(key))), MALFORMED_KEY, key)

    def test_a_table_is_checked_against_its_key(self):
        case = Rows("crypto_es256_tables")["RFC 6979 A.2.5 SHA-256 test 3x1"]  # not every module can make one
        table = bytearray(unhex(case["table"]))
        key = [0, KID, L.ALG_ES256, ISSUER, unhex(case["point"]), bytes(table)]
        self.assertEqual(type(hf_native.rules_read(encoded_rules(key))), bytearray)
        table[-1] ^= 1
        key[-1] = bytes(table)
        self.assertEqual(status(hf_native.rules_read(encoded_rules(key))), MALFORMED_KEY)


class Tokens(TestCase):
    def setUp(self):
        self.encoded = encoded_rules()
        self.rules = hf_native.rules_read(self.encoded)

    def verify(self, octets, at=None):
        return hf_native.token_verify(self.rules, moment() if at is None else at, octets)

    def test_what_a_grant_holds(self):
        given = token(cnonce=b"fresh")
        fields = self.verify(given, moment(asks=1))
        self.assertEqual(len(fields), 20)
        self.assertEqual(fields[0], ISSUER.encode())
        self.assertEqual(fields[1], None)
        self.assertEqual((cbor.decode(fields[2]), fields[3], fields[5], fields[7]), (AUDIENCE, b"read", b"fresh", b"1"))
        self.assertEqual(fields[8:16], (None,) * 8)
        self.assertEqual(int.from_bytes(fields[16][:8], "little"), NOW + 60)
        self.assertEqual((len(fields[16]), len(fields[17])), (40, 12))
        self.assertEqual(tuple(fields[18])[:5], (1, 1, PROFILE_OSCORE, FORMAT_MAC, L.CNF_KID))
        self.assertEqual(fields[19], hf_native.sha256(given))

    def test_refusals(self):
        good = token()
        for end in range(len(good)):
            self.assertEqual(status(self.verify(good[:end])), MALFORMED_CBOR, end)
        for at in range(len(good)):
            bad = bytearray(good)
            bad[at] ^= 1
            self.assertEqual(type(self.verify(bad)), int, at)
        self.assertEqual(status(self.verify(bad)), BAD_SIGNATURE)
        self.assertEqual(status(self.verify(token(exp_s=NOW))), TOKEN_EXPIRED)
        self.assertEqual(status(self.verify(good, moment(clock=0))), TOKEN_EXPIRED)

    def test_a_refusal_behind_a_nonce_says_which_it_was(self):
        asked = moment(asks=1)
        for cnonce in (b"", b"n", bytes(200)):
            verdict, said = self.verify(token(cnonce=cnonce, osc=1), asked)
            self.assertEqual((status(verdict), said), (KEY_UNSUITABLE, cnonce))
            self.assertEqual(status(self.verify(token(cnonce=cnonce))), CNONCE_STALE)
        self.assertEqual(status(self.verify(token(cnonce=b"n", exp_s=NOW), asked)), TOKEN_EXPIRED)

    def test_too_long_costs_no_memory(self):
        at = moment()
        for length in (1025, 1 << 16 if gc.mem_free() > 500000 else 2048):
            octets = bytes(length)
            gc.collect()
            free = gc.mem_free()
            verdict = self.verify(octets, at)
            self.assertLess(free - gc.mem_free(), 1024)
            self.assertEqual(status(verdict), MALFORMED_COSE)

    def test_lengths(self):
        good = token()
        for rules in (b"", self.rules[:-1], self.rules + b"\0", self.encoded):
            with self.assertRaises(ValueError):
                hf_native.token_verify(rules, moment(), good)
        for at in (b"", moment()[:-1], moment() + b"\0"):
            with self.assertRaises(ValueError):
                self.verify(good, at)

    def test_rules_that_lie_askew(self):
        askew = memoryview(b"\0" + self.rules)[1:]
        with self.assertRaises(ValueError):
            hf_native.token_verify(askew, moment(), token())

    def test_what_is_no_bytes(self):
        for function, arguments in (
            (hf_native.rules_read, (None,)),
            (hf_native.rules_read, ()),
            (hf_native.token_verify, (None, moment(), b"")),
            (hf_native.token_verify, (self.rules, NOW, b"")),
            (hf_native.token_verify, (self.rules, moment(), None)),
            (hf_native.token_verify, (self.rules, moment())),
        ):
            with self.assertRaises(TypeError):
                function(*arguments)

    def test_nothing_is_kept(self):
        """Hundreds of calls with a collection whenever a kilobyte was allocated; rules outlive collections."""
        good, bad, behind, at = token(), token(exp_s=NOW), token(cnonce=b"n", osc=1), moment(asks=1)
        before = gc.threshold()
        gc.collect()
        free = gc.mem_free()
        gc.threshold(1024)
        for _ in range(300):
            self.assertEqual(len(self.verify(good, at)), 20)
            self.assertEqual(status(self.verify(bad, at)), TOKEN_EXPIRED)
            self.assertEqual(len(self.verify(behind, at)), 2)
        gc.threshold(before)
        gc.collect()
        self.assertLess(free - gc.mem_free(), 4096)
