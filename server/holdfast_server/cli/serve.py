"""`holdfast server serve`: one process, one event loop, CoAP and HTTPS over the same authorization server.

Starts everything, says that it is ready, sweeps what has expired, and stops
cleanly on SIGTERM and SIGINT; SIGHUP reads certificate and configuration again. When
the CoAP stack itself breaks, the process ends with an error, so that its
supervisor starts it again.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any

from holdfast_core.cli import Failed, Problem
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_stack import CoapStack
from holdfast_core.errors import PeerError
from holdfast_core.notify_shell import ALIVE, READY, STOPPING, Notifier
from holdfast_core.trace import tracer
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.clock_guard import ClockGuard
from holdfast_server.authz.errors import DatabaseDamaged, StoreFailed
from holdfast_server.authz.quotas import Quotas
from holdfast_server.cli.command import Admin
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.coap.site import CoapSite
from holdfast_server.coap.socket import CoapShell, address_of
from holdfast_server.process.clock_watch import WatchedClock
from holdfast_server.process.clock_watch import wall_s as _wall_s
from holdfast_server.process.config import check_tls
from holdfast_server.process.log import log, log_bug, start_logging
from holdfast_server.process.readiness import Readiness
from holdfast_server.process.reload import Reload
from holdfast_server.store.home import CLEAN, RESTORED
from holdfast_server.store.sqlite import Store
from holdfast_server.web.app import build_app
from holdfast_server.web.authenticator import PasswordAuthenticator
from holdfast_server.web.server import WebServer, listening, make_web_server
from holdfast_server.web.sessions import BrowserSessions

SWEEP_EVERY_S = 30
WATCH_EVERY_S = 2
"""Until the clock is looked at again, and what the operator says of it."""
SWEEP_ROWS = 500
"""Rows deleted at a time, between which others are served."""
DAY_S = 24 * 3600


def serve(admin: Admin, *, trace: bool) -> None:
    """Serve until told to stop. Raises Problem when a port cannot be had, Failed when the store fails."""
    start_logging()
    asyncio.run(_serve(admin, trace=trace))


async def _serve(admin: Admin, *, trace: bool) -> None:
    config, store = admin.config, admin.store
    check_tls(config)
    begin(admin)
    clock = WatchedClock(store, config.settings, _wall_s)
    readiness = Readiness(store, clock, _monotonic_ms)
    quotas = Quotas(config.quota, _monotonic_ms)
    authz_server = AuthorizationServer(store, admin.keyring, config.settings, secrets.token_bytes, clock.guard, quotas)
    faults: list[Exception] = []
    notifier = Notifier()
    web = _web_server(authz_server, admin, clock.now_s, readiness)
    in_force = Reload(config, web)
    _heed_signals(web, in_force)
    asyncio.get_running_loop().set_exception_handler(_say_what_escaped)

    def on_fault(fault: Exception) -> None:
        faults.append(fault)
        log_bug(fault, "fault")
        web.stop()

    def on_unopened(peer: Hashable, refused: PeerError) -> None:
        source = address_of(peer)
        with contextlib.suppress(StoreFailed):  # what is asked next says so
            if authz_server.note_unauthenticated(source, clock.now_s(), f"OSCORE: {refused.reason}"):
                log.warning("event=oscore-refused reason=%s from=%s", refused.reason, source)

    contexts = PartyContexts(store, secrets.token_bytes, clock.now_s)
    contexts.refused = on_unopened
    stack = CoapStack(
        secrets.token_bytes,
        contexts,
        SERVER_LIMITS,
        trace=tracer("AS", _write_line) if trace else None,
        admission=TokenBucket().admit,
    )
    coap = CoapShell(
        stack,
        CoapSite(authz_server),
        store.transaction,
        clock.now_s,
        _monotonic_ms,
        log_bug,
        readiness.failed,
        on_fault,
    )
    with listening(config.http) as bound:
        address = _start(coap, admin)
        try:
            async with _looking_after(authz_server, admin.store, in_force, clock, quotas, readiness.failed, notifier):
                _say_ready(bound, address)
                notifier.tell(READY)
                await web.serve([bound])
        finally:
            notifier.tell(STOPPING)
            coap.stop()
            keep_counts(authz_server, admin.store, quotas, clock.now_s())
    if not faults:  # otherwise what is remembered may be ahead of what is stored
        end(store, contexts)
    log.info("event=stopped")
    if faults:
        raise Failed(f"The CoAP side stopped: {type(faults[0]).__name__}.")


def end(store: Store, contexts: PartyContexts) -> None:
    """Keep what the next start may believe; where that fails, it starts as after a crash."""
    try:
        store.end(contexts.windows())
    except StoreFailed as error:
        log_bug(error, "windows-not-kept")


def keep_counts(authz_server: AuthorizationServer, store: Store, quotas: Quotas, now_s: int) -> None:
    """Write what was counted and is in memory only; where that fails, say so and stop all the same."""
    try:
        write_usage(store, quotas, now_s)
        authz_server.write_left_out(now_s, all_periods=True)
    except StoreFailed as error:
        log_bug(error, "counts-not-kept")


def begin(admin: Admin) -> None:
    """Check the database and take it into use, and log when it was put back. Raises DatabaseDamaged, NotAtHome."""
    damaged = admin.store.damage(whole=False)
    if damaged is not None:
        raise DatabaseDamaged(damaged)
    how = admin.store.begin(admin.now_s)
    if how != CLEAN:
        log.warning("event=%s", "backup-put-back" if how == RESTORED else "not-stopped-cleanly")


def _start(coap: CoapShell, admin: Admin) -> tuple[str, int]:
    bind = admin.config.coap
    try:
        return coap.start(bind.host, bind.port)
    except OSError as error:
        raise Problem(f"coap.bind {bind} cannot be served: {error.strerror}.") from None


def _web_server(
    authz_server: AuthorizationServer, admin: Admin, clock: Callable[[], int], readiness: Readiness
) -> WebServer:
    app = build_app(
        authz_server,
        admin.store,
        PasswordAuthenticator(admin.store.password_hash_of),
        BrowserSessions(secrets.token_bytes, admin.store),
        clock,
        monotonic_ms=_monotonic_ms,
        server_name=admin.config.name,
        proxies=admin.config.proxies,
        not_ready=readiness.lacks,
        on_unavailable=readiness.failed,
    )
    return make_web_server(app, admin.config)


def _say_what_escaped(_loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
    """One line for what asyncio would write a traceback for."""
    log_bug(what.get("exception") or RuntimeError(), "escaped")


def _heed_signals(web: WebServer, in_force: Reload) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, in_force.again)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, web.stop)


@contextlib.asynccontextmanager
async def _looking_after(
    authz_server: AuthorizationServer,
    store: Store,
    in_force: Reload,
    clock: WatchedClock,
    quotas: Quotas,
    failed: Callable[[StoreFailed], None],
    notifier: Notifier,
) -> AsyncIterator[None]:
    """Beside the servers, watch the clock, write what was counted, delete what is over, and say that all goes on."""
    every_s = min(WATCH_EVERY_S, notifier.watchdog_s or WATCH_EVERY_S)

    async def look() -> None:
        sweep_at_ms = 0
        while True:
            more = False
            try:
                clock.watch()
                if _monotonic_ms() >= sweep_at_ms:
                    write_usage(store, quotas, clock.now_s())
                    authz_server.write_left_out(clock.now_s())
                    more = bool(authz_server.revocations.go_on(clock.now_s()))
                    more |= sweep_by(clock.guard, store, in_force.config.audit_days)
                    sweep_at_ms = 0 if more else _monotonic_ms() + SWEEP_EVERY_S * 1000
            except StoreFailed as error:
                failed(error)
            if notifier.watchdog_s is not None:
                notifier.tell(ALIVE)
            await asyncio.sleep(0 if more else every_s)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def write_usage(store: Store, quotas: Quotas, now_s: int) -> None:
    """Write what clients have used since the last time."""
    counts = quotas.take_counts()
    if not counts:
        return
    with store.transaction():
        for client_id, count in counts.items():
            store.add_client_usage(client_id, count.requests, count.refused, count.limited, now_s)


def sweep_by(guard: ClockGuard, store: Store, audit_days: int) -> bool:
    """Delete some of what is over by the sweeping time, in doubt nothing; whether there is more."""
    return False if guard.doubt or guard.swept_s is None else sweep_some(store, guard.swept_s, audit_days)


def sweep_some(store: Store, now_s: int, audit_days: int) -> bool:
    """Delete a bounded number of rows that are over; whether there are more of them."""
    swept = store.sweep(now_s, SWEEP_ROWS)
    forgotten = store.sweep_audit(now_s - audit_days * DAY_S, SWEEP_ROWS)
    return swept >= SWEEP_ROWS or forgotten >= SWEEP_ROWS


def _say_ready(bound: socket.socket, address: tuple[str, int]) -> None:
    http = bound.getsockname()
    log.info("event=listening http=%s:%s coap=%s:%s pid=%s", http[0], http[1], *address, os.getpid())
    _write_line(json.dumps({"ready": {"http": http[1], "coap": address[1]}, "pid": os.getpid()}) + "\n")


def _write_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
