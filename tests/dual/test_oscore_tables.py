"""What stands beside OSCORE contexts: the replay window and the table that finds a context (RFC 8613 section 7.4)."""

from minitest import TestCase

from holdfast_core.errors import (
    LocalError,
    MalformedOscore,
    Overloaded,
    ReplayDetected,
    UnknownContext,
)
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import MAX_SEQUENCE
from testkit.oscore import SALT, SECRET


class Window(TestCase):
    """RFC 8613 sections 3.2.2 and 7.4."""

    def test_edges(self):
        window = ReplayWindow(32)
        for number in (0, 31, 1, 30):
            window.record(number)
        window.record(32)  # 0 leaves
        for number in (0, 1, 30, 31, 32):
            self.assertRaises(ReplayDetected, window.check, number)
        for number in (2, 29, 33, MAX_SEQUENCE):
            window.check(number)
        window.record(63)
        self.assertRaises(ReplayDetected, window.record, 31)
        self.assertRaises(ReplayDetected, window.record, 32)
        window.record(33)
        self.assertRaises(ReplayDetected, window.record, 33)

    def test_far_jump(self):
        window = ReplayWindow()
        window.record(5)
        window.record(MAX_SEQUENCE)
        for number in (0, 5, 6, MAX_SEQUENCE - 32, MAX_SEQUENCE):
            self.assertRaises(ReplayDetected, window.record, number)
        window.record(MAX_SEQUENCE - 31)
        window.record(MAX_SEQUENCE - 1)

    def test_size_one_takes_growing_numbers_only(self):
        window = ReplayWindow(1)
        for number in (3, 4, 9):
            window.record(number)
            self.assertRaises(ReplayDetected, window.record, number)
            self.assertRaises(ReplayDetected, window.record, number - 1)

    def test_uninitialised(self):
        window = ReplayWindow(initialised=False)
        self.assertRaises(LocalError, window.check, 0)
        self.assertRaises(LocalError, window.record, 0)
        window.initialise(100)
        for number in (0, 69, 99, 100):
            self.assertRaises(ReplayDetected, window.record, number)
        window.record(101)
        self.assertRaises(LocalError, window.initialise, 200)
        self.assertRaises(LocalError, ReplayWindow().initialise, 0)
        self.assertRaises(LocalError, ReplayWindow, 0)


class Table(TestCase):
    """Finding a context by kid and kid context."""

    def test_find(self):
        table = ContextTable(3)
        one = SecurityContext(SECRET, SALT, b"a", b"")
        two = SecurityContext(SECRET, SALT, b"a", b"\x01", b"ward")
        table.add(one)
        table.add(two)
        self.assertIs(table.find(b""), one)
        self.assertIs(table.find(b"\x01"), two)
        self.assertIs(table.find(b"\x01", b"ward"), two)
        for kid, kid_context in ((b"\x02", None), (b"\x01", b"ware"), (b"\x01", b""), (b"", b""), (b"", b"ward")):
            self.assertRaises(UnknownContext, table.find, kid, kid_context)
        self.assertRaises(MalformedOscore, table.find, None, b"ward")
        self.assertTrue(b"" in table and b"\x01" in table and b"\x02" not in table)
        self.assertEqual(len(table.contexts()), 2)

    def test_bounds(self):
        table = ContextTable(2)
        contexts = [SecurityContext(SECRET, SALT, b"a", bytes((n,))) for n in range(3)]
        table.add(contexts[0])
        self.assertRaises(LocalError, table.add, contexts[0])
        self.assertRaises(LocalError, table.add, SecurityContext(SECRET, SALT, b"b", b"\x00"))
        table.add(contexts[1])
        self.assertRaises(Overloaded, table.add, contexts[2])
        table.remove(contexts[2])
        table.remove(SecurityContext(SECRET, SALT, b"b", b"\x00"))  # another context of that kid
        self.assertEqual(len(table), 2)
        table.remove(contexts[0])
        table.add(contexts[2])
        self.assertRaises(UnknownContext, table.find, b"\x00")
        self.assertIs(table.find(b"\x02"), contexts[2])
