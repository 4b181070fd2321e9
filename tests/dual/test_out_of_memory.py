"""A MemoryError at each port of a device and in each of its tables: what is lost, and that nothing else is.

tests/device/test_out_of_memory.py does the same with a heap that is full, on MicroPython alone.
"""

from minitest import TestCase

from holdfast_core import coap_reliability, coap_server, oscore
from holdfast_core import labels as L
from holdfast_core.coap_block import Block, Uploads
from holdfast_core.coap_limits import DEVICE_LIMITS
from holdfast_core.coap_message import Message, decode, encode
from holdfast_core.errors import Overloaded, ReplayDetected, TooLarge
from holdfast_core.oscore import SecurityContext
from holdfast_core.replay_window import ReplayWindow
from holdfast_device import sessions, state, token_checker
from holdfast_device.endpoint import Endpoint, RequestFailed
from holdfast_device.exi import CHARGE_S, ExiTable
from holdfast_device.loop_shell import MAX_FAILED, Loop
from holdfast_device.slots import StorageFailed
from holdfast_device.state import State
from holdfast_device.tasks import Call, Tasks
from testkit.flash import FlashFake
from testkit.starved import Story
from testkit.story import get

KEY, OTHER = b"osc-1", b"osc-2"


class Faults:
    """The n-th call of what is named here fails in the tube, before it did anything or after it did all."""

    def __init__(self, tube, nth, after):
        self.tube = tube
        self.left = nth
        self.after = after
        self._kept = []

    def put(self, owner, name):
        work = getattr(owner, name)
        self._kept.append((owner, name, work))

        def faulty(*arguments, **named):
            if not self.tube.at_work:
                return work(*arguments, **named)
            self.left -= 1
            failing = self.left == 0
            if failing and not self.after:
                raise MemoryError
            result = work(*arguments, **named)
            if failing:
                raise MemoryError
            return result

        setattr(owner, name, faulty)

    def end(self):
        for owner, name, work in self._kept:
            setattr(owner, name, work)


def ports(story):
    """What a device calls that may want memory, outside and inside."""
    device = story.tube.device
    yield story.world.flash["tube"], "write"
    yield device.rs.authz_info, "rng"
    yield token_checker, "verify_token"
    yield SecurityContext, "_seal"
    yield SecurityContext, "_open"
    yield state.State, "save"
    yield sessions.Sessions, "add"
    yield coap_reliability, "encode"
    yield coap_server, "_protected"
    for name in ("remember", "send", "emit", "reply", "forget"):
        yield coap_reliability.Reliability, name
    for name in ("start", "stop"):
        yield coap_reliability.Timers, name
    yield coap_server.Server, "_dispatch"
    yield coap_server.Server, "_fit"


def use(story):
    """Everything that a client does, as far as it comes."""
    story.sequence += 1
    try:
        story.post(OTHER, exi=5000, cti=b"tube" + story.sequence.to_bytes(8, "big"), exp=None)
        if OTHER in story.sessions and story.ask(OTHER):
            watch = story.sessions[OTHER].observe(get("/result"))
            story.world.link.run(for_ms=1000)
            story.tube.device.every(10, lambda: story.rs.changed("/result"))
            story.world.link.run(for_ms=1000)
            story.tube.device._every.clear()
            story.doctor.endpoint.unwatch(watch)
        story.world.wait(70)
    finally:
        story.tube.device._every.clear()


class EachPort(TestCase):
    def test_before_and_after_each_call(self):
        failed = 0
        for index in range(len(list(ports(Story(1))))):
            for after in (False, True):
                story = Story(1)
                story.goes_on(KEY)
                for nth in range(1, 12):
                    owner, name = list(ports(story))[index]
                    self.failed_in = f"{name}, call {nth}, {after}"
                    faults, before = Faults(story.tube, nth, after), story.tube.lost_all
                    faults.put(owner, name)
                    try:
                        use(story)
                    finally:
                        faults.end()
                    story.world.wait(300)
                    story.check()
                    story.goes_on(KEY)
                    story.goes_on(OTHER)
                    self.assertEqual(story.wrong, [])
                    failed += story.tube.lost_all - before
                    story.world.link.log = []
        self.assertGreater(failed, 100)


class Tables(TestCase):
    def test_half_of_a_session_is_taken_back(self):
        class Full(list):
            def append(self, one):
                raise MemoryError

        story = Story(1)
        story.goes_on(KEY)
        story.rs.rights.sessions._sessions = Full(story.rs.rights.sessions._sessions)
        self.assertEqual(story.post(OTHER), None)
        self.assertEqual(len(story.rs.rights.sessions.contexts), 1)
        story.rs.rights.sessions._sessions = list(story.rs.rights.sessions._sessions)
        story.goes_on(OTHER)
        self.assertEqual(story.wrong, [])

    def test_a_replay_window_without_its_bits_is_none(self):
        class NoBits(ReplayWindow):
            def _all(self):
                raise MemoryError

        window = NoBits(initialised=False)
        with self.assertRaises(MemoryError):
            window.initialise(5)
        self.assertFalse(window.initialised)
        whole = ReplayWindow(initialised=False)
        whole.initialise(5)
        for number in (5, 4):
            with self.assertRaises(ReplayDetected):
                whole.check(number)

    def test_a_body_that_is_too_much_is_refused_and_forgotten(self):
        class Full(bytearray):
            def extend(self, more):
                raise MemoryError

        uploads, key = Uploads(DEVICE_LIMITS), ("peer", None)
        self.assertEqual(uploads.take(key, Block(0, True, 0), Message(L.CODE_PUT, bytes(16)), 0), None)
        uploads._owned[0]["peer"][0].body = Full(16)
        with self.assertRaises(TooLarge):
            uploads.take(key, Block(1, True, 0), Message(L.CODE_PUT, bytes(16)), 0)
        self.assertEqual(TooLarge.coap_code, 0x8D)  # 4.13
        self.assertEqual(len(uploads), 0)

    def test_what_could_not_be_charged_stays_due(self):
        for error in (StorageFailed("write"), MemoryError()):
            flash = FlashFake()
            kept = State(flash, 0)
            table = ExiTable(kept, 0)
            table.start(1, 1000, 0)
            due_ms = table.next_deadline_ms()
            self.assertEqual(due_ms, CHARGE_S * 1000)

            def refuse(slot, encoded, error=error):
                raise error

            write, flash.write = flash.write, refuse
            with self.assertRaises(type(error)):
                table.start(2, 1000, 30000)
            flash.write = write
            self.assertEqual(table.next_deadline_ms(), due_ms)
            table.tick(due_ms)
            self.assertEqual(State(flash, 0).exi, [[1, 1000 - 2 * CHARGE_S]])

    def test_a_task_that_cannot_be_resumed_ends_and_leaves_its_place(self):
        class Full(list):
            def append(self, one):
                raise MemoryError

        ends, calls, tasks = [], [], Tasks(1)

        def steps():
            try:
                calls.append(Call())
                yield calls[-1]
            finally:
                ends.append("cleaned")

        task = tasks.spawn(steps())
        task.when_ended(lambda value, error: ends.append(error.detail))
        with self.assertRaises(Overloaded):
            tasks.spawn(steps())
        task._todo = Full()
        with self.assertRaises(MemoryError):
            calls[0].done()
        self.assertEqual(ends, ["cleaned", "memory"])
        tasks.spawn(steps())


class Answers(TestCase):
    """What clients are told."""

    def setUp(self):
        self.story = Story(1)
        self.story.goes_on(KEY)

    def fail_once(self, owner, name):
        faults = Faults(self.story.tube, 1, False)
        faults.put(owner, name)
        return faults

    def test_5_03_with_max_age_when_a_request_cannot_be_taken_up(self):
        faults = self.fail_once(coap_server.Server, "_dispatch")
        answer = self.story.run(self.story.sessions[KEY].request(get("/result")))
        faults.end()
        self.assertEqual((answer.code, answer.uint(L.OPT_MAX_AGE)), (L.CODE_SERVICE_UNAVAILABLE, 5))
        self.assertTrue(self.story.ask(KEY))
        self.assertEqual(self.story.tube.lost_all, 1)

    def test_a_request_that_was_not_taken_up_is_no_replay_when_it_comes_again(self):
        session = self.story.sessions[KEY]
        faults = self.fail_once(oscore.RequestState, "__init__")
        self.assertTrue(self.story.ask(KEY))
        faults.end()
        self.assertIs(self.story.sessions[KEY], session)
        self.assertEqual(self.story.tube.lost_all, 1)

    def test_observers_are_told_to_come_again_and_nothing_else_is_sent_to_them(self):
        watch = self.story.sessions[KEY].observe(get("/result"))
        self.story.world.link.run(for_ms=1000)
        faults = self.fail_once(coap_server.Server, "_dispatch")
        self.story.ask(KEY)
        faults.end()
        self.story.world.link.run(for_ms=1000)
        codes = [message.code for message in watch._waiting]
        self.assertEqual(codes, [L.CODE_CONTENT, L.CODE_SERVICE_UNAVAILABLE])
        self.story.rs.changed("/result")
        self.story.world.link.run(for_ms=1000)
        self.assertEqual(len(watch._waiting), 2)
        again = self.story.sessions[KEY].observe(get("/result"))
        self.story.world.link.run(for_ms=1000)
        self.assertEqual([message.code for message in again._waiting], [L.CODE_CONTENT])

    def test_a_stranger_learns_no_more_than_that(self):
        for fault in (False, True):
            faults = self.fail_once(coap_server.Server, "_dispatch") if fault else Faults(self.story.tube, 0, False)
            message = get("/result")
            message.mtype, message.mid, message.token = L.TYPE_CON, 77 + fault, b"t"
            self.story.world.link.log = []
            self.story.world.link.send("stranger", "tube", encode(message))
            self.story.world.link.run(for_ms=1000)
            faults.end()
            answer = decode(self.story.world.link.log[-1][3])
            code = L.CODE_SERVICE_UNAVAILABLE if fault else L.CODE_UNAUTHORIZED
            self.assertEqual((answer.code, answer.payload), (code, b""))

    def test_who_waits_for_an_answer_of_ours_hears_that_it_is_lost(self):
        endpoint = Endpoint(bytes)
        errors = []
        endpoint.call("nobody", get("/x")).when_ended(lambda value, error: errors.append(error))
        with self.assertRaises(MemoryError):
            endpoint.whole(self.raises)
        self.assertTrue(endpoint.torn)
        endpoint.begin_anew()
        self.assertEqual([type(error) for error in errors], [RequestFailed])
        self.assertEqual((endpoint.torn, endpoint.next_deadline_ms(), len(endpoint.take_datagrams())), (False, None, 1))
        endpoint.call("nobody", get("/x"))  # the peer is not taken for busy
        self.assertEqual(len(endpoint.take_datagrams()), 1)

    def raises(self):
        raise MemoryError


class Script:
    """A device for the loop that has memory when its script says so; None: nothing comes."""

    def __init__(self, script):
        self.script = script
        self.lost = 0

    def count(self):
        self.lost += 1

    def wait(self, timeout_ms):
        self.came = self.script[:1]
        del self.script[:1]
        return self.came != [None]

    def receive(self):
        return (b"", "peer") if self.came else None

    def feed(self, datagram, peer, now_ms):
        what = self.came.pop()
        if what == "torn":
            raise MemoryError
        return what == "taken"

    def now_ms(self):
        return 0

    def next_deadline_ms(self):
        return None

    def take_datagrams(self):
        return ()

    def run(self):
        """Step through the script; return how much of it was left when the loop gave up, None when it did not."""
        loop = Loop(self, self, self, False, self.count)
        try:
            while self.script:
                loop.step()
        except MemoryError:
            return len(self.script)
        return None


class Strikes(TestCase):
    def test_as_many_in_a_row_as_are_allowed(self):
        for bad in ("torn", "short"):
            script = Script([bad] * (MAX_FAILED - 1))
            self.assertEqual((script.run(), script.lost), (None, MAX_FAILED - 1))
            self.assertEqual(Script([bad] * MAX_FAILED + ["taken"]).run(), 1)

    def test_a_datagram_that_was_taken_ends_the_row_and_idleness_does_not(self):
        row = ["torn"] * (MAX_FAILED - 1)
        self.assertEqual(Script(row + ["taken"] + row).run(), None)
        self.assertEqual(Script(row + [None, "short", "taken"]).run(), 1)
