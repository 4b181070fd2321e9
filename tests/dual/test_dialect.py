"""What the core and the device take for granted of the language, where MicroPython and CPython could part.

Each test is one habit of our code: it passes on CPython and on MicroPython 1.23 to 1.29 (scripts/dialects.sh).  Where
the interpreters do part, the test shows both ends of the difference, and what we do instead of relying on either.
"""

import hashlib
import json
import struct
from binascii import crc32
from collections import OrderedDict

from minitest import MICROPYTHON, TestCase, unhex

from holdfast_core.cbor import decode, encode
from holdfast_core.errors import MalformedCbor
from holdfast_core.labels import const


def raised(function, *args):
    """Return the type of what is raised, None when nothing is."""
    try:
        function(*args)
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return type(error)
    return None


class Integers(TestCase):
    def test_to_bytes_takes_its_order_by_position(self):
        self.assertEqual((258).to_bytes(2, "big"), b"\x01\x02")
        self.assertEqual(((1 << 256) - 1).to_bytes(32, "big"), b"\xff" * 32)
        self.assertEqual((0).to_bytes(4, "big"), bytes(4))

    def test_what_does_not_fit_is_not_always_refused_so_we_mask_or_compare_first(self):
        for value, length in ((70000, 2), (-1, 2), (1 << 64, 8)):
            with self.subTest(value=value):
                try:
                    octets = value.to_bytes(length, "big")
                except OverflowError:
                    continue
                self.assertTrue(MICROPYTHON)
                self.assertEqual(octets, (value & (1 << 8 * length) - 1).to_bytes(length, "big"))

    def test_from_bytes_takes_views_and_nothing_for_zero(self):
        self.assertEqual(int.from_bytes(memoryview(b"\x00\x01\x02")[1:], "big"), 258)
        self.assertEqual(int.from_bytes(b"", "big"), 0)

    def test_they_have_no_end(self):
        big = (1 << 521) - 1
        self.assertEqual(big * big >> 521, (1 << 521) - 2)
        self.assertEqual(-7 // 3, -3)
        self.assertEqual(-7 % 3, 2)
        self.assertEqual(-1 >> 70, -1)
        self.assertEqual(-(1 << 70) & 0xFF, 0)
        self.assertEqual(pow(3, 200, 1000007), 959082)

    def test_an_inverse_by_pow_is_no_way(self):
        value = None
        try:
            value = pow(3, -1, 7)
        except (ValueError, TypeError):
            pass
        self.assertIn(value, (0, None) if MICROPYTHON else (5,))

    def test_true_equals_one_and_only_in_cpython_is_an_int_so_we_ask_for_bool_first(self):
        self.assertEqual(isinstance(True, int), not MICROPYTHON)
        self.assertEqual({1: "a"}[True], "a")
        self.assertEqual(encode(True), b"\xf5")
        self.assertEqual(encode(1), b"\x01")
        self.assertIs(decode(b"\xf5"), True)


class Octets(TestCase):
    def test_replace_count_and_split_see_no_text(self):
        octets = b"\xc0a\x00\xdb\xdc\xff\xc0"
        self.assertEqual(octets.replace(b"\xdb\xdc", b"\xc0"), b"\xc0a\x00\xc0\xff\xc0")
        self.assertEqual(octets.count(b"\xc0"), 2)
        self.assertEqual(octets.split(b"\xc0"), [b"", b"a\x00\xdb\xdc\xff", b""])
        self.assertEqual(b"".split(b"\xc0"), [b""])
        self.assertEqual(octets.find(b"\xff"), 5)

    def test_slices_end_where_the_bytes_end(self):
        self.assertEqual(b"ab"[1:9], b"b")
        self.assertEqual(b"ab"[5:], b"")
        self.assertEqual(b"abc"[-2:], b"bc")
        self.assertEqual(raised(lambda: b"ab"[2]), IndexError)

    def test_views_share_compare_and_become_bytes(self):
        held = bytearray(b"abcdef")
        view = memoryview(held)[1:5]
        view[1:3] = b"XY"
        self.assertEqual(held, b"abXYef")
        self.assertEqual(bytes(view[1:]), b"XYe")
        self.assertTrue(view == b"bXYe")
        self.assertEqual(len(view[2:2]), 0)
        self.assertEqual(raised(view.__class__, 3), TypeError)

    def test_bytes_of_a_count_are_zeros_and_of_a_list_themselves(self):
        self.assertEqual(bytes(3), b"\x00\x00\x00")
        self.assertEqual(bytes([1, 255]), b"\x01\xff")
        self.assertEqual(bytes(a ^ b for a, b in zip(b"ab", b"\x01\x01")), b"`c")  # noqa: B905

    def test_hex_of_lower_case(self):
        self.assertEqual(b"\x00\xab".hex(), "00ab")
        self.assertEqual(bytes.fromhex("00ab"), b"\x00\xab")
        self.assertEqual(raised(bytes.fromhex, "0g"), ValueError)

    def test_a_bytearray_is_no_key_and_bytes_are(self):
        self.assertEqual({b"a": 1}[bytes(bytearray(b"a"))], 1)
        self.assertEqual(raised(lambda: {bytearray(b"a"): 1}), TypeError)

    def test_equal_text_and_bytes_differ(self):
        self.assertNotEqual(b"a", "a")


class Text(TestCase):
    def test_what_is_no_text_raises_a_value_error(self):
        self.assertTrue(issubclass(UnicodeError, ValueError))
        for octets in (b"\xff", b"a\x80", b"\xc3"):
            with self.subTest(octets=octets):
                self.assertTrue(issubclass(raised(octets.decode) or object, ValueError))

    def test_decode_lets_overlong_forms_and_surrogates_through_but_we_do_not(self):
        for octets in (b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"):
            with self.subTest(octets=octets):
                if not MICROPYTHON:
                    self.assertEqual(raised(octets.decode), UnicodeDecodeError)
                self.assertEqual(raised(decode, bytes([0x60 | len(octets)]) + octets), MalformedCbor)

    def test_a_length_is_in_characters(self):
        self.assertEqual(len("\u00e9\U0001f512"), 2)
        self.assertEqual(len("\u00e9\U0001f512".encode()), 6)
        self.assertEqual(b"\xc3\xa9".decode(), "\u00e9")

    def test_fields_of_format(self):
        self.assertEqual("{}.{}:{}".format(*b"\x01\x02", 3), "1.2:3")
        self.assertEqual(f"{5:02x} {b'a'!r}", "05 b'a'")


class Tables(TestCase):
    def test_only_an_ordered_dict_keeps_its_order(self):
        keys = [9, -1, "z", 4, "a", 0]
        self.assertEqual(list(OrderedDict([(key, None) for key in keys])), keys)
        self.assertEqual(sorted({3: 0, 1: 0, 2: 0}), [1, 2, 3])
        self.assertEqual(encode({2: 0, 1: 0}), encode(OrderedDict([(1, 0), (2, 0)])))

    def test_removal_while_walking_over_a_copy(self):
        table = {number: number for number in range(9)}
        for key in list(table):
            if key % 2:
                del table[key]
        self.assertEqual(sorted(table), [0, 2, 4, 6, 8])
        self.assertIsNone(table.pop(1, None))

    def test_floats_and_ints_are_one_key(self):
        self.assertEqual({1: "a"}.get(1.0), "a")

    def test_min_by_key_takes_the_first_of_equals(self):
        self.assertEqual(min([(2, "a"), (1, "b"), (1, "c")], key=lambda pair: pair[0]), (1, "b"))


class Packing(TestCase):
    def test_floats_of_cbor(self):
        self.assertEqual(struct.unpack(">d", struct.pack(">d", 1.5))[0], 1.5)
        self.assertEqual(struct.unpack(">f", unhex("7f800000"))[0], float("inf"))
        nan = struct.unpack(">f", unhex("7fc00000"))[0]
        self.assertNotEqual(nan, nan)

    def test_too_few_octets_are_refused_and_too_many_not_always(self):
        self.assertIsNotNone(raised(struct.unpack, ">d", bytes(7)))
        if not MICROPYTHON:
            self.assertIsNotNone(raised(struct.unpack, ">d", bytes(9)))

    def test_integers_that_do_not_fit_are_not_packed_by_us(self):
        error = raised(struct.pack, "!H", 70000)
        self.assertTrue(error is not None or MICROPYTHON)

    def test_a_crc_is_unsigned(self):
        self.assertEqual(crc32(b"123456789"), 0xCBF43926)

    def test_a_hash_ends_with_its_digest(self):
        made = hashlib.sha256(b"a")
        made.update(b"bc")
        self.assertEqual(made.digest(), unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))


class Objects(TestCase):
    def test_slots_and_const_are_words_only(self):
        class Narrow:
            __slots__ = ("one",)

        narrow = Narrow()
        narrow.one = const(7)
        self.assertEqual(narrow.one, 7)
        self.assertEqual(raised(setattr, narrow, "two", 2), None if MICROPYTHON else AttributeError)

    def test_equality_without_a_hash_of_its_own(self):
        class Pair:
            def __init__(self, first):
                self.first = first

            def __eq__(self, other):
                return self.first == other.first

            def __hash__(self):
                return hash(self.first)

        self.assertTrue(Pair(1) == Pair(1))
        self.assertTrue(Pair(1) != Pair(2))
        self.assertEqual(len({Pair(1): 0, Pair(1): 0}), 1)

    def test_an_error_keeps_its_arguments_and_its_class(self):
        class Leaf(ValueError):
            reason = "leaf"

        try:
            try:
                raise KeyError("inner")  # noqa: TRY301
            except KeyError:
                raise Leaf("id", 3) from None
        except ValueError as error:
            self.assertEqual(error.args, ("id", 3))
            self.assertEqual(error.reason, "leaf")

    def test_finally_runs_on_each_way_out(self):
        went = []

        def leave(how):
            try:
                if how == "raise":
                    raise ValueError
                return how
            finally:
                went.append(how)

        self.assertEqual(leave("return"), "return")
        self.assertEqual(raised(leave, "raise"), ValueError)
        self.assertEqual(went, ["return", "raise"])

    def test_generators_take_send_throw_and_close(self):
        heard = []

        def task():
            try:
                heard.append((yield 1))
                yield 2
            except KeyError:
                heard.append("thrown")
                yield 3
            finally:
                heard.append("over")

        running = task()
        self.assertEqual(next(running), 1)
        self.assertEqual(running.send("a"), 2)
        self.assertEqual(running.throw(KeyError()), 3)
        running.close()
        self.assertEqual(heard, ["a", "thrown", "over"])

    def test_a_generators_value_comes_through_yield_from(self):
        def inner():
            yield 1
            return 5

        def outer():
            got = yield from inner()
            yield got

        self.assertEqual(list(outer()), [1, 5])

    def test_recursion_ends_in_a_runtime_error(self):
        def deep(left):
            return 0 if not left else 1 + deep(left - 1)

        self.assertEqual(deep(8), 8)
        self.assertTrue(issubclass(raised(deep, 1000000) or object, RuntimeError))

    def test_json_of_what_traces_say(self):
        said = json.loads(json.dumps({"a": [1, None, True, "\u00e9\n"]}))
        self.assertEqual(said, {"a": [1, None, True, "\u00e9\n"]})
