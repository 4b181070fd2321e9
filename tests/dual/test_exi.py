"""Countdowns of tokens without an end in time: which end with which, which one goes when the table is full."""

from minitest import TestCase

from holdfast_core.errors import TokenExpired
from holdfast_device.exi import CHARGE_S, MAX_COUNTDOWNS, RETRY_MS, ExiTable
from holdfast_device.slots import StorageFailed
from holdfast_device.state import State
from testkit.flash import Refusing


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
        self.assertEqual((len(self.table), self.table.floor), (16, -1))

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
        self.assertEqual(self.table.next_deadline_ms(), due_ms + 1000)
        with self.assertRaises(StorageFailed):
            self.table.charge_through(due_ms + 500000, due_ms + 1)
        self.assertEqual(self.table.next_deadline_ms(), due_ms + 1 + RETRY_MS)
        self.flash.refuses = False
        self.table.tick(due_ms + 1 + RETRY_MS)
        self.assertEqual(self.table.next_deadline_ms(), due_ms + 1 + RETRY_MS + CHARGE_S * 1000)

    def test_before_a_sleep_what_is_over_ends_and_what_is_charged_is_not_charged_again(self):
        self.table.start(1, 5, 0)
        self.table.start(2, 1000, 0)
        self.assertEqual(self.table.charge_through(6000, 6000), [[2, 1000000]])
        due_ms = 6000 + CHARGE_S * 1000
        self.flash.refuses = True
        self.assertEqual(self.table.charge_through(due_ms, 7000), [[2, 1000000]])
        with self.assertRaises(StorageFailed):
            self.table.charge_through(due_ms + 1, 7000)

    def test_a_countdown_shorter_than_what_is_charged_ahead_has_nothing_left(self):
        state = State(self.flash, 0)
        ExiTable(state, 0).start(1, 5, 0)
        self.assertEqual(state.exi, [[1, 0]])

    def test_a_device_that_wakes_charges_when_the_first_of_what_was_charged_is_used_up(self):
        state = State(self.flash, 0)
        state.exi = [[1, 100], [2, 100]]
        woken = ExiTable(state, 1000, [[1, 150000], [2, 170000]])
        self.assertEqual((len(woken), woken.next_deadline_ms()), (2, 50000))

    def test_a_device_that_wakes_may_know_of_more_than_its_flash(self):
        woken = ExiTable(State(self.flash, 0), 1000, [[1, 5000]])
        self.assertEqual((len(woken), woken.next_deadline_ms()), (1, 1000))
