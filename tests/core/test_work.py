"""No request costs more because a table is full: every bounded table of the core, empty and at its bound.

A new table gets a class in TABLES: `bound`, a constructor that takes how many entries to fill in, and `one_more`, which
does once more what meets the table and returns nothing.
"""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_limits import DEVICE_LIMITS, Limits
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import Message, decode, encode, request
from holdfast_core.coap_reliability import Exchange, Timed, Timers
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.replay_window import ReplayWindow
from testkit.coap import Server, block, contexts, datagram, secured, table
from testkit.work import Counted, assert_no_more, least_work_of


class OfServer:
    """A server; count entries made by one_more itself."""

    limits = SERVER_LIMITS

    def __init__(self, count):
        self.server = Server(self.limits)
        self.number = 0
        for _ in range(count):
            self.one_more()
        assert self.held() == count

    def peer(self):
        self.number += 1
        return Counted(f"10.0.{self.number}"), 5683


class Exchanges:
    """Messages remembered for deduplication, each from an address of its own."""

    bound = SERVER_LIMITS.max_exchanges

    def __init__(self, count):
        self.server = Server(SERVER_LIMITS)
        self.messages = self.server.stack._messages
        self.number = 0
        for self.number in range(count):
            self.messages._exchanges[(Counted(f"10.0.{self.number}"), 5683), 1] = Exchange(self.server.now_ms + 1000)
        assert len(self.messages._exchanges) == count

    def one_more(self):
        self.number += 1
        self.server.feed(datagram(L.CODE_GET, "/a"), (Counted(f"10.1.{self.number}"), 5683))


class ExpiredExchanges(Exchanges):
    """The same after EXCHANGE_LIFETIME, when all of them may go."""

    def __init__(self, count):
        super().__init__(count)
        self.server.now_ms += 300_000


class KnownExchanges(Exchanges):
    """The same with peers that have a context, while a stranger comes."""

    def __init__(self, count):
        super().__init__(count)
        self.messages._known.update(self.messages._exchanges)
        self.messages._exchanges.clear()


class Uploads(OfServer):
    """Bodies that are coming in, each from an address of its own."""

    bound = SERVER_LIMITS.max_uploads

    def one_more(self):
        options = [(L.OPT_BLOCK1, block(0, True, 0))]
        self.server.feed(datagram(L.CODE_PUT, "/a", payload=bytes(16), options=options), self.peer())

    def held(self):
        return len(self.server.stack._server.uploads)


class ExpiredUploads(Uploads):
    """The same when all of them may go."""

    def __init__(self, count):
        super().__init__(count)
        self.server.now_ms += SERVER_LIMITS.transfer_lifetime_ms


class TickedUploads(Uploads):
    """What a tick costs, which a server does at every wake-up."""

    def __init__(self, count):
        super().__init__(count)
        self.one_more = lambda: self.server.stack.tick(self.server.now_ms)


class ProtectedUploads:
    """Bodies that are coming in, each in a context of its own, and a stranger who wants to begin one more."""

    bound = SERVER_LIMITS.max_uploads

    def __init__(self, count):
        pairs = [contexts(client_id=b"%d" % number) for number in range(count)]
        self.server = Server(SERVER_LIMITS, table(*(held for _, held in pairs)))
        for mid, (client, _) in enumerate(pairs):
            asked = request(L.CODE_PUT, "/a", bytes(16)).add(L.OPT_BLOCK1, block(0, True, 0))
            self.server.feed(secured(asked, client, mid)[0])
        assert len(self.server.stack._server.uploads) == count
        self.number = 0

    one_more, peer = Uploads.one_more, OfServer.peer


class Renderings(OfServer):
    """Responses kept for their later blocks."""

    bound = SERVER_LIMITS.max_renderings

    def one_more(self):
        self.server.body = bytes(3000)
        self.server.feed(datagram(L.CODE_GET, "/a"), self.peer())

    def held(self):
        return len(self.server.stack._server.renderings)


class ExpiredRenderings(Renderings):
    """The same when all of them may go."""

    def __init__(self, count):
        super().__init__(count)
        self.server.now_ms += SERVER_LIMITS.transfer_lifetime_ms


class Observers(OfServer):
    """The list of observers."""

    bound = SERVER_LIMITS.max_observers

    def one_more(self):
        self.server.observe = True
        self.server.feed(datagram(L.CODE_GET, "/a", options=[(L.OPT_OBSERVE, 0)]), self.peer())

    def held(self):
        observers = self.server.stack._server.observers
        return 0 if observers is None else len(observers)


class IdlePeers(OfServer):
    """Peers whose message IDs are counted."""

    bound = SERVER_LIMITS.max_peers

    def one_more(self):
        self.server.feed(datagram(L.CODE_GET, "/a", mtype=L.TYPE_NON), self.peer())

    def held(self):
        return sum(map(len, self.server.stack._messages._peers))


class OwedPeers(IdlePeers):
    """Peers that are owed a separate response, while one after the other speaks up."""

    def __init__(self, count):
        OfServer.__init__(self, 0)
        for _ in range(count):
            self.server.feed(datagram(L.CODE_GET, "/late"), self.peer())
        for incoming in self.server.requests:
            self.server.stack.respond(incoming, Message(L.CODE_CONTENT), self.server.now_ms)
        self.server.stack.take_datagrams()
        assert self.held() == count


class AskedPeers(OfServer):
    """Our own requests, each to a peer of its own: one more takes the place of one that is cancelled."""

    bound = SERVER_LIMITS.max_requests

    def one_more(self):
        stack = self.server.stack
        if len(stack._client or ()) >= self.bound:
            stack.cancel(self.first, self.server.now_ms)
            self.first += 1
        peer = self.peer()
        request_id = stack.request(peer, request(L.CODE_GET, "/a"), self.server.now_ms)
        self.first = getattr(self, "first", request_id)
        (sent,) = self.server.sent(peer)
        ack = Message(L.CODE_EMPTY, mtype=L.TYPE_ACK, mid=decode(sent).mid)
        stack.feed(encode(ack), peer, self.server.now_ms)

    def held(self):
        return len(self.server.stack._client or ())


class Admissions:
    """Buckets by address in front of the server: every address is a new one."""

    bound = 1024

    def __init__(self, count):
        self.bucket = TokenBucket(max_addresses=self.bound)
        self.number = 0
        for _ in range(count):
            self.one_more()

    def one_more(self):
        self.number += 1
        self.bucket.admit((Counted(f"10.0.{self.number}"), 1), self.number * 10, 0)


class Contexts:
    """OSCORE contexts: a request in one of them."""

    bound = 100_000

    def __init__(self, count):
        self.client, held = contexts()
        held_table = ContextTable(self.bound + 1)
        held_table.add(held)
        for number in range(count):
            held_table._by_kid[b"%d" % number] = held
        self.server = Server(SERVER_LIMITS, held_table)
        self.mid = 0

    def one_more(self):
        self.mid += 1
        self.server.feed(secured(request(L.CODE_GET, "/a"), self.client, self.mid)[0])


class Windows:
    """A replay window in which everything was seen, and the next number."""

    bound = 32

    def __init__(self, count):
        self.window = ReplayWindow()
        for self.number in range(count + 1):
            self.window.record(self.number)

    def one_more(self):
        self.number += 1
        self.window.record(self.number)


class Challenges:
    """Echo challenges of contexts whose window is lost: an old request in one, when all others have been challenged."""

    bound = 512

    def __init__(self, count):
        pairs = [
            contexts(client_id=b"%d" % number, replay=ReplayWindow(initialised=False)) for number in range(count + 1)
        ]
        self.server = Server(SERVER_LIMITS, table(*(held for _, held in pairs)))
        for client, _ in pairs:
            self.raw = secured(request(L.CODE_GET, "/a"), client)[0]
            self.server.feed(self.raw)
        self.mid = 1

    def one_more(self):
        self.mid += 1
        self.server.feed(self.raw[:2] + self.mid.to_bytes(2, "big") + self.raw[4:])


TABLES = [
    Exchanges,
    ExpiredExchanges,
    KnownExchanges,
    Uploads,
    ExpiredUploads,
    TickedUploads,
    ProtectedUploads,
    Renderings,
    ExpiredRenderings,
    Observers,
    IdlePeers,
    OwedPeers,
    AskedPeers,
    Admissions,
    Contexts,
    Windows,
    Challenges,
]


@pytest.mark.parametrize("table", TABLES, ids=[table.__name__ for table in TABLES])
def test_one_more_request_costs_the_same_when_the_table_is_full(table):
    empty = least_work_of(table(0).one_more)
    full = least_work_of(table(table.bound).one_more)
    assert_no_more(full, empty)


def test_timers_cost_the_logarithm_of_how_many_there_are():
    timers = Timers()
    waiting = [Timed() for _ in range(8192)]

    def move_all(timed):
        for number, one in enumerate(timed):
            timers.start(one, number * 7919 % 10_007)
        for one in timed[::2]:
            timers.stop(one)

    few, many = least_work_of(lambda: move_all(waiting[:64])), least_work_of(lambda: move_all(waiting))
    assert many.steps / 8192 <= 1.5 * few.steps / 64


@pytest.mark.parametrize("limits", [DEVICE_LIMITS, Limits(), SERVER_LIMITS])
def test_expired_exchanges_go_while_others_come(limits):
    server = Server(limits)
    for mid in range(min(limits.max_exchanges, 100)):
        server.feed(datagram(L.CODE_GET, "/a", mid=mid))
    server.now_ms += 300_000
    for mid in range(1000, 1030):
        server.feed(datagram(L.CODE_GET, "/a", mid=mid))
    assert len(server.stack._messages._exchanges) <= 30


def test_only_boards_look_for_an_address_they_hold():
    assert [limits.shares_addresses for limits in (DEVICE_LIMITS, Limits(), SERVER_LIMITS)] == [True, False, False]
    assert DEVICE_LIMITS.max_exchanges <= 16
    server = Server(DEVICE_LIMITS)
    for mid in range(3):
        server.feed(datagram(L.CODE_GET, "/a", mid=mid), ("10.0.0.1".lower(), 5683 + 0 * mid))
    assert len({id(peer) for peer, _mid in server.stack._messages._exchanges}) == 1
