"""The client of a tube that sleeps: what it takes from a hub, and that a hub that lies gets nothing past it."""

import pytest

from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info_answer, encode_authz_info_answer
from holdfast_core.coap_events import INCOMPLETE, NOT_AUTHENTIC
from holdfast_core.coap_message import Message, request, response
from holdfast_core.errors import LocalError
from holdfast_device.client import Refused, SessionLost
from holdfast_device.endpoint import RequestFailed
from holdfast_device.later import MAX_WAIT_S, Behind, ask_later, open_later
from testkit import mint
from testkit.mailbox_hub import MailboxHub
from testkit.sleep import NonceWatch, SleepWorld
from testkit.story import NOW_S, TUBE, get, held

HOUR_S = 3600


class Play:
    """A doctor, a hub and a tube. The doctor has a session that was opened through the hub, hours ago."""

    def __init__(self):
        self.world = SleepWorld(clock=True)
        self.hub = self.world.link.add("hub", MailboxHub())
        self.doctor = self.world.client()

    def run(self, steps):
        return self.world.run(steps)

    def token(self, life_s=10**6, key=b"osc-1"):
        claims = mint.claims(TUBE, "read_result calibrate", NOW_S, key=key, life_s=life_s)
        return held(mint.encrypted(claims), key, self.world.now_ms, life_s)

    def wakes(self):
        """The tube has been away for an hour; it gets what waits, and goes to sleep again."""
        self.world.cycle(HOUR_S)
        self.hub.deliver()
        self.world.wait(1)

    def session(self, **more):
        ticket = self.run(open_later(self.doctor, "hub", self.token(**more)))
        assert self.run(ticket.collect()) is None
        self.wakes()
        return self.run(ticket.collect())

    def fails(self, ticket):
        with pytest.raises(RequestFailed) as raised:
            self.run(ticket.collect())
        return raised.value


@pytest.fixture
def play():
    with NonceWatch():
        yield Play()


def test_a_token_is_left_at_the_hub_and_the_session_is_collected(play):
    ticket = play.run(open_later(play.doctor, "hub", play.token()))
    assert ticket.wait_s == HOUR_S
    assert play.run(ticket.collect()) is None
    play.wakes()
    session = play.run(ticket.collect())
    assert play.run(ticket.collect()) is session
    assert ticket.wait_s == 0
    ticket = play.run(ask_later(session, get("/result")))
    play.wakes()
    assert play.run(ticket.collect()).payload == b"negative"


def test_requests_are_answered_an_hour_later_each_with_its_own(play):
    session = play.session()
    read = play.run(ask_later(session, get("/result")))
    write = play.run(ask_later(session, request(L.CODE_PUT, "/calibration", b"1")))
    unknown = play.run(ask_later(session, get("/nothing")))
    assert (read.wait_s, play.run(read.collect())) == (HOUR_S, None)
    play.wakes()
    assert play.run(unknown.collect()).code == L.CODE_FORBIDDEN
    assert play.run(write.collect()).code == L.CODE_CHANGED
    for _ in range(2):
        assert play.run(read.collect()).payload == b"negative"
    assert session.is_open


def test_an_answer_that_comes_at_once_needs_no_location(play):
    session = play.session()
    session.peer = "tube"
    ticket = play.run(ask_later(session, get("/result")))
    assert ticket.wait_s == 0
    assert play.run(ticket.collect()).payload == b"negative"
    again = play.run(open_later(play.doctor, "tube", play.token(key=b"osc-2")))
    assert play.run(play.run(again.collect()).request(get("/result"))).payload == b"negative"


def test_an_answer_is_collected_after_the_token_has_ended(play):
    session = play.session(life_s=2 * HOUR_S + 100)
    ticket = play.run(ask_later(session, get("/result")))
    play.wakes()
    play.world.wait(200)
    assert play.run(ticket.collect()).payload == b"negative"
    assert not session.is_open
    with pytest.raises(SessionLost):
        play.run(ask_later(session, get("/result")))


def swapped(play):
    play.hub.shown = {1: play.hub.answers[2], 2: play.hub.answers[1]}


def flipped(play):
    answer = play.hub.answers[1].copy()
    answer.payload = answer.payload[:-1] + bytes((answer.payload[-1] ^ 1,))
    play.hub.shown = {1: answer}


def truncated(play):
    answer = play.hub.answers[1].copy()
    answer.payload = answer.payload[:-1]
    play.hub.shown = {1: answer}


def emptied(play):
    answer = play.hub.answers[1].copy()
    answer.payload = b""
    play.hub.shown = {1: answer}


def the_request_itself(play):
    play.hub.shown = {1: Message(L.CODE_CHANGED, play.hub.asked[1].payload, play.hub.asked[1].options)}


def with_a_number_that_is_not_its_own(play):
    play.hub.shown = {1: play.hub.answers[1].copy().set(L.OPT_OSCORE, b"\x01\x07")}


def of_another_context(play):
    play.hub.shown = {1: play.hub.answers[1].copy().set(L.OPT_OSCORE, b"\x08other")}


@pytest.mark.parametrize(
    "lie",
    [
        swapped,
        flipped,
        truncated,
        emptied,
        the_request_itself,
        with_a_number_that_is_not_its_own,
        of_another_context,
    ],
)
def test_what_is_no_answer_to_this_request_is_refused_and_the_true_one_is_still_taken(play, lie):
    session = play.session()
    ticket = play.run(ask_later(session, get("/result")))
    play.run(ask_later(session, get("/nothing")))
    play.wakes()
    lie(play)
    assert play.fails(ticket).why == NOT_AUTHENTIC
    assert session.is_open
    play.hub.shown = {}
    assert play.run(ticket.collect()).payload == b"negative"


def test_an_answer_of_another_session_and_of_an_earlier_request_is_refused(play):
    first = play.session()
    old = play.run(ask_later(first, get("/result")))
    play.wakes()
    assert play.run(old.collect()).payload == b"negative"
    second = play.session(key=b"osc-2")
    ticket = play.run(ask_later(second, get("/result")))
    again = play.run(ask_later(first, get("/result")))
    for number in (3, 4):
        play.hub.shown[number] = play.hub.answers[1]
    assert play.fails(ticket).why == play.fails(again).why == NOT_AUTHENTIC


@pytest.mark.parametrize("code", [L.CODE_CONTENT, L.CODE_CHANGED, L.CODE_CREATED, L.CODE_NOT_FOUND])
def test_what_comes_without_a_key_is_never_an_answer(play, code):
    session = play.session()
    ticket = play.run(ask_later(session, get("/result")))
    play.hub.shown = {1: response(code, b"negative")}
    assert play.fails(ticket).message.code == code
    play.hub.first = response(code, b"negative")
    with pytest.raises(RequestFailed):
        play.run(ask_later(session, get("/result")))


def test_a_5_03_is_believed_in_nothing_but_where_and_when(play):
    session = play.session()
    for options in ([], [(L.OPT_MAX_AGE, b"\x10")]):
        play.hub.first = Message(L.CODE_SERVICE_UNAVAILABLE, b"", list(options))
        with pytest.raises(RequestFailed):
            play.run(ask_later(session, get("/result")))
    play.hub.first = None
    for max_age_s, wait_s in ((0, 1), (2**32 - 1, MAX_WAIT_S)):
        play.hub.max_age_s = max_age_s
        ticket = play.run(ask_later(session, get("/result")))
        assert ticket.wait_s == wait_s
    for place in range(9):
        play.hub.shown[place] = response(L.CODE_SERVICE_UNAVAILABLE).add(L.OPT_LOCATION_PATH, "elsewhere")
    assert play.run(ticket.collect()) is None
    assert ticket._path[0] == b"later"
    assert ticket.wait_s == 60


def test_a_lost_session_is_told(play):
    session = play.session()
    ticket = play.run(ask_later(session, get("/result")))
    play.world.restart()
    play.world.link.run(for_ms=1000)
    play.hub.deliver()
    play.world.wait(1)
    with pytest.raises(SessionLost):
        play.run(ticket.collect())
    assert not session.is_open


@pytest.mark.parametrize("is_there", [True, False])
def test_a_4_01_inside_the_session_ends_it_now_or_later(play, is_there):
    session = play.session()
    play.world.tube.rs.resource("/result", get=lambda asked: response(L.CODE_UNAUTHORIZED))
    if is_there:
        session.peer = "tube"
    ticket = play.run(ask_later(session, get("/result")))
    play.hub.deliver()
    play.world.wait(1)
    assert play.run(ticket.collect()).code == L.CODE_UNAUTHORIZED
    assert not session.is_open


def test_a_refused_token_and_one_that_the_hub_does_not_take(play):
    ticket = play.run(open_later(play.doctor, "hub", held(b"no token", b"osc-1", play.world.now_ms, 10**6)))
    play.wakes()
    for _ in range(2):
        with pytest.raises(Refused):
            play.run(ticket.collect())
    for code in (L.CODE_SERVICE_UNAVAILABLE, L.CODE_TOO_MANY_REQUESTS):
        play.hub.first = response(code)
        with pytest.raises(Refused) as raised:
            play.run(open_later(play.doctor, "hub", play.token()))
        assert raised.value.code == code


def test_a_hub_that_makes_up_the_answer_to_a_token_gives_a_session_that_is_none(play):
    ticket = play.run(open_later(play.doctor, "hub", play.token()))
    play.wakes()
    _, id2 = decode_authz_info_answer(play.hub.answers[0].payload)
    play.hub.shown[0] = response(L.CODE_CREATED, encode_authz_info_answer(bytes(8), id2), L.CF_ACE_CBOR)
    session = play.run(ticket.collect())
    session.peer = "tube"
    with pytest.raises(RequestFailed) as raised:
        play.run(session.request(get("/result")))
    assert raised.value.message.code == L.CODE_BAD_REQUEST


def test_what_cannot_wait_is_refused_before_it_is_sent(play):
    session = play.session()
    number = session.context.sequence.next_value
    with pytest.raises(LocalError):
        play.run(ask_later(session, get("/result").add(L.OPT_OBSERVE, 0)))
    with pytest.raises(LocalError):
        play.run(ask_later(session, request(L.CODE_PUT, "/calibration", bytes(5000))))
    assert session.context.sequence.next_value == number
    assert len(play.hub.asked) == 1


def test_an_answer_of_several_blocks_is_not_half_an_answer(play):
    play.world.tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, bytes(5000)))
    session = play.session()
    play.world.tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, bytes(5000)))
    ticket = play.run(ask_later(session, get("/result")))
    play.hub.deliver()
    play.world.wait(1)
    assert play.fails(ticket).why == INCOMPLETE


def test_a_device_behind_a_hub_is_named_outside_of_oscore(play):
    play.doctor.endpoint = Behind(play.doctor.endpoint, b"tube-1")
    session = play.session()
    ticket = play.run(ask_later(session, get("/result")))
    assert play.run(ticket.collect()) is None
    play.wakes()
    assert play.run(ticket.collect()).payload == b"negative"
    assert [message.get(L.OPT_URI_HOST) for message in play.hub.asked] == [b"tube-1"] * 2
