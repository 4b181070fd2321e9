"""The smallest unittest that both interpreters run: MicroPython has none, and the dual suite needs one.

On CPython TestCase is unittest.TestCase, so pytest collects the same files; on MicroPython it is the class
below, with the same names. It never skips: a dual test runs on both interpreters or does not belong here.
"""

import json
import sys

MICROPYTHON = sys.implementation.name == "micropython"
_HERE = __file__.replace("\\", "/").rsplit("/", 1)[0] if "/" in __file__ else "."
_VECTORS = (_HERE.rsplit("/", 1)[0] if "/" in _HERE else "..") + "/vectors/"  # a board's ROM knows no ".." in a path


# Boards have floats of 32 bits. Rows that only floats of 64 bits can hold are left out there, and so not counted.
NARROW_FLOATS = 1.0 + 2.0**-40 == 1.0
_WIDE = {
    "cbor_good": ["good-" + str(number) for number in (23, 25, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74)],
    "cbor_appendix_a": ["a-22", "a-27", "a-31", "a-50-tag"],
}


class _Tally:
    """Which rows tests took: for each file one octet a row, 1 when it was taken."""

    kept = {}  # by tests that passed
    open = None  # by the test that runs; None when none does, as when a file is imported


def _rows(name, word=""):
    """Yield (index, row) of the rows of tests/vectors/<name>.jsonl that hold the word; '#' and empty lines are none."""
    rows = 0
    with open(_VECTORS + name + ".jsonl") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                if word in line:
                    row = json.loads(line)
                    if not NARROW_FLOATS or row.get("id") not in _WIDE.get(name, ()):
                        yield rows, row
                rows += 1
    if not rows:
        raise AssertionError("no vectors in " + name)


def _take(name, index):
    if _Tally.open is not None:
        octets = _Tally.open.setdefault(name, bytearray())
        if len(octets) <= index:
            octets.extend(bytes(index + 1 - len(octets)))
        octets[index] = 1


def vectors(name):
    """Yield the rows of tests/vectors/<name>.jsonl, one dict a line."""
    for index, row in _rows(name):
        _take(name, index)
        yield row


class Rows:
    """Rows of a file by what they have under `key`, each read when asked for: no board holds all of them at once.

    With `field`, only the bytes that this field has in hex.
    """

    def __init__(self, name, key="id", field=None):
        self._name, self._key, self._field = name, key, field
        self._last = (None, 0, None)

    def __getitem__(self, wanted):
        if self._last[0] != wanted:
            self._last = self._find(wanted)
        _take(self._name, self._last[1])
        row = self._last[2]
        return unhex(row[self._field]) if self._field else row

    def _find(self, wanted):
        for index, row in _rows(self._name, json.dumps(wanted)):
            if row.get(self._key) == wanted:
                return wanted, index, row
        raise KeyError(wanted)


def begin_test():
    """Count what is taken from now on as the next test's."""
    _Tally.open = {}


def end_test(passed):
    """Keep what it took when it passed."""
    for name, octets in _Tally.open.items() if passed else ():
        kept = _Tally.kept.setdefault(name, bytearray())
        if len(kept) < len(octets):
            kept.extend(bytes(len(octets) - len(kept)))
        for index in range(len(octets)):
            kept[index] |= octets[index]
    _Tally.open = None


def taken():
    """Return how many rows of each file the tests that passed took."""
    return {name: sum(octets) for name, octets in _Tally.kept.items()}


def unhex(text):
    """Return the bytes of a hex string, blanks allowed (MicroPython's bytes.fromhex is strict)."""
    return bytes.fromhex(text.replace(" ", "").replace("\n", ""))


class _Raises:
    """Context of assertRaises: .exception is what was raised."""

    def __init__(self, expected):
        self.expected = expected
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            raise AssertionError(f"{self.expected!r} not raised")
        if not issubclass(kind, self.expected):
            return False
        self.exception = value
        return True


class _SubTest:
    """Context of subTest: names the case in what fails inside it."""

    def __init__(self, case, label):
        self.case = case
        self.label = label

    def __enter__(self):
        self.case.failed_in = None

    def __exit__(self, kind, value, trace):
        if kind is not None and self.case.failed_in is None:
            self.case.failed_in = self.label
        return False


class _MiniCase:
    """What the dual suite uses of unittest.TestCase."""

    failed_in = None

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def _check(self, good, values, msg):
        if not good:
            raise AssertionError((msg + ": " if msg else "") + values)

    def assertEqual(self, first, second, msg=None):
        same = first == second
        self._check(same, "" if same else f"{first!r} != {second!r}", msg)  # what is long has no room as text

    def assertNotEqual(self, first, second, msg=None):
        self._check(first != second, f"{first!r} == {second!r}", msg)

    def assertTrue(self, value, msg=None):
        self._check(value, f"{value!r} is not true", msg)

    def assertFalse(self, value, msg=None):
        self._check(not value, f"{value!r} is not false", msg)

    def assertIs(self, first, second, msg=None):
        self._check(first is second, f"{first!r} is not {second!r}", msg)

    def assertIsNot(self, first, second, msg=None):
        self._check(first is not second, f"both are {first!r}", msg)

    def assertIsNone(self, value, msg=None):
        self._check(value is None, f"{value!r} is not None", msg)

    def assertIsNotNone(self, value, msg=None):
        self._check(value is not None, "is None", msg)

    def assertIn(self, member, container, msg=None):
        self._check(member in container, f"{member!r} not in {container!r}", msg)

    def assertNotIn(self, member, container, msg=None):
        self._check(member not in container, f"{member!r} in {container!r}", msg)

    def assertIsInstance(self, value, kind, msg=None):
        self._check(isinstance(value, kind), f"{value!r} is no {kind!r}", msg)

    def assertLess(self, first, second, msg=None):
        self._check(first < second, f"{first!r} not < {second!r}", msg)

    def assertLessEqual(self, first, second, msg=None):
        self._check(first <= second, f"{first!r} not <= {second!r}", msg)

    def assertGreater(self, first, second, msg=None):
        self._check(first > second, f"{first!r} not > {second!r}", msg)

    def assertGreaterEqual(self, first, second, msg=None):
        self._check(first >= second, f"{first!r} not >= {second!r}", msg)

    def assertRaises(self, expected, function=None, *args, **kwargs):
        context = _Raises(expected)
        if function is None:
            return context
        with context:
            function(*args, **kwargs)
        return None

    def subTest(self, msg=None, **case):
        label = ("" if msg is None else str(msg) + " ") + (repr(case) if case else "")
        return _SubTest(self, label)

    def fail(self, msg=None):
        raise AssertionError(msg or "failed")


if MICROPYTHON:
    TestCase = _MiniCase
else:
    from unittest import TestCase  # noqa: F401
