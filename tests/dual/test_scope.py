"""What scopes mean: AIF against RFC 9237, names, and the three answers of a check."""

import json

from minitest import Rows, TestCase, unhex

from holdfast_core import labels as L
from holdfast_core.errors import (
    LocalError,
    MalformedScope,
    MethodForbidden,
    ResourceForbidden,
    ScopeUnknown,
)
from holdfast_core.kinds import MAX_PERMISSIONS
from holdfast_core.scope import Permissions, ScopeMap, decode_aif, encode_aif, split_scope, understand

METHODS = (
    (L.CODE_GET, L.METHOD_GET),
    (L.CODE_POST, L.METHOD_POST),
    (L.CODE_PUT, L.METHOD_PUT),
    (L.CODE_DELETE, L.METHOD_DELETE),
    (L.CODE_FETCH, L.METHOD_FETCH),
    (L.CODE_PATCH, L.METHOD_PATCH),
    (L.CODE_IPATCH, L.METHOD_IPATCH),
)
FIGURE_3, FIGURE_5, TABLE_2 = "RFC9237 3 Fig 3", "RFC9237 3 Fig 5", "RFC9237 2.3 Table 2"
AIF = Rows("rfc9237", key="section")
MAP = ScopeMap(
    {
        "read": [("/s/temp", L.METHOD_GET), ("/a/led", L.METHOD_GET)],
        "act": [("/a/led", L.METHOD_PUT), ("/dtls", L.METHOD_POST)],
    }
)


class Aif(TestCase):
    def test_rfc9237_both_ways(self):
        for row in (AIF[FIGURE_5], AIF[TABLE_2]):
            permissions = [(path, methods) for path, methods in row["value"]]
            self.assertEqual(decode_aif(unhex(row["cbor_hex"])), permissions)
            self.assertEqual(encode_aif(permissions), unhex(row["cbor_hex"]))
        figure_3 = [(path, methods) for path, methods in json.loads(AIF[FIGURE_3]["json"])]
        self.assertEqual(encode_aif(figure_3), unhex(AIF[FIGURE_5]["cbor_hex"]))

    def test_rfc9237_figure_5_is_understood(self):
        self.assertEqual(
            understand(unhex(AIF[FIGURE_5]["cbor_hex"]), MAP).entries(), [("/a/led", 5), ("/dtls", 2), ("/s/temp", 1)]
        )

    def test_dynamic_permissions_are_not_understood(self):
        permissions = ScopeMap({"x": [("/a/make-coffee", 2)]})
        with self.assertRaises(ScopeUnknown):
            understand(unhex(AIF[TABLE_2]["cbor_hex"]), permissions)

    def test_truncated_at_every_byte(self):
        encoded = unhex(AIF[FIGURE_5]["cbor_hex"])
        for end in range(len(encoded)):
            with self.assertRaises(MalformedScope):
                decode_aif(encoded[:end])
        with self.assertRaises(MalformedScope):
            decode_aif(encoded + b"\0")

    def test_as_many_as_fit(self):
        entries = [("/s/temp", 1)] * MAX_PERMISSIONS
        self.assertEqual(len(decode_aif(encode_aif(entries))), MAX_PERMISSIONS)
        with self.assertRaises(MalformedScope):
            decode_aif(encode_aif(entries + entries[:1]))


class Names(TestCase):
    def test_union(self):
        both = understand("read act", MAP)
        self.assertEqual(both.entries(), [("/a/led", 5), ("/dtls", 2), ("/s/temp", 1)])
        self.assertEqual(understand("act read act", MAP).entries(), both.entries())
        self.assertEqual(understand("read", MAP).entries(), [("/a/led", 1), ("/s/temp", 1)])

    def test_all_or_nothing(self):
        for scope in ("unknown", "read unknown", "unknown read", "Read", "rea", "read act2"):
            with self.assertRaises(ScopeUnknown):
                understand(scope, MAP)

    def test_syntax(self):
        self.assertEqual(split_scope("a b-c /d !~"), ["a", "b-c", "/d", "!~"])
        for scope in ("", " ", "a ", " a", "a  b", "a\tb", "a\nb", 'a"', "a\\", "\x7f", "\xe9", "a\0"):
            with self.assertRaises(MalformedScope):
                split_scope(scope)

    def test_too_many(self):
        self.assertEqual(len(split_scope(" ".join(["a"] * MAX_PERMISSIONS))), MAX_PERMISSIONS)
        with self.assertRaises(MalformedScope):
            split_scope(" ".join(["a"] * (MAX_PERMISSIONS + 1)))

    def test_a_name_that_permits_nothing_permits_nothing(self):
        silent = understand("idle", ScopeMap({"idle": []}))
        self.assertEqual(silent.entries(), [])
        with self.assertRaises(ResourceForbidden):
            silent.check("/", L.CODE_GET)


class Check(TestCase):
    def test_each_method_is_its_own_bit(self):
        for code, bit in METHODS:
            allowed = Permissions([("/r", bit)])
            for other, _ in METHODS:
                if other == code:
                    self.assertIsNone(allowed.check("/r", other))
                else:
                    with self.assertRaises(MethodForbidden):
                        allowed.check("/r", other)

    def test_paths_are_whole(self):
        allowed = Permissions([("/result", L.METHOD_GET)])
        self.assertIsNone(allowed.check("/result", L.CODE_GET))
        for path in (
            "/",
            "",
            "/resul",
            "/results",
            "/result/",
            "/result/1",
            "//result",
            "/Result",
            "/result?x",
            "result",
        ):
            with self.assertRaises(ResourceForbidden):
                allowed.check(path, L.CODE_GET)

    def test_no_other_code_is_a_method(self):
        allowed = Permissions([("/r", (1 << 40) - 1)])
        for code in (L.CODE_EMPTY, 8, 31, 33, L.CODE_CONTENT, -1):
            with self.assertRaises(MethodForbidden):
                allowed.check("/r", code)

    def test_nothing_is_allowed_by_nothing(self):
        for permissions in (Permissions(), Permissions([("/r", 0)])):
            with self.assertRaises(ResourceForbidden):
                permissions.check("/r", L.CODE_GET)

    def test_codes_that_reach_the_wire(self):
        self.assertEqual(ResourceForbidden("x").coap_code, L.CODE_FORBIDDEN)
        self.assertEqual(MethodForbidden("x").coap_code, L.CODE_METHOD_NOT_ALLOWED)


class Maps(TestCase):
    def test_what_it_says(self):
        self.assertEqual(MAP.names(), ["act", "read"])
        self.assertEqual(MAP.permissions("act"), [("/a/led", L.METHOD_PUT), ("/dtls", L.METHOD_POST)])
        self.assertTrue(MAP.serves("/dtls"))
        self.assertFalse(MAP.serves("/dtl"))

    def test_impossible_ones(self):
        for scopes in (
            {"": [("/r", 1)]},
            {"a b": [("/r", 1)]},
            {"a": [("r", 1)]},
            {"a": [("/r", 0)]},
            {"a": [("/r", 128)]},
            {"a": [("/r", -1)]},
        ):
            with self.assertRaises(LocalError):
                ScopeMap(scopes)
