"""What deep sleep keeps in memory: used once, whole, by the device that made it; anything else is a restart."""

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import SequenceExhausted
from holdfast_device.client import SessionLost
from holdfast_device.hibernation import CHECK_LEN, MAX_SLEEP_MS, ROOM, freeze, thaw
from testkit import mint
from testkit.link import Random
from testkit.sleep import Sleeping, cti
from testkit.story import NOW_S, TUBE, get, held


class Snapshots(Sleeping):
    """What is not the last snapshot of this device, whole, is a restart: the client gets its 4.01."""

    def restarts(self, session, snapshot, now_ms=None):
        boot = self.world.tube.state.boot
        self.world.rtc.memory(snapshot)
        self.assertFalse(self.world.wake(now_ms).woke)
        self.assertEqual(self.world.tube.state.boot, boot + 1)
        self.assertEqual(len(self.world.tube.rs.rights.sessions), 0)
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
        self.proven(b"osc-2", now_s=NOW_S + 100)  # a later time, which is saved
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

    def test_the_time_after_a_sleep_is_never_earlier_than_it_can_be(self):
        at_ms = self.world.ticks_ms
        snapshot = self.world.sleep()
        for slept_ms, least_ms in ((0, 1), (16, 18), (MAX_SLEEP_MS, MAX_SLEEP_MS + MAX_SLEEP_MS // 16 + 1)):
            frozen = thaw(snapshot, at_ms + slept_ms, self.world.seed)
            self.assertEqual(frozen.now_ms, at_ms + least_ms)
        for wrong_ms in (-1, MAX_SLEEP_MS + 1):
            self.assertIsNone(thaw(snapshot, at_ms + wrong_ms, self.world.seed))

    def test_a_version_of_another_program(self):
        from holdfast_device import hibernation

        snapshot = self.world.sleep()
        values = cbor.decode(snapshot[:-CHECK_LEN])
        for changed in ([1] + values[1:], values[:-1], {0: 1}, 7):
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
        kept = [session.osc.id for session in self.world.tube.rs.rights.sessions.all()]
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

    def test_rights_of_another_key_are_not_revived(self):
        session = self.open()
        claims = mint.claims(TUBE, "read_result", NOW_S + 1, cnf={L.CNF_KID: b"osc-1"})
        self.world.run(session.update(held(mint.encrypted(claims), now_ms=self.world.now_ms)))
        self.world.tube.rs.rights.sessions.all()[0].osc.id = b"osc-2"
        self.world.cycle()
        self.assertEqual(len(self.world.tube.rs.rights.sessions), 0)

    def test_a_reference_is_left_out(self):
        self.open()
        self.world.tube.rs.rights.sessions.all()[0].grant.format = "reference"
        self.world.cycle()
        self.assertEqual(len(self.world.tube.rs.rights.sessions), 0)


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
        observer = self.world.tube.rs.answers.observers[0][0].incoming
        snapshot = freeze(self.world.tube, self.world.ticks_ms, self.world.now_ms, self.world.ticks_ms, self.world.seed)
        self.world.rtc.memory(snapshot)
        self.world.tube.rs.changed("/result")  # deepsleep() failed: it goes on, without these contexts
        self.world.link.run(for_ms=1000)
        self.assertIsNotNone(observer)
        self.doctor.endpoint.unwatch(watch)
        with self.assertRaises((SessionLost, RequestFailed)):
            self.world.run(session.request(get("/result")))
        self.world.tube.as_sequence.reserved_until = self.world.tube.as_sequence.next_value
        self.assertTrue(self.world.wake().woke)
        self.reads(self.open(b"osc-2"))

    def test_what_a_frozen_device_still_holds_has_no_numbers_left(self):
        self.open()
        context, tube = self.world.tube.rs.rights.sessions.all()[0].context, self.world.tube
        snapshot = freeze(tube, self.world.ticks_ms, 0, self.world.ticks_ms, self.world.seed)
        with self.assertRaises(SequenceExhausted):
            context.sequence.take()
        self.assertIsNotNone(thaw(snapshot, 0, self.world.seed))

    def test_a_number_taken_with_the_as_after_it_voids_a_snapshot(self):
        tube = self.world.tube
        tube.as_sequence.take()
        snapshot = freeze(tube, self.world.ticks_ms, 0, self.world.ticks_ms, self.world.seed)
        mark = thaw(snapshot, 0, self.world.seed).mark
        self.assertEqual(mark, tube.state.mark)
        self.assertEqual(tube.as_sequence.take(), 64)
        self.assertNotEqual(mark, tube.state.mark)

    def test_a_flash_that_refuses_keeps_the_device_awake(self):
        from testkit.flash import PowerCut

        self.open(exi=1000, cti=cti(1), exp=None)
        self.world.flash["tube"].cut(5)
        with self.assertRaises((PowerCut, LocalError)):
            self.world.sleep(500)
        self.world.flash["tube"].power_on()
        self.world.restart()
        self.assertEqual(self.world.tube.state.exi[0][0], 1)
