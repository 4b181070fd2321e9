"""`holdfast server serve`: one process, one event loop, CoAP and HTTPS over the same authorization server.

Starts everything, says that it is ready, sweeps what has expired, and stops
cleanly on SIGTERM and SIGINT. When the CoAP side cannot commit, the process ends
with an error, so that whoever watches it starts it again.
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn

from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_limits import SERVER_LIMITS
from holdfast_core.coap_stack import CoapStack
from holdfast_core.secret import Secret
from holdfast_core.trace import tracer
from holdfast_server.admin_shell import Admin, Failed, Problem
from holdfast_server.authenticator import PasswordAuthenticator
from holdfast_server.authorization_server import AuthorizationServer
from holdfast_server.browser_session import BrowserSessions
from holdfast_server.coap_shell import CoapShell
from holdfast_server.coap_site import CoapSite
from holdfast_server.http_shell import build_app
from holdfast_server.party_contexts import PartyContexts

SWEEP_EVERY_S = 30
HEADER_TIMEOUT_S = 5
MAX_HTTP_CONNECTIONS = 512

log = logging.getLogger("holdfast.server")


def serve(admin: Admin, *, trace: bool) -> None:
    """Serve until told to stop. Raises Problem when a port cannot be had or the store fails."""
    asyncio.run(_serve(admin, trace=trace))


async def _serve(admin: Admin, *, trace: bool) -> None:
    config, store = admin.config, admin.store
    authz_server = AuthorizationServer(store, admin.keyring, config.settings, secrets.token_bytes)
    faults: list[Exception] = []
    stack = CoapStack(
        secrets.token_bytes,
        PartyContexts(store),
        SERVER_LIMITS,
        trace=tracer("AS", _write_line) if trace else None,
        admission=TokenBucket().admit,
    )
    coap = CoapShell(stack, CoapSite(authz_server), store.transaction, _wall_s, _monotonic_ms, _log_bug, faults.append)
    web = _web_server(authz_server, admin, ready=lambda: not faults)
    with _http_socket(admin) as listening:
        try:
            address = coap.start(config.coap.host, config.coap.port)
        except OSError as error:
            raise Problem(f"coap.bind {config.coap} cannot be served: {error.strerror}.") from None
        try:
            async with _sweeping(admin, faults, web):
                _say_ready(listening, address)
                await web.serve([listening])
        finally:
            coap.stop()
    if faults:
        raise Failed(f"The CoAP side stopped: {type(faults[0]).__name__}.")


def _web_server(authz_server: AuthorizationServer, admin: Admin, *, ready: Callable[[], bool]) -> uvicorn.Server:
    config = admin.config
    app = build_app(
        authz_server,
        PasswordAuthenticator(admin.store.password_hash_of),
        BrowserSessions(Secret(secrets.token_bytes(32)), secrets.token_bytes),
        _wall_s,
        server_name=config.name,
        ready=ready,
    )
    return uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=HEADER_TIMEOUT_S,
            limit_concurrency=MAX_HTTP_CONNECTIONS,
            ssl_certfile=config.certificate,
            ssl_keyfile=config.key,
            proxy_headers=False,
        )
    )


@contextlib.contextmanager
def _http_socket(admin: Admin) -> Iterator[socket.socket]:
    bind = admin.config.http
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((bind.host, bind.port))
    except OSError as error:
        listening.close()
        raise Problem(f"http.bind {bind} cannot be served: {error.strerror}.") from None
    with listening:
        yield listening


@contextlib.asynccontextmanager
async def _sweeping(admin: Admin, faults: list[Exception], web: uvicorn.Server) -> AsyncIterator[None]:
    """Beside the servers: delete what has expired, and end the web server when the CoAP side has failed."""

    async def sweep() -> None:
        due = 0.0
        while not faults:
            await asyncio.sleep(0.5)
            if time.monotonic() >= due:
                admin.store.sweep(_wall_s())
                due = time.monotonic() + SWEEP_EVERY_S
        web.should_exit = True

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _say_ready(listening: socket.socket, address: tuple[str, int]) -> None:
    http = listening.getsockname()
    _write_line(json.dumps({"ready": {"http": http[1], "coap": address[1]}, "pid": os.getpid()}) + "\n")


def _write_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _log_bug(error: Exception) -> None:
    log.error("event=bug kind=%s", type(error).__name__, exc_info=error)


def _wall_s() -> int:
    return int(time.time())


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
