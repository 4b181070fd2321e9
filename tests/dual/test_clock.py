"""The device clock: never backwards, never trusting an unset clock, floor raised only by proof."""

from minitest import TestCase

from holdfast_device.clock import DeviceClock

T = 1700000000


class Clock(TestCase):
    def test_without_a_clock_the_floor_counts_on(self):
        clock = DeviceClock(T, 5000)
        self.assertEqual(clock.now_s(5999), T)
        self.assertEqual(clock.now_s(6000), T + 1)
        self.assertFalse(clock.is_set(6000))

    def test_a_clock_ahead_of_the_floor_is_used_and_not_proven(self):
        clock = DeviceClock(T, 0)
        clock.set(T + 3600, 0)
        self.assertEqual(clock.now_s(2000), T + 3602)
        self.assertEqual(clock.floor_s(2000), T + 2)
        self.assertTrue(clock.is_set(2000))

    def test_a_clock_behind_the_floor_is_ignored(self):
        for behind in (1, 3600, 30 * 365 * 86400):
            clock = DeviceClock(T, 0)
            clock.set(T - behind, 0)
            self.assertEqual(clock.now_s(1000), T + 1)
            self.assertFalse(clock.is_set(1000))

    def test_unset_epochs_are_no_clock(self):
        for unset in (None, 0, 946684800, 1577836799, 1 << 32, 1 << 63, -1.5, float("inf"), float("nan")):
            clock = DeviceClock(0, 0)
            clock.set(unset, 0)
            self.assertEqual(clock.now_s(0), 0)
            self.assertFalse(clock.is_set(0))
        clock.set(1577836800, 0)
        self.assertEqual(clock.now_s(0), 1577836800)

    def test_a_clock_that_tells_fractions_never_leaves_one_in_the_floor(self):
        clock = DeviceClock(T, 0)
        clock.set(T + 1024.75, 0)
        clock.prove(T + 5000, 0)
        self.assertIsInstance(clock.now_s(0), int)
        self.assertIsInstance(clock.floor_s(0), int)
        self.assertLessEqual(clock.floor_s(0), T + 1024.75)

    def test_proof_raises_and_never_lowers(self):
        clock = DeviceClock(T, 0)
        clock.prove(T + 100, 10000)
        self.assertEqual(clock.now_s(10000), T + 100)
        clock.prove(T + 50, 10000)
        self.assertEqual(clock.now_s(12000), T + 102)
        clock.prove(T + 101, 12000)
        self.assertEqual(clock.floor_s(12000), T + 102)

    def test_a_spoofed_clock_can_be_set_right_again(self):
        clock = DeviceClock(T, 0)
        clock.set(T + 10**9, 0)
        clock.set(T + 5, 1000)
        self.assertEqual(clock.now_s(1000), T + 5)

    def test_time_does_not_run_backwards_with_the_ticks(self):
        clock = DeviceClock(T, 5000)
        self.assertEqual(clock.now_s(1000), T)

    def test_the_word_of_the_as_moves_the_floor_by_a_month_in_one_start(self):
        clock = DeviceClock(T, 0)
        self.assertEqual((clock.step_s, clock.ahead_s), (2592000, 0))
        clock.prove(T + 100, 0)
        self.assertEqual((clock.floor_s(0), clock.step_s, clock.ahead_s), (T + 100, 2591900, 0))
        clock.prove(T + 2592000 + 70, 0)
        self.assertEqual((clock.floor_s(0), clock.step_s, clock.ahead_s), (T + 2592000, 0, 70))
        clock.prove(T + 2592000 + 50, 0)
        self.assertEqual((clock.floor_s(0), clock.ahead_s), (T + 2592000, 70))
        clock.reset(T + 7, 0)
        self.assertEqual((clock.floor_s(0), clock.step_s, clock.ahead_s), (T + 7, 0, 0))

    def test_when_the_second_of_the_floor_began(self):
        clock = DeviceClock(T, 5300)
        for now_ms, began_ms in ((4000, 4000), (5300, 5300), (6299, 5300), (6300, 6300), (7550, 7300)):
            self.assertEqual(clock.floor_anchor_ms(now_ms), began_ms)

    def test_when_a_time_will_be(self):
        clock = DeviceClock(T, 5000)
        self.assertEqual(clock.ms_at(T + 10), 15000)
        clock.set(T + 3600, 7000)
        self.assertEqual(clock.ms_at(T + 3610), 17000)
        clock.set(T - 100, 5000)
        self.assertEqual(clock.ms_at(T + 10), 15000)

    def test_a_clock_counts_on_from_when_it_was_set(self):
        clock = DeviceClock(T, 0)
        clock.set(T + 4, 5000)
        self.assertFalse(clock.is_set(5000))
        clock.set(T + 5, 5000)
        self.assertTrue(clock.is_set(5000) and clock.is_set(25000))
        self.assertEqual(clock.now_s(25000), T + 25)
