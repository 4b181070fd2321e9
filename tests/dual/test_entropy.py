"""The board's generator is looked at before anything rests on it, and a device without one does not start."""

from minitest import TestCase

from holdfast_device.device import Device
from holdfast_device.entropy import REPEAT_CUTOFF, SAMPLES, SHARE_CUTOFF, WINDOW, NoEntropy, gather
from testkit.link import Random
from testkit.story import FlashFake, same_bytes, tube_provisioning

GOOD = Random(5).octets(SAMPLES)


def failing(_n):
    raise OSError(5)


class Gathering(TestCase):
    def refused(self, board_rng, why):
        with self.assertRaises(NoEntropy) as caught:
            gather(board_rng)
        self.assertEqual(caught.exception.detail, why)

    def test_a_good_generator_gives_a_seed_of_all_its_samples(self):
        seed = gather(lambda n: GOOD[:n])
        self.assertEqual(len(seed), 32)
        other = GOOD[:-1] + bytes((GOOD[-1] ^ 1,))
        self.assertNotEqual(gather(lambda _n: other), seed)

    def test_absent_failing_short(self):
        self.refused(None, "absent")
        self.refused(failing, "failed")
        self.refused(lambda n: GOOD[: n - 1], "short")

    def test_stuck_from_the_start_or_for_a_while_anywhere(self):
        self.refused(bytes, "repeats")
        for at in (0, 1, WINDOW - 3, SAMPLES - REPEAT_CUTOFF):
            stuck = GOOD[:at] + GOOD[at : at + 1] * REPEAT_CUTOFF + GOOD[at + REPEAT_CUTOFF :]
            self.refused(lambda _n, stuck=stuck: stuck, "repeats")
            nearly = GOOD[:at] + b"\x00\x01" * (REPEAT_CUTOFF // 2) + GOOD[at + REPEAT_CUTOFF :]
            self.assertEqual(len(gather(lambda _n, nearly=nearly: nearly)), 32)

    def test_one_value_too_often_in_either_window(self):
        for start in (0, WINDOW):
            for count, fails in ((SHARE_CUTOFF, True), (SHARE_CUTOFF - 1, False)):
                # a rare value everywhere but at every seventh place, where it stands `count` times
                window = bytearray([1 + (value % 255) for value in GOOD[start : start + WINDOW]])
                for i in range(count):
                    window[7 * i] = 0
                samples = GOOD[:start] + bytes(window) + GOOD[start + WINDOW :]
                if fails:
                    self.refused(lambda _n, samples=samples: samples, "biased")
                else:
                    self.assertEqual(len(gather(lambda _n, samples=samples: samples)), 32)

    def test_a_counter_passes_and_is_why_the_seed_has_other_parts(self):
        self.assertEqual(len(gather(lambda n: bytes([i & 0xFF for i in range(n)]))), 32)


class Starting(TestCase):
    def test_a_device_without_entropy_does_not_start(self):
        for board_rng in (None, bytes, failing):
            with self.assertRaises(NoEntropy):
                Device(tube_provisioning(), FlashFake(), board_rng)

    def test_a_generator_that_repeats_itself_makes_other_bytes_after_each_start(self):
        flash = FlashFake()
        seen = [Device(tube_provisioning(), flash, same_bytes).rng(32) for _ in range(5)]
        self.assertEqual(len(set(seen)), 5)
