"""The table of sessions by itself: which are of one key, which give way, and that what has gone is not found."""

from minitest import TestCase

from holdfast_core.confirmation import OscInput
from holdfast_core.errors import Overloaded, UnknownContext
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.secret import Secret
from holdfast_device.sessions import BOUND, ENDED, IDLE_MS, MAX_PENDING, MAX_PENDING_PER_KEY, PENDING, Session, Sessions

LIMIT = 2


def osc(name, secret=0):
    return OscInput(name, Secret(bytes((secret,)) * 16))


class Table(TestCase):
    def setUp(self):
        self.contexts = ContextTable(20)
        self.sessions = Sessions(self.contexts, LIMIT)

    def add(self, key, now_ms=0, bound=False):
        number = len(self.sessions)
        context = SecurityContext(bytes(16), b"", b"", bytes((number,)))
        session = Session(context, None, key, Secret(b"token"), None, now_ms, (b"", b""))
        if bound:
            session.bind()
        self.sessions.add(session)
        return session

    def test_a_key_is_its_id_and_its_secret(self):
        session = self.add(osc(b"1", 7))
        self.assertTrue(session.has_key_of(osc(b"1", 7)))
        self.assertFalse(session.has_key_of(osc(b"1", 8)))
        self.assertFalse(session.has_key_of(osc(b"2", 7)))

    def test_of_one_key_the_first_pending_one_stays_and_the_latest_gives_way(self):
        first = self.add(osc(b"1"))
        for _ in range(MAX_PENDING_PER_KEY - 1):
            self.assertEqual(self.sessions.make_room(osc(b"1")), [])
            last = self.add(osc(b"1"))
        self.assertEqual(self.sessions.make_room(osc(b"1")), [last])
        self.assertEqual(self.sessions.make_room(osc(b"1", 9)), [])  # another key, of the same name
        self.assertIsNot(first, last)

    def test_of_all_keys_the_oldest_pending_one_gives_way_and_no_bound_one(self):
        self.add(osc(b"bound"), bound=True)
        oldest = self.add(osc(b"0"))
        for number in range(1, MAX_PENDING):
            self.assertEqual(self.sessions.make_room(osc(b"new")), [])
            self.add(osc(bytes((number,))))
        self.assertEqual(self.sessions.make_room(osc(b"new")), [oldest])

    def test_a_newcomer_has_room_when_a_bound_one_is_missing_or_was_silent_long_enough(self):
        self.add(osc(b"0"), now_ms=500, bound=True)
        self.add(osc(b"pending"))
        self.sessions.check_room(500)
        self.add(osc(b"1"), now_ms=900, bound=True)
        with self.assertRaises(Overloaded):
            self.sessions.check_room(499 + IDLE_MS)
        self.sessions.check_room(500 + IDLE_MS)

    def test_binding_ends_earlier_ones_of_its_key_and_the_one_longest_silent(self):
        silent = self.add(osc(b"silent"), now_ms=500, bound=True)
        same = self.add(osc(b"1"), now_ms=900, bound=True)
        newcomer = self.add(osc(b"1"), now_ms=1000)
        later = self.add(osc(b"1"), now_ms=1000)
        self.assertEqual(self.sessions.ended_by(newcomer, 1000), [same])  # whose place it takes
        other = self.add(osc(b"2"), now_ms=1000)
        with self.assertRaises(Overloaded):
            self.sessions.ended_by(other, 499 + IDLE_MS)
        self.assertEqual(self.sessions.ended_by(other, 500 + IDLE_MS), [silent])
        self.assertEqual(self.sessions.ended_by(later, 1000), [same, newcomer])

    def test_rights_are_replaced_in_a_session_that_has_proven_its_key_and_in_no_other(self):
        session = self.add(osc(b"1"))
        with self.assertRaises(KeyError):
            session.replace("grant", Secret(b"new"), 7)
        self.assertEqual((session.state, session.grant, session.token.reveal()), (PENDING, None, b"token"))
        session.bind()
        session.touch(5)
        session.replace("grant", Secret(b"new"), 7)
        self.assertEqual((session.state, session.used_ms, session.grant, session.ends_ms), (BOUND, 5, "grant", 7))
        self.assertEqual(session.token.reveal(), b"new")
        with self.assertRaises(KeyError):
            session.bind()

    def test_nothing_happens_to_a_session_that_has_ended(self):
        for bound in (False, True):
            session = self.add(osc(b"1"), bound=bound)
            self.sessions.remove(session)
            self.sessions.remove(session)
            self.assertEqual(session.state, ENDED)
            for event in (session.bind, session.end):
                with self.assertRaises(KeyError):
                    event()
            with self.assertRaises(KeyError):
                session.touch(9)
            self.assertEqual((session.state, session.used_ms), (ENDED, 0))

    def test_what_was_removed_is_not_found(self):
        session = self.add(osc(b"1"))
        self.assertIs(self.sessions.find(session.context), session)
        self.sessions.remove(session)
        self.assertEqual((len(self.sessions), len(self.contexts)), (0, 0))
        with self.assertRaises(UnknownContext):
            self.sessions.find(session.context)
        with self.assertRaises(UnknownContext):  # the context of no session, as that with the AS
            self.sessions.find(SecurityContext(bytes(16), b"", b"", b"x"))
