"""Countdowns of tokens without an end in time: which end with which, which one goes when the table is full."""

from minitest import TestCase

from holdfast_core.errors import TokenExpired
from holdfast_device.exi import CHARGE_S, MAX_COUNTDOWNS, RETRY_MS, ExiTable
from holdfast_device.slots import StorageFailed
from holdfast_device.state import State
from testkit.flash import FlashFake


class Refusing(FlashFake):
    """A flash that takes nothing while refuses is true."""

    refuses = False

    def write(self, slot, encoded):
        if self.refuses:
            raise StorageFailed("write")
        super().write(slot, encoded)


class Countdowns(TestCase):
    def setUp(self):
        self.flash = Refusing()
        self.table = ExiTable(State(self.flash, 0), 0)

    def restart(self):
        """Go on after a power cut, at a new 0."""
        self.table = ExiTable(State(self.flash, 0), 0)

    def refused(self, sequence, now_ms=0):
        with self.assertRaises(TokenExpired):
            self.table.start(sequence, 1000, now_ms)

    def fill(self):
        for sequence in range(10, 10 + MAX_COUNTDOWNS):
            self.assertEqual(self.table.start(sequence, 1000, 0), 1000000)
        self.assertEqual((len(self.table), self.table.floor), (MAX_COUNTDOWNS, -1))

    def test_beyond_the_bound_the_lowest_number_goes_and_never_comes_back(self):
        self.fill()
        self.assertEqual(self.table.start(100, 1000, 0), 1000000)
        self.assertEqual((len(self.table), self.table.floor), (MAX_COUNTDOWNS, 10))
        self.refused(10)
        self.restart()
        self.refused(10)
        self.assertEqual(len(self.table), MAX_COUNTDOWNS)
        self.assertGreater(self.table.start(11, 1000, 0), 0)

    def test_when_the_table_is_full_a_lower_number_than_all_pushes_none_out(self):
        self.fill()
        self.refused(9)
        self.assertEqual((len(self.table), self.table.floor), (MAX_COUNTDOWNS, 9))
        self.assertEqual(self.table.start(10, 1000, 0), 1000000)  # which is running

    def test_the_end_of_one_ends_no_later_one(self):
        self.table.start(1, 5, 0)
        self.table.start(2, 1000, 0)
        self.table.tick(5000)
        self.assertEqual((len(self.table), self.table.floor), (1, 1))
        self.assertEqual(self.table.start(2, 1000, 5000), 1000000)

    def test_two_that_end_at_once_are_both_over(self):
        self.table.start(1, 5, 0)
        self.table.start(2, 5, 0)
        self.table.tick(5000)
        self.assertEqual((len(self.table), self.table.floor), (0, 2))

    def test_the_number_of_the_floor_itself_is_over(self):
        self.table.start(1, 5, 0)
        self.refused(1, 5000)
        self.refused(0, 5000)
        self.assertEqual(len(self.table), 0)

    def test_after_a_power_cut_it_goes_on_with_what_was_left_less_what_was_charged_ahead(self):
        self.table.start(1, 1000, 0)
        self.restart()
        self.assertEqual(self.table.start(1, 1000, 0), (1000 - CHARGE_S) * 1000)
        self.restart()
        self.assertEqual(self.table.start(1, 1000, 0), (1000 - 2 * CHARGE_S) * 1000)  # start() had charged ahead anew

    def test_a_flash_that_refuses_is_asked_again_a_second_later(self):
        self.table.start(1, 1000, 0)
        due_ms = self.table.next_deadline_ms()
        self.flash.refuses = True
        self.table.tick(due_ms)
        self.assertEqual(self.table.next_deadline_ms(), due_ms + RETRY_MS)
        with self.assertRaises(StorageFailed):
            self.table.charge_through(due_ms + 500000, due_ms + 1)
        self.assertEqual(self.table.next_deadline_ms(), due_ms + 1 + RETRY_MS)
        self.flash.refuses = False
        self.table.tick(due_ms + 1 + RETRY_MS)
        self.assertEqual(self.table.next_deadline_ms(), due_ms + 1 + RETRY_MS + CHARGE_S * 1000)
