"""Each request is looked at when it comes: rights that have gone, addresses that may be false, floods of others."""

from minitest import TestCase
from test_device_edges import HANDLE, active

from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_block import Block
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_device.client import Refused
from holdfast_device.rights import RECHECK_MS
from holdfast_device.sessions import BOUND
from holdfast_device.slots import StorageFailed
from holdfast_device.tasks import Call
from testkit import mint
from testkit.story import NOW_S, TUBE, World, get, held

mids = [0]  # the last one given out


class Tube(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube()
        self.doctor = self.world.client()

    def open(self, key=b"osc-1", scope="read_result", now_s=NOW_S, **more):
        token = mint.encrypted(mint.claims(TUBE, scope, now_s, key=key, **more))
        return self.world.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms, 10**5)))

    def update(self, session, scope, now_s):
        token = mint.encrypted(mint.claims(TUBE, scope, now_s, cnf={L.CNF_KID: b"osc-1"}))
        rights = held(token, now_ms=self.world.now_ms)
        self.world.run(session.update(rights))

    def ask(self, session, message=None):
        return self.world.run(session.request(message or get("/result")))


def later_block(path):
    return get(path).add(L.OPT_BLOCK2, Block(1, False, 5).encode())


def answer_to(device, session, message, now_ms):
    """Send one message of a session and return its answer at once, None for none."""
    outer, state = session.context.protect_request(message)
    mids[0] += 1
    outer.mtype, outer.mid, outer.token = L.TYPE_CON, 0x8000 + mids[0], b"t"
    device.feed(encode(outer), "doctor", now_ms)
    for datagram, peer in device.take_datagrams():
        answer = decode(datagram)
        if peer == "doctor" and answer.code:
            return session.context.unprotect_response(answer, state)
    return None


class LaterBlocks(Tube):
    """The stack keeps a long answer for those who ask for its later blocks."""

    def test_none_is_given_out_after_its_right_has_gone(self):
        self.tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, bytes(900)))
        session = self.open(scope="read_result calibrate")
        self.assertEqual(len(self.ask(session).payload), 900)
        first = answer_to(self.tube, session, later_block("/result"), self.world.now_ms)
        self.assertEqual((first.code, len(first.payload)), (L.CODE_CONTENT, 388))
        self.update(session, "calibrate", NOW_S + 1)
        answer = answer_to(self.tube, session, later_block("/result"), self.world.now_ms)
        self.assertEqual((answer.code, answer.payload), (L.CODE_FORBIDDEN, b""))

    def test_a_session_that_ends_leaves_no_body_behind(self):
        self.tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, bytes(900)))
        sessions = [self.open(key) for key in (b"osc-1", b"osc-2")]
        for session in sessions:
            self.ask(session)
            begun = request(L.CODE_PUT, "/calibration", bytes(512)).add(L.OPT_BLOCK1, Block(0, True, 5).encode())
            self.assertEqual(answer_to(self.tube, session, begun, self.world.now_ms).code, L.CODE_CONTINUE)
        server = self.tube.endpoint._stack._server
        self.assertEqual((len(server.uploads), len(server.renderings)), (2, 2))
        self.tube.rs.rights.end(self.tube.rs.rights.sessions.all()[0])
        self.assertEqual((len(server.uploads), len(server.renderings)), (1, 1))
        self.assertEqual(list(server.uploads._owned[1]), [self.tube.rs.rights.sessions.all()[0].context])

    def test_refusals_have_their_own_code(self):
        session = self.open()
        for path, code in (("/calibration", L.CODE_FORBIDDEN), ("/result", L.CODE_BAD_REQUEST)):  # it has one block
            answer = answer_to(self.tube, session, later_block(path), self.world.now_ms)
            self.assertEqual(answer.code, code)


class Lives(Tube):
    """How long a session lives that nobody uses, and one that somebody does (RFC 9200 section 5.10.3)."""

    def sessions(self):
        return self.tube.rs.rights.sessions

    def test_a_session_that_nobody_uses_is_over_after_two_hours(self):
        self.open(b"osc-1", exp=NOW_S + 10**5)
        used = self.open(b"osc-2", exp=NOW_S + 10**5)
        self.assertEqual(self.ask(used).code, L.CODE_CONTENT)
        began_ms = self.sessions().all()[0].checked_ms
        self.tube.rs.rights.expire(began_ms + 7200 * 1000 - 1)
        self.assertEqual(len(self.sessions()), 2)
        self.tube.rs.rights.expire(began_ms + 7200 * 1000)
        self.assertEqual([session.state for session in self.sessions().all()], [BOUND])

    def test_a_session_in_use_gives_way_to_no_newcomer(self):
        self.sessions()._limit = 1
        used = self.open(b"osc-1")
        self.ask(used)
        self.world.wait(59)
        self.ask(used)
        self.world.wait(59)
        with self.assertRaises(Refused) as refused:
            self.open(b"osc-2")
        self.assertEqual(refused.exception.code, L.CODE_TOO_MANY_REQUESTS)
        self.world.wait(1)
        self.ask(self.open(b"osc-2"))
        self.assertEqual([session.osc.id for session in self.sessions().all()], [b"osc-2"])

    def test_an_update_proves_the_time_too(self):
        self.tube = self.world.boot_tube(clock=False)
        session = self.open()
        self.ask(session)
        self.update(session, "read_result", NOW_S + 500)
        self.assertEqual(self.tube.state.floor_s, NOW_S + 500)

    def test_a_revocation_works_within_a_minute(self):
        self.assertEqual((RECHECK_MS, self.tube.rs.rights.recheck_ms), (60000, 60000))


class References(TestCase):
    def setUp(self):
        self.world = World()
        self.fake = self.world.add_as()
        self.fake.tokens[HANDLE] = active()
        self.ekg = self.world.boot("ekg")
        self.ekg.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT, bytes(900)))
        self.doctor = self.world.client()

    def open(self):
        return self.world.run(self.doctor.open_session("ekg", held(HANDLE, b"doctor-1", self.world.now_ms, 6000)))

    def read(self, session):
        return self.world.run(session.request(get("/ekg"))).code

    def test_no_later_block_after_the_recheck_time(self):
        session = self.open()
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.world.wait(RECHECK_MS // 1000 - 1)
        self.assertEqual(answer_to(self.ekg, session, later_block("/ekg"), self.world.now_ms).code, L.CODE_CONTENT)
        self.world.wait(300)
        self.fake.tokens.clear()
        self.assertIsNone(answer_to(self.ekg, session, later_block("/ekg"), self.world.now_ms))

    def test_a_nonce_that_was_fresh_when_the_token_came_need_not_be_at_each_question(self):
        checker = self.ekg.rs.rights.checker
        checker._rules.require_cnonce = True
        self.fake.tokens[HANDLE][L.INTRO_CNONCE] = checker._cnonces.issue(self.world.now_ms)
        session = self.open()
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.world.wait(3700)
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.assertEqual(len(self.fake.asked), 2)
        with self.assertRaises(Refused):  # a new post of it is another matter
            self.open()


class Spoofed(Tube):
    """A public resource, asked in the name of a victim: three bytes for one at most, and nothing is done."""

    def setUp(self):
        super().setUp()
        self.calls = []
        self.call = Call()
        self.tube.rs.resource("/open", get=self.late, put=self.act, public=True)
        self.tube.rs.resource("/now", get=self.act, public=True)

    def late(self, asked):
        self.calls.append(1)
        yield self.call
        return response(L.CODE_CONTENT, bytes(30))

    def act(self, asked):
        self.calls.append(1)
        return response(L.CODE_CHANGED, bytes(10))

    def send(self, code, path, peer="victim"):
        message = request(code, path)
        message.mtype, message.mid, message.token = L.TYPE_CON, 1, b"t"
        self.tube.feed(encode(message), peer, self.world.now_ms)
        return len(encode(message))

    def test_late_answers_and_actions(self):
        for code, path in ((L.CODE_GET, "/open"), (L.CODE_PUT, "/open")):
            asked = self.send(code, path, "victim" + path + str(code))
            self.call.done()
            answered = 0
            for now_ms in range(0, 200000, 1000):
                self.tube.tick(now_ms)
                answered += sum([len(datagram) for datagram, _peer in self.tube.take_datagrams()])
            self.assertLessEqual(answered, 3 * asked)
            self.assertEqual(self.calls, [])
        self.send(L.CODE_GET, "/now")
        self.assertEqual(self.calls, [1])  # what changes nothing is answered at once, when the answer is short

    def test_who_is_there_gets_them_once(self):
        def ask(code):
            answer = yield self.doctor.endpoint.call("tube", request(code, "/open"))
            return answer

        self.call.done()
        for code, expected in ((L.CODE_PUT, L.CODE_CHANGED), (L.CODE_GET, L.CODE_CONTENT)):
            self.calls.clear()
            self.assertEqual(self.world.run(ask(code)).code, expected)
            self.assertEqual(self.calls, [1])


class Updates(Tube):
    def test_a_flood_of_posts_by_others_stops_none(self):
        session = self.open(scope="read_result calibrate")
        body = encode_authz_info(b"x" * 20, b"n" * 8, b"\x01")
        for number in range(100):
            post = request(L.CODE_POST, "/authz-info", body, L.CF_ACE_CBOR)
            post.mtype, post.mid, post.token = L.TYPE_NON, number, b"t"
            self.tube.feed(encode(post), ("10.0.0." + str(number), 5683), self.world.now_ms)
        self.tube.take_datagrams()
        self.update(session, "calibrate", NOW_S + 1)
        self.assertEqual(self.ask(session).code, L.CODE_FORBIDDEN)

    def test_of_one_session_they_are_few(self):
        session = self.open(scope="read_result calibrate")
        codes = []
        for number in range(40):
            try:
                self.update(session, "calibrate", NOW_S + number)
                codes.append(L.CODE_CREATED)
            except Refused as refused:
                codes.append(refused.code)
        self.assertEqual(codes[:4], [L.CODE_CREATED] * 4)
        self.assertEqual(codes[-1], L.CODE_TOO_MANY_REQUESTS)
        self.world.wait(2)
        self.update(session, "calibrate", NOW_S + 100)


class Answers(Tube):
    def test_a_format_that_was_not_asked_for_is_not_acceptable(self):
        session = self.open()
        for content_format, accept, code in (
            (L.CF_TEXT_PLAIN, L.CF_CBOR, L.CODE_NOT_ACCEPTABLE),
            (L.CF_TEXT_PLAIN, L.CF_TEXT_PLAIN, L.CODE_CONTENT),
            (None, L.CF_CBOR, L.CODE_CONTENT),
            (L.CF_TEXT_PLAIN, None, L.CODE_CONTENT),
        ):
            self.tube.rs.resource(
                "/result", get=lambda asked, number=content_format: response(L.CODE_CONTENT, b"x", number)
            )
            self.assertEqual(self.ask(session, request(L.CODE_GET, "/result", accept=accept)).code, code)

    def test_an_observed_resource_whose_answer_becomes_late_ends_its_observation(self):
        late = []

        def handler(asked):
            return wait() if late else response(L.CODE_CONTENT)

        def wait():
            yield Call()

        self.tube.rs.resource("/result", get=handler, observable=True)
        session = self.open()
        watch = session.observe(get("/result"))
        self.world.wait(1)
        late.append(1)
        self.tube.rs.changed("/result")
        self.world.wait(1)
        codes = [message.code for message in watch._waiting]
        self.assertEqual(codes, [L.CODE_CONTENT, L.CODE_INTERNAL_SERVER_ERROR])
        self.assertEqual(self.tube.rs.answers.observers, [])


class Floor(Tube):
    def test_a_token_that_proves_a_time_is_saved_though_counted_time_could_not_be(self):
        self.tube = self.world.boot_tube(False)
        self.open()
        flash = self.world.flash["tube"]
        write, tried = flash.write, []

        def refuse(slot, encoded):
            tried.append(slot)
            raise StorageFailed("write")

        flash.write = refuse
        for _ in range(74):
            self.world.wait(100)
            self.tube.tick(self.world.now_ms)
        self.assertEqual(len(tried), 2)  # an hour apart
        flash.write = write
        session = self.open(b"osc-2", now_s=NOW_S + 3600, life_s=10**5)
        self.assertEqual(self.world.run(session.request(get("/result"))).code, L.CODE_CONTENT)
        self.assertGreaterEqual(self.world.boot_tube(False).times.now_s, NOW_S + 3600)
