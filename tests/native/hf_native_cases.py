"""hf_native's own interface, run by MicroPython: what the dual suite does not reach through holdfast_core.crypto.

A program for test_natmod.py, and a suite for tests/dual/run.py and for tests/tools/board_main.py on emulated boards:
ECDSA by a provisioned key's table, and arguments that the binding must refuse before the C core sees them.
"""

import gc
import sys

from hf_native_token_cases import TokenRules, Tokens
from minitest import TestCase, unhex, vectors

import hf_native

MALFORMED_KEY, NOT_AUTHENTIC = 0x14, 0x62
G = unhex(
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


# The module for armv6m leaves that to the host.
MAKES_TABLES = hasattr(hf_native, "p256_table_make")


class Tables(TestCase):
    """tests/vectors/crypto_es256_tables.jsonl: a table of one key in three geometries, made with plain integers."""

    def test_signatures(self):
        for case in vectors("crypto_es256_tables"):
            point, table = unhex(case["point"]), unhex(case["table"])
            digest, signature = hf_native.sha256(unhex(case["msg"])), unhex(case["sig"])
            self.assertEqual(hf_native.p256_table_check(table, point), 0)
            if MAKES_TABLES:
                self.assertEqual(hf_native.p256_table_make(point, table[1], table[2]), table)
            self.assertEqual(hf_native.p256_verify(point, digest, signature), 0)
            self.assertEqual(hf_native.p256_verify_fixed(table, digest, signature), 0)
            for at in (0, 31, 32, 63):
                bad = bytearray(signature)
                bad[at] ^= 1
                self.assertEqual(hf_native.p256_verify(point, digest, bad), NOT_AUTHENTIC)
                self.assertEqual(hf_native.p256_verify_fixed(table, digest, bad), NOT_AUTHENTIC)
            self.assertEqual(hf_native.p256_verify(G, digest, signature), NOT_AUTHENTIC)

    def test_a_changed_table_is_refused(self):
        for case in vectors("crypto_es256_tables"):
            point, table = unhex(case["point"]), unhex(case["table"])
            for at in (0, 1, 2, 3, 4, 67, 68, len(table) // 2, len(table) - 1):
                bad = bytearray(table)
                bad[at] ^= 1
                self.assertEqual(hf_native.p256_table_check(bad, point), MALFORMED_KEY, at)
            for bad in (b"", table[:4], table[:-1], table + b"\0"):
                self.assertEqual(hf_native.p256_table_check(bad, point), MALFORMED_KEY)
                self.assertEqual(hf_native.p256_verify_fixed(bad, bytes(32), point), MALFORMED_KEY)
            self.assertEqual(hf_native.p256_table_check(table, G), MALFORMED_KEY)


class Arguments(TestCase):
    def test_fixed_lengths(self):
        for length in (0, 31, 33, 63, 65, 128):
            for function, arguments in (
                (hf_native.p256_check_point, (bytes(length),)),
                (hf_native.p256_verify, (bytes(length), bytes(32), bytes(64))),
                (hf_native.p256_verify, (G, bytes(length), bytes(64))),
                (hf_native.p256_verify, (G, bytes(32), bytes(length))),
                (hf_native.p256_verify_fixed, (b"", bytes(length), bytes(64))),
                (hf_native.p256_verify_fixed, (b"", bytes(32), bytes(length))),
                (hf_native.p256_table_check, (b"", bytes(length))),
            ):
                with self.assertRaises(ValueError):
                    function(*arguments)

    def test_tables_that_cannot_be_made(self):
        for point, teeth, blocks in (
            (G, 2, 1),
            (G, 9, 1),
            (G, 6, 0),
            (G, 6, 9),
            (G, -6, 1),
            (G[1:], 6, 1),
            (bytes(64), 6, 1),
        ):
            if MAKES_TABLES:
                with self.assertRaises(ValueError):
                    hf_native.p256_table_make(point, teeth, blocks)

    def test_aes_ccm_lengths(self):
        for seal_or_open in (hf_native.ccm_seal, hf_native.ccm_open):
            for key_len, tag_len, nonce_len in ((15, 8, 13), (24, 8, 13), (16, 4, 13), (16, 0, 13), (16, 8, 12)):
                with self.assertRaises(ValueError):
                    seal_or_open(bytes(key_len), tag_len, bytes(nonce_len), b"", bytes(20))
            with self.assertRaises(ValueError):
                seal_or_open(bytes(16), -8, bytes(13), b"", bytes(20))
        self.assertIsNone(hf_native.ccm_open(bytes(16), 8, bytes(13), b"", bytes(7)))

    def test_more_than_aes_ccm_takes(self):
        self.assertIsNone(hf_native.ccm_seal(bytes(16), 8, bytes(13), b"", bytes(65536)))

    def test_what_is_no_bytes(self):
        for function, arguments in (
            (hf_native.sha256, (1,)),
            (hf_native.hmac_sha256, (None, b"")),
            (hf_native.equal, (b"", 0)),
            (hf_native.ccm_seal, (bytes(16), "8", bytes(13), b"", b"")),
            (hf_native.p256_check_point, (None,)),
            (hf_native.sha256, ()),
            (hf_native.ccm_open, (bytes(16), 8, bytes(13), b"")),
            (hf_native.p256_table_check, (G, 6)),
        ):
            with self.assertRaises(TypeError):
                function(*arguments)

    def test_any_buffer_will_do(self):
        for kind in (bytes, bytearray, memoryview):
            self.assertEqual(hf_native.sha256(kind(b"abc")), hf_native.sha256(b"abc"))
            self.assertEqual(hf_native.p256_check_point(kind(G)), 0)

    def test_results_are_bytes_that_are_found_again(self):
        """A bytes object carries its hash: one that was filled after its birth would be lost in a dict."""
        sealed = hf_native.ccm_seal(bytes(16), 8, bytes(13), b"", b"text")
        self.assertEqual(type(sealed), bytes)
        self.assertEqual({sealed: 1}[bytes(bytearray(sealed))], 1)
        opened = hf_native.ccm_open(bytes(16), 8, bytes(13), b"", sealed)
        self.assertEqual({b"text": 1}[opened], 1)


class Heap(TestCase):
    def test_nothing_is_kept(self):
        """Thousands of calls with a collection whenever a kilobyte was allocated: nothing leaks, nothing is lost."""
        sealed = hf_native.ccm_seal(bytes(16), 8, bytes(13), b"aad", bytes(300))
        before = gc.threshold()
        gc.collect()
        free = gc.mem_free()
        gc.threshold(1024)
        for _ in range(1000):
            self.assertEqual(hf_native.ccm_open(bytes(16), 8, bytes(13), b"aad", sealed), bytes(300))
            self.assertIsNone(hf_native.ccm_open(bytes(16), 8, bytes(13), b"AAD", sealed))
        gc.threshold(before)
        gc.collect()
        self.assertLess(free - gc.mem_free(), 4096)


def run():
    """Run every case; the last line says `N passed`. Exit code 1 on the first failure, with its traceback."""
    passed = 0
    for kind in (Tables, Arguments, Heap, TokenRules, Tokens):
        for name in sorted(dir(kind)):
            if name.startswith("test"):
                case = kind()
                case.setUp()
                getattr(case, name)()
                passed += 1
    print(f"hf_native on {sys.platform}: {passed} passed")  # noqa: T201 - it is a program


if __name__ == "__main__":
    run()
