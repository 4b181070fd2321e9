"""What strangers, a foreign reference, a server that is away or says nonsense, and a thief get at the hub: nothing."""

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_message import Message, encode, request, response
from holdfast_device.client import Refused
from holdfast_device.endpoint import RequestFailed
from holdfast_hub.records import PHANTOM, SPLIT, TOKENS, Asked, Device, Now
from holdfast_hub.tokens.desk import Bounds, TokenDesk, shown_in
from holdfast_hub.tokens.exchange import AWAY, GARBAGE, GIVEN, NO_RIGHT, REFUSED, Outcome, read_answer
from holdfast_hub.tokens.kept import KeptTokens, key_of
from testkit.fake_spool import FakeSpool
from testkit.hub_tokens import World
from testkit.link import Random
from testkit.sealing import FRIDGE, HUB, PUMP, change_hub

SEALED = b"\xd8\x3d\xd0\x83\x43\xa1\x01\x0a\xa0\x48sealed.."
SIGNED = b"\xd8\x3d\xd2\x84\x43\xa1\x01\x26\xa0\x41{\x41}"


def body(token, nonce=b"n" * 8):
    return encode_authz_info(token, nonce, b"i")


def refused_code(world, held, audience=FRIDGE, name="nurse"):
    with pytest.raises(Refused) as refused:
        world.open(held, audience, name)
    return refused.value.code


# --- with the real server ---


def test_a_stranger_is_refused_as_a_device_refuses(story):
    world = World(story)
    for _ in range(3):
        answer = world.post(body(b"x" * 16))
        assert (answer.code, answer.payload, answer.options) == (L.CODE_UNAUTHORIZED, b"", [])
    assert world.authz.asked == 1  # a refusal is remembered for a while
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == FRIDGE]
    world.wait(31)
    world.post(body(b"x" * 16))
    assert world.authz.asked == 2


@pytest.mark.parametrize("tokens", [PHANTOM, SPLIT])
def test_a_token_of_another_device_is_refused_unseen_by_the_device(story, tokens):
    world = World(story)
    mine, other = (FRIDGE, PUMP) if tokens == PHANTOM else (PUMP, FRIDGE)
    assert refused_code(world, world.token(other)[1], mine) == L.CODE_UNAUTHORIZED
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == mine]
    assert world.read(world.open(world.token(mine)[1], mine)) == b"4.5"


def test_an_expired_reference_is_refused(story):
    world = World(story, token_lifetime_s=30)
    answer, held = world.token()
    world.open(held)
    world.wait(31)
    assert world.post(body(answer["access_token"])).code == L.CODE_UNAUTHORIZED


def test_a_hub_without_the_right_gets_nothing_and_says_nothing(story):
    world = World(story)
    _, held = world.token()
    change_hub(story, scopes={PUMP: ("read", "set")})
    assert refused_code(world, held) == L.CODE_UNAUTHORIZED
    assert world.desk.counts[NO_RIGHT] == 1
    assert story.store.audit_rows(limit=1)[0].reason.endswith("this hub serves no such audience")


def test_a_locked_hub_gets_nothing(story):
    world = World(story)
    _, held = world.token()
    change_hub(story, disabled=True)
    assert refused_code(world, held) in (L.CODE_UNAUTHORIZED, L.CODE_SERVICE_UNAVAILABLE)
    assert story.store.client(HUB).disabled


def test_a_server_that_is_away_is_said_soon_and_left_alone(story):
    world = World(story)
    world.authz.silent = True
    begun_ms = world.link.now_ms
    answer = world.post(body(world.token()[0]["access_token"]))
    assert answer.code == L.CODE_SERVICE_UNAVAILABLE
    assert world.link.now_ms - begun_ms < 9000
    assert 0 < answer.uint(L.OPT_MAX_AGE) <= 15
    sent = len([1 for _, _, receiver, _ in world.link.log if receiver == "as"])
    assert world.post(body(world.token()[0]["access_token"])).code == L.CODE_SERVICE_UNAVAILABLE
    asked = len([1 for _, _, receiver, _ in world.link.log if receiver == "as"])
    assert asked == sent  # nothing new was asked
    world.authz.silent = False
    world.wait(120)
    assert world.read(world.open(world.token()[1])) == b"4.5"


def test_an_answer_that_comes_late_is_kept_for_the_next_try(story):
    world = World(story)
    _, held = world.token()
    world.authz.silent = True
    assert refused_code(world, held) == L.CODE_SERVICE_UNAVAILABLE
    world.authz.silent = False
    world.wait(40)
    asked = world.authz.asked
    assert asked == 1
    assert world.read(world.open(held)) == b"4.5"
    assert world.authz.asked == asked


@pytest.mark.parametrize(
    "fields",
    [
        b"\xff",
        {},
        {L.ACE_ACCESS_TOKEN: SEALED},
        {L.ACE_ACCESS_TOKEN: b"x" * 16, L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: 0},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: -1},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: True},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: 60, L.ACE_CNF: {L.CNF_KID: b"k"}},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: 60, L.ACE_SCOPE: "read"},
        {L.ACE_ACCESS_TOKEN: SEALED[:-1], L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SIGNED, L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SEALED[:9] + b"\x59\x04\x00" + bytes(1024), L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SEALED[:9] + b"\x59\x20\x00" + bytes(8192), L.ACE_EXPIRES_IN: 60},
    ],
)
def test_nonsense_of_the_server_reaches_nobody_and_is_not_kept(story, fields):
    world = World(story)
    _, held = world.token()
    payload = fields if isinstance(fields, bytes) else cbor.encode(fields)
    world.authz.override = response(L.CODE_CREATED, payload, L.CF_ACE_CBOR)
    assert refused_code(world, held) == L.CODE_BAD_GATEWAY
    assert (len(world.kept), world.desk.counts[GARBAGE]) == (0, 1)
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == FRIDGE]
    world.authz.override = None
    world.wait(20)
    assert world.read(world.open(held)) == b"4.5"


@pytest.mark.parametrize("audience", [FRIDGE, PUMP])
def test_a_thief_of_all_that_the_hub_handles_gets_no_session(story, audience):
    """Whoever has heard the client's post, or has the hub's disk, can post; only the holder of the key can speak."""
    world = World(story)
    answer, held = world.token(audience)
    world.open(held, audience)
    thief = {**answer, "cnf": {L.CNF_OSC: {**answer["cnf"][L.CNF_OSC], L.OSC_MS: bytes(16)}}}
    world.client("thief", seed=9)
    session = world.open(world.held(thief), audience, "thief")
    with pytest.raises(RequestFailed, match="unprotected"):  # the device cannot open what the thief says
        world.read(session, "thief")
    assert world.read(world.open(held, audience)) == b"4.5"


def test_a_device_posts_to_no_other_device(story):
    """No desk is a way from one device to another."""
    world = World(story)
    answer, _ = world.token(PUMP)
    message = request(L.CODE_POST, "/authz-info", body(answer["access_token"]), L.CF_ACE_CBOR)
    message.add(L.OPT_URI_HOST, PUMP)
    message.mtype, message.mid, message.token = L.TYPE_CON, 7, b"t"
    world.link.send(FRIDGE, "south", encode(message))
    world.wait(5)
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == PUMP]
    assert world.authz.asked == 0


def test_a_flood_of_invented_references_is_bounded(story):
    world = World(story)
    for number in range(60):
        answer = world.post(body(number.to_bytes(16, "big")), name=f"flood-{number % 2}")
        assert answer.code in (L.CODE_UNAUTHORIZED, L.CODE_TOO_MANY_REQUESTS)
    assert world.authz.asked <= 2 * 8 + world.link.now_ms // 500 + 2
    assert world.desk.counts["limited"] > 30
    assert world.read(world.open(world.token()[1])) == b"4.5"


# --- by hand ---


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


def test_a_spool_that_is_full_or_odd_costs_nothing_else():
    spool = FakeSpool()
    spool.room = 0
    bench = Bench(spool=spool)
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
