"""The desk of tokens and what it keeps, its neighbours driven by hand: bounds, clocks, a kill, a full disk."""

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, request, response
from holdfast_hub.records import PHANTOM, TOKENS, Asked, Device, Now
from holdfast_hub.tokens.desk import Bounds, TokenDesk, shown_in
from holdfast_hub.tokens.exchange import AWAY, GARBAGE, GIVEN, NO_RIGHT, REFUSED, Outcome, read_answer
from holdfast_hub.tokens.kept import KeptTokens, key_of
from testkit.fake_spool import FakeSpool
from testkit.hub_tokens import SEALED, body
from testkit.link import Random


class Hand:
    """Gateway and Exchanger. said: (asked, answer); posted: what devices were asked; questions: open ones."""

    def __init__(self):
        self.said, self.posted, self.questions = [], [], []
        self.full = False

    def respond(self, asked, message, now_ms):
        assert asked not in [known for known, _ in self.said]
        self.said.append((asked, message))

    def ask(self, device, message, now_ms, answered):
        self.posted.append((message, answered))

    def exchange(self, subject_token, audience, now_ms, done):
        if not self.full:
            self.questions.append((subject_token, audience, done))
        return not self.full


class Bench:
    """A desk whose neighbours are driven by hand."""

    def __init__(self, bounds=None, later=None, room=1024, spool=None, wall_s=1000):
        self.hand, self.now = Hand(), Now(5000, wall_s)
        self.spool = spool
        self.kept = KeptTokens(spool, Random(1).octets, lambda: self.now, room)
        self.desk = TokenDesk(self.hand, self.hand, self.kept, lambda: self.now, later, bounds)

    def post(self, token=b"r" * 16, client="app", tokens=PHANTOM):
        message = request(L.CODE_POST, "/authz-info", body(token), L.CF_ACE_CBOR)
        asked = Asked(0, (client, 1), message, Device("fridge", "udp", tokens=tokens))
        assert self.desk.serve(asked, self.now)
        return asked

    def answer(self, asked):
        return next((message for known, message in self.hand.said if known is asked), None)

    def give(self, outcome):
        self.hand.questions.pop(0)[2](outcome)


def test_what_waits_for_the_server_is_bounded():
    bench = Bench(Bounds(at_once=100, asking=2, waiting=3))
    waiting = [bench.post() for _ in range(3)]
    assert bench.answer(bench.post()).code == L.CODE_SERVICE_UNAVAILABLE
    bench.post(b"s" * 16)
    assert bench.answer(bench.post(b"t" * 16)).code == L.CODE_SERVICE_UNAVAILABLE
    assert len(bench.hand.questions) == 2
    bench.give(Outcome(GIVEN, SEALED, 60))
    assert len(bench.hand.posted) == 3
    for message, answered in bench.hand.posted:
        assert cbor.decode(message.payload)[L.ACE_ACCESS_TOKEN] == SEALED
        answered(response(L.CODE_CREATED, b"nonce2"))
    assert [bench.answer(asked).payload for asked in waiting] == [b"nonce2"] * 3


def test_what_goes_to_devices_is_bounded():
    bench = Bench(Bounds(at_once=100, posting=2))
    bench.post()
    bench.give(Outcome(GIVEN, SEALED, 60))
    bench.post()
    assert bench.answer(bench.post()).code == L.CODE_SERVICE_UNAVAILABLE
    first, last = (answered for _, answered in bench.hand.posted)
    first(None)
    assert bench.hand.said[-1][1].code == L.CODE_GATEWAY_TIMEOUT
    last(Message(L.CODE_CREATED, b"", [(2050, b"unsafe")]))
    assert bench.hand.said[-1][1].code == L.CODE_BAD_GATEWAY
    bench.post()
    assert len(bench.hand.posted) == 3


def test_one_client_cannot_use_up_what_another_needs():
    bench = Bench(Bounds(at_once=2, per_s=1))
    answers = [bench.answer(bench.post(number.to_bytes(16, "big"), "flood")) for number in range(5)]
    assert [answer.code for answer in answers if answer] == [L.CODE_TOO_MANY_REQUESTS] * 3
    assert answers[-1].uint(L.OPT_MAX_AGE) == 1
    assert bench.answer(bench.post(client="nurse")) is None
    assert len(bench.hand.questions) == 3


def test_remembered_refusals_are_bounded():
    bench = Bench(Bounds(at_once=100, refused=2))
    for number in range(4):
        asked = bench.post(number.to_bytes(16, "big"))
        bench.give(Outcome(REFUSED))
        assert bench.answer(asked).code == L.CODE_UNAUTHORIZED
    bench.post((3).to_bytes(16, "big"))
    assert not bench.hand.questions
    bench.post((0).to_bytes(16, "big"))
    assert len(bench.hand.questions) == 1


def test_a_server_that_says_when_is_left_alone_until_then():
    bench = Bench()
    asked = bench.post()
    bench.give(Outcome(AWAY, lives_s=40))
    assert bench.answer(asked).uint(L.OPT_MAX_AGE) == 40
    assert bench.answer(bench.post(b"s" * 16)).uint(L.OPT_MAX_AGE) == 40
    bench.now = Now(5000 + 40_000, 1040)
    assert bench.answer(bench.post(b"s" * 16)) is None


def test_a_client_stack_that_is_full_asks_nothing():
    bench = Bench()
    bench.hand.full = True
    assert bench.answer(bench.post()).code == L.CODE_SERVICE_UNAVAILABLE
    assert bench.desk.next_deadline_ms() is None


def test_a_device_that_sleeps_finds_the_whole_token_later():
    class Later:
        def serve(self, asked, now):
            self.message = asked.message
            return True

    later = Later()
    bench = Bench(later=later)
    bench.post()
    bench.give(Outcome(GIVEN, SEALED, 60))
    assert cbor.decode(later.message.payload)[L.ACE_ACCESS_TOKEN] == SEALED
    assert not bench.hand.posted


@pytest.mark.parametrize(
    ("ms", "wall_s", "is_there"),
    [(59_999, 1059, True), (60_000, 1000, False), (0, 1060, False), (0, None, True), (60_000, None, False)],
)
def test_what_is_kept_is_over_by_either_clock(ms, wall_s, is_there):
    bench = Bench()
    bench.post()
    bench.give(Outcome(GIVEN, SEALED, 60))
    bench.now = Now(5000 + ms, wall_s)
    bench.post()
    assert len(bench.hand.questions) == (not is_there)


def test_what_is_kept_is_bounded_and_the_first_goes():
    bench = Bench(Bounds(at_once=100), room=3)
    for number in range(5):
        bench.post(number.to_bytes(16, "big"))
        bench.give(Outcome(GIVEN, SEALED, 60))
    assert len(bench.kept) == 3
    bench.post((4).to_bytes(16, "big"))
    assert not bench.hand.questions
    bench.post((0).to_bytes(16, "big"))
    assert len(bench.hand.questions) == 1


def test_what_is_kept_survives_a_kill_and_ends_all_the_same():
    bench = Bench(spool=FakeSpool())
    bench.spool.run()
    bench.post()
    bench.give(Outcome(GIVEN, SEALED, 60))
    bench.spool.run()
    assert len(bench.spool.ids(TOKENS)) == 1
    again = Bench(spool=bench.spool.kill())
    again.spool.run()
    again.post()
    assert not again.hand.questions
    again.now = Now(5000 + 60_000, None)
    again.post()
    assert len(again.hand.questions) == 1


def test_who_comes_before_the_disk_is_read_waits_for_it():
    bench = Bench(spool=FakeSpool())
    bench.post()
    assert not bench.hand.questions
    bench.spool.run()
    bench.give(Outcome(GIVEN, SEALED, 60))
    bench.spool.run()
    again = Bench(Bounds(at_once=100, early=2), spool=bench.spool.kill())
    again.post()
    again.post(b"s" * 16)
    assert not again.hand.questions
    again.post(b"t" * 16)  # there is no room to wait
    assert len(again.hand.questions) == 1
    again.spool.run()
    assert [len(again.hand.posted), len(again.hand.questions)] == [1, 2]


def test_a_disk_that_says_nothing_stops_nobody():
    bench = Bench(spool=FakeSpool())
    bench.post()
    due_ms = bench.desk.next_deadline_ms()
    assert due_ms == 5000 + 8000
    bench.now = Now(due_ms, None)
    bench.desk.tick(due_ms)
    assert len(bench.hand.questions) == 1
    bench.spool.run()
    assert len(bench.hand.questions) == 1


def test_a_spool_that_is_full_or_odd_costs_nothing_else():
    spool = FakeSpool()
    spool.room = 0
    bench = Bench(spool=spool)
    spool.run()
    bench.post()
    bench.give(Outcome(GIVEN, SEALED, 60))
    spool.run()
    bench.post()
    assert not bench.hand.questions  # it is kept in memory


def test_a_key_is_of_one_device_one_audience_and_one_reference():
    device, other = Device("a", "udp"), Device("b", "udp")
    keys = {key_of(of, name, shown) for of in (device, other) for name in ("a", "b") for shown in (b"1", b"2")}
    assert len(keys) == 8


@pytest.mark.parametrize(
    ("code", "fields", "what"),
    [
        (L.CODE_BAD_REQUEST, {L.ACE_ERROR: L.ERR_INVALID_REQUEST}, REFUSED),
        (L.CODE_BAD_REQUEST, {L.ACE_ERROR: L.ERR_UNAUTHORIZED_CLIENT}, NO_RIGHT),
        (L.CODE_BAD_REQUEST, {L.ACE_ERROR: L.ERR_INVALID_SCOPE}, NO_RIGHT),
        (L.CODE_BAD_REQUEST, None, GARBAGE),
        (L.CODE_UNAUTHORIZED, None, NO_RIGHT),
        (L.CODE_SERVICE_UNAVAILABLE, None, AWAY),
        (L.CODE_TOO_MANY_REQUESTS, None, AWAY),
        (L.CODE_NOT_FOUND, None, GARBAGE),
        (L.CODE_CREATED, None, GARBAGE),
    ],
)
def test_how_the_server_says_no(code, fields, what):
    message = response(code) if fields is None else response(code, cbor.encode(fields), L.CF_ACE_CBOR)
    assert read_answer(message).what == what


def test_nothing_shows_a_token():
    shown = shown_in(request(L.CODE_POST, "/authz-info", body(b"secret-reference"), L.CF_ACE_CBOR), PHANTOM)
    assert b"secret" not in repr(shown).encode()
    assert "sealed" not in repr(Outcome(GIVEN, SEALED, 60))
