"""A slot that has rotted or was torn: whatever a lost record allowed, the device goes beyond it, on every store."""

import os

from minitest import TestCase

from holdfast_core.sender_sequence import CHUNK
from holdfast_device.slots import BEGUN, StorageFailed, TwoSlots
from holdfast_device.state import CHARGE_S, JUMP, State
from holdfast_device.store_flash import NAMES, FileFlash
from holdfast_device.store_nvs import KEYS, NvsFlash
from holdfast_device.store_partition import COPY_LEN, PartitionFlash
from testkit.flash import FlashFake
from testkit.flash_parts import NvsFake, RawFlash

FLOOR = 1700000000
DIRECTORY = "damaged-state"


def lived(flash, saves):
    """A device that has reserved numbers so often; its countdown 9 has 500 s left, and 5 tokens are over."""
    state = State(flash, FLOOR)
    state.exi_floor, state.exi = 5, [[7, 40], [9, 500]]
    state.floor_s = FLOOR + 100
    state.save_both()
    for _ in range(saves):
        state.reserve_as_sequence(state.as_sequence + CHUNK)
    return state


class Damage:
    """flash(): a store; its slots can be read, and written over by damage(slot, bytes)."""

    def assert_beyond(self, before, after):
        """Nothing that the device before may have used or refused comes again."""
        self.assertGreater(after.boot, before.boot)
        self.assertGreaterEqual(after.as_sequence, before.as_sequence)
        self.assertGreaterEqual(after.floor_s, before.floor_s)
        self.assertGreaterEqual(after.exi_floor, before.exi_floor)
        for sequence, left_s in after.exi:
            known = dict(before.exi)
            self.assertLessEqual(left_s, known[sequence])

    def test_one_flipped_bit_in_either_slot(self):
        for saves in (0, 1, 2):
            for slot in (0, 1):
                flash = self.flash()
                before = lived(flash, saves)
                whole = flash.read(slot)
                for index in self.places(len(whole)):
                    flipped = whole[:index] + bytes((whole[index] ^ (1 << index % 8),)) + whole[index + 1 :]
                    self.put(flash, slot, flipped)
                    kept = self.snapshot(flash)
                    self.assert_beyond(before, State(flash, FLOOR))
                    self.restore(flash, kept)

    def test_a_slot_that_is_gone_or_empty_or_something_else(self):
        for content in (
            BEGUN,
            b"\x00" * 40,
            b"\xff" * 39 + b"\x00",
            b"hf" + bytes(58),
        ):
            for slot in (0, 1):
                flash = self.flash()
                before = lived(flash, 3)
                self.put(flash, slot, content)
                after = State(flash, FLOOR)
                self.assert_beyond(before, after)
                self.assertGreaterEqual(after.as_sequence, JUMP)

    def test_a_start_after_damage_leaves_two_good_slots_that_agree(self):
        flash = self.flash()
        lived(flash, 3)
        self.put(flash, 0, b"\x00" * 40)
        jumped = State(flash, FLOOR)
        for slot in (0, 1):
            kept = self.snapshot(flash)
            self.put(flash, slot, b"\x00" * 40)
            again = State(flash, FLOOR)
            self.assert_beyond(jumped, again)
            self.assertEqual(again.as_sequence, jumped.as_sequence + JUMP)
            self.restore(flash, kept)
        self.assertEqual(State(flash, FLOOR).as_sequence, jumped.as_sequence)  # and no jump without damage

    def test_with_both_lost_it_does_not_start_and_says_what_to_do(self):
        rotten = (b"\x00" * 40, BEGUN)
        for first in rotten:
            for second in rotten:
                flash = self.flash()
                lived(flash, 2)
                self.put(flash, 0, first)
                self.put(flash, 1, second)
                try:
                    State(flash, FLOOR)
                    raise AssertionError("started")
                except StorageFailed as error:
                    self.assertIn("wipe the device and provision it", str(error))

    def test_garbage_beside_nothing_is_no_new_flash(self):
        for slot in (0, 1):
            flash = self.flash()
            self.put(flash, slot, b"\x00" * 40)
            with self.assertRaises(StorageFailed):
                State(flash, FLOOR)


class InMemory(Damage, TestCase):
    def flash(self):
        return FlashFake()

    def places(self, length):
        return range(length)

    def put(self, flash, slot, content):
        flash.slots[slot] = content

    def snapshot(self, flash):
        return list(flash.slots)

    def restore(self, flash, kept):
        flash.slots = list(kept)

    def test_a_countdown_loses_a_minute_more_and_ends_when_that_was_all(self):
        flash = FlashFake()
        lived(flash, 1)
        flash.slots[0] = b"?"
        after = State(flash, FLOOR)
        self.assertEqual((after.exi_floor, after.exi), (7, [[9, 500 - CHARGE_S]]))

    def test_slots_that_do_not_follow_each_other_are_damage(self):
        flash = FlashFake()
        state = lived(flash, 1)
        old = list(flash.slots)
        for _ in range(4):
            state.reserve_as_sequence(state.as_sequence + CHUNK)
        for slot in (0, 1):
            mixed = FlashFake()
            mixed.slots = list(flash.slots)
            mixed.slots[slot] = old[slot]  # a write that the flash has forgotten
            slots = TwoSlots(mixed)
            slots.load()
            self.assertTrue(slots.is_damaged)

    def test_what_one_save_alone_holds_is_never_what_must_not_be_lost(self):
        """A floor that a token proved, and the start of a countdown, are in both slots."""
        flash = FlashFake()
        state = State(flash, FLOOR)
        state.floor_s = FLOOR + 7
        state.save_both()
        for slot in (0, 1):
            kept = list(flash.slots)
            flash.slots[slot] = b"?"
            self.assertEqual(State(flash, FLOOR).floor_s, FLOOR + 7)
            flash.slots = kept

    def test_a_new_context_with_the_as_that_was_lost_is_not_the_one_before(self):
        flash = FlashFake()
        state = State(flash, FLOOR)
        state.renew(b"first id")
        state.reserve_as_sequence(128)
        state.renew(b"second id")
        newest = 1 if flash.slots[1][2:10] > flash.slots[0][2:10] else 0
        flash.slots[newest] = b"?"
        after = State(flash, FLOOR)
        self.assertEqual((after.as_id_context, after.as_sequence), (b"first id", 128 + JUMP))

    def test_a_copy_gives_up_its_context_with_the_as(self):
        flash = FlashFake()
        State(flash, FLOOR).renew(b"an id of it")
        self.assertEqual(State(flash, FLOOR).as_id_context, b"an id of it")
        self.assertEqual(State(flash, FLOOR, copied=True).as_id_context, b"")
        self.assertEqual(State(flash, FLOOR).as_id_context, b"")

    def test_the_exi_floor_of_provisioning_is_for_a_flash_that_remembers_nothing(self):
        flash = FlashFake()
        self.assertEqual(State(flash, FLOOR, exi_floor=12).exi_floor, 12)
        self.assertEqual(State(flash, FLOOR, exi_floor=20).exi_floor, 12)

    def test_a_read_that_fails_is_damage_of_one_slot_and_the_end_with_two(self):
        for failing in ((0,), (1,), (0, 1)):
            flash = FlashFake()
            before = lived(flash, 2)
            read = flash.read

            def fails(slot, failing=failing, read=read):
                if slot in failing:
                    raise StorageFailed("read")
                return read(slot)

            flash.read = fails
            if len(failing) == 2:
                with self.assertRaises(StorageFailed):
                    State(flash, FLOOR)
            else:
                self.assert_beyond(before, State(flash, FLOOR))


class InFiles(Damage, TestCase):
    def setUp(self):
        self.tearDown()
        os.mkdir(DIRECTORY)

    def tearDown(self):
        try:
            for name in os.listdir(DIRECTORY):
                os.remove(DIRECTORY + "/" + name)
            os.rmdir(DIRECTORY)
        except OSError:
            pass

    def flash(self):
        self.setUp()
        return FileFlash(DIRECTORY)

    def places(self, length):
        return range(0, length, 7)

    def put(self, _flash, slot, content):
        with open(DIRECTORY + "/" + NAMES[slot], "wb") as file:
            file.write(b"" if content == BEGUN else content)

    def snapshot(self, flash):
        return [flash.read(0), flash.read(1)]

    def restore(self, flash, kept):
        for slot in (0, 1):
            self.put(flash, slot, kept[slot])

    def test_two_empty_files_are_no_new_flash_and_none_is(self):
        flash = self.flash()
        self.put(flash, 0, b"")
        self.assertEqual(State(flash, FLOOR).boot, 1)  # power went in the very first save
        flash = self.flash()
        self.put(flash, 0, b"")
        self.put(flash, 1, b"")
        with self.assertRaises(StorageFailed):
            State(flash, FLOOR)


class InNvs(Damage, TestCase):
    def flash(self):
        return NvsFlash(NvsFake())

    def places(self, length):
        return range(length)

    def put(self, flash, slot, content):
        flash._nvs.durable[KEYS[slot]] = b"" if content == BEGUN else content

    def snapshot(self, flash):
        return dict(flash._nvs.durable)

    def restore(self, flash, kept):
        flash._nvs.durable = dict(kept)


class InRawFlash(Damage, TestCase):
    """What the slot holds is its last copy; a bit that flips in what is erased looks like one more."""

    def flash(self):
        return PartitionFlash(RawFlash(2, 1024))

    def places(self, length):
        return range(0, length, 3)

    def put(self, flash, slot, content):
        index = max(0, flash._used(slot) - 1)
        start = slot * 1024 + index * COPY_LEN
        flash._device.cells[start : start + COPY_LEN] = (content + b"\xff" * COPY_LEN)[:COPY_LEN]

    def snapshot(self, flash):
        return bytes(flash._device.cells)

    def restore(self, flash, kept):
        flash._device.cells[:] = kept

    def test_a_bit_that_flips_in_what_is_erased_is_damage_too(self):
        flash = self.flash()
        before = lived(flash, 2)
        blank, flipped = b"\xff" * COPY_LEN, 0
        for at in range(0, 2048, COPY_LEN):
            if flash._device.cells[at : at + COPY_LEN] == blank:
                kept = self.snapshot(flash)
                flash._device.cells[at + 100] ^= 1
                self.assert_beyond(before, State(flash, FLOOR))
                self.restore(flash, kept)
                flipped += 1
        self.assertGreater(flipped, 0)
