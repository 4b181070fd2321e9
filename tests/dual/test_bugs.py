"""A program that fails: the device says where, once and without what a client sent, and goes on."""

import json

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_core.errors import LocalError
from holdfast_device import bugs_shell
from holdfast_device.board_shell import CannotRun, set_up
from holdfast_device.bugs_shell import MAX_PLACES, described, line_of
from testkit import mint
from testkit.story import NOW_S, TUBE, World, get, held

SECRET = "a secret of the client"


def failing(_asked):
    raise ValueError(SECRET)


def failing_later(_asked):
    if _asked is not None:
        raise ValueError(SECRET)
    yield


def failing_of_ours(_asked):
    if _asked is not None:
        raise LocalError("native")
    yield


def nothing(_asked):
    return None


def failing_at(line):
    try:
        exec("\n" * line + "1 / 0")
    except ZeroDivisionError as error:
        return error


class Told(TestCase):
    def setUp(self):
        bugs_shell._said.clear()
        self.lines = []
        self.world = World()
        self.device = self.world.boot_tube()
        self.device.endpoint.bug = self.bug

    def bug(self, error):
        self.lines.append(line_of(error))

    def tearDown(self):
        bugs_shell._said.clear()

    def rows(self):
        return [json.loads(line) for line in self.lines if line]

    def session(self):
        token = mint.nested(mint.claims(TUBE, "read_result", NOW_S, key=b"osc-1"))
        return self.world.run(self.world.client().open_session("tube", held(token)))

    def test_a_handler_that_fails_is_a_500_and_told_once(self):
        session = self.session()
        for handler in (failing, failing_later):
            self.device.rs.resource("/result", get=handler)
            before = len(self.rows())
            for _ in range(3):
                answer = self.world.run(session.request(get("/result")))
                self.assertEqual((answer.code, answer.payload), (L.CODE_INTERNAL_SERVER_ERROR, b""))
            (row,) = self.rows()[before:]
            self.assertEqual(row["bug"], "ValueError")
            self.assertTrue(row["file"].endswith("test_bugs.py"))
            with open(row["file"]) as file:
                self.assertEqual(file.read().split("\n")[row["line"] - 1].strip(), "raise ValueError(SECRET)")
        self.assertNotIn(SECRET, "".join(self.lines))
        self.device.rs.resource("/result", get=lambda _: response(L.CODE_CONTENT, b"well"))
        self.assertEqual(self.world.run(session.request(get("/result"))).payload, b"well")

    def test_a_mistake_of_our_own_is_told_as_well(self):
        session = self.session()
        self.device.rs.resource("/result", get=failing_of_ours)
        for _ in range(2):
            self.assertEqual(self.world.run(session.request(get("/result"))).code, L.CODE_INTERNAL_SERVER_ERROR)
        (row,) = self.rows()
        self.assertIn("native", row["bug"])

    def test_a_handler_that_forgets_to_answer_is_told(self):
        self.device.rs.resource("/result", get=nothing)
        self.assertEqual(self.world.run(self.session().request(get("/result"))).code, L.CODE_INTERNAL_SERVER_ERROR)
        self.assertIn("no response", self.rows()[0]["bug"])

    def test_timers_and_tasks_that_fail_end_no_device(self):
        ran = []

        def steps():
            raise ValueError(SECRET)
            yield

        def action():
            ran.append(1)
            raise OSError(5)

        self.device.every(1000, action)
        self.device.spawn(steps())
        self.world.wait(5)
        self.assertTrue(len(ran) >= 4)
        self.assertEqual([row["bug"] for row in self.rows()], ["ValueError", "OSError"])

    def test_no_client_fills_the_line(self):
        for line in range(3 * MAX_PLACES):
            self.bug(failing_at(line))
        self.assertEqual(len(self.rows()), MAX_PLACES)

    def test_setup_that_fails_is_the_programs_own_error(self):
        def setup(_device, _options):
            raise KeyError("scope")

        with self.assertRaises(CannotRun) as raised:
            set_up(setup, self.device, None)
        self.assertIn("test_bugs.py line ", str(raised.exception))
        self.assertIn("KeyError: ", str(raised.exception))
        self.assertIn("scope", str(raised.exception))
        set_up(lambda _device, _options: None, self.device, None)

    def test_a_refusal_of_ours_in_setup_stays_as_it_is(self):
        def setup(_device, _options):
            raise CannotRun("--peer is needed")

        with self.assertRaises(CannotRun) as raised:
            set_up(setup, self.device, None)
        self.assertNotIn("test_bugs.py", str(raised.exception))

    def test_an_error_without_a_place(self):
        self.assertIn("line 0: ValueError: x", described(ValueError("x")))
        self.assertEqual(json.loads(line_of(ValueError("x")))["bug"], "ValueError")
        self.assertEqual(line_of(ValueError("y")), "")
