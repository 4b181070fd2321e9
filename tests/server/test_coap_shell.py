"""The CoAP socket: one commit for a batch, no answer before it, bugs undone, floods weathered. Real UDP on loopback."""

import asyncio
import os
import socket
import tracemalloc
from contextlib import asynccontextmanager, contextmanager

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import Message, decode, encode, request
from holdfast_core.coap_stack import CoapStack
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_server.authz.errors import StoreBusy, StoreFailed
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.coap.site import CoapSite
from holdfast_server.coap.socket import BATCH, CoapShell
from testkit.as_peer import Peer, context_of, until
from testkit.authz import DOCTOR_APP, EKG, NOW_S, TUBE, plain

UNKNOWN = {L.INTRO_TOKEN: b"unknown"}
INACTIVE = cbor.encode({L.INTRO_ACTIVE: False})


class Served:
    """A shell that serves the story, and what it told: commits, errors and faults in order."""

    def __init__(self, story, admission=None):
        self.story = story
        self.commits = 0
        self.errors = []
        self.failures = []
        self.faults = []
        self.begins_fail = self.commits_fail = 0
        contexts = PartyContexts(story.store, os.urandom, lambda: NOW_S)
        self.stack = CoapStack(os.urandom, contexts, SERVER_LIMITS, admission=admission)
        self.site = CoapSite(story.server)
        self.shell = CoapShell(
            self.stack,
            self.site,
            self.transaction,
            lambda: NOW_S,
            lambda: int(asyncio.get_running_loop().time() * 1000),
            self.errors.append,
            self.failures.append,
            self.faults.append,
        )

    @contextmanager
    def transaction(self):
        outer = not self.story.store._depth
        if outer and self.begins_fail:
            self.begins_fail -= 1
            raise StoreBusy("database is locked")
        with self.story.store.transaction():
            yield
            if outer:
                self.commits += 1
                if self.commits_fail:
                    self.commits_fail -= 1
                    raise StoreFailed("disk full")

    def context(self, sequence=0):
        return context_of(self.story.store.oscore_party(client_id=EKG), sequence)


@asynccontextmanager
async def serving(served):
    """Serve, and give a peer."""
    address = served.shell.start("127.0.0.1", 0)
    try:
        async with Peer(address) as peer:
            yield peer
    finally:
        served.shell.stop()


def exchange(token):
    """The EKG's token exchange for the tube, as the payload's map."""
    return {
        L.ACE_GRANT_TYPE: L.PRIV_GRANT_TOKEN_EXCHANGE,
        L.PRIV_SUBJECT_TOKEN: token,
        L.PRIV_SUBJECT_TOKEN_TYPE: ACCESS_TOKEN_URN,
        L.ACE_AUDIENCE: TUBE,
        L.ACE_SCOPE: "read_result",
    }


def run(served, scene):
    async def play():
        async with serving(served) as peer:
            await scene(peer)

    asyncio.run(play())


def test_a_registered_party_is_answered_inside_its_context(story):
    served = Served(story)

    async def scene(peer):
        context = served.context()
        for _ in range(3):
            answer = await peer.post("/introspect", UNKNOWN, context)
            assert (answer.code, answer.payload) == (L.CODE_CREATED, INACTIVE)
        assert len(peer.datagrams) == 4  # the first request made the context; nobody need prove anything by Echo
        assert all(INACTIVE not in datagram for datagram in peer.datagrams)

    run(served, scene)
    assert (served.errors, served.faults) == ([], [])


def test_a_stranger_gets_the_links_and_nothing_else_and_never_three_times_what_it_sent(story):
    served = Served(story)

    async def scene(peer):
        for method in range(1, 8):
            for path in ("/token", "/introspect", "/.well-known/core", "/", "/x"):
                asked = request(method, path, b"\xa0", L.CF_ACE_CBOR)
                before = len(peer.datagrams)
                answer = await peer.ask(asked)
                got_len = len(peer.datagrams[before])
                asked.mtype, asked.mid, asked.token = L.TYPE_CON, 1, b"\0" * 8
                assert got_len <= 3 * len(encode(asked)), path
                is_list = path == "/.well-known/core" and method == L.CODE_GET
                assert (answer.code >> 5 == 2) == is_list, (method, path)

    run(served, scene)
    assert not story.store.tokens()


def test_a_batch_of_datagrams_is_one_commit(story):
    served = Served(story)

    async def scene(peer):
        context = served.context()
        await peer.post("/introspect", UNKNOWN, context)
        before = served.commits
        datagrams = []
        for number in range(20):
            outer, _ = context.protect_request(request(L.CODE_POST, "/introspect", cbor.encode(UNKNOWN), L.CF_ACE_CBOR))
            outer.mtype, outer.mid, outer.token = L.TYPE_NON, 9000 + number, bytes([number])
            datagrams.append(encode(outer))
        for datagram in datagrams:
            peer.throw(datagram)
        got = len(peer.datagrams)
        await until(lambda: len(peer.datagrams) >= got + 20)
        assert served.commits - before == 1
        assert BATCH >= 20

    run(served, scene)


@pytest.mark.parametrize("fails", ["commits_fail", "begins_fail"])
def test_when_the_store_fails_it_is_5_03_and_nothing_has_happened_and_the_next_is_served(story, fails):
    served = Served(story)

    async def scene(peer):
        context = served.context()
        await peer.post("/introspect", UNKNOWN, context)
        token = story.doctor_token()["access_token"]
        rows = len(story.store.audit_rows())
        setattr(served, fails, 2)
        for _ in range(2):
            answer = await peer.post("/token", exchange(token), context)
            assert (answer.code, answer.payload) == (L.CODE_SERVICE_UNAVAILABLE, b"")
            assert answer.uint(L.OPT_MAX_AGE) == 5
        assert len(story.store.audit_rows()) == rows
        answer = await peer.post("/token", exchange(token), context)
        assert answer.code == L.CODE_CREATED

    run(served, scene)
    assert len(served.failures) == 2
    assert (served.errors, served.faults) == ([], [])


def test_a_retransmission_of_what_failed_gets_5_03_again_and_never_what_was_undone(story):
    served = Served(story)

    async def scene(peer):
        context = served.context()
        await peer.post("/introspect", UNKNOWN, context)
        token = story.doctor_token()["access_token"]
        served.commits_fail = 1
        asked = request(L.CODE_POST, "/token", cbor.encode(exchange(token)), L.CF_ACE_CBOR)
        outer, state = context.protect_request(asked)
        outer.mtype, outer.mid, outer.token = L.TYPE_CON, 4712, b"again"
        got = len(peer.datagrams)
        for count in (1, 2):
            peer.throw(encode(outer))
            await until(lambda count=count: len(peer.datagrams) >= got + count)
        assert peer.datagrams[got] == peer.datagrams[got + 1]
        inner = context.unprotect_response(decode(peer.datagrams[got]), state)
        assert inner.code == L.CODE_SERVICE_UNAVAILABLE

    run(served, scene)


def test_when_no_numbers_can_be_reserved_a_challenge_is_not_sent_and_all_others_are_served(story):
    served = Served(story)

    async def scene(peer):
        context = served.context()
        await peer.post("/introspect", UNKNOWN, context)
        other = context_of(plain(story, story.store.oscore_party(client_id=DOCTOR_APP)))
        story.store._execute("PRAGMA query_only = 1")
        outer, _ = other.protect_request(request(L.CODE_POST, "/token", b"\xa0", L.CF_ACE_CBOR))
        outer.mtype, outer.mid, outer.token = L.TYPE_CON, 4713, b"new"
        got = len(peer.datagrams)
        peer.throw(encode(outer))
        await until(lambda: served.failures)
        assert len(peer.datagrams) == got
        answer = await peer.post("/token", exchange(b"x"), context)
        assert answer.code == L.CODE_SERVICE_UNAVAILABLE
        story.store._execute("PRAGMA query_only = 0")
        outer.mid = 4714
        peer.throw(encode(outer))
        await until(lambda: len(peer.datagrams) > got + 1)

    run(served, scene)
    assert served.faults == []


def test_a_bug_of_the_stack_ends_the_service_and_the_owner_is_told_once(story, monkeypatch):
    served = Served(story)

    def torn(*_):
        raise KeyError("torn")

    async def scene(peer):
        monkeypatch.setattr(served.stack, "feed", torn)
        peer.throw(b"\x40\x01\x00\x01")
        await until(lambda: served.faults)
        peer.throw(b"\x40\x01\x00\x01")
        for _ in range(50):
            await asyncio.sleep(0)
        assert peer.datagrams == []

    run(served, scene)
    assert [type(fault) for fault in served.faults] == [KeyError]


def test_a_bug_in_one_request_is_undone_and_answered_5_00_and_the_next_is_served(story, monkeypatch):
    served = Served(story)
    real = story.server.introspect

    def broken(params, caller, now_s):
        if params["token"] == b"bug":
            story.store.audit(now_s, "never-seen")
            raise KeyError("a bug")
        return real(params, caller, now_s)

    monkeypatch.setattr(story.server, "introspect", broken)

    async def scene(peer):
        context = served.context()
        answer = await peer.post("/introspect", {L.INTRO_TOKEN: b"bug"}, context)
        assert (answer.code, answer.payload) == (L.CODE_INTERNAL_SERVER_ERROR, b"")
        answer = await peer.post("/introspect", UNKNOWN, context)
        assert answer.payload == INACTIVE

    run(served, scene)
    assert [type(error) for error in served.errors] == [KeyError]
    assert served.faults == []
    assert "never-seen" not in [row.event for row in story.store.audit_rows()]


def test_a_body_that_is_too_long_is_4_13_and_one_with_a_gap_4_08(story):
    served = Served(story)

    async def scene(peer):
        context = served.context()
        await peer.post("/introspect", UNKNOWN, context)
        answer = await peer.post("/token", b"\xa1\x09\x79\x50\x00" + b"a" * 0x5000, context)
        assert answer.code == L.CODE_REQUEST_ENTITY_TOO_LARGE
        gap = request(L.CODE_POST, "/token", b"x" * 16, L.CF_ACE_CBOR).add(L.OPT_BLOCK1, bytes([0x30 | 0x08]))
        outer, state = context.protect_request(gap)
        outer.mtype, outer.mid, outer.token = L.TYPE_CON, 4711, b"gap"
        got = len(peer.datagrams)
        peer.throw(encode(outer))
        await until(lambda: len(peer.datagrams) > got)
        inner = context.unprotect_response(decode(peer.datagrams[got]), state)
        assert inner.code == L.CODE_REQUEST_ENTITY_INCOMPLETE
        answer = await peer.post("/introspect", UNKNOWN, context)
        assert answer.payload == INACTIVE

    run(served, scene)


def garbage(number):
    """Datagrams of a flood: noise, cut headers, plain requests, OSCORE with kids that nobody has."""
    noise = os.urandom(40)
    oscore = Message(L.CODE_POST, noise[:20], None).add(L.OPT_OSCORE, b"\x09\x01" + noise[:3])
    oscore.mtype, oscore.mid, oscore.token = L.TYPE_CON, number & 0xFFFF, noise[:4]
    plain = request(L.CODE_POST, "/token", noise, L.CF_ACE_CBOR)
    plain.mtype, plain.mid, plain.token = L.TYPE_NON, number & 0xFFFF, noise[:4]
    return (noise, noise[: number % 5], encode(oscore), encode(plain), b"\x40\x01" + noise[:2] + b"\xff", b"")


def test_in_a_flood_of_garbage_memory_is_flat_and_a_registered_party_is_served(story):
    served = Served(story, admission=TokenBucket().admit)
    grown = []

    async def scene(peer):
        context = served.context()
        await peer.post("/introspect", UNKNOWN, context)
        flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # message IDs are counted for each address
        tracemalloc.start()
        for wave in range(6):
            for number in range(500):
                for datagram in garbage(number + 1000 * wave):
                    flood.sendto(datagram, peer.server)
                if number % 20 == 0:
                    await asyncio.sleep(0)
            answer = await peer.post("/introspect", UNKNOWN, context)
            assert answer.payload == INACTIVE
            peer.datagrams.clear()
            grown.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        flood.close()

    run(served, scene)
    assert (served.errors, served.faults) == ([], [])
    assert len(served.stack._server._contexts) == 1
    assert grown[-1] - grown[2] < 1_000_000, grown


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_binds_and_lets_go(story, host):
    served = Served(story)

    async def play():
        address = served.shell.start(host, 0)
        with pytest.raises(OSError, match="in use"):
            Served(story).shell.start(*address)
        served.shell.stop()
        served.shell.stop()
        again = Served(story).shell
        assert again.start(*address) == address
        again.stop()

    asyncio.run(play())
