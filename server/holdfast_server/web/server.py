"""The web server under the HTTPS application: its socket, its bounds, and a stop that waits for answers under way.

uvicorn does the work. What it lacks is here: bounds on how long a connection may take to
greet, to say what it wants, to read the answer and to part; and signals that are left to cli/serve.py. Which
connections may be at all is web/accept.py's.
"""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import create_ssl_context
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdfast_core.cli import Problem
from holdfast_server.authz.network import network_of
from holdfast_server.process.config import Bind, Config
from holdfast_server.web.accept import Acceptor
from holdfast_server.web.connection_limits import Connections, most_connections

HEADER_TIMEOUT_S = 5
"""From connecting, or from the last answer, to a whole header."""
GREETING_TIMEOUT_S = 5
PARTING_TIMEOUT_S = 1
"""Of TLS. asyncio's own are 60 and 30: a thousand connections that say nothing would be all that a process may have."""
READING_TIMEOUT_S = 10
"""How long the rest of an answer may wait when the kernel takes no more of it; answers are a few kB."""
DRAIN_TIMEOUT_S = 5
MAX_HEADER_LEN = 16 * 1024
BACKLOG = 128


class PromptProtocol(H11Protocol):
    """A connection that must say within HEADER_TIMEOUT_S what it wants, and read what it gets.

    uvicorn waits for ever once somebody has begun to ask, or has stopped reading.
    """

    left: Callable[[], None]
    spoke: Callable[[], None]
    answered: Callable[[], None]
    _patience: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Give it time for its first header."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(1, 0)  # so that pause_writing tells of what nobody takes; TLS cannot have 0
        self._be_patient()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a header is whole, start it at the first octet of the next."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_patience()
            self._tell()
        elif self._patience is None:
            self._be_patient()

    def on_response_complete(self) -> None:
        """It has its answer; the next request may have come already."""
        self.answered()
        super().on_response_complete()  # type: ignore[no-untyped-call]
        self._tell()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer has begun; what was asked before on this connection has ended."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()
        if self.cycle is not None:  # or the application would answer too, and meet an error that is not its own
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def pause_writing(self) -> None:
        """Cut off who does not read on; a mere close would wait until everything is read."""
        super().pause_writing()  # type: ignore[no-untyped-call]
        self._unread = self.loop.call_later(READING_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()  # type: ignore[no-untyped-call]
        self._forget_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be waited for any more."""
        self._forget_patience()
        self._forget_unread()
        super().connection_lost(exc)
        self.left()

    def _tell(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self.spoke()

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class WebServer(uvicorn.Server):
    """uvicorn with bounds on connections; without its signal handlers, which end the process before all is closed."""

    def __init__(self, config: uvicorn.Config, proxies: frozenset[str]) -> None:
        super().__init__(config)
        self._proxies = frozenset(map(network_of, proxies))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on these sockets; uvicorn's own takes in whatever comes."""

        def protocol(
            left: Callable[[], None], spoke: Callable[[], None], answered: Callable[[], None]
        ) -> PromptProtocol:
            made = PromptProtocol(self.config, self.server_state, self.lifespan.state)
            made.left, made.spoke, made.answered = left, spoke, answered
            return made

        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        connections: Connections[Any] = Connections(most_connections(files), self._proxies)
        acceptors: list[Any] = [
            Acceptor(bound, self.config.ssl, connections, protocol, GREETING_TIMEOUT_S, PARTING_TIMEOUT_S)
            for bound in sockets or ()
        ]
        self.servers = acceptors
        self.started = True

    def renew_tls(self, certificate: Path, key: Path) -> None:
        """Serve new connections with this certificate; those that are there keep theirs. Raises OSError."""
        config = self.config
        config.ssl = create_ssl_context(
            certfile=certificate,
            keyfile=key,
            password=config.ssl_keyfile_password,
            ssl_version=config.ssl_version,
            cert_reqs=config.ssl_cert_reqs,
            ca_certs=config.ssl_ca_certs,
            ciphers=config.ssl_ciphers,
        )
        acceptors: list[Any] = self.servers
        for acceptor in acceptors:
            acceptor.tls = config.ssl

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def stop(self) -> None:
        """Take no more connections, finish what is being answered, and return; asked twice: at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


def make_web_server(app: ASGIApp, config: Config) -> WebServer:
    """The server for one application; it speaks TLS when the configuration has a certificate."""
    return WebServer(
        uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=HEADER_TIMEOUT_S,
            timeout_graceful_shutdown=DRAIN_TIMEOUT_S,
            h11_max_incomplete_event_size=MAX_HEADER_LEN,
            ssl_certfile=config.certificate,
            ssl_keyfile=config.key,
        ),
        config.proxies,
    )


@contextlib.contextmanager
def listening(bind: Bind) -> Iterator[socket.socket]:
    """A listening TCP socket. Raises Problem."""
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((bind.host, bind.port))
            bound.listen(BACKLOG)
        except OSError as error:
            raise Problem(f"http.bind {bind} cannot be served: {error.strerror}.") from None
        yield bound
