"""An AS whose clock was wrong for a while, and what a device believes of it: never for ever, never on a post alone."""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.client import Refused
from holdfast_device.clock import MAX_STEP_S
from testkit import mint
from testkit.sleep import Sleeping
from testkit.story import EKG, NOW_S, TUBE, World, get, held, keys, tube_provisioning

YEAR = 365 * 86400
AHEAD = NOW_S + 2 * YEAR


class Floor(TestCase):
    clock = False

    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube(self.clock)
        self.doctor = self.world.client()

    def reboot(self):
        self.tube = self.world.boot_tube(self.clock)

    @property
    def floor_s(self):
        return self.tube.times.clock.floor_s(self.world.now_ms)

    def open(self, key=b"osc-1", now_s=NOW_S, **more):
        token = mint.encrypted(mint.claims(TUBE, "read_result", now_s, key=key, **more))
        return self.world.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms, 10**6)))

    def reads(self, session):
        self.assertEqual(self.world.run(session.request(get("/result"))).code, L.CODE_CONTENT)

    def good(self, key=b"good", **more):
        self.world.wait(2)
        self.reads(self.open(key, now_s=NOW_S + self.world.now_ms // 1000, **more))

    def refused(self, key=b"osc-1", now_s=NOW_S, **more):
        self.world.wait(2)
        with self.assertRaises(Refused) as raised:
            self.open(key, now_s, **more)
        self.assertEqual(raised.exception.code, L.CODE_UNAUTHORIZED)

    def poison(self):
        """Prove the key of a token that the AS made while its clock was two years ahead."""
        self.reads(self.open(b"ahead", now_s=AHEAD))


class WithClock(Floor):
    clock = True

    def test_a_token_from_the_future_is_refused_and_proves_nothing(self):
        for now_s in (AHEAD, NOW_S + 3700):
            self.refused(b"ahead", now_s=now_s)
        for _ in range(2):
            self.assertLessEqual(self.floor_s, NOW_S + self.world.now_ms // 1000)
            self.good()
            self.reboot()

    def test_an_as_that_is_ahead_by_less_than_an_hour_never_moves_the_floor_beyond_the_clock(self):
        self.reads(self.open(b"ahead", now_s=NOW_S + 3500))
        self.assertLessEqual(self.floor_s, NOW_S + self.world.now_ms // 1000)
        self.assertLessEqual(self.tube.state.floor_s, NOW_S + self.world.now_ms // 1000)
        self.assertTrue(self.tube.times.clock.is_set(self.world.now_ms))

    def test_a_clock_and_an_as_that_are_wrong_together_move_it_by_one_step(self):
        self.tube.set_time(AHEAD, self.world.now_ms)
        self.poison()
        self.assertLessEqual(self.floor_s, NOW_S + MAX_STEP_S)

    def test_a_wrong_clock_alone_moves_no_floor(self):
        self.tube.set_time(AHEAD, self.world.now_ms)
        self.refused(b"other")
        self.tube.set_time(NOW_S + self.world.now_ms // 1000, self.world.now_ms)
        self.good()


class WithoutClock(Floor):
    def test_posting_proves_no_time(self):
        before_s, writes = self.floor_s, self.world.flash["tube"].writes
        self.open(b"ahead", now_s=AHEAD)
        self.assertLess(self.floor_s, before_s + 10)
        self.assertEqual(self.world.flash["tube"].writes, writes)
        self.good()

    def test_proven_keys_move_it_by_one_step_in_each_start(self):
        for start in range(3):
            self.doctor = self.world.client()
            before_s = self.floor_s
            for number in range(4):
                self.reads(self.open(b"ahead" + bytes((start, number)), now_s=AHEAD + number))
                self.world.wait(2)
            self.assertGreater(self.floor_s, before_s + MAX_STEP_S - 1)
            self.assertLess(self.floor_s, before_s + MAX_STEP_S + 60)
            self.reboot()

    def test_a_session_of_a_time_that_cannot_be_reached_ends_after_its_life_and_is_not_opened_again(self):
        session = self.open(b"ahead", now_s=AHEAD, life_s=600)
        self.reads(session)
        started_ms = self.world.now_ms
        self.world.link.run(for_ms=590 * 1000)
        self.reads(session)
        again = {"now_s": AHEAD, "life_s": 600}
        self.assertEqual(len(self.tube.rs.rights.sessions), 1)
        self.world.link.run(for_ms=started_ms + 601 * 1000 - self.world.now_ms)
        self.assertEqual(len(self.tube.rs.rights.sessions), 0)
        self.refused(b"ahead", **again)
        self.refused(b"another", **again)

    def test_what_lay_in_a_drawer_for_a_year_serves_at_once_and_to_the_second(self):
        for number in range(3):
            now_s = NOW_S + YEAR + self.world.now_ms // 1000
            session = self.open(b"k" + bytes((number,)), now_s=now_s, life_s=600)
            self.reads(session)
            self.world.link.run(for_ms=590 * 1000)
            self.reads(session)
            self.world.link.run(for_ms=20 * 1000)
            self.assertEqual(len(self.tube.rs.rights.sessions), 0)

    def test_a_token_that_ends_before_it_begins_is_refused(self):
        self.refused(now_s=AHEAD, exp=NOW_S + 600)
        self.refused(now_s=AHEAD, exp=AHEAD)
        self.refused(nbf=AHEAD, exp=NOW_S + 600)

    def test_a_later_export_sets_the_floor_right_and_an_earlier_one_does_not(self):
        self.poison()
        self.refused(b"good", now_s=NOW_S + 60)
        provisioning = self.world.provisionings["tube"]
        provisioning.time_floor_s = NOW_S  # the same edition: a copy of the file from before
        self.reboot()
        self.refused(b"good", now_s=NOW_S + 60)
        provisioning.edition = 5
        self.reboot()
        self.good()
        provisioning.edition, provisioning.time_floor_s = 4, NOW_S - YEAR
        for _ in range(2):
            self.reboot()
            self.assertGreaterEqual(self.floor_s, NOW_S)
            self.refused(b"old", now_s=NOW_S - 1000, life_s=600)

    def test_after_a_refusal_the_hints_have_a_cnonce_and_a_token_with_it_sets_the_floor_right(self):
        hints = self.world.run(self.doctor.ask_hints("tube", "/result"))
        self.assertIsNone(hints.cnonce)
        self.poison()
        self.refused(b"good", now_s=NOW_S + 60)
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.refused(b"good", now_s=NOW_S + 60, cnonce=cnonce[:-1] + b"\x00")
        self.good(cnonce=cnonce)
        self.assertLess(self.floor_s, NOW_S + 600)
        self.good(b"without")
        self.reboot()
        self.good(b"again")

    def test_what_lay_for_a_year_and_was_told_two_takes_a_token_with_a_cnonce(self):
        self.poison()
        self.refused(b"good", now_s=NOW_S + YEAR)
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.reads(self.open(b"good", now_s=NOW_S + YEAR, cnonce=cnonce))
        self.world.wait(2)
        self.reads(self.open(b"without", now_s=NOW_S + YEAR + 2))

    def test_a_cnonce_that_was_kept_takes_no_time_back(self):
        self.poison()
        self.refused(b"good")  # so that there are nonces
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.good(cnonce=cnonce)
        self.world.wait(1000)
        before_s = self.floor_s
        self.refused(b"old", now_s=NOW_S + 10, life_s=600, cnonce=cnonce)
        self.reads(self.open(b"early", now_s=NOW_S + 10, life_s=10**5, cnonce=cnonce))
        self.assertGreaterEqual(self.floor_s, before_s)

    def test_who_repeats_a_used_nonce_cannot_outlast_its_hour(self):
        self.poison()
        self.refused(b"good")
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.world.wait(3601)
        self.refused(b"good", now_s=NOW_S + 10, life_s=10**5, cnonce=cnonce)

    def test_an_exi_number_that_the_as_never_gave_out_is_forgotten_after_a_later_export(self):
        def counted(number, exi=60):
            return {"exi": exi, "cti": b"tube" + number.to_bytes(8, "big"), "exp": None}

        self.reads(self.open(b"bogus", **counted((1 << 64) - 1, 2)))
        self.refused(b"k7", **counted(7))
        told = self.world.provisionings["tube"]
        told.rs.exi_floor = 6
        self.reboot()
        self.refused(b"k7", **counted(7))  # the same edition
        told.edition += 1
        self.reboot()
        self.reads(self.open(b"k7", **counted(7)))
        self.refused(b"k6", **counted(6))


class OffForAYear(Floor):
    """A tube without a clock that lay in a drawer: what proves that a token is not a year old."""

    def setUp(self):
        Floor.setUp(self)
        self.world.provisionings["tube"] = tube_provisioning(freshness=True)
        self.reboot()

    def test_an_old_token_is_refused_and_one_with_a_fresh_cnonce_is_not(self):
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.reads(self.open(cnonce=cnonce))
        self.reboot()  # a year later; it cannot know
        self.refused(cnonce=cnonce)
        self.refused()
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.reads(self.open(b"new", now_s=NOW_S + YEAR, cnonce=cnonce))

    def test_a_floor_in_the_future_stops_no_token_that_is_fresh(self):
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.reads(self.open(b"ahead", now_s=AHEAD, cnonce=cnonce))
        self.reboot()
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        self.good(cnonce=cnonce)
        self.assertLess(self.floor_s, NOW_S + 600)


class References(TestCase):
    def setUp(self):
        self.world = World()
        provisioning = self.world.provisionings["ekg"]
        provisioning.keys, provisioning.rs.formats = keys(), ("reference", "cwt-encrypted")
        self.fake, self.doctor = self.world.add_as(), self.world.client()
        self.reboot()

    def reboot(self):
        self.ekg = self.world.boot("ekg", clock=False)
        self.ekg.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT))

    def reads(self, token, key):
        self.world.wait(2)
        session = self.world.run(self.doctor.open_session("ekg", held(token, key, self.world.now_ms)))
        self.assertEqual(self.world.run(session.request(get("/ekg"))).code, L.CODE_CONTENT)

    def reference(self, key, now_s, exp):
        self.fake.tokens[key] = {
            L.INTRO_ACTIVE: True,
            L.INTRO_AUD: EKG,
            L.INTRO_SCOPE: "read_ekg",
            L.INTRO_IAT: now_s,
            L.INTRO_EXP: exp,
            L.INTRO_CNF: {L.CNF_OSC: mint.osc(key)},
        }
        self.reads(key, key)

    def test_what_the_as_has_just_called_active_is_not_over_by_a_floor(self):
        self.reference(b"ahead", AHEAD, AHEAD + 600)
        self.assertGreater(self.ekg.times.now_s, NOW_S + 600)
        self.reference(b"good", NOW_S, NOW_S + 600)
        self.assertLess(self.ekg.times.now_s, NOW_S + 600)

    def test_one_that_is_years_old_takes_the_floor_back_no_further_than_the_provisioning_says(self):
        self.reference(b"ahead", AHEAD, AHEAD + 600)
        self.reference(b"long", NOW_S - YEAR, NOW_S + 600)
        self.assertGreaterEqual(self.ekg.times.now_s, NOW_S - 1000)
        self.assertLess(self.ekg.times.now_s, NOW_S + 600)
        with self.assertRaises(Refused):
            self.reads(mint.encrypted(mint.claims(EKG, "read_ekg", NOW_S - YEAR, key=b"old")), b"old")
        self.reads(mint.encrypted(mint.claims(EKG, "read_ekg", NOW_S, key=b"new")), b"new")

    def test_a_provisioning_of_a_time_that_cannot_be_holds_nothing_up(self):
        self.world.provisionings["ekg"].time_floor_s = AHEAD
        self.world.provisionings["ekg"].edition = 2
        self.reboot()
        self.assertGreaterEqual(self.ekg.times.now_s, AHEAD)
        self.reference(b"good", NOW_S, NOW_S + 600)
        self.assertLess(self.ekg.times.now_s, NOW_S + 600)


class Asleep(Sleeping):
    def test_a_sleep_gives_no_further_step(self):
        before_s = self.world.tube.times.clock.floor_s(self.world.ticks_ms)
        for number in range(4):
            session = self.open(b"ahead" + bytes((number,)), now_s=AHEAD + number, life_s=10**6)
            self.reads(session)
            self.assertTrue(self.world.cycle().woke)
        self.assertLess(self.world.tube.times.clock.floor_s(self.world.ticks_ms), before_s + MAX_STEP_S + 600)

    def test_a_session_of_a_time_that_cannot_be_reached_ends_in_sleep_too(self):
        session = self.proven(b"ahead", now_s=AHEAD, life_s=200)
        self.assertTrue(self.world.cycle().woke)
        self.reads(session)
        for _ in range(3):
            self.world.cycle()
        self.lost(session)
