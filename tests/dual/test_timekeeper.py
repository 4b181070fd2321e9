"""What one token proves of the time, to the second: floors, ends, and what is saved."""

from minitest import TestCase

from holdfast_core.errors import TokenExpired
from holdfast_core.kinds import CWT_NESTED, REFERENCE
from holdfast_device.slots import StorageFailed
from holdfast_device.state import State
from holdfast_device.timekeeper import Timekeeper
from testkit.flash import Refusing

FLOOR = 1700000000


class Grant:
    """What a timekeeper asks of a grant."""

    def __init__(self, iat=None, exp=None, form=CWT_NESTED, exi=None, exi_seq=None):
        self.iat, self.exp, self.format, self.exi, self.exi_seq = iat, exp, form, exi, exi_seq


class Session:
    """What a timekeeper asks of a session."""

    ends_ms = None

    def __init__(self, grant):
        self.grant = grant


class Time(TestCase):
    def setUp(self):
        self.flash = Refusing()
        self.state = State(self.flash, FLOOR)
        self.times = Timekeeper(self.state, 0, FLOOR - 100)

    def test_the_floor_is_saved_each_hour(self):
        self.times.tick(3599999)
        self.assertEqual(self.state.floor_s, FLOOR)
        self.times.tick(3600000)
        self.assertEqual(self.state.floor_s, FLOOR + 3600)

    def test_a_token_that_proves_nothing_new_is_not_saved(self):
        self.flash.refuses = True
        self.times.prove(Grant(FLOOR))
        self.times.tick(10000)
        self.times.prove(Grant(FLOOR - 5))
        with self.assertRaises(StorageFailed):
            self.times.prove(Grant(FLOOR + 1))

    def test_a_floor_that_can_be_stays(self):
        self.times.confront(Grant(FLOOR - 10), 10)
        self.assertEqual(self.times.now_s, FLOOR)
        self.times.confront(Grant(FLOOR - 10), 9)
        self.assertEqual(self.times.now_s, FLOOR - 10)

    def test_a_floor_that_cannot_be_goes_to_what_was_told_if_that_can_be(self):
        self.times.confront(Grant(FLOOR - 200), 100)
        self.assertEqual(self.times.now_s, FLOOR - 100)
        self.times.confront(Grant(FLOOR - 200), 99)
        self.assertEqual(self.times.now_s, FLOOR - 200)
        self.times.confront(Grant(0), 5)
        self.assertEqual((self.times.now_s, self.state.floor_s), (0, 0))

    def test_a_reference_that_is_active_has_not_ended(self):
        self.times.confront(Grant(FLOOR - 50, FLOOR + 1, REFERENCE), None)
        self.assertEqual(self.times.now_s, FLOOR)
        self.times.confront(Grant(FLOOR - 50, FLOOR, REFERENCE), None)
        self.assertEqual(self.times.now_s, FLOOR - 50)

    def test_what_went_further_than_the_floor_is_forgotten_when_it_cannot_be(self):
        for age_s, ahead_s in ((50, 50), (49, 0)):
            self.times.clock.ahead_s = 50
            self.times.confront(Grant(FLOOR), age_s)
            self.assertEqual((self.times.now_s, self.times.clock.ahead_s), (FLOOR, ahead_s))

    def test_a_token_has_ended_in_the_second_of_its_exp(self):
        self.times.confront(Grant(FLOOR - 10, FLOOR + 1), None)
        with self.assertRaises(TokenExpired):
            self.times.confront(Grant(FLOOR - 10, FLOOR), None)
        self.assertFalse(self.times.is_over(Session(Grant(FLOOR - 10, FLOOR + 1))))
        self.assertTrue(self.times.is_over(Session(Grant(FLOOR - 10, FLOOR))))

    def test_only_a_token_from_beyond_the_floor_ends_by_what_went_further(self):
        self.times.clock.ahead_s = 50
        self.assertFalse(self.times.is_over(Session(Grant(FLOOR, FLOOR + 10))))
        self.assertTrue(self.times.is_over(Session(Grant(FLOOR + 1, FLOOR + 10))))

    def test_a_countdown_is_over_with_the_number_that_ended(self):
        self.state.exi_floor = 5
        self.assertTrue(self.times.is_over(Session(Grant(exi=60, exi_seq=5))))
        self.assertFalse(self.times.is_over(Session(Grant(exi=60, exi_seq=6))))

    def test_a_reference_counts_its_exi_from_now(self):
        self.times.tick(500)
        self.assertEqual(self.times.countdown(Grant(exi=7)), 7500)
        self.assertIsNone(self.times.countdown(Grant()))
