"""What a datagram costs a device when its tables are full: no more than a look at each entry, of which a board has few.

A device has eight sessions, and 64 at most; its other tables have 16 entries.  A new table gets a line in BOUNDS.
"""

import pytest

from holdfast_core import labels as L
from holdfast_core import provisioning
from holdfast_core.coap_limits import DEVICE_LIMITS
from holdfast_core.coap_message import encode, request
from holdfast_device import answers, client, device, endpoint, exchange, exi, introspection, sessions, tasks
from testkit import mint
from testkit.coap import secured
from testkit.story import NOW_S, TUBE, World, get, held
from testkit.work import least_work_of

BOUNDS = {
    "sessions of a device": provisioning.DEFAULT_SESSIONS,
    "sessions that have proven nothing": sessions.MAX_PENDING,
    "addresses with an allowance": device.MAX_ADDRESSES,
    "tasks": tasks.MAX_TASKS,
    "open requests": answers.MAX_OPEN,
    "countdowns": exi.MAX_COUNTDOWNS,
    "questions to the AS": introspection.MAX_ASKING,
    "tokens that the AS has refused": introspection.MAX_REFUSED,
    "sessions with other RSs": client.MAX_SESSIONS,
    "tokens exchanged": exchange.MAX_KEPT,
    "notifications that wait": endpoint.MAX_WAITING,
    "exchanges": DEVICE_LIMITS.max_exchanges,
    "peers": DEVICE_LIMITS.max_peers,
    "requests": DEVICE_LIMITS.max_requests,
    "uploads": DEVICE_LIMITS.max_uploads,
    "kept responses": DEVICE_LIMITS.max_renderings,
    "observers": DEVICE_LIMITS.max_observers,
}
STEPS_OF_ONE = 200  # instructions for the look at one session: whether its token is over, and when it will be


@pytest.mark.parametrize("what", BOUNDS)
def test_a_board_has_few_of_everything(what):
    assert BOUNDS[what] <= 16


class Tube:
    """A tube with so many sessions that are in use, and the last of its clients."""

    def __init__(self, count):
        self.world = World()
        self.world.provisionings["tube"].max_sessions = max(1, count)
        self.tube = self.world.boot_tube()
        doctor = self.world.client()
        for number in range(count):
            token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S, key=b"osc-%d" % number))
            rights = held(token, b"osc-%d" % number, self.world.now_ms, 10**5)
            self.session = self.world.run(doctor.open_session("tube", rights))
            assert self.world.run(self.session.request(get("/result"))).code == L.CODE_CONTENT
            self.session.close()
            self.world.wait(2)
        assert len(self.tube.rs.rights.sessions) == count
        self.mid = 0

    def stranger(self):
        self.mid += 1
        message = get("/result")
        message.mtype, message.mid, message.token = L.TYPE_CON, self.mid, b"t"
        self.feed(encode(message), (f"10.0.0.{self.mid}", 1))

    def known(self):
        self.mid += 1
        self.feed(secured(get("/result"), self.session.context, self.mid)[0], "doctor")

    def post(self):
        self.mid += 1
        message = request(L.CODE_POST, "/authz-info", b"\xa1\x01\x41\x00", L.CF_ACE_CBOR)
        message.mtype, message.mid, message.token = L.TYPE_CON, self.mid, b"t"
        self.feed(encode(message), (f"10.0.1.{self.mid}", 1))

    def tick(self):
        self.tube.tick(self.world.now_ms)
        self.tube.next_deadline_ms()

    def feed(self, raw, peer):
        self.tube.feed(raw, peer, self.world.now_ms)
        assert len(self.tube.take_datagrams()) == 1


@pytest.fixture(scope="module")
def tubes():
    """Tubes with one session, with as many as a device has, and with as many as it may be given."""
    counts = (1, provisioning.DEFAULT_SESSIONS, provisioning.MAX_SESSIONS_LIMIT)
    return [(count, Tube(count)) for count in counts]


@pytest.mark.parametrize("what", ["stranger", "known", "post", "tick"])
def test_a_datagram_costs_a_look_at_each_session_and_no_more(tubes, what):
    (_, one), *more = tubes
    alone = least_work_of(getattr(one, what))
    for count, tube in more:
        full = least_work_of(getattr(tube, what))
        assert full.steps <= alone.steps * 1.2 + 60 + STEPS_OF_ONE * count, (full, alone)
        assert full.allocated <= alone.allocated + 4096, (full, alone)
