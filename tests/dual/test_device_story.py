"""The whole story in memory, with the examples: the EKG is read by reference, and through it the tube by value."""

import sys

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info, encode_authz_info_answer
from holdfast_core.coap_message import decode, encode
from holdfast_core.errors import MalformedRequest
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_deploy.run_shell import Options
from holdfast_device.client import Refused, SessionLost, WrongAs
from holdfast_device.endpoint import RequestFailed
from holdfast_device.introspection import REFUSED_LIFE_MS
from holdfast_device.rights import RECHECK_MS
from testkit import mint
from testkit.story import EKG, NOW_S, TUBE, World, get, held

HERE = __file__.replace("\\", "/").rsplit("/", 1)[0] if "/" in __file__ else "."
HANDLE = b"handle-of-128-bits"


def example(name):
    path = HERE + "/../../device/examples"
    if path not in sys.path:
        sys.path.append(path)
    return __import__(name)


def active(scope="read_ekg read_result", key=b"doctor-1", **more):
    answer = {
        L.INTRO_ACTIVE: True,
        L.INTRO_ISS: mint.ISSUER,
        L.INTRO_AUD: EKG,
        L.INTRO_SCOPE: scope,
        L.INTRO_EXP: NOW_S + 600,
        L.INTRO_CLIENT_ID: "doctor_app",
        L.INTRO_CNF: {L.CNF_OSC: mint.osc(key)},
    }
    for name, value in more.items():
        answer[getattr(L, "INTRO_" + name.upper())] = value
    return answer


class Connected(TestCase):
    def setUp(self):
        self.world = World()
        self.fake = self.world.add_as()
        self.ekg = self.world.boot("ekg")
        self.options = Options("ekg.prov")
        self.options.peers[TUBE] = "tube"
        example("ekg").setup(self.ekg, self.options)
        self.doctor = self.world.client()
        self.fake.tokens[HANDLE] = active()

    def open(self, handle=HANDLE, key=b"doctor-1"):
        return self.world.run(self.doctor.open_session("ekg", held(handle, key, self.world.now_ms)))

    def read(self, session, path="/ekg"):
        return self.world.run(session.request(get(path)))

    def refused(self, code, handle=HANDLE):
        with self.assertRaises(Refused) as raised:
            self.open(handle)
        self.assertEqual(raised.exception.code, code)


class Reference(Connected):
    def test_read_and_the_as_was_asked_once(self):
        session = self.open()
        self.assertEqual(self.read(session).code, L.CODE_CONTENT)
        self.assertEqual(self.read(session).payload, example("ekg").WAVE)
        self.assertEqual(self.fake.asked, [("/introspect", {L.INTRO_TOKEN: HANDLE})])

    def test_the_waveform_is_observed(self):
        watch = self.open().observe(get("/ekg"))
        self.world.wait(5)
        self.assertEqual(len(watch._waiting), 4)

    def test_refused_answers(self):
        for code, answer in (
            (L.CODE_BAD_REQUEST, {L.INTRO_ACTIVE: False}),
            (L.CODE_BAD_REQUEST, {L.INTRO_ACTIVE: 1}),
            (L.CODE_BAD_REQUEST, {}),
            (L.CODE_FORBIDDEN, active(aud=TUBE)),
            (L.CODE_UNAUTHORIZED, active(exp=NOW_S)),
            (L.CODE_UNAUTHORIZED, active(iss="https://evil.example")),
            (L.CODE_BAD_REQUEST, active(scope="admin")),
            (L.CODE_BAD_REQUEST, active(cnf={L.CNF_KID: b"x"})),
        ):
            self.world.wait(REFUSED_LIFE_MS // 1000 + 1)
            self.fake.tokens[HANDLE] = answer
            self.refused(code)
        self.assertEqual(len(self.ekg.rs.rights.sessions), 0)

    def test_as_unreachable_is_a_refusal(self):
        self.fake.silent = True
        self.refused(L.CODE_BAD_REQUEST)

    def test_a_token_by_value_is_not_for_this_rs(self):
        self.refused(L.CODE_UNAUTHORIZED, mint.encrypted(mint.claims(EKG, "read_ekg", NOW_S)))
        self.assertEqual(self.fake.asked, [])

    def test_invented_references_are_asked_for_once_in_a_while(self):
        for _ in range(10):
            self.world.wait(2)
            self.refused(L.CODE_BAD_REQUEST, b"invented")
        self.assertEqual(len(self.fake.asked), 1)
        self.world.wait(REFUSED_LIFE_MS // 1000)
        self.refused(L.CODE_BAD_REQUEST, b"invented")
        self.assertEqual(len(self.fake.asked), 2)

    def test_a_flood_of_references_does_not_flood_the_as_or_stop_a_session(self):
        session = self.open()
        self.read(session)
        asked = len(self.fake.asked)
        refused = 0
        for number in range(60):
            try:
                self.open(b"invented" + bytes([number]))
            except Refused:
                refused += 1
        self.assertEqual(refused, 60)
        self.assertLess(len(self.fake.asked) - asked, 30)
        self.assertEqual(self.read(session).code, L.CODE_CONTENT)

    def test_revoked_within_the_recheck_time(self):
        session = self.open()
        self.assertEqual(self.read(session).code, L.CODE_CONTENT)
        self.fake.tokens[HANDLE] = {L.INTRO_ACTIVE: False}
        self.world.wait(RECHECK_MS // 1000)
        try:
            code = self.read(session).code
        except SessionLost:
            code = L.CODE_UNAUTHORIZED
        self.assertEqual(code, L.CODE_UNAUTHORIZED)
        self.assertEqual(len(self.ekg.rs.rights.sessions), 0)

    def test_still_active_after_the_recheck_time(self):
        session = self.open()
        self.read(session)
        self.world.wait(RECHECK_MS // 1000)
        self.assertEqual(self.read(session).code, L.CODE_CONTENT)
        self.assertEqual(len(self.fake.asked), 2)

    def test_revoked_ends_an_observation(self):
        session = self.open()
        watch = session.observe(get("/ekg"))
        self.world.wait(3)
        self.fake.tokens[HANDLE] = {L.INTRO_ACTIVE: False}
        self.world.wait(RECHECK_MS // 1000 + 5)
        self.assertEqual(watch._waiting[-1].code, L.CODE_UNAUTHORIZED)
        self.assertEqual(len(self.ekg.rs.rights.sessions), 0)

    def test_narrowed_within_the_recheck_time(self):
        session = self.open()
        watch = session.observe(get("/ekg"))
        self.assertEqual(self.read(session).code, L.CODE_CONTENT)
        self.fake.tokens[HANDLE] = active("read_result")
        self.world.wait(RECHECK_MS // 1000)
        self.assertEqual(self.read(session).code, L.CODE_FORBIDDEN)
        self.assertEqual(watch._waiting[-1].code, L.CODE_UNAUTHORIZED)
        self.assertEqual(len(self.ekg.rs.rights.sessions), 1)

    def test_as_sequence_numbers_go_on_after_a_restart(self):
        self.open()
        first = self.world.flash["ekg"]
        self.world.boot("ekg")
        self.open()
        self.assertIs(self.world.flash["ekg"], first)
        self.assertEqual(len(self.fake.asked), 2)


class Exchanged(Connected):
    def setUp(self):
        Connected.setUp(self)
        self.tube = self.world.boot("tube", clock=False)
        example("tube").setup(self.tube, Options("tube.prov"))
        self.fake.answer_token = self.exchange
        self.number = 0
        self.make = mint.nested

    def exchange(self, params):
        """What the AS does: a token for the tube on the doctor's authority."""
        self.assertEqual(params[L.ACE_GRANT_TYPE], L.PRIV_GRANT_TOKEN_EXCHANGE)
        self.assertEqual((params[L.ACE_AUDIENCE], params[L.ACE_SCOPE]), (TUBE, "read_result"))
        self.assertEqual(params[L.PRIV_SUBJECT_TOKEN_TYPE], ACCESS_TOKEN_URN)
        self.assertIn(L.ACE_PROFILE, params)
        if params[L.PRIV_SUBJECT_TOKEN] != HANDLE:
            return L.CODE_BAD_REQUEST, {L.ACE_ERROR: L.ERR_INVALID_GRANT}
        self.number += 1
        key = b"tube-key" + bytes([self.number])
        claims = mint.claims(TUBE, "read_result", NOW_S + self.world.now_ms // 1000, key=key, life_s=100)
        return L.CODE_CREATED, {
            L.ACE_ACCESS_TOKEN: self.make(claims),
            L.ACE_EXPIRES_IN: 100,
            L.ACE_PROFILE: L.PROFILE_COAP_OSCORE,
            L.ACE_CNF: {L.CNF_OSC: mint.osc(key)},
        }

    def asked(self, path):
        return len([asked for asked in self.fake.asked if asked[0] == path])

    def test_the_doctor_reads_the_tube_through_the_ekg(self):
        answer = self.read(self.open(), "/results")
        self.assertEqual((answer.code, answer.payload), (L.CODE_CONTENT, b"troponin negative"))
        self.assertEqual(self.asked("/token"), 1)

    def test_token_and_session_are_kept_until_they_are_over(self):
        session = self.open()
        for _ in range(3):
            self.assertEqual(self.read(session, "/results").code, L.CODE_CONTENT)
        self.assertEqual(self.asked("/token"), 1)
        self.world.wait(101)
        self.assertEqual(self.read(session, "/results").code, L.CODE_CONTENT)
        self.assertEqual(self.asked("/token"), 2)

    def test_a_tube_that_restarted_gets_the_session_anew(self):
        session = self.open()
        self.read(session, "/results")
        example("tube").setup(self.world.boot("tube", clock=False), Options("tube.prov"))
        self.assertEqual(self.read(session, "/results").code, L.CODE_CONTENT)

    def test_scope_of_the_original_counts_at_the_ekg(self):
        self.fake.tokens[HANDLE] = active("read_ekg")
        session = self.open()
        self.assertEqual(self.read(session, "/results").code, L.CODE_FORBIDDEN)
        self.assertEqual(self.asked("/token"), 0)

    def test_what_goes_wrong_behind_the_ekg_is_a_gateways_answer(self):
        session = self.open()
        self.make = lambda claims: b"no token"
        self.assertEqual(self.read(session, "/results").code, L.CODE_BAD_GATEWAY)
        self.fake.answer_token = lambda params: (L.CODE_BAD_REQUEST, {L.ACE_ERROR: L.ERR_INVALID_SCOPE})
        self.assertEqual(self.read(session, "/results").code, L.CODE_FORBIDDEN)
        self.fake.answer_token = lambda params: (L.CODE_CREATED, {"access_token": b"text keys"})
        self.assertEqual(self.read(session, "/results").code, L.CODE_BAD_GATEWAY)
        self.assertEqual(self.read(session).code, L.CODE_CONTENT)

    def test_over_a_bad_link(self):
        self.world.link.loss, self.world.link.dup, self.world.link.reorder = 10, 10, 20
        done = 0
        for _ in range(5):
            try:
                done += self.read(self.open(), "/results").payload == b"troponin negative"
            except (RequestFailed, Refused, SessionLost):
                self.world.wait(10)
        self.assertGreater(done, 2, str(self.world.link))

    def test_no_key_travels_in_the_clear(self):
        self.read(self.open(), "/results")
        secrets = [mint.osc(key)[L.OSC_MS] for key in (b"doctor-1", b"tube-key\x01")]
        for _, _, _, datagram in self.world.link.log:
            for secret in secrets:
                self.assertEqual(datagram.find(secret), -1)


class HintsOfAnotherAs(Connected):
    def test_hints_must_name_the_configured_as(self):
        hints = self.world.run(self.doctor.ask_hints("ekg", "/ekg"))
        self.assertEqual(hints.audience, EKG)
        self.world.provisionings["ekg"].as_uri = "coap://evil.example/token"
        self.world.boot("ekg")
        with self.assertRaises(WrongAs):
            self.world.run(self.doctor.ask_hints("ekg", "/ekg"))

    def test_a_mirrored_id_is_no_session(self):
        id1 = []

        def mirror(sender, receiver, datagram):
            message = decode(datagram)
            if sender == "doctor" and message.payload:
                id1.append(decode_authz_info(message.payload).client_recipientid)
            elif receiver == "doctor" and message.code == L.CODE_CREATED:
                message.payload = encode_authz_info_answer(b"n" * 8, id1[0])
            return [encode(message)]

        self.world.link.tap = mirror
        with self.assertRaises(MalformedRequest):
            self.open()
        self.world.link.tap = None
        self.assertEqual(self.read(self.open()).code, L.CODE_CONTENT)
