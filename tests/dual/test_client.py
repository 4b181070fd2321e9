"""The client's side: which answers of an AS and an RS it takes, and what it sends."""

from minitest import TestCase

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info, encode_authz_info_answer
from holdfast_core.coap_message import decode, encode, response
from holdfast_core.errors import KeyUnsuitable, LocalError, Malformed, MalformedRequest
from holdfast_device.client import AceClient, Refused, SessionLost
from holdfast_device.endpoint import RequestFailed
from holdfast_device.token_response import TokenRefused, read_token_response
from testkit import mint
from testkit.story import AS_URI, NOW_S, TUBE, World, get, held


def good():
    return {
        L.ACE_ACCESS_TOKEN: b"token",
        L.ACE_EXPIRES_IN: 60,
        L.ACE_PROFILE: L.PROFILE_COAP_OSCORE,
        L.ACE_CNF: {L.CNF_OSC: mint.osc(b"k")},
    }


def answer(members, code=L.CODE_CREATED, content_format=L.CF_ACE_CBOR):
    return response(code, cbor.encode(members), content_format)


class TokenResponses(TestCase):
    def test_good_ones(self):
        read = read_token_response(answer(good()), 1000)
        self.assertEqual((read.access_token.reveal(), read.ends_ms, read.osc.id), (b"token", 61000, b"k"))
        more = good()
        more.update({L.ACE_SCOPE: "read", L.ACE_TOKEN_TYPE: L.TOKEN_TYPE_POP, L.PRIV_ISSUED_TOKEN_TYPE: "urn:x"})
        self.assertEqual(read_token_response(answer(more), 0).scope, "read")
        update = good()
        del update[L.ACE_CNF]
        self.assertIsNone(read_token_response(answer(update), 0, True).osc)

    def test_bad_ones(self):
        for label, value in (
            (L.ACE_ACCESS_TOKEN, None),
            (L.ACE_ACCESS_TOKEN, "text"),
            (L.ACE_ACCESS_TOKEN, b""),
            (L.ACE_EXPIRES_IN, None),
            (L.ACE_EXPIRES_IN, 0),
            (L.ACE_EXPIRES_IN, -1),
            (L.ACE_EXPIRES_IN, True),
            (L.ACE_EXPIRES_IN, 10**12),
            (L.ACE_PROFILE, None),
            (L.ACE_PROFILE, "coap_oscore"),
            (L.ACE_PROFILE, L.PROFILE_COAP_DTLS),
            (L.ACE_TOKEN_TYPE, L.TOKEN_TYPE_BEARER),
            (L.ACE_SCOPE, 1),
            (L.ACE_CNF, None),
            (L.ACE_CNF, {}),
            (L.ACE_CNF, {L.CNF_KID: b"k"}),
            (L.ACE_CNF, {L.CNF_OSC: {L.OSC_ID: b"k"}}),
            (L.ACE_CNF, {L.CNF_OSC: {L.OSC_ID: b"k", L.OSC_MS: b"short"}}),
            (L.ACE_RS_CNF, {L.CNF_KID: b"k"}),
            ("access_token", b"token"),
        ):
            members = good()
            members[label] = value
            if value is None:
                del members[label]
            # KeyUnsuitable is no Malformed: a secret too short is refused, not misread
            with self.subTest(f"{label} {value!r}"), self.assertRaises((Malformed, KeyUnsuitable)):
                read_token_response(answer(members), 0)

    def test_what_an_as_leaves_out_may_be_configured(self):
        terse = good()
        del terse[L.ACE_EXPIRES_IN], terse[L.ACE_PROFILE]
        self.assertEqual(read_token_response(answer(terse), 1000, False, 30, True).ends_ms, 31000)
        self.assertEqual(read_token_response(answer(good()), 1000, False, 30, True).ends_ms, 61000)
        for default_lifetime_s, profile_agreed in ((0, True), (30, False), (-1, True), (10**12, True)):
            with self.assertRaises(MalformedRequest):
                read_token_response(answer(terse), 0, False, default_lifetime_s, profile_agreed)
        for label, value in ((L.ACE_EXPIRES_IN, 0), (L.ACE_EXPIRES_IN, None), (L.ACE_PROFILE, None)):
            wrong = good()
            wrong[label] = value
            with self.assertRaises(MalformedRequest):
                read_token_response(answer(wrong), 0, False, 30, True)

    def test_shapes(self):
        for bad in (
            answer(good(), content_format=L.CF_CBOR),
            response(L.CODE_CREATED, b"", L.CF_ACE_CBOR),
            response(L.CODE_CREATED, b"\xff", L.CF_ACE_CBOR),
            response(L.CODE_CREATED, b"\x80", L.CF_ACE_CBOR),
        ):
            with self.assertRaises(MalformedRequest):
                read_token_response(bad, 0)
        with self.assertRaises(MalformedRequest):
            read_token_response(answer(good()), 0, True)

    def test_errors_of_the_as(self):
        for members, error in (({L.ACE_ERROR: L.ERR_INVALID_SCOPE}, L.ERR_INVALID_SCOPE), ({L.ACE_ERROR: "x"}, None)):
            with self.assertRaises(TokenRefused) as raised:
                read_token_response(answer(members, L.CODE_BAD_REQUEST), 0)
            self.assertEqual((raised.exception.code, raised.exception.error), (L.CODE_BAD_REQUEST, error))
        with self.assertRaises(TokenRefused):
            read_token_response(response(L.CODE_UNAUTHORIZED), 0)

    def test_repr_shows_no_token_and_no_key(self):
        shown = repr(read_token_response(answer(good()), 0))
        self.assertNotIn("b'token'", shown)


class AtTheRs(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube()
        self.doctor = self.world.client()
        self.token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S))

    def open(self, **osc):
        return self.world.run(self.doctor.open_session("tube", held(self.token, now_ms=self.world.now_ms, **osc)))

    def change_answers(self, change):
        """Let change(message) rewrite what the tube answers to a post."""

        def tap(sender, receiver, datagram):
            message = decode(datagram)
            if sender == "tube" and message.code == L.CODE_CREATED:
                change(message)
            return [encode(message)]

        self.world.link.tap = tap

    def test_posts_have_fresh_nonces_and_ids_and_the_right_shape(self):
        for _ in range(4):
            self.world.wait(2)
            self.open()
        posts = [decode(d) for _, sender, _, d in self.world.link.log if sender == "doctor"]
        bodies = [decode_authz_info(post.payload) for post in posts if post.payload]
        self.assertEqual({post.content_format for post in posts if post.payload}, {L.CF_ACE_CBOR})
        self.assertEqual(len({body.nonce1 for body in bodies}), 4)
        self.assertEqual(len({body.client_recipientid for body in bodies}), 4)
        self.assertEqual({len(body.nonce1) for body in bodies}, {8})

    def test_incomplete_answers_make_no_session(self):
        def payload(octets):
            def change(message):
                message.payload = octets

            return change

        def no_format(message):
            message.remove(L.OPT_CONTENT_FORMAT)

        for change in (
            payload(cbor.encode({L.ACE_NONCE2: b"n" * 8})),
            payload(cbor.encode({L.ACE_SERVER_RECIPIENTID: b"\x01"})),
            payload(b"\xff"),
            payload(encode_authz_info_answer(b"n" * 8, bytes(8))),
            no_format,
        ):
            self.world.wait(2)
            self.change_answers(change)
            with self.assertRaises(MalformedRequest):
                self.open()

    def test_answers_of_a_rogue_are_not_authentic(self):
        session = self.open()

        def tap(sender, receiver, datagram):
            if sender == "tube":
                datagram = datagram[:-1] + bytes([datagram[-1] ^ 1])
            return [datagram]

        self.world.link.tap = tap
        with self.assertRaises(RequestFailed):
            self.world.run(session.request(get("/result")))
        self.assertTrue(session.is_open)
        self.world.link.tap = None
        self.assertEqual(self.world.run(session.request(get("/result"))).code, L.CODE_CONTENT)

    def test_unprotected_unauthorized_ends_the_session_and_another_error_does_not(self):
        session = self.open()
        self.tube.rs.rights.end(self.tube.rs.rights.sessions.all()[0])
        with self.assertRaises(SessionLost):
            self.world.run(session.request(get("/result")))
        with self.assertRaises(SessionLost):
            self.world.run(session.request(get("/result")))
        self.assertFalse(session.is_open)

    def test_a_lost_answer_to_the_post_is_asked_for_again(self):
        self.world.link.loss = 30
        for _ in range(3):
            try:
                session = self.open()
                self.assertEqual(self.world.run(session.request(get("/result"))).code, L.CODE_CONTENT)
            except (RequestFailed, SessionLost, Refused):
                self.world.wait(5)
        self.world.link.loss = 0
        self.world.wait(60)
        self.assertEqual(self.world.run(self.open().request(get("/result"))).code, L.CODE_CONTENT)

    def test_without_an_as_no_token(self):
        with self.assertRaises(LocalError):
            self.world.run(self.doctor.get_token({}))


class AtTheAs(TestCase):
    def setUp(self):
        self.world = World()
        self.fake = self.world.add_as()
        self.world.boot_tube()
        self.ekg = self.world.boot("ekg")
        self.number = 0

    def give(self, params):
        self.number += 1
        update = L.ACE_REQ_CNF in params
        cnf = {L.CNF_KID: b"k"} if update else {L.CNF_OSC: mint.osc(b"k")}
        scope = params[L.ACE_SCOPE]
        claims = mint.claims(TUBE, scope, NOW_S + self.number, cnf=cnf)
        given = {
            L.ACE_ACCESS_TOKEN: mint.encrypted(claims),
            L.ACE_EXPIRES_IN: 60,
            L.ACE_PROFILE: L.PROFILE_COAP_OSCORE,
        }
        if not update:
            given[L.ACE_CNF] = cnf
        return L.CODE_CREATED, given

    def test_any_grant_parameters_go_over_oscore_and_the_profile_is_asked_for(self):
        self.fake.answer_token = self.give
        params = {L.ACE_AUDIENCE: TUBE, L.ACE_SCOPE: "read_result", L.ACE_CNONCE: b"n", L.PRIV_SUBJECT_TOKEN: b"s"}
        self.world.run(self.ekg.client.get_token(params), "ekg")
        asked = dict(params)
        asked[L.ACE_PROFILE] = None
        self.assertEqual(self.fake.asked, [("/token", asked)])

    def test_an_as_that_names_neither_lifetime_nor_profile_serves_a_client_that_is_told_both(self):
        def terse(*told):
            code, given = self.give(*told)
            del given[L.ACE_EXPIRES_IN], given[L.ACE_PROFILE]
            return code, given

        self.fake.answer_token = terse
        client = self.ekg.client
        params = {L.ACE_AUDIENCE: TUBE, L.ACE_SCOPE: "read_result"}
        with self.assertRaises(MalformedRequest):
            self.world.run(client.get_token(dict(params)), "ekg")
        client.default_lifetime_s = 20
        client.profile_agreed = True
        token = self.world.run(client.get_token(dict(params)), "ekg")
        self.assertEqual(self.fake.asked[-1], ("/token", params))
        session = self.world.run(client.open_session("tube", token), "ekg")
        self.assertEqual(self.world.run(session.request(get("/result")), "ekg").code, L.CODE_CONTENT)
        self.world.wait(20)
        with self.assertRaises(SessionLost):
            self.world.run(session.request(get("/result")), "ekg")

    def test_new_rights_for_a_session(self):
        from holdfast_core.coap_message import request

        self.fake.answer_token = self.give
        client = self.ekg.client
        params = {L.ACE_AUDIENCE: TUBE, L.ACE_SCOPE: "read_result"}
        token = self.world.run(client.get_token(params), "ekg")
        session = self.world.run(client.open_session("tube", token), "ekg")
        put = request(L.CODE_PUT, "/calibration")
        self.assertEqual(self.world.run(session.request(put), "ekg").code, L.CODE_FORBIDDEN)
        params[L.ACE_SCOPE] = "calibrate"
        token = self.world.run(client.get_token(params, session), "ekg")
        self.assertEqual(self.fake.asked[-1][1][L.ACE_REQ_CNF], {L.CNF_KID: b"k"})
        self.world.run(session.update(token), "ekg")
        self.assertEqual(self.world.run(session.request(put), "ekg").code, L.CODE_CHANGED)

    def test_an_unreachable_as_is_a_failure_in_time(self):
        self.fake.silent = True
        with self.assertRaises(RequestFailed):
            self.world.run(self.ekg.client.get_token({L.ACE_SCOPE: "read_result"}), "ekg")

    def test_sequence_numbers_are_durable_before_they_are_used(self):
        self.fake.answer_token = self.give
        used = []
        for _ in range(5):
            for _ in range(3):
                self.world.run(self.ekg.client.get_token({L.ACE_SCOPE: "read_result"}), "ekg")
            used.append(self.ekg.as_sequence.next_value)
            self.ekg = self.world.boot("ekg")
            self.assertGreaterEqual(self.ekg.as_sequence.next_value, used[-1])
        self.assertEqual(used, sorted(set(used)))

    def test_configured_as_only(self):
        self.assertEqual(self.ekg.client._as_uri, AS_URI)
        self.assertIsInstance(self.ekg.client, AceClient)
