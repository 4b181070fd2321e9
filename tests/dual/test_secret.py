"""A Secret gives its bytes to reveal() and to nothing else."""

from minitest import TestCase

from holdfast_core.errors import LocalError
from holdfast_core.secret import Secret

KEY = b"sixteen byte key"


class TestSecret(TestCase):
    def test_nothing_prints_it(self):
        secret = Secret(KEY)
        for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}", repr([secret]), repr({1: secret})):
            self.assertIn("<redacted 16B>", shown)
            self.assertNotIn("sixteen", shown)
            self.assertNotIn(KEY.hex(), shown)

    def test_reveal_and_length(self):
        self.assertEqual(Secret(KEY).reveal(), KEY)
        self.assertEqual(len(Secret(KEY)), 16)
        self.assertEqual(len(Secret(b"")), 0)

    def test_a_mutable_source_is_copied(self):
        source = bytearray(KEY)
        secret = Secret(source)
        source[0] = 0
        self.assertEqual(secret.reveal(), KEY)
        self.assertIsInstance(secret.reveal(), bytes)
        self.assertEqual(Secret(memoryview(KEY)).reveal(), KEY)

    def test_equality(self):
        self.assertEqual(Secret(KEY), Secret(KEY))
        for other in (Secret(KEY[:-1]), Secret(KEY[:-1] + b"!"), Secret(b"!" + KEY[1:]), Secret(b"")):
            self.assertNotEqual(Secret(KEY), other)
        self.assertNotEqual(Secret(KEY), KEY)

    def test_not_a_dictionary_key(self):
        self.assertRaises(TypeError, hash, Secret(KEY))

    def test_only_bytes(self):
        for wrong in (16, "sixteen byte key", None, [1, 2]):
            self.assertRaises(LocalError, Secret, wrong)
