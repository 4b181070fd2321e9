"""The device's small tables: client nonces, hints, exi countdowns, tasks; bounded, deterministic."""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.errors import MalformedRequest, Overloaded, TokenExpired
from holdfast_device.cnonces import LIFE_S, Cnonces
from holdfast_device.exi import CHARGE_S, MAX_COUNTDOWNS, ExiTable
from holdfast_device.hints import Hints, decode_hints, encode_hints
from holdfast_device.slots import StorageFailed
from holdfast_device.state import State
from holdfast_device.tasks import MAX_TASKS, Call, Tasks
from testkit.flash import FlashFake, PowerCut


class CnonceTable(TestCase):
    def test_own_and_fresh(self):
        cnonces = Cnonces(bytes, 0)
        cnonce = cnonces.issue(5000)
        self.assertTrue(cnonces.is_fresh(cnonce, 5000))
        self.assertTrue(cnonces.is_fresh(cnonce, 5000 + LIFE_S * 1000))
        self.assertFalse(cnonces.is_fresh(cnonce, 6000 + LIFE_S * 1000))
        self.assertFalse(cnonces.is_fresh(cnonce, 4000))

    def test_of_another_life_or_changed(self):
        cnonce = Cnonces(bytes, 0).issue(0)
        other = Cnonces(lambda n: b"\x01" * n, 0)
        self.assertFalse(other.is_fresh(cnonce, 0))
        for index in range(len(cnonce)):
            changed = cnonce[:index] + bytes([cnonce[index] ^ 1]) + cnonce[index + 1 :]
            self.assertFalse(Cnonces(bytes, 0).is_fresh(changed, 3000))
        for wrong in (b"", cnonce[:-1], cnonce + b"\x00"):
            self.assertFalse(Cnonces(bytes, 0).is_fresh(wrong, 0))


class HintsCodec(TestCase):
    def test_round_trip_and_unknown_members(self):
        encoded = encode_hints(Hints("coap://as/token", "tube", "read", b"n"))
        hints = decode_hints(encoded)
        self.assertEqual(
            (hints.as_uri, hints.audience, hints.scope, hints.cnonce, hints.kid),
            ("coap://as/token", "tube", "read", b"n", None),
        )
        self.assertIsNone(decode_hints(b"\xa1\x18\x63\x01").as_uri)

    def test_refused(self):
        for payload in (b"", b"\x80", b"\xa1\x01\x01", b"\xa1\x18\x27\x61a", b"\xa0\x00", bytes(513)):
            with self.assertRaises(MalformedRequest):
                decode_hints(payload)
        self.assertEqual(L.HINT_CNONCE, 39)


def boot(flash, now_ms=0):
    return ExiTable(State(flash, 0), now_ms)


class Exi(TestCase):
    def refused(self, table, sequence, now_ms):
        with self.assertRaises(TokenExpired):
            table.start(sequence, 100, now_ms)

    def test_counts_from_the_first_time_and_again_changes_nothing(self):
        table = boot(FlashFake())
        self.assertEqual(table.start(7, 5, 1000), 6000)
        self.assertEqual(table.start(7, 5, 5000), 6000)
        self.refused(table, 7, 6000)
        self.refused(table, 6, 6000)
        self.assertEqual(table.start(8, 5, 6000), 11000)

    def test_expired_sequence_is_remembered_over_a_restart(self):
        flash = FlashFake()
        table = boot(flash)
        table.start(5, 1, 0)
        table.tick(1000)
        self.refused(boot(flash), 4, 0)
        self.refused(boot(flash), 5, 0)
        self.assertEqual(boot(flash).start(6, 1, 0), 1000)

    def test_a_restart_gives_no_time(self):
        flash = FlashFake()
        table = boot(flash)
        end = table.start(5, 600, 0)
        for now_ms in range(0, 600000, 7000):
            table.tick(now_ms)
            left = boot(copy_of(flash))._ends_ms.get(5, 0)
            self.assertLessEqual(left, end - now_ms)
            self.assertGreaterEqual(left, end - now_ms - CHARGE_S * 1000 - 7000)

    def test_cut_at_every_byte_gives_no_time(self):
        for cut in range(400):
            flash = FlashFake()
            table = boot(flash)
            flash.cut(cut)
            now_ms, started = 0, False
            try:
                table.start(5, 200, 0)
                started = True
                for now_ms in (60000, 120000, 180000, 200000):
                    table.tick(now_ms)
            except PowerCut:
                pass
            flash.power_on()
            again = boot(flash)
            if started:
                self.assertLessEqual(again._ends_ms.get(5, 0), 200000 - now_ms)
                if now_ms == 200000:
                    self.refused(again, 5, 0)

    def test_what_is_not_durable_does_not_begin(self):
        flash = FlashFake()
        table = boot(flash)
        flash.write = refuse
        with self.assertRaises(StorageFailed):
            table.start(5, 100, 0)
        self.assertEqual(len(table), 0)

    def test_full_table_gives_up_the_lowest(self):
        table = boot(FlashFake())
        for sequence in range(10, 10 + MAX_COUNTDOWNS):
            table.start(sequence, 100, 0)
        table.start(50, 100, 0)
        self.assertEqual((len(table), table.floor), (MAX_COUNTDOWNS, 10))
        self.refused(table, 9, 0)
        table.start(11, 100, 0)

    def test_a_number_below_a_full_table_is_refused(self):
        table = boot(FlashFake())
        for sequence in range(10, 10 + MAX_COUNTDOWNS):
            table.start(sequence, 100, 0)
        self.refused(table, 3, 0)
        self.assertEqual(len(table), MAX_COUNTDOWNS)

    def test_deadlines(self):
        table = boot(FlashFake())
        self.assertIsNone(table.next_deadline_ms())
        table.start(1, 10, 0)
        self.assertEqual(table.next_deadline_ms(), 10000)
        table.start(2, 1000, 0)
        table.tick(10000)
        self.assertEqual(table.next_deadline_ms(), 10000 + CHARGE_S * 1000)


def refuse(slot, encoded):
    raise StorageFailed("write")


def copy_of(flash):
    copied = FlashFake()
    copied.slots = list(flash.slots)
    return copied


class TaskTable(TestCase):
    def test_value_error_and_nesting(self):
        first, second = Call(), Call()

        def inner():
            value = yield first
            return value + 1

        def outer():
            value = yield inner()
            try:
                yield second
            except Overloaded:
                return value

        task = Tasks().spawn(outer())
        self.assertFalse(task.ended)
        first.done(1)
        second.fail(Overloaded())
        self.assertTrue(task.ended)
        seen = []
        task.when_ended(lambda value, error: seen.append((value, error)))
        self.assertEqual(seen, [(2, None)])

    def test_ended_calls_and_errors_that_leave(self):
        call = Call()
        call.done(3)
        call.done(4)
        seen = []

        def steps():
            value = yield call
            raise Overloaded(str(value))

        task = Tasks().spawn(steps())
        task.when_ended(lambda value, error: seen.append(error.detail))
        self.assertEqual(seen, ["3"])

    def test_a_long_chain_of_ended_calls_does_not_recurse(self):
        def steps():
            for _ in range(2000):
                call = Call()
                call.done()
                yield call
            return "end"

        seen = []
        Tasks().spawn(steps()).when_ended(lambda value, error: seen.append(value))
        self.assertEqual(seen, ["end"])

    def test_bounded_and_room_again(self):
        tasks, calls = Tasks(), []

        def steps():
            calls.append(Call())
            yield calls[-1]

        for _ in range(MAX_TASKS):
            tasks.spawn(steps())
        with self.assertRaises(Overloaded):
            tasks.spawn(steps())
        calls[0].done()
        tasks.spawn(steps())
        self.assertEqual(len(tasks), MAX_TASKS)
