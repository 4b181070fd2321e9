"""Deep sleep: rights, counters and freshness go on, nothing comes back that was over, and no nonce comes twice."""

from minitest import TestCase

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request
from holdfast_core.errors import LocalError
from holdfast_core.secret import Secret
from holdfast_device.client import Refused, SessionLost
from holdfast_device.hibernation import CHECK_LEN, MAX_SLEEP_MS, ROOM, freeze, thaw
from testkit import mint
from testkit.link import Random
from testkit.sleep import NonceWatch, SleepWorld
from testkit.story import NOW_S, TUBE, get, held, tube_provisioning


def cti(sequence):
    return b"tube" + sequence.to_bytes(8, "big")


class Sleeping(TestCase):
    clock = False

    def setUp(self):
        self.watch = NonceWatch()
        self.watch.__enter__()
        self.world = self.make()
        self.doctor = self.world.client()

    def tearDown(self):
        self.watch.__exit__(None, None, None)

    def make(self):
        return SleepWorld(clock=self.clock)

    def open(self, key=b"osc-1", now_s=NOW_S, client=None, name="doctor", mint_as=mint.encrypted, **more):
        token = mint_as(mint.claims(TUBE, "read_result", now_s, key=key, **more))
        response_ = held(token, key, self.world.now_ms, 10**6)
        return self.world.run((client or self.doctor).open_session("tube", response_), name)

    def read(self, session, name="doctor"):
        answer = self.world.run(session.request(get("/result")), name)
        return answer.code

    def reads(self, session, name="doctor"):
        self.assertEqual(self.read(session, name), L.CODE_CONTENT)

    def lost(self, session, name="doctor"):
        with self.assertRaises(SessionLost):
            self.read(session, name)

    def again_from(self, start):
        """Send the tube again everything it was sent so far; return what it answers."""
        log = self.world.link.log
        old = [entry for entry in log[start:] if entry[2] == "tube"]
        before = len(log)
        for index, (_, sender, _, datagram) in enumerate(old):
            fresh_mid = datagram[:2] + (0x4000 + index).to_bytes(2, "big") + datagram[4:]
            self.world.link.send(sender + "-replayed", "tube", fresh_mid)
        self.world.link.run(for_ms=1000)
        return [decode(entry[3]) for entry in log[before:] if entry[1] == "tube"]


class GoesOn(Sleeping):
    def test_a_session_lives_through_thirty_cycles_and_writes_no_flash(self):
        session = self.open(life_s=10**5)
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
        self.world.cycle()
        self.assertFalse(self.world.tube.rs.sessions.all()[0].bound)
        self.reads(session)
        self.assertTrue(self.world.tube.rs.sessions.all()[0].bound)

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
            self.assertEqual(self.world.tube.rs._observers, [])
            self.doctor._endpoint.unwatch(watch)
            self.world.link.run(for_ms=1000)
        sequence = self.world.tube.rs.sessions.all()[0].context.sequence
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
        session, other = self.open(life_s=100), self.open(b"osc-2", life_s=1000)
        self.world.cycle()
        self.reads(session)
        self.world.cycle()
        self.lost(session)
        self.reads(other)
        self.assertEqual(len(self.world.tube.rs.sessions), 1)

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

        more = {"exi": 5, "cti": cti(1), "exp": None}
        self.open(**more)
        flash = self.world.flash["tube"]
        write = flash.write

        def refuse(slot, encoded):
            raise StorageFailed("write")

        flash.write = refuse
        self.world.wait(10)
        self.world.sleep(20)
        flash.write = write
        self.assertTrue(self.world.wake().woke)
        with self.assertRaises(Refused):
            self.open(**more)

    def test_time_never_runs_ahead_of_the_truth_and_never_back(self):
        self.open(now_s=NOW_S)
        floor_s = self.world.tube.times.clock.floor_s(self.world.ticks_ms)
        start_ms = self.world.now_ms
        for _ in range(20):
            tube = self.world.cycle()
            self.assertGreaterEqual(tube.times.clock.floor_s(self.world.ticks_ms), floor_s)
            floor_s = tube.times.clock.floor_s(self.world.ticks_ms)
            true_s = NOW_S + (self.world.now_ms - start_ms) // 1000
            self.assertLessEqual(floor_s, true_s)
        self.assertGreaterEqual(floor_s, NOW_S + 20 * 58 * 15 // 16 - 40)

    def test_the_floor_is_saved_on_the_way(self):
        self.open(life_s=10**5)
        for _ in range(80):
            self.world.cycle()
        self.world.restart()
        self.assertGreaterEqual(self.world.tube.times.now_s, NOW_S + 3600)

    def test_no_rule_that_changed_meanwhile_is_overlooked(self):
        session = self.open()
        self.world.sleep()
        self.world.provisionings["tube"].rs.scopes = {"calibrate": [("/calibration", L.METHOD_PUT)]}
        self.assertTrue(self.world.wake().woke)
        self.assertEqual(len(self.world.tube.rs.sessions), 0)
        self.lost(session)


class EndsByTheClock(Ends):
    clock = True


class Snapshots(Sleeping):
    """What is not the last snapshot of this device, whole, is a restart: the client gets its 4.01."""

    def restarts(self, session, snapshot, now_ms=None):
        boot = self.world.tube.state.boot
        self.world.rtc.memory(snapshot)
        self.assertFalse(self.world.wake(now_ms).woke)
        self.assertEqual(self.world.tube.state.boot, boot + 1)
        self.assertEqual(len(self.world.tube.rs.sessions), 0)
        self.lost(session)

    def test_one_from_before_a_restart(self):
        session = self.open()
        old = self.world.sleep()
        self.world.rtc.power_cut()
        self.world.wake()
        self.restarts(session, old)

    def test_one_from_before_a_save(self):
        session = self.open()
        old = self.world.sleep()
        self.world.wake()
        self.open(b"osc-2", now_s=NOW_S + 100)  # proves a later time, which is saved
        self.restarts(session, old)

    def test_one_that_another_device_made_and_one_of_other_keys(self):
        session = self.open()
        snapshot = self.world.sleep()
        self.assertIsNone(thaw(snapshot, self.world.now_ms, Secret(b"\x05" * 32)))
        self.world.provisionings["tube"].seed = Secret(b"\x05" * 32)
        self.restarts(session, snapshot)

    def test_every_flipped_bit_and_every_truncation(self):
        self.open()
        snapshot = self.world.sleep()
        now_ms, seed = self.world.now_ms, self.world.seed
        self.assertIsNotNone(thaw(snapshot, now_ms, seed))
        for index in range(len(snapshot)):
            flipped = bytes([snapshot[index] ^ 1 << index % 8])
            self.assertIsNone(thaw(snapshot[:index] + flipped + snapshot[index + 1 :], now_ms, seed))
            self.assertIsNone(thaw(snapshot[:index], now_ms, seed))
        self.assertIsNone(thaw(snapshot + b"\x00", now_ms, seed))
        for length in (0, 1, CHECK_LEN, 100, ROOM):
            self.assertIsNone(thaw(Random(length).octets(length), now_ms, seed))

    def test_a_clock_that_cannot_have_measured_the_sleep(self):
        for wrong_ms in (-1, -58000, MAX_SLEEP_MS + 1):
            world = self.world = self.make()
            self.watch.seen.clear()  # the same nonces in every world
            self.doctor = world.client()
            session = self.open()
            at_ms = world.now_ms
            snapshot = world.sleep()
            self.restarts(session, snapshot, at_ms + wrong_ms)

    def test_a_version_of_another_program(self):
        from holdfast_device import hibernation

        snapshot = self.world.sleep()
        values = cbor.decode(snapshot[:-CHECK_LEN])
        for changed in ([2] + values[1:], values[:-1], {0: 1}, 7):
            encoded = cbor.encode(changed)
            signed = encoded + hibernation._check(self.world.seed, encoded)
            self.assertIsNone(thaw(signed, self.world.now_ms, self.world.seed))

    def test_it_shows_no_secret_in_its_repr(self):
        snapshot = self.world.sleep()
        self.assertEqual(repr(thaw(snapshot, self.world.now_ms, self.world.seed)), "Frozen(<redacted>)")


class Full(Sleeping):
    def test_what_does_not_fit_is_dropped_and_those_first_that_were_silent_longest(self):
        self.world.provisionings["tube"].max_sessions = 8
        self.world.restart()
        opened = []
        for number in range(6):
            client = self.world.client("client" + str(number), 30 + number)
            key = b"osc-" + str(number).encode()
            opened.append(self.open(key, client=client, name="client" + str(number), life_s=10**5))
            self.reads(opened[number], "client" + str(number))
            self.world.wait(2)
        self.reads(opened[0], "client0")
        pending = self.open(b"pending", life_s=10**5)
        snapshot = self.world.sleep(room=1000)
        self.assertLessEqual(len(snapshot), 1000)
        self.assertGreater(len(snapshot), 700)
        self.world.wake()
        kept = [session.osc.id for session in self.world.tube.rs.sessions.all()]
        self.assertIn(b"osc-0", kept)
        self.assertEqual(kept, [b"osc-0"] + [b"osc-" + str(n).encode() for n in range(7 - len(kept), 6)])
        self.reads(opened[0], "client0")
        self.lost(opened[1], "client1")
        self.lost(pending)

    def test_room_for_none_still_keeps_time_and_freshness(self):
        session = self.open()
        snapshot = self.world.sleep(room=180)
        self.assertLessEqual(len(snapshot), 180)
        self.assertTrue(self.world.wake().woke)
        self.lost(session)

    def test_a_reference_is_left_out(self):
        self.open()
        self.world.tube.rs.sessions.all()[0].grant.format = "reference"
        self.world.cycle()
        self.assertEqual(len(self.world.tube.rs.sessions), 0)


class Cuts(Sleeping):
    """Power goes, or a watchdog resets, at any point: the client gets a 4.01 or its answer, and no nonce twice."""

    def again(self, session):
        try:
            self.reads(session)
        except SessionLost:
            session = self.open(now_s=NOW_S + self.world.now_ms // 1000)
            self.reads(session)
        return session

    def test_at_every_point_of_a_cycle(self):
        session = self.open(life_s=10**5)
        rtc = self.world.rtc
        for point in ("before-freeze", "after-freeze", "asleep", "before-clear", "after-clear", "none"):
            boot = self.world.tube.state.boot
            if point == "before-freeze":
                self.world.restart()
            elif point == "after-freeze":  # the memory was not written, or is lost with the power
                freeze(self.world.tube, self.world.ticks_ms, 0, self.world.ticks_ms, self.world.seed)
                self.world.restart()
            elif point in ("asleep", "before-clear"):
                self.world.sleep()
                rtc.power_cut()
                self.world.wake()
            elif point == "after-clear":
                self.world.sleep()
                rtc.memory(b"")
                self.world.wake()
            else:
                self.world.cycle()
            self.assertEqual(self.world.tube.state.boot, boot + (point != "none"), point)
            session = self.again(session)

    def test_a_watchdog_after_the_snapshot_was_written_and_the_device_went_on(self):
        from holdfast_device.endpoint import RequestFailed

        session = self.open(life_s=10**5)
        self.reads(session)
        watch = session.observe(get("/result"))
        self.world.link.run(for_ms=1000)
        observer = self.world.tube.rs._observers[0][0].incoming
        snapshot = freeze(self.world.tube, self.world.ticks_ms, self.world.now_ms, self.world.ticks_ms, self.world.seed)
        self.world.rtc.memory(snapshot)
        self.world.tube.rs.changed("/result")  # deepsleep() failed: it goes on, without these contexts
        self.world.link.run(for_ms=1000)
        self.assertIsNotNone(observer)
        self.doctor._endpoint.unwatch(watch)
        with self.assertRaises((SessionLost, RequestFailed)):
            self.world.run(session.request(get("/result")))
        self.world.tube.as_sequence.reserved_until = self.world.tube.as_sequence.next_value
        self.assertTrue(self.world.wake().woke)
        self.reads(self.open(b"osc-2"))

    def test_a_flash_that_refuses_keeps_the_device_awake(self):
        from testkit.flash import PowerCut

        self.open(exi=1000, cti=cti(1), exp=None)
        self.world.flash["tube"].cut(5)
        with self.assertRaises((PowerCut, LocalError)):
            self.world.sleep(500)
        self.world.flash["tube"].power_on()
        self.world.restart()
        self.assertEqual(self.world.tube.state.exi[0][0], 1)
