"""Clients over TCP and WebSocket: aiocoap asks, and others do what no client should."""

import asyncio
import socket
from contextlib import asynccontextmanager

import aiocoap
import pytest
import websockets
from aiocoap import Context

from holdfast_core import labels as L
from holdfast_core.coap_message import encode_options, request, response
from holdfast_hub.links import north_stream_shell as shell
from holdfast_hub.links.north_stream_shell import NorthStreamShell
from holdfast_hub.links.rfc8323 import ABORT, CSM, PING, PONG
from testkit.hub_links import NEEDED_S, until
from testkit.hub_proxy import Bench

HELLO = bytes([0x00, CSM])


class Hub:
    """A proxy on TCP and WebSocket, whose one device answers at once. now_ms is virtual: nothing is due by itself."""

    def __init__(self):
        self.bench = Bench()
        self.bench.proxy.wake = lambda: asyncio.get_running_loop().call_soon(self.turn)
        self.faults = []
        self.asked = []
        self.answers = True
        self.shell = NorthStreamShell(self.bench.proxy, lambda: self.bench.now_ms, self.faults.append)

    async def start(self):
        self.tcp = (await self.shell.serve_tcp("127.0.0.1", 0))[1]
        self.ws = (await self.shell.serve_websocket("127.0.0.1", 0))[1]
        return self

    def turn(self):
        for message, _ in self.bench.at_devices():
            self.asked.append(message)
            if self.answers:
                self.bench.answer(message, self.answer_to(message))
        self.bench.proxy.tick(self.bench.now_ms)
        if self.bench.proxy.next_deadline_ms() == 0:
            asyncio.get_running_loop().call_soon(self.turn)

    def answer_to(self, message):
        if message.get(L.OPT_OSCORE) is not None:
            return response(L.CODE_CHANGED, message.payload[::-1]).add(L.OPT_OSCORE, b"")
        return response(L.CODE_CONTENT, b"at " + message.path().encode())


@asynccontextmanager
async def hub():
    made = await Hub().start()
    try:
        yield made
        assert made.faults == []
    finally:
        made.shell.close()
        await asyncio.sleep(0)


def run(story):
    async def whole():
        async with asyncio.timeout(NEEDED_S), hub() as made:
            await story(made)

    asyncio.run(whole())


@asynccontextmanager
async def aiocoap_client(kind):
    context = await Context.create_client_context(transports=[kind])
    try:
        yield context
    finally:
        await context.shutdown()


def uri(made, kind):
    return f"coap+tcp://127.0.0.1:{made.tcp}" if kind == "tcpclient" else f"coap+ws://127.0.0.1:{made.ws}"


def to_tube(made, kind, path, **more):
    message = aiocoap.Message(uri=uri(made, kind) + path, **more)
    message.opt.uri_host = "tube-7"
    return message


@pytest.mark.parametrize("kind", ["tcpclient", "ws"])
def test_aiocoap_asks_a_device_by_its_name(kind):
    async def story(made):
        async with aiocoap_client(kind) as context:
            answer = await context.request(to_tube(made, kind, "/a/b", code=aiocoap.GET)).response
            assert (int(answer.code), answer.payload) == (L.CODE_CONTENT, b"at /a/b")
            several = [context.request(to_tube(made, kind, f"/{n}", code=aiocoap.GET)).response for n in range(10)]
            assert [each.payload for each in await asyncio.gather(*several)] == [b"at /%d" % n for n in range(10)]
            other = to_tube(made, kind, "/a", code=aiocoap.GET)
            other.opt.uri_host = "tube-8"
            assert int((await context.request(other).response).code) == L.CODE_NOT_FOUND
            big = to_tube(made, kind, "/a", code=aiocoap.PUT, payload=bytes(1000))
            assert int((await context.request(big).response).code) == L.CODE_CONTENT
            assert made.asked[-1].payload == bytes(1000)

    run(story)


@pytest.mark.parametrize("kind", ["tcpclient", "ws"])
def test_oscore_passes_as_it_came(kind):
    async def story(made):
        async with aiocoap_client(kind) as context:
            asked = to_tube(made, kind, "", code=aiocoap.POST, payload=b"\x01ciphertext\xff")
            asked.opt.oscore = b"\x09\x05kid"
            answer = await context.request(asked, handle_blockwise=False).response
            assert made.asked[0].get(L.OPT_OSCORE) == b"\x09\x05kid"
            assert made.asked[0].payload == b"\x01ciphertext\xff"
            assert (int(answer.code), answer.payload) == (L.CODE_CHANGED, b"\xfftxetrehpic\x01")
            assert answer.opt.oscore == b""

    run(story)


@pytest.mark.parametrize("kind", ["tcpclient", "ws"])
def test_notifications_reach_a_client_until_it_is_gone(kind):
    async def story(made):
        made.answer_to = lambda message: response(L.CODE_CONTENT, b"0").add(L.OPT_OBSERVE, 1)
        async with aiocoap_client(kind) as context:
            observation = context.request(to_tube(made, kind, "/a", code=aiocoap.GET, observe=0))
            assert (await observation.response).payload == b"0"
            (registered,) = made.asked
            news = aiter(observation.observation)
            for number in range(2, 5):
                await asyncio.sleep(0)
                told = response(L.CODE_CONTENT, b"%d" % number).add(L.OPT_OBSERVE, number)
                made.bench.answer(registered, told, mtype=L.TYPE_NON, mid=1000 + number)
                made.turn()
                assert (await anext(news)).payload == b"%d" % number
            assert made.bench.proxy.counts()["observers"] == 1
        await until(lambda: len(made.shell) == 0)
        made.turn()
        assert made.bench.proxy.counts()["observers"] == 0

    run(story)


# --- by hand ---


async def tcp(made, octets=HELLO):
    reader, writer = await asyncio.open_connection("127.0.0.1", made.tcp)
    writer.write(octets)
    return reader, writer


def get(path, token=b"t"):
    message = request(L.CODE_GET, path).add(L.OPT_URI_HOST, "tube-7")
    rest = encode_options(message.options)
    head = bytes([0xD0 | len(token), len(rest) - 13]) if len(rest) > 12 else bytes([len(rest) << 4 | len(token)])
    return head + bytes([L.CODE_GET]) + token + rest


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        get("/a"),  # no CSM
        HELLO + b"\x09\x01",
        HELLO + b"\xf0\xff\xff\xff\xff\x01",
        HELLO + b"\x30\x01\x32\xff\xfe",  # a Uri-Host that is no UTF-8 is no name; the connection stays
    ],
)
def test_a_client_that_says_nonsense_is_hung_up_on_and_nobody_else_is(octets, caplog):
    async def story(made):
        other = await tcp(made)
        reader, writer = await tcp(made, octets)
        if octets.startswith(HELLO + b"\x30"):
            assert (await reader.readexactly(6))[1] == CSM
            assert (await reader.readexactly(2))[1] == L.CODE_NOT_FOUND
        else:
            said = await reader.read()
            assert bytes([ABORT]) in said
        writer.close()
        other[1].write(get("/b"))
        assert b"at /b" in await read_until(other[0], b"at /b")
        other[1].close()

    run(story)
    assert caplog.records == []


async def read_until(reader, octets):
    found = b""
    while octets not in found:
        more = await reader.read(4096)
        assert more
        found += more
    return found


def test_a_ping_is_answered_and_a_client_that_leaves_is_forgotten():
    async def story(made):
        reader, writer = await tcp(made, HELLO + bytes([0x01, PING]) + b"p")
        await read_until(reader, bytes([0x01, PONG]) + b"p")
        made.answers = False
        writer.write(get("/a"))
        await until(lambda: made.asked)
        writer.close()
        await until(lambda: len(made.shell) == 0)
        made.bench.answer(made.asked[0], response(L.CODE_CONTENT, b"too late"))
        made.turn()
        await asyncio.sleep(0.01)
        assert made.bench.proxy.under_way == 0

    run(story)


def test_connections_are_bounded_in_all_and_for_each_host(monkeypatch, caplog):
    monkeypatch.setattr(shell, "MOST_OF_HOST", 5)

    async def story(made):
        held = [await tcp(made) for _ in range(5)]
        await until(lambda: len(made.shell) == 5)
        reader, writer = await tcp(made)
        with pytest.raises((ConnectionResetError, AssertionError)):
            await read_until(reader, b"never")
        writer.close()
        with pytest.raises((websockets.InvalidHandshake, websockets.ConnectionClosed, EOFError)):
            await (await ws(made)).recv()
        assert made.shell.refused == 2
        held[0][1].close()
        await until(lambda: len(made.shell) == 4)
        connection = await ws(made)
        await connection.recv()
        await connection.close()
        monkeypatch.setattr(shell, "MOST_CONNECTIONS", 4)
        await until(lambda: len(made.shell) == 4)
        reader, writer = await tcp(made)
        with pytest.raises((ConnectionResetError, AssertionError)):
            await read_until(reader, b"never")
        writer.close()
        for _, each in held:
            each.close()

    run(story)
    assert caplog.records == []


def ws(made, path="/.well-known/coap", **more):
    return websockets.connect(f"ws://127.0.0.1:{made.ws}{path}", subprotocols=["coap"], ping_interval=None, **more)


async def hear_all(connection):
    while True:
        await connection.recv()


async def send_for_ever(sock, octets):
    while True:
        await asyncio.get_running_loop().sock_sendall(sock, octets)
        await asyncio.sleep(0)


@pytest.mark.parametrize("frame", [b"\x00", b"\x10\x01", b"\x09\x01", bytes(5000), "text", b"\x00\x01"])
def test_a_frame_that_is_no_message_closes_a_websocket(frame, caplog):
    async def story(made):
        async with ws(made) as connection:
            assert (await connection.recv())[1] == CSM
            await connection.send(frame)
            with pytest.raises(websockets.ConnectionClosed):
                await hear_all(connection)
        await until(lambda: len(made.shell) == 0)

    run(story)
    assert caplog.records == []


def test_a_websocket_is_for_coap_alone(caplog):
    async def story(made):
        for path in ("/", "/.well-known/core", "/.well-known/coap/../x"):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await ws(made, path)
            assert refused.value.response.status_code == 404
        with pytest.raises(websockets.InvalidHandshake):
            await websockets.connect(f"ws://127.0.0.1:{made.ws}/.well-known/coap")
        for octets in (b"\x00\x01\x02\r\n\r\n", b"GET /.well-known/coap HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.ws)
            writer.write(octets)
            with_answer = await reader.read()
            assert b"Traceback" not in with_answer
            writer.close()
        assert len(made.shell) == 0

    run(story)
    assert caplog.records == []


@pytest.mark.parametrize("kind", ["tcp", "ws"])
def test_a_client_that_reads_nothing_is_cut_off(kind, monkeypatch):
    monkeypatch.setattr(shell, "MAX_UNSENT_LEN", 8192)

    async def story(made):
        made.answer_to = lambda message: response(L.CODE_CONTENT, bytes(1000))
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", made.tcp if kind == "tcp" else made.ws))
        if kind == "ws":
            await loop.sock_sendall(deaf, UPGRADE)
            await loop.sock_recv(deaf, 4096)
            await loop.sock_sendall(deaf, b"\x82\x82\0\0\0\0" + HELLO)
        else:
            await loop.sock_sendall(deaf, HELLO)
        await until(lambda: len(made.shell) == 1)
        octets = get("/a") if kind == "tcp" else frame_of("/a")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await send_for_ever(deaf, octets)
        await until(lambda: len(made.shell) == 0)
        deaf.close()

    run(story)


UPGRADE = (
    b"GET /.well-known/coap HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: coap\r\n\r\n"
)


def frame_of(path):
    rest = (
        bytes([1, L.CODE_GET]) + b"t" + encode_options(request(L.CODE_GET, path).add(L.OPT_URI_HOST, "tube-7").options)
    )
    return b"\x82" + bytes([0x80 | len(rest)]) + b"\0\0\0\0" + rest


def test_many_requests_in_one_piece_let_others_have_their_turn():
    async def story(made):
        reader, writer = await tcp(made, HELLO + b"".join(get(f"/{n}", b"%d" % n) for n in range(1000)))
        said, count = b"", 0
        while count < 1000:
            said += await reader.read(65536)
            count = said.count(b"at /") + said.count(bytes([L.CODE_SERVICE_UNAVAILABLE]))
        assert len(made.shell) == 1
        writer.close()

    run(story)


def test_a_client_that_does_not_say_hello_or_dies_is_closed(monkeypatch):
    monkeypatch.setattr(shell, "INTRODUCED_S", 0.02)
    monkeypatch.setattr(shell, "IDLE_S", 0.02)
    monkeypatch.setattr(shell, "SIGN_OF_LIFE_S", 0.02)

    async def story(made):
        silent, writer = await tcp(made, b"")
        assert b"CSM expected" in await silent.read()
        writer.close()
        dead, writer = await tcp(made)
        said = await dead.read()
        assert bytes([0x00, PING]) in said
        assert b"no sign of life" in said
        writer.close()
        lively, writer = await tcp(made)
        for _ in range(5):
            await read_until(lively, bytes([0x00, PING]))
            writer.write(bytes([0x00, PONG]))
        assert len(made.shell) == 1
        writer.close()

    run(story)


def test_a_bug_ends_the_service_and_tells():
    async def story(made):
        made.bench.proxy.take = None
        reader, writer = await tcp(made, HELLO + get("/a"))
        assert b"the hub stops" in await reader.read()
        writer.close()
        assert [type(fault) for fault in made.faults] == [TypeError]
        made.faults.clear()
        assert len(made.shell) == 0

    run(story)
