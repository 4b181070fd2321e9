"""Clients over TCP and WebSocket (RFC 8323): connections around the proxy, without decisions about requests.

Connections are bounded, in all and for each host; so is what one of them has not read yet. A client that says nothing
for long is asked for a sign of life, and closed when none comes.
"""

import asyncio
import contextlib
import http
import logging
import socket
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from holdfast_core.coap_message import Message
from holdfast_hub.links.rfc8323 import MOST_LEN, Conversation
from holdfast_hub.ports import CoapPeers

MOST_CONNECTIONS, MOST_OF_HOST = 512, 64
BATCH = 64
"""Requests of one connection that are taken before others have their turn."""
MAX_UNSENT_LEN = 64 * 1024
"""What a client has not read: with more than that its connection ends."""
INTRODUCED_S, CLOSE_S = 10.0, 5.0
IDLE_S, SIGN_OF_LIFE_S = 300.0, 60.0
PATH = "/.well-known/coap"
_LOG = logging.getLogger("holdfast.hub.websocket")
_LOG.disabled = True  # it would say what clients send, with tracebacks


class Wire(Protocol):
    """What carries one connection."""

    def write(self, octets: bytes) -> None:
        """Send a message, or queue it; ends the connection when the client reads none."""

    def end(self) -> None:
        """Close when what was written has gone out."""


class NorthStreamShell:
    """Serves one proxy. monotonic_ms: clock. on_fault: told about a bug, which ends the service."""

    def __init__(
        self, proxy: CoapPeers, monotonic_ms: Callable[[], int], on_fault: Callable[[Exception], None]
    ) -> None:
        self.refused = 0
        self._proxy = proxy
        self._monotonic_ms = monotonic_ms
        self._on_fault = on_fault
        self._servers: list[asyncio.Server | Server] = []
        self._clients: set[_Client] = set()
        self._of_host: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._clients)

    async def serve_tcp(self, host: str, port: int) -> tuple[str, int]:
        """Bind, and serve; returns the address (port 0 chooses one). Raises OSError."""
        server = await asyncio.get_running_loop().create_server(lambda: _Tcp(self), host, port)
        self._servers.append(server)
        return _address_of(server.sockets[0])

    async def serve_websocket(self, host: str, port: int) -> tuple[str, int]:
        """As serve_tcp."""
        server = await serve(
            self._websocket,
            host,
            port,
            subprotocols=["coap"],  # type: ignore[list-item]
            process_request=_only_coap,
            compression=None,
            max_size=MOST_LEN,
            max_queue=4,
            ping_interval=None,  # CoAP has a Ping of its own
            open_timeout=INTRODUCED_S,
            close_timeout=1,
            logger=_LOG,
            server_header=None,
        )
        self._servers.append(server)
        return _address_of(next(iter(server.sockets)))

    def close(self) -> None:
        """Stop serving, and end all connections."""
        for server in self._servers:
            server.close()
        self._servers = []
        for client in list(self._clients):
            client.abort("the hub stops")

    # --- what connections call ---

    def admit(self, wire: Wire, address: Any, *, is_framed: bool) -> "_Client | None":
        """A connection has been made; None when there are too many."""
        host = str(address[0])
        if len(self._clients) >= MOST_CONNECTIONS or self._of_host[host] >= MOST_OF_HOST:
            self.refused += 1
            return None
        client = _Client(self, wire, host, is_framed=is_framed)
        self._clients.add(client)
        self._of_host[host] += 1
        client.start()
        return client

    def take(self, message: Message, client: "_Client") -> bool:
        """A client asks; False when that met a bug."""
        try:
            self._proxy.take(message, client.name, self._monotonic_ms(), client.answer)
        except Exception as fault:  # noqa: BLE001 - what the proxy remembers may be torn, so nothing more is taken
            self.close()
            self._on_fault(fault)
            return False
        return True

    def forget(self, client: "_Client") -> None:
        """A connection is gone."""
        self._clients.discard(client)
        self._of_host[client.host] -= 1
        if not self._of_host[client.host]:
            del self._of_host[client.host]
        self._proxy.lose(client.name, self._monotonic_ms())

    async def _websocket(self, connection: ServerConnection) -> None:
        writer = _WebSocket(connection)
        client = self.admit(writer, connection.remote_address, is_framed=True)
        if client is None:
            return
        try:
            while True:
                octets = await connection.recv()
                if isinstance(octets, str):
                    client.abort("text")
                    break
                client.came(octets)
        except ConnectionClosed:
            pass
        finally:
            client.gone()
            await writer.finish()


class _Client:
    """One connection of a client, over whatever it came by."""

    def __init__(self, shell: NorthStreamShell, wire: Wire, host: str, *, is_framed: bool) -> None:
        self.host = host
        self.name = (host, self, 0)
        self._shell = shell
        self._wire = wire
        self._conversation = Conversation(is_framed=is_framed)
        self._is_open = True
        self._silent = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(INTRODUCED_S, self._look)
        self._flush()

    def came(self, octets: bytes) -> bool:
        """Take in octets. Returns whether there may be more requests among them: then b"" is to come next."""
        if not self._is_open:
            return False
        self._silent = 0
        requests = self._conversation.feed(octets, BATCH)
        for request in requests:
            if not self._is_open or not self._shell.take(request, self):
                return False
        self._flush()
        return len(requests) == BATCH and self._is_open and self._conversation.has_more

    def answer(self, message: Message) -> None:
        """Send an answer; after the connection has gone there is nobody to hear it."""
        if self._is_open:
            self._conversation.answer(message)
            self._flush()

    def abort(self, why: str) -> None:
        if self._is_open:
            self._conversation.abort(why)
            self._flush()

    def gone(self) -> None:
        """There is nobody any more."""
        if self._is_open:
            self._is_open = False
            if self._timer is not None:
                self._timer.cancel()
            self._shell.forget(self)

    def _flush(self) -> None:
        outgoing, self._conversation.outgoing = self._conversation.outgoing, []
        for octets in outgoing:
            self._wire.write(octets)
        if self._conversation.ended and self._is_open:
            self._wire.end()
            self.gone()

    def _look(self) -> None:
        """See whether the client is still there."""
        if not self._conversation.is_introduced:
            self.abort("CSM expected")
            return
        self._silent += 1
        wait_s = IDLE_S
        if self._silent > 2:
            self.abort("no sign of life")
            return
        if self._silent == 2:
            self._conversation.ping()
            self._flush()
            wait_s = SIGN_OF_LIFE_S
        if self._is_open:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._look)


class _Tcp(asyncio.Protocol):
    """A TCP connection."""

    def __init__(self, shell: NorthStreamShell) -> None:
        self._shell = shell
        self._client: _Client | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        address = transport.get_extra_info("peername")
        self._client = None if address is None else self._shell.admit(self, address, is_framed=False)
        if self._client is None:
            self._transport.abort()

    def data_received(self, octets: bytes) -> None:
        if self._client is not None and self._client.came(octets):
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._client is not None:
            self._client.gone()

    def write(self, octets: bytes) -> None:
        """See Wire."""
        if self._transport.get_write_buffer_size() > MAX_UNSENT_LEN:
            self._transport.abort()
        else:
            self._transport.write(octets)

    def end(self) -> None:
        """See Wire."""
        self._transport.close()
        asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)  # the client may read nothing

    def _go_on(self) -> None:
        if self._client is not None and self._client.came(b""):
            asyncio.get_running_loop().call_soon(self._go_on)
        elif not self._transport.is_closing():
            self._transport.resume_reading()


class _WebSocket:
    """A WebSocket; what is written waits in a queue for the one task that sends."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._queue: deque[bytes | None] = deque()
        self._len = 0
        self._wakes = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def write(self, octets: bytes) -> None:
        """See Wire."""
        if self._len + len(octets) > MAX_UNSENT_LEN:
            self._connection.transport.abort()
        else:
            self._len += len(octets)
            self._queue.append(octets)
            self._wakes.set()
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._send())

    def end(self) -> None:
        """See Wire."""
        self._queue.append(None)
        self._wakes.set()

    async def finish(self) -> None:
        """Wait until what was written has gone out, when there is somebody to read it."""
        self.end()
        if self._task is not None:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                await asyncio.wait_for(self._task, CLOSE_S)

    async def _send(self) -> None:
        while True:
            while self._queue:
                octets = self._queue.popleft()
                if octets is None:
                    await self._connection.close()
                    return
                self._len -= len(octets)
                await self._connection.send(octets)
            self._wakes.clear()
            await self._wakes.wait()


def _only_coap(connection: ServerConnection, request: Any) -> Any:
    """There is one resource (RFC 8323 section 4.1)."""
    return None if request.path == PATH else connection.respond(http.HTTPStatus.NOT_FOUND, "")


def _address_of(bound: socket.socket) -> tuple[str, int]:
    name = bound.getsockname()
    return name[0], name[1]
