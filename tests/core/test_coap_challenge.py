"""Old requests that come again after a restart: what they cost a server whose replay window is lost (RFC 8613 B.1.2).

Whoever has caught datagrams can send them again under any message ID and from any address, as often as the link takes.
"""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_echo import REMAKE_MS
from holdfast_core.coap_limits import DEVICE_LIMITS, Limits
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import decode, request
from holdfast_core.replay_window import ReplayWindow
from testkit.coap import Server, contexts, secured, table

LIMITS = [DEVICE_LIMITS, SERVER_LIMITS]


class Restarted:
    """A server that has lost its window, and what was caught of its client before."""

    def __init__(self, caught, limits=None, admission=None):
        self.client, self.held = contexts(replay=ReplayWindow(initialised=False))
        self.caught = [secured(request(L.CODE_PUT, "/a", b"%d" % n), self.client, n)[0] for n in range(caught)]
        self.server = Server(Limits() if limits is None else limits, table(self.held), admission)
        self.mid = 1000

    @property
    def used(self):
        """Sender sequence numbers that the server has used up."""
        return self.held.sequence.next_value

    def again(self, which=0, peer="stranger"):
        """Send a caught datagram under a new message ID; returns the replies, decoded."""
        self.mid = (self.mid + 1) & 0xFFFF
        raw = self.caught[which]
        return self.server.feed(raw[:2] + self.mid.to_bytes(2, "big") + raw[4:], peer)

    def honest(self, options=(), peer="honest"):
        """A new request of the client: the inner message of the answer."""
        self.mid += 1
        asked = request(L.CODE_GET, "/a")
        for number, value in options:
            asked.add(number, value)
        raw, state = secured(asked, self.client, self.mid, token=b"%d" % self.mid)
        (reply,) = self.server.feed(raw, peer)
        assert reply.token == b"%d" % self.mid
        return self.client.unprotect_response(reply, state)

    def honest_gets_in(self):
        challenge = self.honest()
        assert challenge.code == L.CODE_UNAUTHORIZED
        assert self.honest([(L.OPT_ECHO, challenge.get(L.OPT_ECHO))]).code == L.CODE_CONTENT


@pytest.mark.parametrize("limits", LIMITS)
def test_one_old_request_costs_one_number_however_often_it_comes(limits):
    world = Restarted(1, limits)
    replies = [reply for _ in range(2000) for reply in world.again()]
    assert world.used == 1
    assert len({reply.payload for reply in replies}) == 1  # not a second message under one nonce
    assert len({(reply.mid, reply.token) for reply in replies}) == 2000
    assert world.server.requests == []
    world.honest_gets_in()


def test_a_challenge_that_has_grown_old_is_made_anew():
    world = Restarted(1, Limits(echo_lifetime_ms=60_000))
    world.again()
    for _ in range(600):
        world.server.now_ms += 1000
        world.again()
    assert 600 // 30 <= world.used <= 600 // 30 + 1
    world.honest_gets_in()


@pytest.mark.parametrize("limits", LIMITS)
def test_many_old_requests_cost_one_number_each_and_then_one_a_second(limits):
    world = Restarted(20, limits)
    for _ in range(50):
        for which in range(20):
            world.again(which)
    assert world.used == 20
    for _ in range(10):
        world.server.now_ms += REMAKE_MS
        for _ in range(3):
            for which in range(19):
                world.again(which)
    assert world.used == 30
    assert world.server.requests == []
    world.honest_gets_in()


def test_in_falling_order_they_cost_less():
    world = Restarted(20)
    for which in reversed(range(20)):
        world.again(which)
    assert world.used == 1
    world.honest_gets_in()


def test_an_honest_request_that_was_overtaken_is_challenged_too():
    world = Restarted(2)
    world.again(1, "honest")
    world.server.now_ms += REMAKE_MS
    assert [reply.get(L.OPT_OSCORE) is not None for reply in world.again(0, "honest")] == [True]


def test_what_comes_again_is_charged_to_its_address_and_what_is_new_to_nobody():
    bucket = TokenBucket(rate=5, burst=20, total_rate=200, total_burst=400)
    world = Restarted(1, admission=bucket.admit)
    answers = sum(len(world.again(peer=("192.0.2.1", port))) for port in range(1000))
    assert answers == 1 + 20
    answers = sum(len(world.again(peer=(f"198.51.100.{number}", 1))) for number in range(5000))
    assert answers == 400 - 20  # all strangers together
    assert len(world.server.stack._messages._exchanges) <= 1 + 400
    world.honest_gets_in()  # while there is nothing left for strangers


def test_the_flood_leaves_no_challenge_behind():
    world = Restarted(3)
    for which in (0, 1, 2, 2, 0):
        world.again(which)
    assert world.held.challenge is not None
    world.honest_gets_in()
    assert world.held.challenge is None
    assert [reply.get(L.OPT_OSCORE) for which in range(3) for reply in world.again(which)] == [None] * 3
    assert world.used == 3 + 1


def test_the_same_challenge_can_be_read_by_whoever_asked():
    world = Restarted(0)
    raw, state = secured(request(L.CODE_GET, "/a"), world.client, 1)
    world.server.feed(raw)
    (reply,) = world.server.feed(raw[:2] + b"\x77\x77" + raw[4:], "elsewhere")
    challenge = world.client.unprotect_response(reply, state)
    assert challenge.code == L.CODE_UNAUTHORIZED
    assert world.honest([(L.OPT_ECHO, challenge.get(L.OPT_ECHO))]).code == L.CODE_CONTENT
    assert decode(raw).mid != reply.mid
