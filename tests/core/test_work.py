"""No request costs more because a table is full: every bounded table of the core, empty and at its bound.

A new table gets a row in TABLES: what fills it to its bound, and what one more request then does.
"""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import DEVICE_LIMITS, Limits
from holdfast_core.coap_limits_cpython import SERVER_LIMITS
from holdfast_core.coap_reliability import Exchange
from testkit.coap import Server, datagram
from testkit.work import Counted, assert_no_more, least_work_of


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


TABLES = [Exchanges, ExpiredExchanges]


@pytest.mark.parametrize("table", TABLES, ids=[table.__name__ for table in TABLES])
def test_one_more_request_costs_the_same_when_the_table_is_full(table):
    empty = least_work_of(table(0).one_more)
    full = least_work_of(table(table.bound).one_more)
    assert_no_more(full, empty)


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
