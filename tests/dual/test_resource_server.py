"""The RS seen from outside: every answer of RFC 9200 section 5.10 and RFC 9203 section 4, on a virtual link."""

from minitest import TestCase

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info_answer, encode_authz_info
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_device.client import Refused, SessionLost
from holdfast_device.endpoint import RequestFailed
from holdfast_device.hints import decode_hints
from holdfast_device.sessions import MAX_PENDING
from testkit import mint
from testkit.link import Random
from testkit.story import NOW_S, TUBE, World, get, held, tube_provisioning


def tube_claims(now_s=NOW_S, scope="read_result", **more):
    return mint.claims(TUBE, scope, now_s, **more)


class Story(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube()
        self.doctor = self.world.client()

    def open(self, claims=None, key=b"osc-1", make=mint.encrypted):
        token = make(tube_claims(key=key) if claims is None else claims)
        return self.world.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms)))

    def ask(self, session, message):
        return self.world.run(session.request(message))

    def plain(self, message):
        return self.world.run(call(self.world, message))

    def post(self, payload, content_format=L.CF_ACE_CBOR, code=L.CODE_POST):
        return self.plain(request(code, "/authz-info", payload, content_format))

    def refused(self, claims, make=mint.encrypted):
        self.world.wait(5)
        with self.assertRaises(Refused) as raised:
            self.open(claims, make=make)
        self.assertEqual(len(self.tube.rs.rights.sessions), 0)
        return raised.exception.code


def call(world, message):
    answer = yield world.link.endpoints["doctor"].inner.call("tube", message)
    return answer


class Access(Story):
    def test_read_with_each_format(self):
        for key, make in ((b"a", mint.encrypted), (b"b", mint.nested)):
            session = self.open(key=key, make=make)
            answer = self.ask(session, get("/result"))
            self.assertEqual((answer.code, answer.payload), (L.CODE_CONTENT, b"negative"))

    def test_resource_and_method_outside_the_scope(self):
        session = self.open()
        for message, code in (
            (request(L.CODE_PUT, "/calibration"), L.CODE_FORBIDDEN),
            (get("/nothing"), L.CODE_FORBIDDEN),
            (request(L.CODE_PUT, "/result"), L.CODE_METHOD_NOT_ALLOWED),
            (get("/result"), L.CODE_CONTENT),
        ):
            self.assertEqual(self.ask(session, message).code, code)

    def test_without_a_session_hints_and_nothing_else(self):
        for path in ("/result", "/nothing", "/a/b/c"):
            answer = self.plain(get(path))
            self.assertEqual((answer.code, answer.content_format), (L.CODE_UNAUTHORIZED, L.CF_ACE_CBOR))
            hints = decode_hints(answer.payload)
            self.assertEqual((hints.as_uri, hints.audience), ("coap://as.example/token", TUBE))
            self.assertIsNone(hints.cnonce)

    def test_a_spoofed_address_gets_little_and_no_hints(self):
        post = request(L.CODE_POST, "/authz-info", b"", L.CF_ACE_CBOR)
        for mid, message in enumerate((get("/result"), get("/"), post)):
            message.mtype, message.mid, message.token = L.TYPE_CON, mid, b"t"
            asked = encode(message)
            self.tube.feed(asked, "victim", self.world.now_ms)
            ((answer, _peer),) = self.tube.take_datagrams()
            self.assertLessEqual(len(answer), 3 * len(asked))
            self.assertEqual(decode(answer).payload, b"")

    def test_a_token_without_its_key_opens_nothing(self):
        token = mint.encrypted(tube_claims())
        wrong_key = held(token, b"another")
        session = self.world.run(self.doctor.open_session("tube", wrong_key))
        with self.assertRaises(RequestFailed):
            self.ask(session, get("/result"))
        self.assertEqual(self.plain(get("/result")).code, L.CODE_UNAUTHORIZED)

    def test_algorithm_context_id_and_absent_salt_from_the_as(self):
        for number, osc in enumerate(
            ({"alg": L.ALG_AES_CCM_16_128_128}, {"context_id": b"ctx"}, {"salt": None}, {"version": 1, "hkdf": 5})
        ):
            material = mint.osc(b"k" + bytes([number]))
            for name in osc:
                material[getattr(L, "OSC_" + name.upper())] = osc[name]
            if "salt" in osc:
                del material[L.OSC_SALT]
            token = mint.encrypted(tube_claims(cnf={L.CNF_OSC: material}))
            response = held(token, b"k" + bytes([number]), self.world.now_ms)
            response.osc.alg = material.get(L.OSC_ALG, L.ALG_AES_CCM_16_64_128)
            response.osc.context_id = material.get(L.OSC_CONTEXT_ID)
            response.osc.salt = material.get(L.OSC_SALT)
            session = self.world.run(self.doctor.open_session("tube", response))
            self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)


class AuthzInfo(Story):
    def test_methods_and_formats(self):
        for code in (L.CODE_GET, L.CODE_PUT, L.CODE_DELETE):
            self.assertEqual(self.post(b"", code=code).code, L.CODE_METHOD_NOT_ALLOWED)
        body = encode_authz_info(mint.encrypted(tube_claims()), b"n" * 8, b"\x01")
        for content_format in (None, L.CF_CWT, L.CF_CBOR):
            self.assertEqual(self.post(body, content_format).code, L.CODE_UNSUPPORTED_CONTENT_FORMAT)

    def test_unparsable(self):
        token = mint.encrypted(tube_claims())
        body = encode_authz_info(token, b"n" * 8, b"\x01")
        for payload in (
            b"",
            b"\xff",
            body[:-1],
            body + b"\x00",
            cbor.encode([1]),
            cbor.encode({L.ACE_ACCESS_TOKEN: token, L.ACE_NONCE1: b"n" * 8}),
            cbor.encode({L.ACE_ACCESS_TOKEN: token, L.ACE_CLIENT_RECIPIENTID: b"\x01"}),
            cbor.encode({L.ACE_NONCE1: b"n" * 8, L.ACE_CLIENT_RECIPIENTID: b"\x01"}),
            encode_authz_info(b"not a token", b"n" * 8, b"\x01"),
            encode_authz_info(token[:-1], b"n" * 8, b"\x01"),
            encode_authz_info(token, b"n" * 8, bytes(8)),
        ):
            self.world.wait(5)
            self.assertEqual(self.post(payload).code, L.CODE_BAD_REQUEST, repr(payload[:8]))
        self.assertEqual(len(self.tube.rs.rights.sessions), 0)

    def test_refused_tokens_in_the_order_of_the_checks(self):
        late = NOW_S + 10
        for code, claims in (
            (L.CODE_UNAUTHORIZED, tube_claims(iss="https://evil.example")),
            (L.CODE_UNAUTHORIZED, tube_claims(exp=NOW_S)),
            (L.CODE_FORBIDDEN, tube_claims(aud="connected_tube_1234")),
            (L.CODE_BAD_REQUEST, tube_claims(scope="read_everything")),
            (L.CODE_UNAUTHORIZED, tube_claims(exp=NOW_S, aud="other", scope="x")),
            (L.CODE_FORBIDDEN, tube_claims(aud="other", scope="x")),
            (L.CODE_BAD_REQUEST, tube_claims(cnf={L.CNF_OSC: {L.OSC_ID: b"1"}})),
            (L.CODE_BAD_REQUEST, tube_claims(cnf={L.CNF_OSC: dict_with(mint.osc(b"1"), 99, 1)})),
            (L.CODE_BAD_REQUEST, tube_claims(cnf={L.CNF_KID: b"osc-1"})),
            (L.CODE_UNAUTHORIZED, tube_claims(cnonce=b"never issued")),
            (L.CODE_UNAUTHORIZED, tube_claims(ace_profile=L.PROFILE_COAP_DTLS)),
            (L.CODE_UNAUTHORIZED, tube_claims(nbf=late + 1000)),
        ):
            self.assertEqual(self.refused(claims), code, repr(claims.get(L.CLAIM_SCOPE)))

    def test_foreign_keys(self):
        self.assertEqual(self.refused(tube_claims(), lambda c: mint.encrypted(c, bytes(16))), L.CODE_UNAUTHORIZED)
        self.assertEqual(self.refused(tube_claims(), lambda c: mint.nested(c, d=12345)), L.CODE_UNAUTHORIZED)

    def test_own_id_differs_from_the_clients_and_nonces_never_repeat(self):
        token = mint.encrypted(tube_claims())
        seen = []
        for number in range(256):
            self.world.wait(1)
            answer = self.post(encode_authz_info(token, b"n" * 8, bytes([number])))
            self.assertEqual((answer.code, answer.content_format), (L.CODE_CREATED, L.CF_ACE_CBOR))
            n2, id2 = decode_authz_info_answer(answer.payload)
            self.assertNotEqual(id2, bytes([number]))
            self.assertEqual(len(n2), 8)
            self.assertNotIn(n2, seen)
            seen.append(n2)

    def test_replayed_over_a_thousand_restarts_no_nonce_comes_twice(self):
        payload = encode_authz_info(mint.encrypted(tube_claims()), b"n" * 8, b"\x01")
        post = request(L.CODE_POST, "/authz-info", payload, L.CF_ACE_CBOR)
        post.mtype, post.mid, post.token = L.TYPE_CON, 1, b"t"
        seen = set()
        for _ in range(1000):
            tube = self.world.boot_tube()
            tube.feed(encode(post), "attacker", self.world.now_ms)
            ((datagram, _peer),) = tube.take_datagrams()
            n2, _id2 = decode_authz_info_answer(decode(datagram).payload)
            self.assertNotIn(n2, seen)
            seen.add(n2)


def dict_with(members, key, value):
    members[key] = value
    return members


class Replacement(Story):
    def test_a_replayed_post_ends_no_session_and_a_used_one_replaces(self):
        session = self.open()
        self.ask(session, get("/result"))
        token = mint.encrypted(tube_claims())
        for _ in range(10):
            self.world.wait(3)
            self.post(encode_authz_info(token, b"n" * 8, b"\x09"))
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)
        self.world.client("tablet", seed=9)
        again = self.open_as("tablet", token, b"osc-1")
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)
        self.world.run(again.request(get("/result")), "tablet")
        with self.assertRaises(SessionLost):
            self.ask(session, get("/result"))
        self.assertFalse(session.is_open)
        self.assertEqual(self.world.run(again.request(get("/result")), "tablet").code, L.CODE_CONTENT)

    def test_a_client_that_posts_again_uses_the_new_context_only(self):
        session = self.open()
        again = self.open()
        with self.assertRaises(SessionLost):
            self.ask(session, get("/result"))
        self.assertEqual(self.ask(again, get("/result")).code, L.CODE_CONTENT)

    def test_an_older_token_for_the_same_key_brings_no_rights_back(self):
        session = self.open(tube_claims(NOW_S + 5, exp=NOW_S + 600))
        self.ask(session, get("/result"))
        self.world.wait(10)
        with self.assertRaises(Refused) as raised:
            self.open(tube_claims(NOW_S, scope="read_result calibrate"))
        self.assertEqual(raised.exception.code, L.CODE_UNAUTHORIZED)
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)

    def test_a_flood_of_valid_unused_tokens_is_bounded_and_evicts_no_live_session(self):
        session = self.open()
        self.ask(session, get("/result"))
        for number in range(60):
            self.world.wait(1)
            token = mint.encrypted(tube_claims(key=b"flood" + bytes([number])))
            self.post(encode_authz_info(token, b"n" * 8, b"\x01"))
            self.assertLessEqual(len(self.tube.rs.rights.sessions), 1 + MAX_PENDING)
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)
        self.assertEqual(self.ask(self.open(key=b"late"), get("/result")).code, L.CODE_CONTENT)

    def test_a_flood_of_garbage_costs_no_verification_and_is_told_to_wait(self):
        session = self.open()
        self.ask(session, get("/result"))
        token = bytes(mint.encrypted(tube_claims(), bytes(16)))
        codes = [self.post(encode_authz_info(token, b"n" * 8, b"\x01")).code for _ in range(30)]
        self.assertLess(codes.count(L.CODE_UNAUTHORIZED), 15)
        self.assertIn(L.CODE_TOO_MANY_REQUESTS, codes)
        answer = self.post(encode_authz_info(token, b"n" * 8, b"\x01"))
        if answer.code == L.CODE_TOO_MANY_REQUESTS:
            self.assertTrue(answer.uint(L.OPT_MAX_AGE) > 0)
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)
        self.world.wait(10)
        self.assertEqual(self.ask(self.open(key=b"late"), get("/result")).code, L.CODE_CONTENT)

    def test_replays_before_the_first_request_push_nobody_out(self):
        other = self.open(key=b"other")
        session = self.open()
        for _ in range(2 * MAX_PENDING):
            self.world.wait(2)
            self.post(encode_authz_info(mint.encrypted(tube_claims()), b"n" * 8, b"\x09"))
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)
        self.assertEqual(self.ask(other, get("/result")).code, L.CODE_CONTENT)

    def test_the_last_slot_goes_to_who_proves_first(self):
        for number in range(tube_provisioning().max_sessions - 1):
            self.world.wait(2)
            self.open_number(number)
        self.world.wait(2)
        late = self.open(key=b"late")
        self.open_number(50)
        self.assertEqual(self.ask(late, get("/result")).code, L.CODE_TOO_MANY_REQUESTS)
        self.world.wait(61)
        self.assertEqual(self.ask(late, get("/result")).code, L.CODE_CONTENT)

    def test_a_right_without_a_resource_or_a_handler(self):
        self.tube.rs.resource("/result", put=lambda asked: None)
        session = self.open()
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_METHOD_NOT_ALLOWED)
        del self.tube.rs._resources["/result"]
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_NOT_FOUND)

    def test_public_resources_and_handlers_that_fail(self):
        def bug(asked):
            raise ValueError("a bug of the application")

        self.tube.rs.resource("/open", get=lambda asked: response(L.CODE_CONTENT, b"ok"), public=True)
        self.assertEqual(self.plain(get("/open")).payload, b"ok")
        self.assertEqual(self.plain(request(L.CODE_PUT, "/open")).code, L.CODE_METHOD_NOT_ALLOWED)
        self.tube.rs.resource("/result", get=bug)
        self.assertEqual(self.ask(self.open(), get("/result")).code, L.CODE_INTERNAL_SERVER_ERROR)

    def test_more_proven_clients_than_slots(self):
        sessions = []
        limit = tube_provisioning().max_sessions
        for number in range(limit):
            self.world.wait(2)
            sessions.append(self.open_number(number))
        self.world.wait(2)
        with self.assertRaises(Refused) as raised:
            self.open_number(99)
        self.assertEqual(raised.exception.code, L.CODE_TOO_MANY_REQUESTS)
        self.world.wait(61)
        for session in sessions[1:]:
            self.ask(session, get("/result"))
        self.world.wait(1)
        self.open_number(100)
        with self.assertRaises(SessionLost):
            self.ask(sessions[0], get("/result"))
        self.assertEqual(self.ask(sessions[1], get("/result")).code, L.CODE_CONTENT)

    def open_number(self, number):
        name, key = f"client{number}", b"key" + bytes([number])
        self.world.client(name, seed=100 + number)
        session = self.open_as(name, mint.encrypted(tube_claims(key=key)), key)
        self.world.run(session.request(get("/result")), name)
        return session

    def open_as(self, name, token, key):
        client = self.world.clients[name]
        return self.world.run(client.open_session("tube", held(token, key, self.world.now_ms)), name)

    def test_garbage_of_every_kind_raises_nothing(self):
        random = Random(5)
        for _ in range(300):
            datagram = random.octets(random.below(80))
            self.tube.feed(datagram, "attacker", self.world.now_ms)
            self.tube.take_datagrams()
        self.assertEqual(self.ask(self.open(), get("/result")).code, L.CODE_CONTENT)


class Update(Story):
    def update(self, session, claims, make=mint.encrypted):
        response = held(make(claims), now_ms=self.world.now_ms)
        return self.world.run(session.update(response))

    def upgrade(self, scope="read_result calibrate", iat=NOW_S + 1, cnf=None, **more):
        more["cnf"] = {L.CNF_KID: b"osc-1"} if cnf is None else cnf
        return tube_claims(NOW_S, scope, iat=iat, **more)

    def test_new_rights_in_the_same_session(self):
        session = self.open()
        put = request(L.CODE_PUT, "/calibration")
        self.assertEqual(self.ask(session, put).code, L.CODE_FORBIDDEN)
        self.update(session, self.upgrade())
        self.assertEqual(self.ask(session, put).code, L.CODE_CHANGED)
        self.update(session, self.upgrade(scope="calibrate", iat=NOW_S + 2))
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_FORBIDDEN)

    def test_every_failure_is_unauthorized_and_changes_nothing(self):
        session = self.open()
        for number, claims in enumerate(
            (
                self.upgrade(cnf={L.CNF_KID: b"osc-2"}),
                self.upgrade(cnf={L.CNF_OSC: mint.osc(b"osc-1")}),
                self.upgrade(aud="other"),
                self.upgrade(scope="unknown"),
                self.upgrade(exp=NOW_S),
                self.upgrade(iat=NOW_S - 1),
            )
        ):
            self.world.wait(5)
            with self.subTest(number):
                with self.assertRaises(Refused) as raised:
                    self.update(session, claims)
                self.assertEqual(raised.exception.code, L.CODE_UNAUTHORIZED)
        self.world.wait(5)
        with self.assertRaises(Refused):
            self.update(session, self.upgrade(), lambda claims: b"garbage")
        answer = self.ask(session, request(L.CODE_PUT, "/calibration"))
        self.assertEqual(answer.code, L.CODE_FORBIDDEN)

    def test_nonces_in_an_update_are_ignored_and_the_answer_is_empty(self):
        session = self.open()
        payload = encode_authz_info(mint.encrypted(self.upgrade()), b"n" * 8, b"\x01")
        answer = self.ask(session, request(L.CODE_POST, "/authz-info", payload, L.CF_ACE_CBOR))
        self.assertEqual((answer.code, answer.payload), (L.CODE_CREATED, b""))
        self.assertEqual(self.ask(session, get("/result")).code, L.CODE_CONTENT)
