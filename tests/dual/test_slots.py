"""Slots and state under power cuts: old or new, never mixed, and nothing that must not repeat repeats."""

from minitest import TestCase

from holdfast_core import cbor
from holdfast_core.crypto import sha256
from holdfast_device.slots import MAX_RECORD_LEN, StorageFailed, TwoSlots, _encode, is_whole
from holdfast_device.state import State
from testkit.flash import FlashFake, PowerCut

FLOOR = 1700000000


def load(flash):
    return TwoSlots(flash).load()


def saved(*records):
    flash = FlashFake()
    slots = TwoSlots(flash)
    slots.load()
    slots.save_both(records[0])
    for record in records[1:]:
        slots.save(record)
    return flash


class Slots(TestCase):
    def test_blank_flash_holds_nothing(self):
        self.assertIsNone(load(FlashFake()))

    def test_newest_record_is_read(self):
        for count in range(1, 6):
            records = [bytes([n]) * n for n in range(count)]
            self.assertEqual(load(saved(*records)), records[-1])

    def test_cut_at_every_byte_of_every_write_leaves_old_or_new(self):
        for keep_tail in (False, True):
            for length in (0, 1, 40):
                old, new = b"\x01" * length, b"\x02" * length
                for cut in range(30 + length + 1):
                    flash = saved(b"first", old)
                    flash.cut(cut, keep_tail)
                    slots = TwoSlots(flash)
                    slots.load()
                    with self.assertRaises(PowerCut):
                        slots.save(new)
                    flash.power_on()
                    self.assertEqual(load(flash), new if cut == 30 + length else old)

    def test_cut_in_the_first_saves_is_blank_or_first(self):
        for cut in range(2 * 35 + 1):
            flash = FlashFake()
            flash.cut(cut)
            slots = TwoSlots(flash)
            slots.load()
            with self.assertRaises(PowerCut):
                slots.save_both(b"first")
            flash.power_on()
            self.assertEqual(load(flash), b"first" if cut >= 35 else None)

    def test_a_second_save_that_was_cut_has_lost_nothing_that_was_in_force(self):
        for cut in range(35):
            flash = FlashFake()
            slots = TwoSlots(flash)
            slots.load()
            slots.save(b"first")
            flash.cut(cut)
            with self.assertRaises(PowerCut):
                slots.save(b"first")
            flash.power_on()
            slots = TwoSlots(flash)
            self.assertEqual((slots.load(), slots.is_damaged), (b"first", False))

    def test_a_slot_that_is_lost_may_have_been_in_force(self):
        for slot, left in ((0, b"first"), (1, b"second")):
            flash = saved(b"first")
            slots = TwoSlots(flash)
            slots.load()
            if slot:
                slots.save(b"second")
            flash.slots[slot] = b"\x00" * 40
            slots = TwoSlots(flash)
            self.assertEqual((slots.load(), slots.is_damaged), (left, True))

    def test_what_only_looks_like_a_slot_is_none(self):
        good = _encode(3, b"record")
        self.assertTrue(is_whole(good) and is_whole(_encode(3, bytes(MAX_RECORD_LEN))))
        self.assertFalse(is_whole(_encode(3, bytes(MAX_RECORD_LEN + 1))))
        for length in range(len(good)):
            self.assertFalse(is_whole(good[:length]))
        for magic in (b"hg", b"gf", b"\x00\x00"):
            head = magic + good[2:20]
            self.assertFalse(is_whole(head + sha256(head)[:16]))
        head = good[:10] + b"\x01" + good[11:20]
        self.assertFalse(is_whole(head + sha256(head)[:16]))
        flash = FlashFake()
        flash.slots = [_encode(0, b"record"), b""]
        with self.assertRaises(StorageFailed):
            load(flash)

    def test_a_generation_has_eight_octets(self):
        flash = FlashFake()
        flash.slots = [_encode((1 << 63) + 1, b"new"), _encode(1 << 63, b"old")]
        slots = TwoSlots(flash)
        self.assertEqual((slots.load(), slots.generation), (b"new", (1 << 63) + 1))

    def test_both_slots_lost_is_no_blank_flash(self):
        flash = saved(b"record")
        for slot in (0, 1):
            flash.slots[slot] = flash.slots[slot][:-1] + b"\x00"
        with self.assertRaises(StorageFailed):
            load(flash)

    def test_one_flipped_bit_anywhere_falls_back_to_the_other_slot(self):
        good = saved(b"old", b"new").slots
        newest = 0 if good[0].find(b"new") >= 0 else 1
        for index in range(len(good[newest])):
            flash = FlashFake()
            flash.slots = list(good)
            flash.slots[newest] = good[newest][:index] + bytes([good[newest][index] ^ 4]) + good[newest][index + 1 :]
            self.assertEqual(load(flash), b"old")

    def test_a_record_too_long_is_refused_and_the_old_one_stays(self):
        flash = saved(b"old")
        slots = TwoSlots(flash)
        slots.load()
        with self.assertRaises(StorageFailed):
            slots.save(bytes(MAX_RECORD_LEN + 1))
        self.assertEqual(load(flash), b"old")
        slots.save(bytes(MAX_RECORD_LEN))
        self.assertEqual(load(flash), bytes(MAX_RECORD_LEN))


class Seen:
    """What a run was allowed to use, over all its lives; each life must go on from there."""

    def __init__(self):
        self.boots = []
        self.next_sequence = 0
        self.floor_s = FLOOR
        self.exi_floor = -1
        self.exi_left = 500

    def life(self, test, flash):
        """One life of a device: boot, then one save of each kind; a cut ends it anywhere."""
        state = State(flash, FLOOR)
        test.assertNotIn(state.boot, self.boots)
        self.boots.append(state.boot)
        test.assertGreaterEqual(state.as_sequence, self.next_sequence)
        test.assertGreaterEqual(state.floor_s, self.floor_s)
        test.assertGreaterEqual(state.exi_floor, self.exi_floor)
        for _sequence, left in state.exi:
            test.assertLessEqual(left, self.exi_left)
        state.reserve_as_sequence(state.as_sequence + 64)
        self.next_sequence = state.as_sequence
        state.floor_s += 10
        state.exi_floor += 1
        state.exi = [[state.exi_floor + 1, min(self.exi_left, 100) - 1]]
        state.save()
        self.floor_s, self.exi_floor, self.exi_left = state.floor_s, state.exi_floor, state.exi[0][1]


class Lives(TestCase):
    def survive(self, cuts, keep_tail):
        flash, seen = FlashFake(), Seen()
        for cut in cuts:
            flash.cut(cut, keep_tail)
            try:
                seen.life(self, flash)
            except PowerCut:
                pass
            flash.power_on()
        seen.life(self, flash)

    def test_cut_at_every_byte_of_a_whole_life(self):
        for keep_tail in (False, True):
            for cut in range(330):
                self.survive((1000, cut), keep_tail)

    def test_cuts_one_after_the_other(self):
        for keep_tail in (False, True):
            for first in range(0, 230, 3):
                for second in range(0, 230, 11):
                    self.survive((first, second, first), keep_tail)

    def test_a_refused_save_takes_nothing(self):
        class Full(FlashFake):
            def write(self, slot, encoded):
                if self.writes >= 2:
                    raise StorageFailed("write")
                FlashFake.write(self, slot, encoded)

        state = State(Full(), FLOOR)
        with self.assertRaises(StorageFailed):
            state.reserve_as_sequence(64)
        self.assertEqual(state.as_sequence, 0)

    def test_only_a_later_edition_of_the_provisioning_sets_the_floor_also_back(self):
        flash = FlashFake()
        State(flash, FLOOR, edition=2)
        for floor_s in (FLOOR + 5, FLOOR - 5):
            for edition in (0, 1, 2):
                self.assertEqual(State(flash, floor_s, edition=edition).floor_s, FLOOR)
        self.assertEqual(State(flash, FLOOR + 10**8, edition=3).floor_s, FLOOR + 10**8)
        self.assertEqual(State(flash, FLOOR, edition=2).floor_s, FLOOR + 10**8)
        self.assertEqual(State(flash, FLOOR + 1, edition=7).floor_s, FLOOR + 1)
        self.assertEqual(State(flash, FLOOR + 10**8, edition=3).floor_s, FLOOR + 1)

    def test_a_later_edition_lowers_an_exi_floor_that_no_token_has_reached_and_raises_none(self):
        flash = FlashFake()
        state = State(flash, FLOOR, edition=1, exi_floor=2)
        state.exi_floor, state.exi = 1 << 63, [[4, 60], [(1 << 63) + 1, 60]]
        state.save()
        for edition, exi_floor in ((1, 4), (0, 4), (2, -1)):
            state = State(flash, FLOOR, edition=edition, exi_floor=exi_floor)
            self.assertEqual((state.exi_floor, len(state.exi)), (1 << 63, 2))
        state = State(flash, FLOOR, edition=3, exi_floor=4)
        self.assertEqual((state.exi_floor, state.exi), (4, [[4, 60]]))
        self.assertEqual(State(flash, FLOOR, edition=4, exi_floor=49).exi_floor, 4)

    def test_a_record_of_another_version_stops_the_device(self):
        flash = FlashFake()
        State(flash, FLOOR)
        good = TwoSlots(flash).load()
        self.assertEqual(State(saved(good), FLOOR).boot, 2)
        head, version = good[:1], good[1]  # all is as it should be but the version
        for record in (b"\x81\x02", head + bytes((version + 1,)) + good[2:], head + bytes((version - 1,)) + good[2:]):
            with self.assertRaises(StorageFailed):
                State(saved(record), FLOOR)

    def test_the_record_that_devices_have(self):
        flash = saved(cbor.encode([2, 7, FLOOR + 9, 64, 5, [[6, 60], [7, 61]], b"id", 3]))
        state = State(flash, FLOOR)
        self.assertEqual((state.boot, state.floor_s, state.as_sequence, state.exi_floor), (8, FLOOR + 9, 64, 5))
        self.assertEqual((state.exi, state.as_id_context, state.edition), ([[6, 60], [7, 61]], b"id", 3))
        self.assertEqual(load(flash), cbor.encode([2, 8, FLOOR + 9, 64, 5, [[6, 60], [7, 61]], b"id", 3]))

    def test_how_far_beyond_a_slot_that_is_lost(self):
        flash = saved(cbor.encode([2, 7, FLOOR, 64, 5, [[6, 60], [7, 61]], b"id", 3]))
        flash.slots[0] = b"\x00" * 40
        state = State(flash, FLOOR)
        self.assertEqual((state.boot, state.as_sequence), (9, 64 + 65536))
        self.assertEqual((state.exi_floor, state.exi), (6, [[7, 1]]))
        flash = saved(cbor.encode([2, 7, FLOOR, 64, 6, [[6, 61], [7, 61]], b"id", 3]))
        flash.slots[0] = b"\x00" * 40
        self.assertEqual(State(flash, FLOOR).exi, [[7, 1]])

    def test_a_device_of_the_first_edition(self):
        self.assertEqual((State(FlashFake(), FLOOR).boot, State(FlashFake(), FLOOR).edition), (1, 0))

    def test_a_later_edition_that_knows_of_no_token_takes_all_back(self):
        flash = saved(cbor.encode([2, 7, FLOOR, 64, 5, [[6, 60]], b"", 3]))
        state = State(flash, FLOOR, edition=4, exi_floor=0)
        self.assertEqual((state.exi_floor, state.exi), (0, []))

    def test_what_is_no_record_stops_the_device(self):
        good = [2, 7, FLOOR, 64, 5, [], b"", 3]
        for record in (b"\xff", b"", cbor.encode(good)[:-1], cbor.encode(good[:-1]), cbor.encode(good + [0]), b"\x02"):
            with self.assertRaises(StorageFailed):
                State(saved(record), FLOOR)
        self.assertEqual(State(saved(cbor.encode(good)), FLOOR).boot, 8)
