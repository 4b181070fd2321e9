"""State on NVS and on raw flash: at whatever step power goes, old or new, and no counter goes back."""

from minitest import TestCase

from holdfast_device.slots import MAX_RECORD_LEN, StorageFailed, TwoSlots
from holdfast_device.state import State
from holdfast_device.store_nvs import NvsFlash
from holdfast_device.store_partition import COPY_LEN, PartitionFlash
from testkit.flash import PowerCut
from testkit.flash_parts import NvsFake, RawFlash

FLOOR = 1700000000


def loaded(flash):
    slots = TwoSlots(flash)
    return slots, slots.load()


class Cuts:
    """What both stores must do.  below(): what the store stands on; store(below): the Flash port over it."""

    saves = 20

    def fill(self, below, count):
        slots, record = loaded(self.store(below))
        if record is None:
            slots.save_both(b"record 0")
        for number in range(1, count):
            slots.save(b"record " + str(number).encode())
        return slots

    def test_what_was_saved_last_is_loaded(self):
        below = self.below()
        self.assertIsNone(loaded(self.store(below))[1])
        for count in range(1, self.saves):
            below = self.below()
            self.fill(below, count)
            self.assertEqual(loaded(self.store(below))[1], b"record " + str(count - 1).encode())

    def test_a_cut_at_any_step_of_any_save_leaves_old_or_new(self):
        for count in range(1, self.saves):
            step = 0
            while True:
                below = self.below()
                slots = self.fill(below, count)
                old = loaded(self.store(below))[1]
                below.cut(step)
                try:
                    slots.save(b"new")
                    cut = False
                except PowerCut:
                    cut = True
                below.power_on()
                slots, record = loaded(self.store(below))
                if not cut:
                    self.assertEqual(record, b"new")
                    break
                self.assertIn(record, (old, b"new"))
                slots.save(b"after")
                slots.save(b"after all")
                self.assertEqual(loaded(self.store(below))[1], b"after all")
                step += 1
            self.assertGreater(step, 1)

    def test_a_cut_in_the_first_saves_is_blank_or_first(self):
        step, found = 0, []
        while True:
            below = self.below()
            slots, _ = loaded(self.store(below))
            below.cut(step)
            try:
                slots.save_both(b"first")
                break
            except PowerCut:
                below.power_on()
            found.append(loaded(self.store(below))[1])
            step += 1
        self.assertEqual(found, sorted(found, key=lambda record: record is not None))
        self.assertIn(None, found)
        self.assertIn(b"first", found)

    def test_boots_are_counted_and_none_twice_over_cuts_everywhere(self):
        below, last = self.below(), 0
        for step in range(60):
            below.cut(step % 23)
            try:
                boot = State(self.store(below), FLOOR).boot
                self.assertGreater(boot, last)
                last = boot
            except PowerCut:
                pass
            below.power_on()
        self.assertGreater(last, 10)

    def test_a_wipe_leaves_a_blank_store(self):
        below = self.below()
        self.fill(below, 5)
        self.store(below).wipe()
        self.assertIsNone(loaded(self.store(below))[1])
        self.store(below).wipe()
        self.fill(below, 3)
        self.assertEqual(loaded(self.store(below))[1], b"record 2")


class OnNvs(Cuts, TestCase):
    saves = 4

    def below(self):
        return NvsFake()

    def store(self, below):
        return NvsFlash(below)

    def test_the_longest_record_and_one_that_is_not_ours(self):
        below = self.below()
        self.fill(below, 2)
        slots, _ = loaded(self.store(below))
        slots.save(bytes(MAX_RECORD_LEN))
        self.assertEqual(loaded(self.store(below))[1], bytes(MAX_RECORD_LEN))
        below.durable["state.0"] = bytes(MAX_RECORD_LEN + 31)
        with self.assertRaises(StorageFailed):
            self.store(below).read(0)

    def test_a_full_one_keeps_the_old_record(self):
        below = self.below()
        slots = self.fill(below, 3)
        below.room = 10
        with self.assertRaises(StorageFailed):
            slots.save(b"new")
        self.assertEqual(loaded(self.store(below))[1], b"record 2")
        below.room = 1000
        slots.save(b"new")
        self.assertEqual(loaded(self.store(below))[1], b"new")

    def test_other_errors_are_no_blank_store(self):
        below = self.below()

        def fails(*_args):
            raise OSError(-0x1101)  # ESP_ERR_NVS_NOT_INITIALIZED

        below.get_blob = fails
        with self.assertRaises(StorageFailed):
            State(self.store(below), FLOOR)
        below = self.below()
        self.fill(below, 2)
        below.erase_key = fails
        with self.assertRaises(StorageFailed):
            self.store(below).wipe()


class OnNvsThatKeepsWhatWasNotCommitted(OnNvs):
    def below(self):
        return NvsFake(keeps_uncommitted=True)


class OnRawFlash(Cuts, TestCase):
    blocks, half, saves = 2, b"", 20

    def below(self):
        return RawFlash(self.blocks, 1024, self.half)  # two copies a block, so that few saves go round

    def store(self, below):
        return PartitionFlash(below)

    def test_each_block_is_erased_once_in_so_many_saves(self):
        below = self.below()
        slots = self.fill(below, 1)
        before, saves = list(below.erases), 16 * self.blocks
        for _ in range(saves):
            slots.save(b"record")
        copies = self.blocks * 1024 // COPY_LEN
        for block in range(self.blocks):
            self.assertEqual(below.erases[block] - before[block], saves // copies)

    def test_flash_that_fails_says_so_and_keeps_the_old_record(self):
        below = self.below()
        slots = self.fill(below, 2)
        below.error = 5
        for _ in range(3):
            with self.assertRaises(StorageFailed):
                slots.save(b"new")
        with self.assertRaises(StorageFailed):
            self.store(below).wipe()
        self.assertEqual(loaded(self.store(below))[1], b"record 1")

    def test_flash_that_fails_and_does_not_say_so_is_found_out(self):
        below = self.below()
        slots = self.fill(below, 2)
        write, erase = below.writeblocks, below.ioctl
        below.writeblocks = lambda block, buf, offset=None: write(block, buf[:100], offset)
        with self.assertRaises(StorageFailed):
            for _ in range(2):
                slots.save(bytes(200))
        self.assertEqual(loaded(self.store(below))[1], b"record 1")
        below.writeblocks = write
        below.ioctl = lambda op, arg: 0 if op == 6 else erase(op, arg)
        with self.assertRaises(StorageFailed):
            for _ in range(20):
                slots.save(b"new")

    def test_what_a_cut_erase_may_have_left_is_erased_again(self):
        below = self.below()
        slots = self.fill(below, 3)
        slot = 1 - slots._newest
        first = slot * self.blocks // 2
        for block in range(first, first + self.blocks // 2):
            below.ioctl(6, block)  # looks erased, and who knows
        before = below.erases[first]
        slots.save(b"new")
        self.assertEqual(below.erases[first], before + 1)
        slots.save(b"newer")
        start = first * 2 * COPY_LEN  # of its only copy
        below.cells[start + 20] = 0  # torn, with room behind it
        slots.save(b"newest")
        self.assertEqual(below.erases[first], before + 2)
        self.assertEqual(loaded(self.store(below))[1], b"newest")

    def test_a_record_too_long_and_a_device_of_another_shape(self):
        below = self.below()
        slots = self.fill(below, 2)
        with self.assertRaises(StorageFailed):
            slots.save(bytes(COPY_LEN))
        self.assertEqual(loaded(self.store(below))[1], b"record 1")
        for blocks, size in ((1, 4096), (0, 4096), (4, 256), (4, 1000)):
            with self.assertRaises(StorageFailed):
                PartitionFlash(RawFlash(blocks, size))

    def test_a_slot_that_somebody_else_wrote_is_torn(self):
        below = self.below()
        self.fill(below, 2)
        for index in range(1024):
            below.cells[index] = index & 0x7F
        newest = loaded(self.store(below))[1]
        self.assertIn(newest, (b"record 0", b"record 1"))


class OnRawFlashOfMoreBlocks(OnRawFlash):
    blocks, saves = 4, 10


class OnRawFlashWhoseCutErasesLeaveNoise(OnRawFlash):
    half = b"\xa5"
