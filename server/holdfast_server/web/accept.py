"""Takes TCP connections in, as far as connection_limits.py lets them, and begins TLS on them.

asyncio's own server accepts everything, and writes a traceback for each connection once the process has no file left.
Here a connection that may not be is reset before a byte of TLS is spent on it, and running out of files is a pause.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from functools import partial

from holdfast_server.authz.network import network_of
from holdfast_server.process.log import log
from holdfast_server.web.connection_limits import Connections

AT_ONCE = 64
"""Connections taken in at one wake-up, between which others are served."""
PAUSE_S = 0.2
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that keeps nothing of the connection in the kernel."""


class Connection:
    """One of them. protocol: what serves it once TLS stands, and closes it from then on."""

    __slots__ = ("accepted", "protocol", "task")

    def __init__(self, accepted: socket.socket) -> None:
        self.accepted = accepted
        self.protocol: asyncio.Protocol | None = None
        self.task: asyncio.Task[None] | None = None


class Acceptor:
    """Serves one listening socket; has the methods of asyncio.Server that uvicorn calls.

    factory: (leave, spoke, answered) -> the protocol of a connection, which calls leave() when it is lost, spoke() when
    it has heard a whole request and answered() when it has answered that.
    """

    def __init__(
        self,
        bound: socket.socket,
        tls: ssl.SSLContext | None,
        connections: Connections[Connection],
        factory: Callable[[Callable[[], None], Callable[[], None], Callable[[], None]], asyncio.Protocol],
        greeting_timeout_s: int,
        parting_timeout_s: int,
    ) -> None:
        self.tls = tls
        self._bound = bound
        self._connections = connections
        self._factory = factory
        self._timeouts = (
            {"ssl_handshake_timeout": greeting_timeout_s, "ssl_shutdown_timeout": parting_timeout_s} if tls else {}
        )
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        bound.setblocking(False)
        self._loop.add_reader(bound, self._accept)

    def close(self) -> None:
        """Take no more connections."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.remove_reader(self._bound)

    async def wait_closed(self) -> None:
        """Return at once: uvicorn counts the connections itself."""

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, address = self._bound.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no file left, or no memory: some connection has to end first
                log.error("event=accept-failed error=%s", error.strerror)
                self._loop.remove_reader(self._bound)
                self._pause = self._loop.call_later(PAUSE_S, self._go_on)
                return
            self._take_in(accepted, network_of(address[0]))

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._bound, self._accept)

    def _take_in(self, accepted: socket.socket, network: str) -> None:
        connection = Connection(accepted)
        cut_off = self._connections.enter(connection, network)
        if cut_off is connection:
            log.warning("event=connection-refused")
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            accepted.close()
            return
        if cut_off is not None:
            log.warning("event=connection-cut-off")
            self._cut_off(cut_off)
        accepted.setblocking(False)
        connection.task = self._loop.create_task(self._begin(connection))

    async def _begin(self, connection: Connection) -> None:
        def made() -> asyncio.Protocol:
            callbacks = (self._connections.leave, self._connections.spoke, self._connections.answered)
            connection.protocol = self._factory(*(partial(what, connection) for what in callbacks))
            return connection.protocol

        try:
            await self._loop.connect_accepted_socket(made, connection.accepted, ssl=self.tls, **self._timeouts)
        except (OSError, asyncio.CancelledError):  # a handshake that fails, or takes too long, or was cut off
            self._connections.leave(connection)
        finally:
            connection.task = None
            if connection.protocol is None:
                connection.accepted.close()

    def _cut_off(self, connection: Connection) -> None:
        if connection.task is not None:
            connection.task.cancel()
            if connection.protocol is None:  # it may not even have begun
                connection.accepted.close()
            return
        transport = getattr(connection.protocol, "transport", None)
        if transport is not None:
            with contextlib.suppress(OSError):
                transport.abort()
