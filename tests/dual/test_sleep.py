"""Deep sleep: rights, counters and freshness go on, nothing comes back that was over, and no nonce comes twice."""

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request
from holdfast_device.client import Refused
from holdfast_device.sessions import BOUND, PENDING
from testkit import mint
from testkit.sleep import Sleeping, cti
from testkit.story import NOW_S, TUBE, get, held, tube_provisioning


class GoesOn(Sleeping):
    def test_a_session_lives_through_thirty_cycles_and_writes_no_flash(self):
        session = self.proven(life_s=10**5)
        writes = self.world.flash["tube"].writes
        for _ in range(30):
            self.reads(session)
            self.world.wait(1)
            self.assertTrue(self.world.cycle().woke)
        self.reads(session)
        self.assertEqual(self.world.flash["tube"].writes, writes)
        self.assertEqual(self.world.tube.wakes, 30)
        self.assertGreater(len(self.watch.seen), 60)

    def test_a_signed_token_and_one_of_two_rights(self):
        session = self.open(mint_as=mint.nested)
        self.world.cycle()
        self.reads(session)

    def test_rights_that_were_updated_stay_updated(self):
        session = self.open()
        claims = mint.claims(TUBE, "calibrate", NOW_S + 1, cnf={L.CNF_KID: b"osc-1"})
        self.world.run(session.update(held(mint.encrypted(claims), now_ms=self.world.now_ms)))
        for _ in range(2):
            self.world.cycle()
            self.assertEqual(self.read(session), L.CODE_FORBIDDEN)
            put = request(L.CODE_PUT, "/calibration", b"1")
            self.assertEqual(self.world.run(session.request(put)).code, L.CODE_CHANGED)

    def test_a_session_that_nobody_has_used_yet_can_be_used_afterwards(self):
        session = self.open()
        checked_ms = self.world.tube.rs.rights.sessions.all()[0].checked_ms
        self.world.cycle()
        self.assertEqual(self.world.tube.rs.rights.sessions.all()[0].state, PENDING)
        self.assertEqual(self.world.tube.rs.rights.sessions.all()[0].checked_ms, checked_ms)
        self.reads(session)
        self.assertEqual(self.world.tube.rs.rights.sessions.all()[0].state, BOUND)
        self.world.cycle()
        self.assertEqual(self.world.tube.rs.rights.sessions.all()[0].state, BOUND)

    def test_replays_from_before_any_sleep_are_refused_after_each(self):
        session = self.open()
        start = len(self.world.link.log)
        for _ in range(3):
            self.reads(session)
        self.reads(session)
        for _ in range(3):
            self.world.cycle()
            answers = self.again_from(start)
            self.assertGreaterEqual(len(answers), 4)
            for answer in answers:
                self.assertEqual(answer.code, L.CODE_UNAUTHORIZED)
                self.assertIsNone(answer.get(L.OPT_OSCORE))
        self.reads(session)

    def test_observers_end_with_the_sleep_and_partial_ivs_go_on(self):
        session = self.open(life_s=10**5)
        for _ in range(4):
            watch = session.observe(get("/result"))
            self.world.link.run(for_ms=1000)
            for _ in range(3):
                self.world.tube.rs.changed("/result")
                self.world.link.run(for_ms=1000)
            self.world.cycle()
            self.assertEqual(self.world.tube.rs.answers.observers, [])
            self.doctor.endpoint.unwatch(watch)
            self.world.link.run(for_ms=1000)
        sequence = self.world.tube.rs.rights.sessions.all()[0].context.sequence
        self.assertGreaterEqual(sequence.next_value, 12)

    def test_a_cnonce_given_out_before_is_fresh_after_and_no_longer_than_its_life(self):
        self.world.provisionings["tube"] = tube_provisioning(freshness=True)
        self.world.restart()
        cnonce = self.world.run(self.doctor.ask_hints("tube", "/result")).cnonce
        for _ in range(5):
            self.world.cycle()
        session = self.open(cnonce=cnonce, life_s=10**5)
        self.reads(session)
        for _ in range(60):
            self.world.cycle()
        self.reads(session)  # that it was fresh when it was posted is enough
        with self.assertRaises(Refused):
            self.open(b"other", cnonce=cnonce, life_s=10**5)

    def test_an_echo_given_out_before_is_good_after_and_for_that_address_alone(self):
        def answer(sender, mid, echo=None):
            message = get("/result") if echo is None else get("/result").add(L.OPT_ECHO, echo)
            message.mtype, message.mid, message.token = L.TYPE_CON, mid, b""
            self.world.link.send(sender, "tube", encode(message))
            self.world.link.run(for_ms=100)
            return decode(self.world.link.log[-1][3])

        self.world.provisionings["tube"].as_uri = (
            "coap://as.example/" + 60 * "t"
        )  # hints beyond the amplification limit
        self.world.restart()
        echo = answer("stranger", 1).get(L.OPT_ECHO)
        self.assertEqual(len(echo), 14)
        self.world.cycle(30)
        self.assertIsNone(answer("another", 2, echo).content_format)
        self.assertEqual(answer("stranger", 3, echo).content_format, L.CF_ACE_CBOR)
        self.world.restart()
        self.assertIsNone(answer("stranger", 4, echo).content_format)

    def test_numbers_reserved_with_the_as_are_used_up_and_not_again(self):
        sequence = self.world.tube.as_sequence
        self.assertEqual([sequence.take() for _ in range(3)], [0, 1, 2])
        self.world.cycle()
        self.assertEqual([self.world.tube.as_sequence.take() for _ in range(2)], [3, 4])
        self.world.restart()
        self.assertEqual(self.world.tube.as_sequence.take(), 64)


class Ends(Sleeping):
    def test_a_token_that_ends_in_the_sleep_is_gone_after_it(self):
        session, other = self.proven(life_s=100), self.open(b"osc-2", life_s=1000)
        self.world.cycle()
        self.reads(session)
        self.world.cycle()
        self.lost(session)
        self.reads(other)
        self.assertEqual(len(self.world.tube.rs.rights.sessions), 1)

    def test_a_countdown_goes_on_and_is_never_longer(self):
        more = {"exi": 150, "cti": cti(1), "exp": None}
        session = self.open(**more)
        self.world.cycle()
        self.reads(session)
        self.world.cycle(90)
        self.lost(session)
        with self.assertRaises(Refused):
            self.open(**more)

    def test_a_countdown_is_durable_through_the_sleep_whatever_the_power_does(self):
        more = {"exi": 1000, "cti": cti(1), "exp": None}
        self.open(**more)
        self.world.sleep(990)
        self.world.rtc.power_cut()
        self.assertFalse(self.world.wake().woke)
        self.world.wait(12)
        with self.assertRaises(Refused):
            self.open(**more)

    def test_a_countdown_costs_one_write_in_each_cycle(self):
        session = self.proven(exi=5000, cti=cti(1), exp=None)
        self.world.cycle()
        before = self.world.flash["tube"].writes
        for _ in range(20):
            self.world.wait(2)
            self.world.cycle()
        self.reads(session)
        self.assertLessEqual(self.world.flash["tube"].writes - before, 20)

    def test_waking_early_gives_back_what_was_charged_ahead(self):
        more = {"exi": 1000, "cti": cti(1), "exp": None}
        session = self.open(**more)
        self.world.sleep(900, late_ms=-890000)
        self.assertTrue(self.world.wake().woke)
        self.world.wait(800)
        self.reads(session)
        self.world.wait(200)
        self.lost(session)

    def test_a_countdown_that_the_flash_refused_to_end_stays_ended(self):
        from holdfast_device.slots import StorageFailed

        more = {"exi": 100, "cti": cti(1), "exp": None}
        self.open(**more)
        flash = self.world.flash["tube"]
        write = flash.write

        def refuse(slot, encoded):
            raise StorageFailed("write")

        flash.write = refuse
        self.world.wait(105)
        self.world.sleep(5)
        flash.write = write
        self.assertTrue(self.world.wake().woke)
        with self.assertRaises(Refused):
            self.open(**more)

    def test_time_never_runs_ahead_of_the_truth_and_never_back(self):
        self.proven(now_s=NOW_S)
        floor_s = self.world.tube.times.clock.floor_s(self.world.ticks_ms)
        start_ms = self.world.now_ms
        for _ in range(20):
            tube = self.world.cycle()
            self.assertGreaterEqual(tube.times.clock.floor_s(self.world.ticks_ms), floor_s)
            floor_s = tube.times.clock.floor_s(self.world.ticks_ms)
            true_s = NOW_S + (self.world.now_ms - start_ms) // 1000
            self.assertLessEqual(floor_s, true_s)
        self.assertGreaterEqual(floor_s, NOW_S + 20 * 58 * 15 // 16 - 40)

    def test_a_later_floor_of_provisioning_counts_at_once(self):
        self.world.sleep()
        self.world.provisionings["tube"].time_floor_s = NOW_S + 10**7
        self.world.provisionings["tube"].edition += 1
        self.assertFalse(self.world.wake().woke)
        self.assertGreaterEqual(self.world.tube.times.now_s, NOW_S + 10**7)

    def test_the_floor_is_saved_on_the_way(self):
        self.proven(life_s=10**5)
        for _ in range(80):
            self.world.cycle()
        self.world.restart()
        self.assertGreaterEqual(self.world.tube.times.now_s, NOW_S + 3600)

    def test_no_rule_that_changed_meanwhile_is_overlooked(self):
        session = self.open()
        self.world.sleep()
        self.world.provisionings["tube"].rs.scopes = {"calibrate": [("/calibration", L.METHOD_PUT)]}
        self.assertTrue(self.world.wake().woke)
        self.assertEqual(len(self.world.tube.rs.rights.sessions), 0)
        self.lost(session)


class EndsByTheClock(Ends):
    clock = True
