"""Rights end in time: exp, exi, floors, nonces, observations, with and without a clock, over restarts."""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_message import request, response
from holdfast_device.client import Refused, SessionLost
from holdfast_device.endpoint import RequestFailed
from testkit import mint
from testkit.flash import FlashFake
from testkit.story import EKG, NOW_S, TUBE, World, get, held, tube_provisioning


def cti(sequence):
    return b"tube" + sequence.to_bytes(8, "big")


class Timed(TestCase):
    clock = True

    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube(self.clock)
        self.doctor = self.world.client()

    def reboot(self):
        self.tube = self.world.boot_tube(self.clock)

    def open(self, key=b"osc-1", now_s=NOW_S, **more):
        token = mint.encrypted(mint.claims(TUBE, "read_result", now_s, key=key, **more))
        return self.world.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms, 100000)))

    def proven(self, key=b"osc-1", now_s=NOW_S, **more):
        """Open a session and use it, which proves its key and so the time of its token."""
        session = self.open(key, now_s, **more)
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        return session

    def refused(self, key=b"osc-1", now_s=NOW_S, **more):
        with self.assertRaises(Refused) as raised:
            self.open(key, now_s, **more)
        self.assertEqual(raised.exception.code, L.CODE_UNAUTHORIZED)

    def read(self, session):
        return self.world.run(session.request(get("/result"))).code

    def lost(self, session):
        with self.assertRaises(SessionLost):
            self.read(session)

    def hints(self):
        return self.world.run(self.doctor.ask_hints("tube", "/result"))


class WithClock(Timed):
    def test_exp_to_the_second_and_the_answer_after_it_is_unprotected(self):
        session = self.open(life_s=100)
        self.world.link.run(for_ms=99000 - self.world.now_ms)
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.world.link.run(for_ms=100000 - self.world.now_ms)
        self.lost(session)
        self.assertEqual(len(self.tube.rs.rights.sessions.contexts), 0)

    def test_a_clock_stepped_forward_ends_rights_at_once(self):
        session = self.open()
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.tube.set_time(NOW_S + 601, self.world.now_ms)
        self.lost(session)

    def test_a_clock_stepped_back_revives_nothing(self):
        self.tube.set_time(NOW_S + 50, self.world.now_ms)
        self.proven(now_s=NOW_S + 50)
        for wrong in (NOW_S - 3600, NOW_S - 30 * 365 * 86400, 0, 946684800):
            self.tube.set_time(wrong, self.world.now_ms)
            self.refused(b"old", now_s=NOW_S - 600, life_s=649)
            self.world.wait(2)

    def test_a_restart_forgets_sessions_and_the_client_posts_again(self):
        session = self.open()
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.reboot()
        self.lost(session)
        self.assertEqual(self.read(self.open()), L.CODE_CONTENT)

    def test_observation_ends_with_unauthorized_when_the_token_does(self):
        session = self.open(life_s=60)
        watch = session.observe(get("/result"))
        seen = []
        endpoint = self.world.link.endpoints["doctor"].inner

        def follow():
            while True:
                message = yield watch.next()
                seen.append((message.code, message.payload))

        ended = []
        endpoint.spawn(follow()).when_ended(lambda value, error: ended.append(error))
        self.world.link.run(for_ms=1000)
        self.tube.rs.changed("/result")
        self.world.link.run(for_ms=1000)
        self.assertEqual(seen, [(L.CODE_CONTENT, b"negative")] * 2)
        self.world.wait(70)
        self.assertEqual(seen[2:], [(L.CODE_UNAUTHORIZED, b"")])
        self.assertIsInstance(ended[0], RequestFailed)
        self.tube.rs.changed("/result")
        self.world.wait(1)
        self.assertEqual(len(seen), 3)

    def test_a_late_answer_gets_its_unauthorized_when_the_token_ends(self):
        from holdfast_device.tasks import Call

        never = Call()

        def wait(asked):
            yield never
            return response(L.CODE_CONTENT, b"too late")

        self.tube.rs.resource("/result", get=wait)
        session = self.open(life_s=30)
        answer = self.world.run(session.request(get("/result")))
        self.assertEqual((answer.code, answer.payload), (L.CODE_UNAUTHORIZED, b""))
        self.assertFalse(session.is_open)
        never.done()
        self.assertEqual(self.tube.take_datagrams(), [])

    def test_rights_taken_away_end_the_observation(self):
        session = self.open()
        watch = session.observe(get("/result"))
        self.world.link.run(for_ms=1000)
        claims = mint.claims(TUBE, "calibrate", NOW_S + 1, cnf={L.CNF_KID: b"osc-1"})
        self.world.run(session.update(held(mint.encrypted(claims), now_ms=self.world.now_ms)))
        self.world.link.run(for_ms=1000)
        codes = [message.code for message in watch._waiting]
        self.assertEqual(codes, [L.CODE_CONTENT, L.CODE_UNAUTHORIZED])
        self.assertEqual(self.tube.rs.answers.observers, [])

    def test_observers_are_bounded(self):
        session = self.open()
        watches = [session.observe(get("/result")) for _ in range(6)]
        self.world.link.run(for_ms=5000)
        self.assertEqual(len(self.tube.rs.answers.observers), 2)
        self.assertEqual([message.code for w in watches for message in w._waiting], [L.CODE_CONTENT] * 6)

    def test_a_client_that_vanished_is_no_observer_for_long(self):
        session = self.open()
        session.observe(get("/result"))
        self.world.link.run(for_ms=1000)
        self.assertEqual(len(self.tube.rs.answers.observers), 1)
        del self.world.link.endpoints["doctor"]
        self.tube.rs.changed("/result")
        self.world.wait(120)
        self.assertEqual(len(self.tube.rs.answers.observers), 0)

    def test_an_older_token_is_refused_for_its_own_key_only_and_one_without_iat_for_none(self):
        self.open(now_s=NOW_S)
        self.refused(now_s=NOW_S - 1)
        for key, more in ((b"another", {"now_s": NOW_S - 1}), (b"osc-1", {"iat": None}), (b"osc-1", {})):
            self.world.wait(1)
            self.assertEqual(self.read(self.open(key, **more)), L.CODE_CONTENT)

    def test_not_before_to_the_second(self):
        self.refused(nbf=NOW_S + 5)
        self.world.link.run(for_ms=5000 - self.world.now_ms)
        self.assertEqual(self.read(self.open(nbf=NOW_S + 5)), L.CODE_CONTENT)

    def test_client_sends_nothing_with_a_token_that_is_over(self):
        token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S))
        response_ = held(token, now_ms=self.world.now_ms, life_s=10)
        session = self.world.run(self.doctor.open_session("tube", response_))
        self.world.wait(11)
        sent = len(self.world.link.log)
        self.lost(session)
        with self.assertRaises(SessionLost):
            session.observe(get("/result"))
        with self.assertRaises(SessionLost):
            self.world.run(self.doctor.open_session("tube", response_))
        self.assertEqual(len(self.world.link.log), sent)


class WithoutClock(Timed):
    clock = False

    def test_exi_counts_from_the_first_post(self):
        more = {"exi": 5, "cti": cti(1), "exp": None}
        session = self.open(**more)
        self.world.link.run(for_ms=4000 - self.world.now_ms)
        again = self.open(**more)
        self.assertEqual(self.read(again), L.CODE_CONTENT)
        self.world.link.run(for_ms=6000 - self.world.now_ms)
        self.lost(again)
        self.lost(session)
        self.refused(**more)

    def test_expired_sequence_refuses_lower_ones_also_after_a_restart(self):
        self.open(b"k5", exi=1, cti=cti(5), exp=None)
        self.world.wait(2)
        for _ in range(2):
            self.refused(b"k4", exi=100, cti=cti(4), exp=None)
            self.refused(b"k5", exi=1, cti=cti(5), exp=None)
            self.reboot()
        self.assertEqual(self.read(self.open(b"k6", exi=100, cti=cti(6), exp=None)), L.CODE_CONTENT)

    def test_a_wiped_device_refuses_what_was_made_before_its_export(self):
        self.world.provisionings["tube"] = tube_provisioning(exi_floor=5)
        self.refused_after_a_wipe()
        self.assertEqual(self.read(self.open(b"k6", exi=100, cti=cti(6), exp=None)), L.CODE_CONTENT)
        self.refused_after_a_wipe()

    def refused_after_a_wipe(self):
        self.world.flash["tube"] = FlashFake()
        self.reboot()
        for sequence in (4, 5):
            self.refused(b"k" + str(sequence).encode(), exi=100, cti=cti(sequence), exp=None)

    def test_a_restart_does_not_restart_the_countdown(self):
        more = {"exi": 200, "cti": cti(1), "exp": None}
        self.open(**more)
        self.world.wait(150)
        self.reboot()
        self.world.wait(60)
        self.refused(**more)

    def test_observation_ends_with_the_countdown(self):
        session = self.open(exi=20, cti=cti(1), exp=None)
        watch = session.observe(get("/result"))
        self.world.wait(10)
        self.assertEqual([message.code for message in watch._waiting], [L.CODE_CONTENT])
        self.world.wait(15)
        self.assertEqual([message.code for message in watch._waiting], [L.CODE_CONTENT, L.CODE_UNAUTHORIZED])

    def test_who_knows_only_a_floor_refuses_nothing_as_too_early(self):
        self.proven(nbf=NOW_S + 10**6, life_s=10**7)

    def test_exi_of_another_rs_or_without_sequence(self):
        self.refused(exi=10, cti=b"ekg" + bytes(8), exp=None)
        self.refused(exi=10, exp=None)

    def test_floor_rises_with_iat_and_survives_a_restart(self):
        self.proven(b"new", now_s=NOW_S + 5000)
        for _ in range(2):
            self.refused(b"old", now_s=NOW_S + 4000, life_s=1000)
            self.reboot()
        self.open(b"late", now_s=NOW_S + 4001, life_s=1000)

    def test_a_refused_token_proves_no_time(self):
        self.refused(b"bad", now_s=NOW_S + 10**6, life_s=-(10**7))
        with self.assertRaises(Refused):
            token = mint.encrypted(mint.claims("another", "read_result", NOW_S + 10**6))
            self.world.run(self.doctor.open_session("tube", held(token)))
        self.assertEqual(self.read(self.open()), L.CODE_CONTENT)

    def test_exp_is_counted_from_the_floor(self):
        session = self.proven(life_s=100)
        self.world.wait(50)
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.world.wait(60)
        self.lost(session)


class References(TestCase):
    """Countdowns of tokens by reference have no sequence number; the AS remembers what it has called active."""

    def setUp(self):
        self.world = World()
        self.fake = self.world.add_as()
        self.ekg = self.world.boot("ekg")
        self.ekg.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT))
        self.doctor = self.world.client()
        self.fake.tokens[b"first"] = self.active(exp=NOW_S + 6000)

    def active(self, **more):
        answer = {
            L.INTRO_ACTIVE: True,
            L.INTRO_AUD: EKG,
            L.INTRO_SCOPE: "read_ekg",
            L.INTRO_CNF: {L.CNF_OSC: mint.osc(b"osc-1")},
        }
        for name, value in more.items():
            answer[getattr(L, "INTRO_" + name.upper())] = value
        return answer

    def held(self, handle):
        return held(handle, now_ms=self.world.now_ms)

    def read(self, session):
        return self.world.run(session.request(get("/ekg"))).code

    def open(self, handle):
        session = self.world.run(self.doctor.open_session("ekg", self.held(handle)))
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        return session

    def ends(self, session, from_ms, after_s):
        self.world.link.run(for_ms=from_ms + after_s * 1000 - 1000 - self.world.now_ms)
        self.assertEqual(self.read(session), L.CODE_CONTENT)
        self.world.link.run(for_ms=from_ms + after_s * 1000 + 1000 - self.world.now_ms)
        with self.assertRaises(SessionLost):
            self.read(session)

    def test_it_ends_when_its_seconds_are_over(self):
        self.fake.tokens[b"counted"] = self.active(exi=20)
        from_ms = self.world.now_ms
        self.ends(self.open(b"counted"), from_ms, 20)

    def test_who_observes_is_told_when_its_seconds_are_over(self):
        self.ekg.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT), observable=True)
        self.fake.tokens[b"counted"] = self.active(exi=20, exp=NOW_S + 6000)
        watch = self.open(b"counted").observe(get("/ekg"))
        self.world.wait(10)
        self.assertEqual([message.code for message in watch._waiting], [L.CODE_CONTENT])
        self.world.wait(12)
        self.assertEqual([message.code for message in watch._waiting], [L.CODE_CONTENT, L.CODE_UNAUTHORIZED])

    def test_after_an_update_the_new_end_counts(self):
        session = self.open(b"first")
        self.fake.tokens[b"counted"] = self.active(exi=20, cnf={L.CNF_KID: b"osc-1"})
        from_ms = self.world.now_ms
        self.world.run(session.update(self.held(b"counted")))
        self.ends(session, from_ms, 20)

    def test_after_an_update_the_old_end_counts_no_more(self):
        self.fake.tokens[b"counted"] = self.active(exi=20)
        session = self.open(b"counted")
        self.fake.tokens[b"longer"] = self.active(exp=NOW_S + 6000, cnf={L.CNF_KID: b"osc-1"})
        self.world.run(session.update(self.held(b"longer")))
        self.world.wait(30)
        self.assertEqual(self.read(session), L.CODE_CONTENT)


class Fresh(Timed):
    clock = False

    def setUp(self):
        self.world = World()
        self.world.provisionings["tube"] = tube_provisioning(freshness=True)
        self.reboot()
        self.doctor = self.world.client()

    def test_a_cnonce_from_the_hints_is_needed_and_accepted(self):
        cnonce = self.hints().cnonce
        self.assertEqual(len(cnonce), 16)
        self.refused()
        self.refused(cnonce=cnonce[:-1] + b"\x00")
        self.assertEqual(self.read(self.open(cnonce=cnonce)), L.CODE_CONTENT)

    def test_an_old_one_and_one_of_an_earlier_life_are_stale(self):
        cnonce = self.hints().cnonce
        self.world.wait(3601)
        self.refused(cnonce=cnonce, life_s=100000)
        cnonce = self.hints().cnonce
        self.reboot()
        self.refused(cnonce=cnonce, life_s=100000)

    def test_a_flood_of_requests_for_hints_spoils_no_cnonce(self):
        cnonce = self.hints().cnonce
        for mid in range(500):
            message = request(L.CODE_GET, "/result")
            message.mtype, message.mid, message.token = L.TYPE_NON, mid, b"x" * 8
            self.world.link.send("attacker", "tube", encode(message))
        self.world.wait(10)
        self.assertEqual(self.read(self.open(cnonce=cnonce)), L.CODE_CONTENT)


def encode(message):
    from holdfast_core.coap_message import encode as encode_message

    return encode_message(message)


class Cuts(TestCase):
    """Power cuts anywhere in a whole exchange: nothing that must not repeat repeats."""

    def test_exi_over_cuts_at_every_write(self):
        from testkit.flash import PowerCut

        for cut in range(0, 700, 5):
            world = World()
            world.boot_tube(clock=False)
            token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S + 60, exi=100, cti=cti(3), exp=None))
            post = request(L.CODE_POST, "/authz-info", encode_authz_info(token, b"n" * 8, b"\x01"), L.CF_ACE_CBOR)
            post.mtype, post.mid, post.token = L.TYPE_CON, 1, b"t"
            world.flash["tube"].cut(cut)
            accepted = False
            now_ms = 0
            try:
                world.devices["tube"].feed(encode(post), "c", 0)
                ((datagram, _peer),) = world.devices["tube"].take_datagrams()
                accepted = datagram[1] == L.CODE_CREATED
                for now_ms in (60000, 99000, 100000, 101000):
                    world.devices["tube"].endpoint.tick(now_ms)
            except PowerCut:
                pass
            world.flash["tube"].power_on()
            tube = world.boot_tube(clock=False)
            post.mid = 2
            tube.feed(encode(post), "c", max(0, 100000 - now_ms))
            ((datagram, _peer),) = tube.take_datagrams()
            if accepted:
                self.assertEqual(datagram[1], L.CODE_UNAUTHORIZED, str(cut))
