"""Our OSCORE endpoint against aiocoap over real UDP, as server and as client: blocks, Observe, Echo (RFC 8613)."""

import asyncio
import os
import socket

import aiocoap
import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request, response
from holdfast_core.coap_stack import CoapStack, RequestEvent
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.replay_window import ReplayWindow
from testkit import aiocoap_peer
from testkit.udp_pump import UdpPump

BODY = bytes(range(250)) * 20
SECRET, SALT = b"master secret 16", b"salt"
CLIENT_ID, SERVER_ID = b"\x01\x02", b"\x0a"
ID_CONTEXTS = pytest.mark.parametrize("id_context", [None, b"\x37\xcb"], ids=["no-id-context", "id-context"])


def our_context(is_client, id_context, replay=None):
    ids = (CLIENT_ID, SERVER_ID) if is_client else (SERVER_ID, CLIENT_ID)
    return SecurityContext(SECRET, SALT, *ids, id_context=id_context, replay=replay)


def their_context(is_client, id_context, fresh=True):
    ids = (CLIENT_ID, SERVER_ID) if is_client else (SERVER_ID, CLIENT_ID)
    return aiocoap_peer.MemoryContext(SECRET, SALT, *ids, id_context=id_context, fresh=fresh)


class OurServer:
    """Keeps one body inside OSCORE: GET reads and observes it, PUT replaces it; counts what came unprotected."""

    def __init__(self, id_context, replay=None):
        self.body = b"small"
        self.observers = []
        table = ContextTable(1)
        table.add(our_context(False, id_context, replay))
        self.asked = 0
        self.pump = UdpPump(CoapStack(os.urandom, table), self.on_event)

    def on_event(self, event):
        if not isinstance(event, RequestEvent):
            return
        incoming = event.incoming
        stack, now_ms = self.pump.stack, self.pump.now_ms
        self.asked += 1
        if incoming.context is None:
            stack.respond(incoming, response(L.CODE_UNAUTHORIZED), now_ms)
        elif incoming.message.code == L.CODE_PUT:
            self.body = incoming.message.payload
            stack.respond(incoming, response(L.CODE_CHANGED, str(len(self.body)).encode()), now_ms)
            for observer in self.observers:
                stack.notify(observer, response(L.CODE_CONTENT, self.body), now_ms)
        elif stack.respond(incoming, response(L.CODE_CONTENT, self.body), now_ms, observe=True):
            self.observers.append(incoming)


async def fetch(client, base, code, payload=b""):
    return await client.request(aiocoap.Message(code=code, uri=base + "/any", payload=payload)).response


async def aiocoap_asks_us(id_context):
    server = OurServer(id_context)
    async with server.pump as pump:
        base = f"coap://127.0.0.1:{pump.port}"
        async with aiocoap_peer.client(base, their_context(True, id_context)) as client:
            assert (await fetch(client, base, aiocoap.GET)).payload == b"small"
            put = await fetch(client, base, aiocoap.PUT, BODY)
            assert (put.code, put.payload) == (aiocoap.CHANGED, b"5000")
            assert (await fetch(client, base, aiocoap.GET)).payload == BODY
            assert server.asked == 3
        async with aiocoap_peer.client() as stranger:
            assert (await fetch(stranger, base, aiocoap.GET)).code == aiocoap.UNAUTHORIZED


async def aiocoap_observes_us(id_context):
    server = OurServer(id_context)
    async with server.pump as pump:
        base = f"coap://127.0.0.1:{pump.port}"
        async with aiocoap_peer.client(base, their_context(True, id_context)) as client:
            asked = client.request(aiocoap.Message(code=aiocoap.GET, uri=base + "/any", observe=0))
            assert (await asked.response).payload == b"small"
            notes = aiter(asked.observation)
            for body in (b"one", BODY, b"three"):
                await fetch(client, base, aiocoap.PUT, body)
                assert (await anext(notes)).payload == body
            asked.observation.cancel()


async def aiocoap_is_challenged(id_context):
    server = OurServer(id_context, ReplayWindow(initialised=False))
    async with server.pump as pump:
        base = f"coap://127.0.0.1:{pump.port}"
        async with aiocoap_peer.client(base, their_context(True, id_context)) as client:
            assert (await fetch(client, base, aiocoap.GET)).payload == b"small"
            assert server.asked == 1


async def we_ask_aiocoap(port, id_context, fresh):
    shelf = aiocoap_peer.Echoing()
    context = our_context(True, id_context)
    theirs = their_context(False, id_context, fresh)
    async with (
        aiocoap_peer.server({"any": shelf}, port, theirs),
        UdpPump(CoapStack(os.urandom)) as pump,
    ):
        answers = []
        for count, message in enumerate(
            (request(L.CODE_GET, "/any"), request(L.CODE_PUT, "/any", BODY), request(L.CODE_GET, "/any"))
        ):
            pump.stack.request(("127.0.0.1", port), message, pump.now_ms, context)
            pump.flush()
            answers.append((await pump.wait_for(count + 1))[-1].message)
        assert [answer.payload for answer in answers] == [b"small", b"5000", BODY]
        assert shelf.body == BODY


async def we_observe_aiocoap(port, id_context):
    shelf = aiocoap_peer.Echoing()
    context = our_context(True, id_context)
    theirs = their_context(False, id_context)
    async with (
        aiocoap_peer.server({"any": shelf}, port, theirs),
        UdpPump(CoapStack(os.urandom)) as pump,
    ):
        peer = ("127.0.0.1", port)
        watching = pump.stack.request(peer, request(L.CODE_GET, "/any"), pump.now_ms, context, observe=True)
        pump.flush()
        await pump.wait_for(1)
        # aiocoap 0.4.17 sends a notification in one datagram whatever its size, so none is larger than a block here.
        for count, body in enumerate((b"one", b"two" * 300, b"three"), 2):
            shelf.body = body
            shelf.updated_state()
            event = (await pump.wait_for(count))[-1]
            assert (event.request_id, event.observing, event.message.payload) == (watching, True, body)


async def we_are_unknown(port):
    shelf = aiocoap_peer.Echoing()
    stranger = SecurityContext(SECRET, SALT, b"\x63", SERVER_ID)
    theirs = their_context(False, None)
    async with (
        aiocoap_peer.server({"any": shelf}, port, theirs),
        UdpPump(CoapStack(os.urandom)) as pump,
    ):
        pump.stack.request(("127.0.0.1", port), request(L.CODE_GET, "/any"), pump.now_ms, stranger)
        pump.flush()
        event = (await pump.wait_for(1))[-1]
        assert (event.reason, event.message.code) == ("unprotected", L.CODE_UNAUTHORIZED)


@pytest.fixture
def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@ID_CONTEXTS
def test_aiocoap_client_against_our_server(id_context):
    asyncio.run(aiocoap_asks_us(id_context))


@ID_CONTEXTS
def test_aiocoap_observes_our_server(id_context):
    asyncio.run(aiocoap_observes_us(id_context))


@ID_CONTEXTS
def test_aiocoap_answers_our_echo_challenge(id_context):
    asyncio.run(aiocoap_is_challenged(id_context))


@ID_CONTEXTS
@pytest.mark.parametrize("fresh", [True, False], ids=["window", "window-lost"])
def test_our_client_against_aiocoap_server(free_port, id_context, fresh):
    asyncio.run(we_ask_aiocoap(free_port, id_context, fresh))


@ID_CONTEXTS
def test_we_observe_aiocoap(free_port, id_context):
    asyncio.run(we_observe_aiocoap(free_port, id_context))


def test_we_are_unknown_to_aiocoap(free_port):
    asyncio.run(we_are_unknown(free_port))
