"""Corners of the device: bounds that are reached, answers that make no sense, an AS or a flash that fails."""

from minitest import TestCase

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.errors import LocalError, MalformedRequest, Overloaded
from holdfast_device.answers import MAX_OPEN
from holdfast_device.client import MAX_SESSIONS, Refused, SessionLost
from holdfast_device.endpoint import MAX_WAITING, RequestFailed
from holdfast_device.exchange import MAX_KEPT, TokenExchange
from holdfast_device.introspection import MAX_REFUSED
from holdfast_device.rights import RECHECK_MS
from holdfast_device.slots import StorageFailed
from holdfast_device.tasks import MAX_TASKS, Call
from testkit import mint
from testkit.story import EKG, NOW_S, TUBE, World, get, held, tube_provisioning

HANDLE = b"handle"


def active(key=b"doctor-1"):
    return {
        L.INTRO_ACTIVE: True,
        L.INTRO_AUD: EKG,
        L.INTRO_SCOPE: "read_ekg",
        L.INTRO_EXP: NOW_S + 6000,
        L.INTRO_CNF: {L.CNF_OSC: mint.osc(key)},
    }


class Ekg(TestCase):
    def setUp(self):
        self.world = World()
        self.fake = self.world.add_as()
        self.fake.tokens[HANDLE] = active()
        self.ekg = self.world.boot("ekg")
        self.calls = []
        self.code = L.CODE_CONTENT
        self.ekg.rs.resource("/ekg", get=self.wave, observable=True)
        self.doctor = self.world.client()

    def wave(self, asked):
        self.calls.append(asked)
        return response(self.code, bytes([len(self.calls)]))

    def open(self, handle=HANDLE):
        return self.world.run(self.doctor.open_session("ekg", held(handle, b"doctor-1", self.world.now_ms, 6000)))

    def read(self, session):
        return self.world.run(session.request(get("/ekg"))).code

    def test_no_handler_runs_for_a_token_that_was_revoked(self):
        session = self.open()
        self.read(session)
        self.fake.tokens.clear()
        self.world.wait(RECHECK_MS // 1000)
        try:
            self.assertEqual(self.read(session), L.CODE_UNAUTHORIZED)
        except SessionLost:
            pass
        self.assertEqual(len(self.calls), 1)

    def test_observers_make_the_rs_ask_again_though_nothing_else_happens(self):
        self.open().observe(get("/ekg"))
        self.world.wait(RECHECK_MS // 1000 + 1)
        self.assertEqual(len(self.fake.asked), 2)
        self.world.wait(RECHECK_MS // 1000)
        self.assertEqual(len(self.fake.asked), 3)

    def test_nobody_is_notified_while_the_as_does_not_answer(self):
        watch = self.open().observe(get("/ekg"))
        self.world.wait(2)
        self.fake.silent = True
        self.world.wait(RECHECK_MS // 1000 + 1)
        self.ekg.rs.changed("/ekg")
        self.world.wait(1)
        self.assertEqual([message.code for message in watch._waiting], [L.CODE_CONTENT])
        self.world.wait(120)
        self.assertEqual(len(self.ekg.rs.rights.sessions), 0)

    def test_an_error_of_the_resource_ends_its_observation(self):
        watch = self.open().observe(get("/ekg"))
        self.world.wait(1)
        self.code = L.CODE_NOT_FOUND
        self.ekg.rs.changed("/ekg")
        self.world.wait(1)
        self.assertEqual([message.code for message in watch._waiting], [L.CODE_CONTENT, L.CODE_NOT_FOUND])
        self.assertEqual(self.ekg.rs.answers.observers, [])

    def test_answers_of_the_as_that_say_nothing(self):
        good = cbor.encode(active())
        for message in (
            response(L.CODE_CONTENT, good, L.CF_ACE_CBOR),
            response(L.CODE_FORBIDDEN),
            response(L.CODE_CREATED, good, L.CF_CBOR),
            response(L.CODE_CREATED, good[:-1], L.CF_ACE_CBOR),
            response(L.CODE_CREATED, cbor.encode([active()]), L.CF_ACE_CBOR),
        ):
            self.world.wait(5)
            self.fake.override = message
            with self.assertRaises(Refused) as raised:
                self.open()
            self.assertEqual(raised.exception.code, L.CODE_BAD_REQUEST)
        self.fake.override = None
        self.world.wait(5)
        self.assertEqual(self.read(self.open()), L.CODE_CONTENT)

    def test_questions_at_the_same_time_are_few(self):
        self.fake.silent = True
        for mid in range(3):
            post = encode_authz_info(b"handle" + bytes([mid]), b"n" * 8, b"\x01")
            message = request(L.CODE_POST, "/authz-info", post, L.CF_ACE_CBOR)
            message.mtype, message.mid, message.token = L.TYPE_CON, mid, b"t"
            self.ekg.feed(encode(message), "c", self.world.now_ms)
        codes = [decode(datagram).code for datagram, peer in self.ekg.take_datagrams() if peer == "c"]
        self.assertEqual(sorted(codes), [L.CODE_EMPTY, L.CODE_EMPTY, L.CODE_TOO_MANY_REQUESTS])

    def test_refused_references_are_remembered_in_a_bounded_table(self):
        for number in range(MAX_REFUSED + 4):
            self.world.wait(1)
            with self.assertRaises(Refused):
                self.open(b"invented" + bytes([number]))
        self.assertEqual(len(self.ekg.rs.rights.checker._introspector._refused), MAX_REFUSED)

    def test_next_gives_what_waits_then_the_end(self):
        session = self.open()
        watch = session.observe(get("/ekg"))
        self.world.wait(1)
        for _ in range(MAX_WAITING + 2):
            self.ekg.rs.changed("/ekg")
            self.world.wait(1)

        def follow():
            seen = []
            for _ in range(MAX_WAITING):
                message = yield watch.next()
                seen.append(message.payload[0])
            self.doctor.endpoint.unwatch(watch)
            try:
                yield watch.next()
            except RequestFailed as ended:
                seen.append(ended.why)
            return seen

        seen = self.world.run(follow())
        self.assertEqual(seen, [4, 5, 6, 7, "cancelled"])
        self.world.wait(1)
        self.assertEqual(self.ekg.rs.answers.observers, [])


class Tube(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube(clock=False)
        self.doctor = self.world.client()

    def open(self, key=b"osc-1", now_s=NOW_S, peer="tube", **more):
        token = mint.encrypted(mint.claims(TUBE, "read_result", now_s, key=key, **more))
        return self.world.run(self.doctor.open_session(peer, held(token, key, self.world.now_ms, 100000)))

    def read(self, session):
        return self.world.run(session.request(get("/result"))).code

    def test_a_small_step_of_the_floor_survives_a_restart(self):
        self.assertEqual(self.read(self.open(b"new", now_s=NOW_S + 100)), L.CODE_CONTENT)
        self.world.boot_tube(clock=False)
        with self.assertRaises(Refused):
            self.open(b"old", now_s=NOW_S, life_s=100)

    def test_a_token_without_tags_is_taken_by_a_device_that_is_told_so(self):
        plain = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S))
        for shape, bare in (("strict", False), ("rfc8392", False), ("rfc8392", True)):
            self.world.provisionings["tube"] = tube_provisioning(token_shape=shape)
            self.world.boot_tube(clock=False)
            token = plain[3:] if bare else plain  # tags 61 and 16
            session = self.world.run(self.doctor.open_session("tube", held(token, now_ms=self.world.now_ms)))
            self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.world.provisionings["tube"] = tube_provisioning()
        self.world.boot_tube(clock=False)
        with self.assertRaises(Refused):
            self.world.run(self.doctor.open_session("tube", held(plain[3:], now_ms=self.world.now_ms)))

    def test_the_floor_that_was_counted_is_saved_each_hour(self):
        for _ in range(8):
            self.world.wait(1000)
            self.tube.tick(self.world.now_ms)
        self.tube = self.world.boot_tube(clock=False)
        self.assertGreaterEqual(self.tube.times.now_s, NOW_S - 1000 + 7200)

    def test_a_later_countdown_that_ends_takes_running_ones_of_lower_numbers_with_it(self):
        lower = self.open(b"k4", exi=1000, cti=b"tube" + (4).to_bytes(8, "big"), exp=None)
        self.assertEqual(self.read(lower), L.CODE_CONTENT)
        self.open(b"k5", exi=5, cti=b"tube" + (5).to_bytes(8, "big"), exp=None)
        self.world.wait(6)
        with self.assertRaises(SessionLost):
            self.read(lower)

    def test_a_flash_that_refuses_is_an_internal_error_and_the_device_goes_on(self):
        session = self.open()
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        flash = self.world.flash["tube"]
        write = flash.write
        flash.write = refuse
        with self.assertRaises(Refused) as raised:
            self.open(b"other", exi=100, cti=b"tube" + bytes(8), exp=None)
        self.assertEqual(raised.exception.code, L.CODE_INTERNAL_SERVER_ERROR)
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        flash.write = write
        self.assertEqual(self.read(self.open(b"k", exi=100, cti=b"tube" + bytes(8), exp=None)), L.CODE_CONTENT)

    def test_late_answers_are_bounded(self):
        calls = []

        def wait(asked):
            calls.append(Call())
            yield calls[-1]
            return response(L.CODE_CONTENT)

        self.tube.rs.resource("/result", get=wait)
        session, other = self.open(), self.open(b"osc-2")
        for asking, refused in ((session, 1), (other, 2)):
            watches = [asking.observe(get("/result")) for _ in range(MAX_OPEN + refused)]
            self.world.link.run(for_ms=20000)
            codes = [message.code for watch in watches for message in watch._waiting]
            self.assertEqual(codes, [L.CODE_TOO_MANY_REQUESTS] * refused)
            if asking is session:  # others go on, and their posts
                self.assertLess(len(calls), MAX_TASKS)
                self.open(b"osc-3")
        for call in calls:
            call.done()
        self.world.link.run(for_ms=20000)
        self.tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT))
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.assertEqual(len(calls), MAX_TASKS)

    def test_a_public_resource_feeds_no_spoofed_address(self):
        self.tube.rs.resource("/open", get=lambda asked: response(L.CODE_CONTENT, bytes(400)), public=True)
        message = get("/open")
        message.mtype, message.mid, message.token = L.TYPE_CON, 1, b"t"
        self.tube.feed(encode(message), "victim", self.world.now_ms)
        ((answer, _peer),) = self.tube.take_datagrams()
        self.assertLessEqual(len(answer), 3 * len(encode(message)))
        answer = self.world.run(ask(self.doctor, get("/open")))
        self.assertEqual((answer.code, len(answer.payload)), (L.CODE_CONTENT, 400))

    def test_hints_are_a_refusal_and_nothing_else(self):
        self.tube.rs.resource("/open", get=lambda asked: response(L.CODE_CONTENT, b"\xa0", L.CF_ACE_CBOR), public=True)
        with self.assertRaises(MalformedRequest):
            self.world.run(self.doctor.ask_hints("tube", "/open"))

    def test_sessions_of_a_client_are_bounded_and_need_a_key(self):
        for number in range(MAX_SESSIONS):
            self.world.wait(2)
            session = self.open(b"key" + bytes([number]))
            self.read(session)
        with self.assertRaises(Overloaded):
            self.open(b"one more")
        session.close()
        update = held(b"token", now_ms=self.world.now_ms)
        update.osc = None
        with self.assertRaises(LocalError):
            self.world.run(self.doctor.open_session("tube", update))


def ask(client, message):
    answer = yield client.endpoint.call("tube", message)
    return answer


def refuse(slot, encoded):
    raise StorageFailed("write")


class Kept(TestCase):
    def test_sessions_for_originals_are_bounded(self):
        opened = []

        class FakeSession:
            is_open = True

            def request(self, message):
                return response(L.CODE_CONTENT)
                yield

            def close(self):
                self.is_open = False

        class FakeClient:
            def get_token(self, params):
                return None
                yield

            def open_session(self, peer, token):
                opened.append(FakeSession())
                return opened[-1]
                yield

        world = World()
        world.client()
        exchange = TokenExchange(FakeClient(), TUBE, "read_result", "tube")
        for number in range(MAX_KEPT + 2):
            original = held(b"original" + bytes([number])).access_token
            for _ in range(2):
                world.run(exchange.request(original, get("/result")))
        self.assertEqual(len(opened), MAX_KEPT + 2)
        self.assertEqual([session.is_open for session in opened], [False] * 2 + [True] * MAX_KEPT)
