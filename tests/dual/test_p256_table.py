"""Tables of multiples of a key: the right one verifies at once, any other is refused when it is loaded."""

from minitest import TestCase, unhex, vectors

from holdfast_core import crypto
from holdfast_core.errors import MalformedKey, NotAuthentic
from holdfast_core.p256_table import GEOMETRIES, is_table, table_len

CASE = next(iter(vectors("crypto_es256")))
X, Y = unhex(CASE["x"]), unhex(CASE["y"])
TABLES = [unhex(case["table"]) for case in vectors("crypto_es256_tables") if unhex(case["point"]) == X + Y]
OTHERS = [unhex(case["table"]) for case in vectors("crypto_es256_tables") if unhex(case["point"]) != X + Y]
IN_PYTHON = crypto.PROVIDER in ("micropython", "cryptography")  # which leave tables alone


class Tables(TestCase):
    def setUp(self):
        self.message, self.signature = unhex(CASE["msg"]), unhex(CASE["sig"])

    def verified_by(self, table):
        key = crypto.Es256Key(X, Y, table)
        self.assertIsNone(key.verify(self.message, self.signature))
        for at in (0, 31, 32, 63):
            bad = self.signature[:at] + bytes((self.signature[at] ^ 1,)) + self.signature[at + 1 :]
            with self.assertRaises(NotAuthentic):
                key.verify(self.message, bad)
        with self.assertRaises(NotAuthentic):
            key.verify(self.message + b"!", self.signature)

    def refused(self, table):
        with self.assertRaises(MalformedKey) as caught:
            crypto.Es256Key(X, Y, table)
        self.assertEqual(caught.exception.detail, "table")

    def test_python_leaves_tables_alone(self):
        for table in (None, TABLES[0], OTHERS[0]) if IN_PYTHON else (None,):
            self.verified_by(table)

    def test_each_shape_verifies_from_the_first_time(self):
        for table in TABLES:
            self.assertTrue(is_table(table))
            self.verified_by(table)

    def test_it_is_the_table_that_verifies(self):
        """With another key's table put in behind the check nothing verifies."""
        key = crypto.Es256Key(X, Y, TABLES[0])
        if hasattr(key, "table"):
            key.table = OTHERS[0]
            with self.assertRaises(NotAuthentic):
                key.verify(self.message, self.signature)

    def test_the_table_of_another_key_is_refused(self):
        for table in [] if IN_PYTHON else OTHERS:
            self.refused(table)

    def test_one_flipped_bit_anywhere_is_refused(self):
        table = TABLES[0]
        for at in [] if IN_PYTHON else list(range(12)) + list(range(12, len(table), 41)) + [len(table) - 1]:
            for bit in (0, 7):
                bad = bytearray(table)
                bad[at] ^= 1 << bit
                self.refused(bytes(bad))

    def test_a_cut_or_longer_table_is_refused(self):
        table = TABLES[0]
        for wrong in (b"", table[:3], table[:4], table[:-64], table[:-1], table + b"\x00", table + table[4:]):
            self.assertFalse(is_table(wrong))
            if not IN_PYTHON:
                self.refused(wrong)

    def test_sizes_are_what_they_are_called(self):
        for size in sorted(GEOMETRIES):
            self.assertEqual(table_len(*GEOMETRIES[size]), 4 + 1024 * int(size[:-1]))
