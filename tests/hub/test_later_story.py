"""A doctor asks a tube that sleeps for an hour, through the real proxy and desk: what waits, is late, lost, refused."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, request, response
from holdfast_device.client import Refused, SessionLost
from holdfast_device.endpoint import RequestFailed
from holdfast_device.later import Behind, ask_later, open_later
from holdfast_hub.later.desk import Limits
from holdfast_hub.ports import MAX_TRIES
from testkit import mint
from testkit.fake_spool import FakeSpool
from testkit.hub_node import HOST, DiskSpool, HubNode
from testkit.sleep import NonceWatch, SleepWorld
from testkit.story import NOW_S, TUBE, get, held

HOUR_S = 3600
DAY_S = 24 * HOUR_S
YEAR_S = 365 * DAY_S


class Story(SleepWorld):
    """wrote: what the tube was told to write, in order."""

    def __init__(self, limits=None, long_ago=True, spool=None, **link):
        self.wrote = []
        SleepWorld.__init__(self, clock=True, **link)
        self.hub = HubNode(self.link, spool, limits, long_ago)
        self.doctor = self.behind("doctor", 3)

    def behind(self, name, seed):
        client = self.client(name, seed)
        client.endpoint = Behind(client.endpoint, HOST)
        return client

    def _serve(self, tube):
        self._resources(tube)

    def boot_tube(self, clock=True, **more):
        tube = SleepWorld.boot_tube(self, clock, **more)
        self._resources(tube)
        return tube

    def _resources(self, tube):
        def put(asked):
            self.wrote.append(bytes(asked.message.payload))
            return response(L.CODE_CHANGED)

        tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"negative"))
        tube.rs.resource("/calibration", put=put)

    def token(self, scope="read_result calibrate", key=b"osc-1", life_s=YEAR_S, **more):
        now_s = NOW_S + self.now_ms // 1000
        claims = mint.claims(TUBE, scope, now_s, key=key, life_s=life_s, **more)
        return held(mint.encrypted(claims), key, self.now_ms, life_s)

    def awake(self, for_s=5):
        """The tube wakes after an hour, says so, and stays a while."""
        self.cycle(HOUR_S)
        self.meet(for_s)

    def meet(self, for_s=5):
        self.hub.contact()
        self.wait(for_s)
        self.hub.awake_until_ms = -1

    def ask(self, session, message, name="doctor"):
        return self.run(ask_later(session, message), name)

    def fetch(self, ticket, name="doctor"):
        return self.run(ticket.collect(), name)

    def session(self, client=None, name="doctor", **more):
        ticket = self.run(open_later(client or self.doctor, "hub", self.token(**more)), name)
        self.awake()
        return self.fetch(ticket, name)

    def outcome(self, ticket, name="doctor"):
        """A code, or the name of what a client is told."""
        try:
            answer = self.fetch(ticket, name)
        except RequestFailed as failed:
            return failed.message.code if failed.message is not None else failed.why
        except (SessionLost, Refused) as told:
            return type(told).__name__
        return getattr(answer, "code", answer)


def put(octets):
    return request(L.CODE_PUT, "/calibration", octets)


@pytest.fixture(params=["memory", "disk"])
def story(request, tmp_path):
    spool = DiskSpool(tmp_path) if request.param == "disk" else FakeSpool()
    with NonceWatch():
        yield Story(spool=spool)
    if request.param == "disk":
        spool.close()


def test_token_and_request_wait_an_hour_each(story):
    ticket = story.run(open_later(story.doctor, "hub", story.token()))
    assert ticket.wait_s == HOUR_S + 1
    assert story.fetch(ticket) is None
    story.awake()
    session = story.fetch(ticket)
    ticket = story.ask(session, get("/result"))
    assert story.fetch(ticket) is None
    story.awake()
    assert story.fetch(ticket).payload == b"negative"


def test_order_holds_and_a_token_goes_before_requests(story):
    session = story.session()
    tickets = [story.ask(session, put(bytes((number,)))) for number in range(5)]
    newcomer = story.run(open_later(story.doctor, "hub", story.token(key=b"osc-2")))
    before = len(story.link.log)
    story.awake()
    assert story.wrote == [bytes((number,)) for number in range(5)]
    assert {story.outcome(ticket) for ticket in tickets} == {L.CODE_CHANGED}
    asked = [entry[3] for entry in story.link.log[before:] if entry[2] == "tube"]
    assert b"authz-info" in asked[0]
    assert len(asked) == 6
    assert story.fetch(newcomer).is_open


def test_a_tube_that_is_there_answers_at_once(story):
    session = story.session()
    story.cycle(HOUR_S)
    story.hub.contact()
    ticket = story.ask(session, get("/result"))
    assert ticket.wait_s == 0
    assert story.fetch(ticket).payload == b"negative"
    assert story.run(session.request(get("/result"))).payload == b"negative"


def test_two_clients_and_neither_sees_the_others_answer(story):
    nurse = story.behind("nurse", 4)
    mine = story.run(open_later(story.doctor, "hub", story.token()))
    hers = story.run(open_later(nurse, "hub", story.token(key=b"osc-2")), "nurse")
    story.awake()
    mine, hers = story.fetch(mine), story.fetch(hers, "nurse")
    mine, hers = story.ask(mine, get("/result")), story.ask(hers, put(b"9"), "nurse")
    story.awake()
    mine._path, hers._path = hers._path, mine._path
    assert (story.outcome(mine), story.outcome(hers, "nurse")) == ("not-authentic", "not-authentic")
    mine._path, hers._path = hers._path, mine._path
    assert (story.outcome(mine), story.outcome(hers, "nurse")) == (L.CODE_CONTENT, L.CODE_CHANGED)


@pytest.mark.parametrize("seed", range(4))
def test_a_lossy_link_costs_time_and_nothing_else(seed):
    with NonceWatch():
        story = Story(seed=seed)
        session = story.session()
        tickets = [story.ask(session, put(bytes((number,)))) for number in range(3)]
        story.link.loss = story.link.dup = 20
        for _ in range(6):
            story.awake(60)
        story.link.loss = story.link.dup = 0
        assert [story.outcome(ticket) for ticket in tickets] == [L.CODE_CHANGED] * 3, str(story.link)
        assert story.wrote == [b"\x00", b"\x01", b"\x02"]


def test_a_client_that_observes_needs_one_contact_a_day_for_token_and_request(story):
    ticket = story.run(open_later(story.doctor, "hub", story.token()))
    watch = ticket.watch()
    story.run(one_of(watch))
    story.cycle(DAY_S - 100)
    story.hub.contact()
    assert story.run(one_of(watch)).get(L.OPT_OBSERVE) is None
    answer = story.fetch(story.ask(story.fetch(ticket), get("/result")))
    assert answer.payload == b"negative"
    assert story.hub.is_awake(None, story.now_ms)


def test_what_is_fresh_of_an_unprotected_answer_is_told_while_the_tube_sleeps(story):
    message = get("/hello")
    story.tube.rs.resource("/hello", get=lambda asked: response(L.CODE_CONTENT, b"hello"), public=True)

    def asked():
        return (yield story.doctor.endpoint.call("hub", message))

    refused = story.run(asked())
    assert (refused.code, refused.uint(L.OPT_MAX_AGE)) == (L.CODE_SERVICE_UNAVAILABLE, HOUR_S + 1)
    story.hub.contact()
    first = story.run(asked())
    story.wait(30)
    assert story.run(asked()).payload == first.payload
    story.wait(30)
    assert story.run(asked()).code == L.CODE_SERVICE_UNAVAILABLE


def test_an_observer_of_the_location_hears_when_something_is_there(story):
    session = story.session()
    ticket = story.ask(session, get("/result"))
    watch, given_up = ticket.watch(), ticket.watch()
    for seen in (watch, given_up):
        news = story.run(one_of(seen))
        assert (news.code, news.get(L.OPT_OBSERVE) is not None, news.payload) == (L.CODE_CONTENT, True, b"")
    story.doctor.endpoint.unwatch(given_up)
    story.wait(1)
    before = len(story.link.log)
    story.awake()
    news = story.run(one_of(watch))
    assert (news.code, news.get(L.OPT_OBSERVE), news.payload) == (L.CODE_CONTENT, None, b"")
    told = [entry for entry in story.link.log[before:] if entry[1:3] == ("hub", "doctor")]
    assert len(told) == 1
    assert story.fetch(ticket).payload == b"negative"
    news = story.run(one_of(ticket.watch()))
    assert (news.code, news.get(L.OPT_OBSERVE)) == (L.CODE_CONTENT, None)


def one_of(watch):
    return (yield watch.next())


# --- late is what the device says is late ---


def test_a_request_that_was_kept_past_its_token_is_refused_by_the_device(story):
    session = story.session(life_s=2 * HOUR_S)
    ticket = story.ask(session, put(b"1"))
    story.sleep(2 * HOUR_S)
    story.wake()
    story.meet()
    assert story.outcome(ticket) == "SessionLost"
    assert story.wrote == []


def test_a_token_that_ended_while_it_waited_is_refused_by_the_device(story):
    ticket = story.run(open_later(story.doctor, "hub", story.token(life_s=HOUR_S // 2)))
    story.awake()
    assert story.outcome(ticket) == "Refused"
    assert len(story.tube.rs.rights.sessions) == 0


def test_a_hub_that_keeps_a_request_for_a_year_gets_nothing_done_with_it():
    with NonceWatch():
        story = Story(Limits(request_s=2 * YEAR_S, answer_s=2 * YEAR_S))
        session = story.session()
        ticket = story.ask(session, put(b"1"))
        story.sleep(YEAR_S)
        story.wake()  # no memory lasts so long: it started anew
        story.meet()
        assert story.outcome(ticket) == "SessionLost"
        assert story.wrote == []
        assert story.session().is_open


def test_a_tube_that_lost_its_memory_refuses_what_waited(story):
    session = story.session()
    ticket = story.ask(session, put(b"1"))
    story.restart()
    story.meet()
    assert story.outcome(ticket) == "SessionLost"
    assert story.wrote == []
    again = story.session()
    ticket = story.ask(again, put(b"1"))
    story.awake()
    assert story.outcome(ticket) == L.CODE_CHANGED


def test_a_late_request_has_the_rights_of_when_it_arrives(story):
    session = story.session()
    late = story.ask(session, put(b"1"))
    story.cycle(HOUR_S)
    claims = mint.claims(TUBE, "read_result", NOW_S + story.now_ms // 1000, cnf={L.CNF_KID: b"osc-1"})
    session.peer, session.endpoint = "tube", session.endpoint._endpoint
    story.run(session.update(held(mint.encrypted(claims), now_ms=story.now_ms)))
    story.meet()
    assert story.outcome(late) == L.CODE_FORBIDDEN
    assert story.wrote == []


def test_a_request_that_many_have_overtaken_is_refused(story):
    session = story.session()
    late = story.ask(session, put(b"late"))
    session.peer, hub = "tube", session.endpoint
    session.endpoint = hub._endpoint
    for _ in range(40):
        story.run(session.request(get("/result")))
    story.awake()
    assert story.outcome(late) == "SessionLost"
    assert story.wrote == []


def test_a_hub_that_delivers_twice_gets_it_done_once(story):
    session = story.session()
    ticket = story.ask(session, put(b"1"))
    start = len(story.link.log)
    story.awake()
    old = [entry[3] for entry in story.link.log[start:] if entry[2] == "tube"]
    start = len(story.link.log)
    for number, datagram in enumerate(old):
        story.link.send("hub", "tube", datagram[:2] + bytes((9, number)) + datagram[4:])
    story.wait(1)
    answers = [decode(entry[3]) for entry in story.link.log[start:] if entry[1] == "tube"]
    assert [(answer.code, answer.get(L.OPT_OSCORE)) for answer in answers] == [(L.CODE_UNAUTHORIZED, None)]
    assert story.outcome(ticket) == L.CODE_CHANGED
    assert story.wrote == [b"1"]


# --- every loss is seen ---


def test_a_hub_that_drops_is_seen_by_the_client_and_in_the_numbers_by_the_device(story):
    session = story.session()
    dropped = story.ask(session, put(b"1"))
    kept = story.ask(session, put(b"2"))
    story.hub.spool.take("tube-1", 1, story.hub.now(), lambda lent: story.hub.spool.delivered(lent, lambda _: None))
    story.awake()
    assert story.outcome(kept) == L.CODE_CHANGED
    assert story.outcome(dropped) == L.CODE_NOT_FOUND
    highest, seen = story.tube.rs.rights.sessions.all()[0].context.replay.export()
    assert (highest, seen & 0b11) == (1, 0b01)


def test_contacts_that_somebody_has_forged_cost_the_request_nothing(story):
    session = story.session()
    ticket = story.ask(session, put(b"1"))
    story.link.tap = lambda sender, receiver, octets: [] if receiver == "tube" else [octets]
    for _ in range(2 * MAX_TRIES):
        story.meet(100)
    assert story.outcome(ticket) is None
    story.link.tap = None
    story.awake()
    assert (story.outcome(ticket), story.wrote) == (L.CODE_CHANGED, [b"1"])


def test_what_expires_or_cannot_be_delivered_is_told():
    with NonceWatch():
        story = Story(Limits(request_s=2 * HOUR_S))
        session = story.session()
        tickets = [story.ask(session, put(b"1")) for _ in range(2)]
        # It is there, and answers a ping, and nothing else.
        story.link.tap = lambda sender, receiver, octets: [] if receiver == "tube" and octets[1] else [octets]
        for _ in range(MAX_TRIES):
            story.meet(100)
        assert story.outcome(tickets[0]) == L.CODE_GATEWAY_TIMEOUT
        assert story.outcome(tickets[1]) is None
        story.wait(2 * HOUR_S)
        assert {story.outcome(ticket) for ticket in tickets} == {L.CODE_NOT_FOUND}
        assert story.wrote == []


class Mortal(Story):
    """A story whose hub is killed before its step so and so, once, and is there again for the next datagram."""

    def __init__(self, fatal, spool):
        Story.__init__(self, long_ago=False, spool=spool)
        self.left = fatal
        self.hub.on_step = self.on_step
        self.link.tap = self.tap

    def on_step(self):
        self.left -= 1
        return self.left == 0

    def tap(self, sender, receiver, datagram):
        if self.hub.dead:
            self.hub.restart()
        return [datagram]

    def collected(self, ticket):
        """What a ticket brings within some contacts."""
        for _ in range(4):
            self.tap(None, None, b"")
            self.awake(120)
            outcome = self.outcome(ticket)
            if outcome is not None:
                return outcome
        raise AssertionError("neither an answer nor a loss is seen")


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_killed_between_any_two_steps_nothing_is_done_twice_and_no_loss_is_silent(kind, tmp_path):
    seen = set()
    for fatal in range(1, 100, 1 if kind == "memory" else 4):
        spool = FakeSpool() if kind == "memory" else DiskSpool(tmp_path / str(fatal))
        with NonceWatch():
            story = Mortal(fatal, spool)
            ticket = story.run(open_later(story.doctor, "hub", story.token()))
            if story.collected(ticket) == "Refused":  # a repeat that the device has refused; the client posts again
                ticket = story.run(open_later(story.doctor, "hub", story.token()))
                story.collected(ticket)
            session = story.fetch(ticket)
            tickets = [story.ask(session, put(bytes((number,)))) for number in range(2)]
            outcomes = [story.collected(ticket) for ticket in tickets]
            assert story.wrote == sorted(set(story.wrote))
            assert len(story.wrote) >= outcomes.count(L.CODE_CHANGED)
            seen |= set(outcomes)
        if kind == "disk":
            story.hub.spool.close()
        if story.left > 0:
            break
    assert story.left > 0
    assert seen == {L.CODE_CHANGED, "SessionLost"}
