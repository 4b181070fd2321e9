"""Tables of multiples of a key: the right one verifies at once, any other is refused when it is loaded."""

from minitest import Rows, TestCase, unhex

from holdfast_core import crypto
from holdfast_core.errors import MalformedKey, NotAuthentic
from holdfast_core.p256_table import GEOMETRIES, is_table, table_len

KEY = Rows("crypto_es256")["RFC 6979 A.2.5 SHA-256 sample"]
X, Y = unhex(KEY["x"]), unhex(KEY["y"])
MESSAGE, SIGNATURE = unhex(KEY["msg"]), unhex(KEY["sig"])
TABLES = Rows("crypto_es256_tables", field="table")  # up to 8 KB each, so no test has more than it needs
SMALL = "RFC 6979 A.2.5 SHA-256 test 3x1"
OWN = (SMALL, "RFC 6979 A.2.5 SHA-256 test 8x1")
OTHERS = ("RFC 8392 A.3 4x2", "cose-wg sign1-tests/sign-pass-03 6x1")
IN_PYTHON = crypto.PROVIDER in ("micropython", "cryptography")  # which leave tables alone


class Tables(TestCase):
    def verified_by(self, table):
        key = crypto.Es256Key(X, Y, table)
        self.assertIsNone(key.verify(MESSAGE, SIGNATURE))
        for at in (0, 31, 32, 63):
            bad = SIGNATURE[:at] + bytes((SIGNATURE[at] ^ 1,)) + SIGNATURE[at + 1 :]
            with self.assertRaises(NotAuthentic):
                key.verify(MESSAGE, bad)
        with self.assertRaises(NotAuthentic):
            key.verify(MESSAGE + b"!", SIGNATURE)

    def refused(self, table):
        with self.assertRaises(MalformedKey) as caught:
            crypto.Es256Key(X, Y, table)
        self.assertEqual(caught.exception.detail, "table")

    def test_python_leaves_tables_alone(self):
        for name in (None, SMALL, OTHERS[0]) if IN_PYTHON else (None,):
            self.verified_by(name and TABLES[name])

    def test_each_shape_verifies_from_the_first_time(self):
        for name in OWN:
            table = TABLES[name]
            self.assertTrue(is_table(table))
            self.verified_by(table)

    def test_it_is_the_table_that_verifies(self):
        """With another key's table put in behind the check nothing verifies."""
        key = crypto.Es256Key(X, Y, TABLES[SMALL])
        if hasattr(key, "table"):
            key.table = TABLES[OTHERS[0]]
            with self.assertRaises(NotAuthentic):
                key.verify(MESSAGE, SIGNATURE)

    def test_the_table_of_another_key_is_refused(self):
        for name in () if IN_PYTHON else OTHERS:
            self.refused(TABLES[name])

    def test_one_flipped_bit_anywhere_is_refused(self):
        table = TABLES[SMALL]
        for at in [] if IN_PYTHON else list(range(12)) + list(range(12, len(table), 41)) + [len(table) - 1]:
            for bit in (0, 7):
                bad = bytearray(table)
                bad[at] ^= 1 << bit
                self.refused(bytes(bad))

    def test_a_cut_or_longer_table_is_refused(self):
        table = TABLES[SMALL]
        for wrong in (b"", table[:3], table[:4], table[:-64], table[:-1], table + b"\x00", table + table[4:]):
            self.assertFalse(is_table(wrong))
            if not IN_PYTHON:
                self.refused(wrong)

    def test_sizes_are_what_they_are_called(self):
        for size in sorted(GEOMETRIES):
            self.assertEqual(table_len(*GEOMETRIES[size]), 4 + 1024 * int(size[:-1]))
