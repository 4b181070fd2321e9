"""No request costs more because what a server keeps in memory is full; for what it keeps in SQLite see test_store_work.

A new table gets a class in TABLES: `bound`, a constructor that takes the story and how many entries to fill in, and
`one_more`, which does once more what meets the table.
"""

import logging
import os

import pytest

from holdfast_core import log_shell as log
from holdfast_core.log_shell import Seldom
from holdfast_server.authz import quotas
from holdfast_server.authz.settings import QuotaSettings
from holdfast_server.coap import party_contexts
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.web import login_limits, sessions
from holdfast_server.web.connection_limits import MAX_CONNECTIONS, Connections
from holdfast_server.web.login_limits import FairQueue, KnownBrowser, Lane, LoginLimits, Waiting
from holdfast_server.web.sessions import BrowserSessions
from testkit.authz import EKG, NOW_S, plain
from testkit.work import Counted, assert_no_more, least_work_of


class Parties:
    """The contexts of registered parties: a request in one of them."""

    bound = party_contexts.MAX_PARTIES - 1

    def __init__(self, story, count):
        self.kid = plain(story, story.store.oscore_party(client_id=EKG)).recipient_id
        self.contexts = PartyContexts(story.store, os.urandom, lambda: NOW_S)
        context = self.contexts.find(self.kid)
        for number in range(count):
            self.contexts._by_kid[b"%d" % number] = context
            self.contexts._made_of[b"%d" % number] = ()
        assert len(self.contexts) == count + 1

    def one_more(self):
        self.contexts.find(self.kid)


class EndedLogins:
    """Browser sessions that were ended: one more that is read, and one more that ends."""

    bound = sessions.MAX_ENDED - 10

    def __init__(self, story, count):
        self.sessions = BrowserSessions(os.urandom, story.store)
        self.sessions._ended.update(os.urandom(16) for _ in range(count))
        self.cookie = self.sessions.cookie(self.sessions.start("doctor", NOW_S))

    def one_more(self):
        session = self.sessions.read(self.cookie, NOW_S)
        assert session is not None
        self.sessions.end(self.sessions.start("doctor", NOW_S))


class SeldomLines:
    """Lines of the log that were said a moment ago: one more, which takes the place of the oldest."""

    bound = log.MAX_LINES

    def __init__(self, _story, count):
        self.seldom = Seldom(lambda: 1000)
        self.number = 0
        for _ in range(count):
            self.one_more()

    def one_more(self):
        self.number += 1
        record = logging.LogRecord("holdfast", logging.WARNING, "", 0, f"event={self.number}", (), None)
        assert self.seldom.filter(record)


class Logins:
    """Names, networks and browsers that have tried to log in, and networks where it went well: one more of each."""

    bound = login_limits.MAX_REMEMBERED

    def __init__(self, _story, count):
        self.limits = LoginLimits()
        self.number = 0
        for _ in range(count):
            self.one_more()

    def one_more(self):
        self.number += 1
        name, network = Counted(f"user{self.number}"), Counted(f"10.0.{self.number}")
        self.limits.admit(name, network, None, self.number)
        self.limits.admit(name, network, KnownBrowser(name, b"%d" % self.number), self.number)
        self.limits.succeeded(network)


class ServedLanes:
    """Who had a password hashed lately: one more that waits for it and has it."""

    bound = login_limits.MAX_REMEMBERED

    def __init__(self, _story, count):
        self.queue = FairQueue()
        self.number = 0
        for _ in range(count):
            self.one_more()

    def one_more(self):
        self.number += 1
        waiting = Waiting(Lane(login_limits.STRANGER, Counted(f"10.0.{self.number}")), None)
        assert self.queue.enter(waiting) is None
        assert self.queue.start() is waiting
        self.queue.leave(waiting)


class Quotas:
    """What registered parties have used lately: a request of one more, which is given a token and refused another."""

    bound = quotas.MAX_PARTIES

    def __init__(self, _story, count):
        self.number = 0
        self.quotas = quotas.Quotas(QuotaSettings(), lambda: 1000 + self.number)
        for _ in range(count):
            self.one_more()

    def one_more(self):
        self.number += 1
        client = Counted(f"client{self.number}")
        self.quotas.check_request(client, None)
        self.quotas.check_issuing(client, 0)
        self.quotas.refused(client, limited=True)


class Places:
    """TCP connections: one more, which takes the place of the one that was silent for longest."""

    bound = MAX_CONNECTIONS

    def __init__(self, _story, count):
        self.connections = Connections(self.bound)
        self.number = 0
        for _ in range(count):
            self.one_more()

    def one_more(self):
        self.number += 1
        self.connections.enter(Counted(f"c{self.number}"), Counted(f"10.0.{self.number}"))
        assert len(self.connections) <= self.bound


TABLES = [Quotas, Places, Logins, ServedLanes, Parties, EndedLogins, SeldomLines]


@pytest.mark.parametrize("table", TABLES, ids=[table.__name__ for table in TABLES])
def test_one_more_request_costs_the_same_when_the_table_is_full(table, story):
    empty = least_work_of(table(story, 0).one_more)
    full = least_work_of(table(story, table.bound).one_more)
    assert_no_more(full, empty)
