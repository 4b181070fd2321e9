"""The strict CBOR profile on both interpreters: every vector, every truncation, and what the encoder refuses."""

from minitest import NARROW_FLOATS, TestCase, unhex, vectors

from holdfast_core.cbor import Tag, decode, encode, encode_bytes, encode_head, is_utf8
from holdfast_core.errors import LocalError, MalformedCbor
from holdfast_core.kinds import MAX_CBOR_MAP_ITEMS

FILES = ("cbor_good", "cbor_bad", "cbor_appendix_a", "cbor_profile")


def rows(expect):
    for file in FILES:
        for row in vectors(file):
            if row["expect"] == expect:
                yield row, unhex(row["encoded"]), tuple(row.get("tags", ()))


class TestVectors(TestCase):
    def test_what_is_accepted_reencodes(self):
        count = 0
        for row, encoded, tags in rows("ok"):
            value = decode(encoded, tags)
            self.assertEqual(encode(value), unhex(row["reencoded"]), row["id"])
            if "value" in row:
                self.assertEqual(value, row["value"], row["id"])
            count += 1
        self.assertGreater(count, 120)

    def test_what_is_refused_says_why(self):
        count = 0
        for row, encoded, tags in rows("malformed"):
            with self.assertRaises(MalformedCbor) as caught:
                decode(encoded, tags)
            self.assertEqual(caught.exception.detail, row["reason"], row["id"])
            count += 1
        self.assertGreater(count, 140)

    def test_every_truncation_is_malformed(self):
        for row, encoded, tags in rows("ok"):
            for cut in range(min(len(encoded), 64)):
                with self.assertRaises(MalformedCbor) as caught:
                    decode(encoded[:cut], tags)
                self.assertEqual(caught.exception.detail, "truncated", row["id"])

    def test_every_trailing_byte_is_malformed(self):
        for row, encoded, tags in rows("ok"):
            for extra in (b"\x00", b"\xff", b"\xf6"):
                with self.assertRaises(MalformedCbor) as caught:
                    decode(encoded + extra, tags)
                self.assertEqual(caught.exception.detail, "trailing", row["id"])

    def test_bytearray_and_memoryview_decode_like_bytes(self):
        encoded = unhex("a201446162636403626869")
        for form in (bytearray(encoded), memoryview(encoded)):
            value = decode(form)
            self.assertEqual(value, {1: b"abcd", 3: "hi"})
            self.assertIsInstance(value[1], bytes)


class TestDecode(TestCase):
    def test_true_one_and_one_point_zero_are_three_values(self):
        one, true, real = decode(unhex("8301f5f93c00"))
        self.assertIs(true, True)
        self.assertFalse(isinstance(one, bool))
        self.assertIsInstance(one, int)
        self.assertIsInstance(real, float)

    def test_depth_is_the_callers(self):
        self.assertEqual(decode(b"\x01", (), 0), 1)
        self.assertEqual(decode(unhex("8180"), (), 2), [[]])
        for encoded, depth in (("80", 0), ("a0", 0), ("8180", 1), ("a10180", 1)):
            with self.assertRaises(MalformedCbor) as caught:
                decode(unhex(encoded), (), depth)
            self.assertEqual(caught.exception.detail, "depth")

    def test_a_map_at_the_limit_and_one_over(self):
        members = dict.fromkeys(range(MAX_CBOR_MAP_ITEMS))
        encoded = encode(members)
        self.assertEqual(decode(encoded), members)
        over = encode_head(5, MAX_CBOR_MAP_ITEMS + 1) + encoded[3:] + unhex("190100f6")
        with self.assertRaises(MalformedCbor) as caught:
            decode(over)
        self.assertEqual(caught.exception.detail, "too-long")

    def test_every_initial_byte_alone_gives_a_value_or_malformed(self):
        accepted = []
        for initial in range(256):
            try:
                decode(bytes((initial,)))
                accepted.append(initial)
            except MalformedCbor:
                pass
        small_ints = list(range(0x18)) + list(range(0x20, 0x38))
        empty_and_simple = [0x40, 0x60, 0x80, 0xA0, 0xF4, 0xF5, 0xF6]
        self.assertEqual(accepted, small_ints + empty_and_simple)

    def test_what_is_not_bytes_is_the_callers_fault(self):
        for wrong in (5, "abc", None, [1]):
            self.assertRaises(LocalError, decode, wrong)

    def test_utf8_boundaries(self):
        for good in ("", "7f", "c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "f0908080", "f48fbfbf", "41c3a942"):
            self.assertTrue(is_utf8(unhex(good)), good)
        for bad in ("80", "bf", "c0af", "c1bf", "c2", "c27f", "e09fbf", "e0a0", "eda080", "edbfbf", "f08fbfbf"):
            self.assertFalse(is_utf8(unhex(bad)), bad)
        for bad in ("f4908080", "f5808080", "ff", "e2820a", "f09f9841", "41c3", "c3a9c3"):
            self.assertFalse(is_utf8(unhex(bad)), bad)


class TestEncode(TestCase):
    def test_shapes(self):
        for value, expected in (
            (None, "f6"),
            (True, "f5"),
            (False, "f4"),
            ((1, 2), "820102"),
            (bytearray(b"ab"), "426162"),
            (memoryview(b"ab"), "426162"),
            ({}, "a0"),
            (Tag(61, Tag(18, [])), "d83dd280"),
            (-(2**64), "3bffffffffffffffff"),
            (2**64 - 1, "1bffffffffffffffff"),
            (-0.0, "f98000"),
            (-2.5, "f9c100"),
        ):
            self.assertEqual(encode(value), unhex(expected))
        if not NARROW_FLOATS:
            self.assertEqual(encode(1e300), unhex("fb7e37e43c8800759c"))

    def test_keys_are_sorted_whatever_the_order_of_insertion(self):
        labels = [-1, 100, 1, "a", 24, "b", 10, -25, "aa", 256]
        forward = {label: label for label in labels}
        backward = {label: label for label in labels[::-1]}
        expected = "aa 0101 0a0a 18181818 18641864 190100190100 2020 38183818 61616161 61626162 626161626161"
        self.assertEqual(encode(forward), unhex(expected))
        self.assertEqual(encode(backward), unhex(expected))

    def test_values_of_any_type_are_never_compared(self):
        self.assertEqual(encode({2: None, 1: {}, 3: b""}), unhex("a301a002f60340"))

    def test_heads(self):
        for major, n, expected in ((0, 23, "17"), (0, 24, "1818"), (2, 255, "58ff"), (3, 256, "790100")):
            self.assertEqual(encode_head(major, n), unhex(expected))
        for major, n, expected in ((4, 65535, "99ffff"), (5, 65536, "ba00010000"), (6, 2**32, "db0000000100000000")):
            self.assertEqual(encode_head(major, n), unhex(expected))
        self.assertEqual(encode_bytes(b""), b"\x40")
        self.assertEqual(encode_bytes(bytes(24)), b"\x58\x18" + bytes(24))
        self.assertRaises(LocalError, encode_head, 0, 2**64)
        self.assertRaises(LocalError, encode_head, 0, -1)

    def test_what_cannot_be_read_back_is_not_written(self):
        nested = []
        for _ in range(8):
            nested = [nested]
        for value, detail in (
            (2**64, "int-range"),
            (-(2**64) - 1, "int-range"),
            (float("inf"), "float"),
            (float("nan"), "float"),
            ({True: 1}, "key-type"),
            ({None: 1}, "key-type"),
            ({b"a": 1}, "key-type"),
            ({1.0: 1}, "key-type"),
            ({(1,): 1}, "key-type"),
            (nested, "depth"),
            (Tag(-1, 0), "int-range"),
            (dict.fromkeys(range(MAX_CBOR_MAP_ITEMS + 1)), "too-long"),
            ({1, 2}, "type"),
            ([object()], "type"),
            (1j, "type"),
            (chr(0xD800), "utf8"),
            ({"a" + chr(0xDFFF): 1}, "utf8"),
        ):
            with self.assertRaises(LocalError) as caught:
                encode(value)
            self.assertEqual(caught.exception.detail, detail)

    def test_tags_compare_by_number_and_value_and_print_no_value(self):
        self.assertEqual(Tag(18, [b"secret"]), Tag(18, [b"secret"]))
        self.assertNotEqual(Tag(18, 1), Tag(17, 1))
        self.assertNotEqual(Tag(18, 1), Tag(18, 2))
        self.assertNotEqual(Tag(18, 1), 18)
        self.assertEqual(repr(Tag(18, b"secret")), "Tag(18)")
