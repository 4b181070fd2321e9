"""Rules and tokens at the edges of what the C core and Python can hold: both ways to check a token still agree.

Where hf_native is there, verifier_hf.py against verifier.py; elsewhere the same words say what verifier.py answers.
"""

from minitest import TestCase
from test_token_check import described

from holdfast_core import cbor, crypto, token_check, verifier
from holdfast_core import labels as L
from holdfast_core.errors import PeerError
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_NESTED
from holdfast_core.moment import Moment
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.secret import Secret
from holdfast_core.trust import Trust, TrustedKey
from testkit import mint

NOW = 1800000000
TRUST = Trust(
    [
        TrustedKey(
            "sign",
            mint.SIGN_KID,
            L.ALG_ES256,
            mint.ISSUER,
            crypto.Es256Key(mint.SIGN_PUBLIC[:32], mint.SIGN_PUBLIC[32:]),
        ),
        TrustedKey("encrypt", mint.ENCRYPT_KID, L.ALG_AES_CCM_16_64_128, mint.ISSUER, Secret(mint.ENCRYPT_KEY)),
    ]
)


def rules(formats=(CWT_ENCRYPTED, CWT_NESTED), **options):
    return Rules(["tube"], TRUST, ScopeMap({"read": [("/r", L.METHOD_GET)]}), formats, **options)


def claims(label=None, value=None):
    made = mint.claims("tube", "read", NOW)
    if label is not None:
        made[label] = value
    return made


def told(verify, token, rules, now_s, cnonce_check=None, exi_floor=None):
    try:
        return "", described(verify(token, rules, Moment(now_s, False, exi_floor, cnonce_check)))
    except PeerError as error:
        return str(error), None


class Edges(TestCase):
    def both(self, expected, *args):
        """Both ways say the same; returns what a Grant holds, None after the refusal that is expected."""
        ours, theirs = told(token_check.verify_token, *args), told(verifier.verify_token, *args)
        self.assertEqual(ours, theirs)
        self.assertEqual(ours[0], expected)
        return ours[1]

    def test_a_format_named_twice_is_no_other_format(self):
        nested, encrypted = mint.nested(claims()), mint.encrypted(claims())
        twice = rules((CWT_ENCRYPTED, CWT_ENCRYPTED))
        self.both("unsupported-alg: format", nested, twice, NOW)
        self.both("", encrypted, twice, NOW)
        twice = rules((CWT_NESTED, CWT_NESTED))
        self.both("", nested, twice, NOW)
        self.both("unsupported-alg: format", encrypted, twice, NOW)

    def test_a_profile_named_often(self):
        often = rules(profiles=(L.PROFILE_COAP_OSCORE, L.PROFILE_COAP_DTLS, L.PROFILE_COAP_OSCORE))
        self.both("", mint.encrypted(claims()), often, NOW)
        dtls = mint.encrypted(claims(L.CLAIM_ACE_PROFILE, L.PROFILE_COAP_DTLS))
        self.both("key-unsuitable: method", dtls, often, NOW)
        self.both("profile-unsupported: ace_profile", dtls, rules(profiles=(L.PROFILE_COAP_OSCORE,) * 3), NOW)

    def test_leeway(self):
        token = mint.encrypted(claims())  # for 600 s
        self.both("", token, rules(leeway_s=600), NOW + 1199)
        self.both("token-expired: exp", token, rules(leeway_s=600), NOW + 1200)
        self.both("", token, rules(leeway_s=1 << 33), NOW)

    def test_a_sequence_number_has_eight_octets_also_where_the_rs_has_no_name(self):
        for cti, expected in (
            (bytes(7) + b"\x09", ""),
            (b"\x09", "replayed: other-rs"),
            (bytes(3) + b"\x09", "replayed: other-rs"),
        ):
            made = claims(L.CLAIM_CTI, cti)
            made[L.CLAIM_EXI] = 60
            self.both(expected, mint.encrypted(made), rules(), NOW, None, 8)

    def test_times(self):
        token = mint.encrypted(claims())
        for now_s, expected in (
            (-5, "not-yet-valid: iat"),
            (NOW - 3601, "not-yet-valid: iat"),
            (NOW - 3600, ""),
            (1 << 31, "token-expired: exp"),
            (1 << 40, "token-expired: exp"),
        ):
            self.both(expected, token, rules(), now_s)
        self.both("token-expired: no-clock", token, rules(), None)

    def test_sequence_numbers(self):
        for sequence in (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
            made = claims(L.CLAIM_EXI, 60)
            made[L.CLAIM_CTI] = b"tube" + sequence.to_bytes(8, "big")
            token = mint.encrypted(made)
            options = rules(rs_id=b"tube"), NOW, None
            self.assertIn(sequence, self.both("", token, *options, -1))
            self.both("replayed: sequence", token, *options, sequence)
            self.both("replayed: no-floor", token, *options, None)
            if sequence:
                self.both("", token, *options, sequence - 1)

    def test_client_nonces_of_any_length(self):
        for cnonce in (b"", b"n", bytes(64), bytes(65), bytes(500)):
            token = mint.encrypted(claims(L.CLAIM_CNONCE, cnonce))
            self.assertIn(cnonce, self.both("", token, rules(), NOW, lambda given, own=cnonce: given == own))
            self.both("cnonce-stale: stale", token, rules(), NOW, lambda _: False)
            self.both("cnonce-stale: stale", token, rules(), NOW, None)
        self.both("cnonce-stale: missing", mint.encrypted(claims()), rules(require_cnonce=True), NOW, lambda _: True)

    def test_a_check_of_the_nonce_that_raises(self):
        """What it raises comes out, whether or not something was refused behind it, and the next token is checked."""

        def broken(cnonce):
            raise KeyError(cnonce)

        for changes in ((), ((L.CLAIM_ACE_PROFILE, L.PROFILE_COAP_DTLS),)):
            made = claims(L.CLAIM_CNONCE, b"n")
            made.update(dict(changes))
            for verify in (token_check.verify_token, verifier.verify_token):
                with self.assertRaises(KeyError):
                    verify(mint.encrypted(made), rules(), Moment(NOW, cnonce_check=broken))
        self.both("", mint.encrypted(claims()), rules(), NOW)

    def test_an_actor_with_anything_beside_its_name(self):
        actor = {L.CLAIM_SUB: "ekg", 99: cbor.Tag(L.TAG_COSE_ENCRYPT0, [b"", {}, b"x"])}
        self.both("", mint.encrypted(claims()), rules(), NOW)
        token = mint.encrypted(claims(L.PRIV_ACT, actor))
        for verify in (token_check.verify_token, verifier.verify_token):
            self.assertEqual(verify(token, rules(), Moment(NOW)).act[L.CLAIM_SUB], "ekg")

    def test_a_kid_beside_a_key_is_the_key_s(self):
        key = {L.KEY_KTY: L.KTY_SYMMETRIC, L.KEY_K: bytes(16)}
        token = mint.encrypted(claims(L.CLAIM_CNF, {L.CNF_COSE_KEY: key, L.CNF_KID: b"outer"}))
        self.both("", token, rules(profiles=(L.PROFILE_COAP_DTLS,)), NOW)

    def test_too_long_or_nothing(self):
        for length in (1025, 60000):
            self.both("malformed-cose: too-long", bytes(length), rules(), NOW)
        self.both("malformed-cbor: truncated", b"", rules(), NOW)

    def test_any_buffer(self):
        token = mint.encrypted(claims())
        for kind in (bytearray, memoryview):
            self.both("", kind(token), rules(), NOW)
