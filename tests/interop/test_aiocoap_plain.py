"""Our CoAP stack against aiocoap over real UDP, without OSCORE: both as server and as client (RFC 7252, 7641, 7959)."""

import asyncio
import os
import socket

import aiocoap
import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request, response
from holdfast_core.coap_stack import CoapStack, RequestEvent, ResponseEvent
from testkit import aiocoap_peer
from testkit.udp_pump import UdpPump

BODY = bytes(range(250)) * 20


class OurServer:
    """Keeps one body: GET reads and observes it, PUT replaces it; /late answers after the empty ACK."""

    def __init__(self):
        self.body = b"small"
        self.observers = []
        self.pump = UdpPump(CoapStack(os.urandom), self.on_event)

    def on_event(self, event):
        if not isinstance(event, RequestEvent):
            return
        incoming = event.incoming
        stack, now_ms = self.pump.stack, self.pump.now_ms
        if incoming.message.path() == "/late":
            asyncio.get_running_loop().call_later(0.05, self.answer_late, incoming)
        elif incoming.message.code == L.CODE_PUT:
            self.body = incoming.message.payload
            stack.respond(incoming, response(L.CODE_CHANGED, str(len(self.body)).encode()), now_ms)
            for observer in self.observers:
                stack.notify(observer, response(L.CODE_CONTENT, self.body), now_ms)
        elif stack.respond(incoming, response(L.CODE_CONTENT, self.body), now_ms, observe=True):
            self.observers.append(incoming)

    def answer_late(self, incoming):
        self.pump.stack.respond(incoming, response(L.CODE_CONTENT, b"late"), self.pump.now_ms)
        self.pump.flush()


async def fetch(client, base, code, path, payload=b""):
    message = aiocoap.Message(code=code, uri=base + path, payload=payload)
    return await client.request(message).response


async def aiocoap_asks_us():
    server = OurServer()
    async with server.pump as pump, aiocoap_peer.client() as client:
        base = f"coap://127.0.0.1:{pump.port}"
        assert (await fetch(client, base, aiocoap.GET, "/any")).payload == b"small"
        assert (await fetch(client, base, aiocoap.GET, "/late")).payload == b"late"
        put = await fetch(client, base, aiocoap.PUT, "/any", BODY)
        assert (put.code, put.payload) == (aiocoap.CHANGED, b"5000")
        assert server.body == BODY
        assert (await fetch(client, base, aiocoap.GET, "/any")).payload == BODY


async def aiocoap_observes_us():
    server = OurServer()
    async with server.pump as pump, aiocoap_peer.client() as client:
        base = f"coap://127.0.0.1:{pump.port}"
        asked = client.request(aiocoap.Message(code=aiocoap.GET, uri=base + "/any", observe=0))
        assert (await asked.response).payload == b"small"
        notes = aiter(asked.observation)
        for body in (b"one", BODY, b"three"):
            await fetch(client, base, aiocoap.PUT, "/any", body)
            assert (await anext(notes)).payload == body
        asked.observation.cancel()


async def we_ask_aiocoap(port):
    shelf = aiocoap_peer.Echoing()
    async with aiocoap_peer.server({"any": shelf}, port), UdpPump(CoapStack(os.urandom)) as pump:
        peer = ("127.0.0.1", port)
        answers = []
        for count, message in enumerate(
            (
                request(L.CODE_GET, "/any"),
                request(L.CODE_PUT, "/any", BODY),
                request(L.CODE_GET, "/any"),
                request(L.CODE_GET, "/absent"),
            )
        ):
            pump.stack.request(peer, message, pump.now_ms)
            pump.flush()
            answers.append((await pump.wait_for(count + 1))[-1].message)
        assert [answer.payload for answer in answers[:3]] == [b"small", b"5000", BODY]
        assert answers[3].code == L.CODE_NOT_FOUND
        assert shelf.body == BODY


async def we_observe_aiocoap(port):
    shelf = aiocoap_peer.Echoing()
    async with aiocoap_peer.server({"any": shelf}, port), UdpPump(CoapStack(os.urandom)) as pump:
        peer = ("127.0.0.1", port)
        watching = pump.stack.request(peer, request(L.CODE_GET, "/any"), pump.now_ms, observe=True)
        pump.flush()
        await pump.wait_for(1)
        # aiocoap 0.4.17 sends a notification in one datagram whatever its size, so none is larger than a block here.
        for count, body in enumerate((b"one", b"two" * 300, b"three"), 2):
            shelf.body = body
            shelf.updated_state()
            event = (await pump.wait_for(count))[-1]
            assert isinstance(event, ResponseEvent)
            assert (event.request_id, event.observing, event.message.payload) == (watching, True, body)
        pump.stack.cancel(watching, pump.now_ms)
        pump.flush()
        shelf.updated_state()
        pump.stack.request(peer, request(L.CODE_GET, "/any"), pump.now_ms)
        pump.flush()
        assert (await pump.wait_for(5))[-1].observing is False


@pytest.fixture
def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_aiocoap_client_against_our_server():
    asyncio.run(aiocoap_asks_us())


def test_aiocoap_observes_our_server():
    asyncio.run(aiocoap_observes_us())


def test_our_client_against_aiocoap_server(free_port):
    asyncio.run(we_ask_aiocoap(free_port))


def test_we_observe_aiocoap(free_port):
    asyncio.run(we_observe_aiocoap(free_port))
