"""Client nonces by themselves: how long one is fresh, and that only what was given out in this life is."""

from minitest import TestCase

from holdfast_device.cnonces import KEY_LEN, LIFE_S, Cnonces

START_S = 50000
END_S = START_S + LIFE_S


class Freshness(TestCase):
    def setUp(self):
        self.cnonces = Cnonces(bytes(range(KEY_LEN)))
        self.cnonce = self.cnonces.issue(START_S * 1000)

    def test_to_the_second(self):
        for now_ms in (START_S * 1000, END_S * 1000, END_S * 1000 + 999):
            self.assertTrue(self.cnonces.is_fresh(self.cnonce, now_ms))
        for now_ms in (END_S * 1000 + 1000, 10 * END_S * 1000, START_S * 1000 - 1):  # the last is before it was made
            self.assertFalse(self.cnonces.is_fresh(self.cnonce, now_ms))

    def test_no_other_octets_are_fresh(self):
        now_ms = START_S * 1000
        for at in range(len(self.cnonce)):
            changed = self.cnonce[:at] + bytes((self.cnonce[at] ^ 1,)) + self.cnonce[at + 1 :]
            self.assertFalse(self.cnonces.is_fresh(changed, now_ms))
            self.assertFalse(self.cnonces.is_fresh(self.cnonce[:at], now_ms))
        self.assertFalse(self.cnonces.is_fresh(self.cnonce + b"\x00", now_ms))

    def test_of_another_life_is_not_fresh(self):
        self.assertFalse(Cnonces(bytes(KEY_LEN)).is_fresh(self.cnonce, START_S * 1000))

    def test_nothing_prints_the_key(self):
        self.assertEqual(repr(self.cnonces), "Cnonces(<redacted>)")
