"""Every token vector on both interpreters: the right outcome, the right reason, the right CoAP code.

Also the introspection side, which shares the checks, and what a Grant says and does not say.
"""

from minitest import Rows, TestCase, vectors

from holdfast_core import labels as L
from holdfast_core.errors import (
    CnonceStale,
    KeyUnsuitable,
    LocalError,
    MalformedClaims,
    ProfileUnsupported,
    Replayed,
    Revoked,
    ScopeUnknown,
    TokenExpired,
    UnsupportedAlg,
    WrongAudience,
    WrongIssuer,
)
from holdfast_core.kinds import REFERENCE
from holdfast_core.moment import Moment
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.trust import Trust
from holdfast_core.verifier import grant_from_introspection, verify_token
from testkit.token_rules import load_rules, outcome, verify_row

ISSUER = "https://as.example"
TUBE = "connected_tube_123"
NOW = 1800000000
HANDLE = bytes(range(16))
MS = bytes(range(0xE0, 0xF0))
RULES = load_rules()
ROWS = Rows("tokens")


class Tokens(TestCase):
    def test_every_vector(self):
        kinds = set()
        for row in vectors("tokens"):
            with self.subTest(row["id"]):
                expected = (row["expect"], row["reason"], row["code"])
                self.assertEqual(outcome(verify_row, row, RULES), expected)
            kinds.add(row["expect"])
        self.assertEqual(len(kinds), 16)  # ok, malformed, and every kind of rejection but Revoked

    def test_grant_of_the_tube_story(self):
        grant = verify_row(ROWS["good-nested"], RULES)
        self.assertEqual((grant.iss, grant.sub, grant.aud), (ISSUER, "doctor", (TUBE,)))
        self.assertEqual((grant.exp, grant.iat, grant.nbf, grant.exi), (NOW + 3600, NOW - 10, None, None))
        self.assertEqual(grant.permissions.entries(), [("/result", L.METHOD_GET)])
        self.assertEqual((grant.format, grant.scope), ("cwt-nested", "read_result"))
        self.assertEqual(grant.ace_profile, L.PROFILE_COAP_OSCORE)
        self.assertEqual(grant.cnf.osc.ms.reveal(), MS)
        self.assertEqual((grant.cnf.osc.id, grant.cnf.osc.salt), (b"\x01\x02", bytes(range(0xD0, 0xD8))))
        self.assertEqual(grant.cti, b"\x11\x22\x33\x44")
        self.assertEqual(len(grant.token_hash), 32)

    def test_issuer_is_the_one_whose_key_protects_the_token(self):
        grant = verify_row(ROWS["two-as-no-iss"], RULES)
        self.assertEqual(grant.iss, ROWS["two-as-no-iss"]["iss"])

    def test_actor(self):
        self.assertEqual(verify_row(ROWS["act"], RULES).act, {L.CLAIM_SUB: "ekg_device_ABC"})
        self.assertIsNone(verify_row(ROWS["good-nested"], RULES).act)

    def test_end_of_life(self):
        exp = verify_row(ROWS["good-nested"], RULES)
        self.assertEqual((exp.exp, exp.exi, exp.exi_seq), (NOW + 3600, None, None))
        exi = verify_row(ROWS["exi"], RULES)
        self.assertEqual((exi.exp, exi.exi, exi.exi_seq), (None, 60, 5))
        both = verify_row(ROWS["exi-and-exp"], RULES)
        self.assertEqual((both.exp, both.exi), (NOW + 1, 60))

    def test_profile_in_force(self):
        self.assertEqual(verify_row(ROWS["profile-missing"], RULES).ace_profile, L.PROFILE_COAP_OSCORE)
        self.assertEqual(verify_row(ROWS["key-ec2"], RULES).ace_profile, L.PROFILE_COAP_DTLS)

    def test_sealed_key(self):
        grant = verify_row(ROWS["key-psk-sealed"], RULES)
        self.assertTrue(grant.cnf.encrypted)
        self.assertEqual(grant.cnf.key.k.reveal(), MS)

    def test_nothing_prints_the_key(self):
        forms = [MS.hex(), repr(MS)[2:-1], "e0e1e2"]
        for name in ("good-nested", "key-psk-sealed", "good-encrypted"):
            grant = verify_row(ROWS[name], RULES)
            for value in (grant, grant.cnf, grant.cnf.osc, grant.cnf.key, grant.permissions):
                for shown in (repr(value), str(value)):
                    for form in forms:
                        self.assertNotIn(form, shown)

    def test_cnonce_is_handed_to_the_check(self):
        seen = []

        def check(cnonce):
            seen.append(cnonce)
            return True

        row = ROWS["cnonce-fresh"]
        verify_token(bytes.fromhex(row["token"]), RULES["fresh"], Moment(NOW, cnonce_check=check))
        self.assertEqual(seen, [bytes.fromhex("c0ffee0000000001")])


class Introspection(TestCase):
    def setUp(self):
        self.rules = Rules([TUBE], Trust([]), ScopeMap({"read_result": [("/result", 1)]}), [REFERENCE])
        self.answer = {
            L.INTRO_ACTIVE: True,
            L.INTRO_ISS: ISSUER,
            L.INTRO_AUD: TUBE,
            L.INTRO_EXP: NOW + 60,
            L.INTRO_SCOPE: "read_result",
            L.INTRO_CLIENT_ID: "doctor_app",
            L.INTRO_CNF: {L.CNF_OSC: {L.OSC_ID: b"\1", L.OSC_MS: MS}},
            L.INTRO_ACE_PROFILE: L.PROFILE_COAP_OSCORE,
        }

    def grant(self, changes, **options):
        answer = dict(self.answer)
        answer.update(changes)
        moment = Moment(options.pop("now_s", NOW), **options)
        return grant_from_introspection(answer, self.rules, moment, ISSUER, HANDLE)

    def test_active(self):
        grant = self.grant({})
        self.assertEqual((grant.client_id, grant.format, grant.iss), ("doctor_app", REFERENCE, ISSUER))
        self.assertEqual(grant.permissions.entries(), [("/result", 1)])
        self.assertEqual(grant.cnf.osc.ms.reveal(), MS)

    def test_not_active_is_4_00(self):
        with self.assertRaises(Revoked) as caught:
            grant_from_introspection({L.INTRO_ACTIVE: False}, self.rules, Moment(NOW), ISSUER, HANDLE)
        self.assertEqual(caught.exception.coap_code, L.CODE_BAD_REQUEST)
        self.assertEqual(Revoked("x").coap_code, L.CODE_UNAUTHORIZED)

    def test_active_must_be_a_boolean(self):
        for active in (1, "true", None, b"\1", 0):
            with self.assertRaises(MalformedClaims):
                self.grant({L.INTRO_ACTIVE: active})
        for answer in ([], None, {}, b"", {L.INTRO_ACTIVE: [True]}):
            with self.assertRaises(MalformedClaims):
                grant_from_introspection(answer, self.rules, Moment(NOW), ISSUER, HANDLE)

    def test_the_same_checks(self):
        for error, changes in (
            (MalformedClaims, {L.INTRO_CLIENT_ID: b"x"}),
            (MalformedClaims, {L.INTRO_EXP: "x"}),
            (WrongIssuer, {L.INTRO_ISS: "https://as.other.example"}),
            (TokenExpired, {L.INTRO_EXP: NOW}),
            (WrongAudience, {L.INTRO_AUD: "x"}),
            (ScopeUnknown, {L.INTRO_SCOPE: "x"}),
            (CnonceStale, {L.INTRO_CNONCE: b"x"}),
            (ProfileUnsupported, {L.INTRO_ACE_PROFILE: L.PROFILE_COAP_DTLS}),
            (KeyUnsuitable, {L.INTRO_CNF: {L.CNF_OSC: {L.OSC_ID: b"\1", L.OSC_MS: b"short"}}}),
            (MalformedClaims, {L.INTRO_CNF: {L.CNF_ENCRYPTED_COSE_KEY: []}}),
        ):
            with self.assertRaises(error):
                self.grant(changes)
        del self.answer[L.INTRO_CNF]
        with self.assertRaises(KeyUnsuitable):
            self.grant({})

    def test_exi_needs_no_sequence_number_here(self):
        del self.answer[L.INTRO_EXP]
        grant = self.grant({L.INTRO_EXI: 30})
        self.assertEqual((grant.exi, grant.exi_seq), (30, None))

    def test_cnonce(self):
        self.assertEqual(self.grant({L.INTRO_CNONCE: b"n"}, cnonce_check=lambda n: n == b"n").cnonce, b"n")
        with self.assertRaises(CnonceStale):
            self.grant({L.INTRO_CNONCE: b"m"}, cnonce_check=lambda n: n == b"n")

    def test_without_a_clock(self):
        with self.assertRaises(TokenExpired):
            self.grant({}, now_s=None)
        self.assertEqual(self.grant({L.INTRO_NBF: NOW + 9}, is_floor=True).nbf, NOW + 9)

    def test_only_where_references_are_taken(self):
        with self.assertRaises(UnsupportedAlg):
            grant_from_introspection(self.answer, RULES["tube"], Moment(NOW), ISSUER, HANDLE)


class ExiOfAnRsWithoutName(TestCase):
    def test_its_cti_is_the_bare_sequence_number(self):
        tube = RULES["tube"]
        rules = Rules([TUBE], tube.trust, tube.scope_map, tube.formats)
        for row in vectors("tokens"):
            if row["id"] == "exi-cti-no-rs":
                token = bytes.fromhex(row["token"])
        self.assertEqual(verify_token(token, rules, Moment(NOW, exi_floor=8)).exi_seq, 9)
        with self.assertRaises(Replayed):
            verify_token(token, rules, Moment(NOW, exi_floor=9))
        with self.assertRaises(Replayed):
            verify_token(bytes.fromhex(ROWS["exi"]["token"]), rules, Moment(NOW, exi_floor=4))


class WrongRules(TestCase):
    def test_refused_at_once(self):
        scopes = ScopeMap({})
        for options in (
            {"formats": ["jwt"]},
            {"formats": ["cwt-nested"], "profiles": ()},
            {"formats": ["cwt-nested"], "profiles": (L.PROFILE_MQTT_TLS,)},
            {"formats": ["cwt-nested"], "leeway_s": -1},
            {"formats": ["cwt-nested"], "token_shape": "any"},
        ):
            with self.assertRaises(LocalError):
                Rules([TUBE], Trust([]), scopes, **options)
