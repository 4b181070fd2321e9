"""One process, one event loop: starts the hub, says that it is ready, looks after it, and stops it in good order.

READY is said when the spool is open and all ports are bound; it does not wait for the clock. The watchdog is fed from
the event loop, and only while the spool's thread lives: a hub that hangs is started again by its service manager.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
from typing import Any

from holdfast_core.cli import Failed
from holdfast_core.notify_shell import ALIVE, READY, STOPPING, Notifier
from holdfast_hub.process.clock import NAME as CLOCK_NAME
from holdfast_hub.process.clock import HubClock, monotonic_ms
from holdfast_hub.process.config import Config
from holdfast_hub.process.health import Health
from holdfast_hub.process.http import Answer, Responder
from holdfast_hub.process.hub import Hub
from holdfast_hub.process.log import log_bug, say, start_logging, warn
from holdfast_hub.process.settings import MIB, ConfigError
from holdfast_hub.process.sockets import Sockets
from holdfast_hub.process.told import status
from holdfast_hub.records import OUT
from holdfast_hub.spool.bounds import Bounds
from holdfast_hub.spool.store import SqliteSpool

CONTROL = "control"
"""The socket in the state directory at which `holdfast hub status` and its like ask."""
TICK_S = 1.0
DRAIN_LOOK_S = 0.05
GARBAGE_AFTER = (50_000, 20, 20)
"""When the collector looks for cycles, of which the hub makes few: its own thresholds cost a third of a request."""


def serve(config: Config, *, trace: bool) -> None:
    """Run until told to stop. Raises ConfigError, SpoolError, OSError; Failed when a part of the hub has died."""
    start_logging(config.text("log.format"))
    os.umask(0o077)
    gc.freeze()
    gc.set_threshold(*GARBAGE_AFTER)
    asyncio.run(_serve(config, trace=trace))


async def _serve(config: Config, *, trace: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_say_what_escaped)
    stop = asyncio.Event()
    # From here on a signal is heard, and nothing that was begun is left behind.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    notifier = Notifier()
    with contextlib.ExitStack() as ends:
        clock, spool = _open(config, loop)
        ends.callback(clock.keep)
        ends.callback(spool.close)
        hub = Hub(config, clock, spool, _write_line if trace else None)
        ends.callback(hub.close)
        responder = _responder(hub, spool, stop)
        ends.callback((config.state / CONTROL).unlink, missing_ok=True)
        ends.callback(responder.close)
        ports = await _begin(config, hub, responder)
        loop.add_signal_handler(signal.SIGHUP, hub.reload)
        say("listening", pid=os.getpid(), ports=json.dumps(ports))
        notifier.tell(READY, f"STATUS={hub.summary}")
        _write_line(json.dumps({"ready": ports, "pid": os.getpid()}) + "\n")
        await _look_after(hub, spool, notifier, stop)
        notifier.tell(STOPPING)
        await _drain(hub, config.number("drain_s"))
    say("stopped")


def _responder(hub: Hub, spool: SqliteSpool, stop: asyncio.Event) -> Responder:
    health = Health(spool.check, lambda: hub.trouble, lambda: status(hub), hub.metrics, monotonic_ms)

    async def drain() -> Answer:
        asyncio.get_running_loop().call_soon(stop.set)
        told = {"stops": True, "within_s": hub.config.number("drain_s")}
        return Answer(json.dumps(told).encode(), kind="application/json")

    reads = {"/healthz": health.alive, "/readyz": health.ready, "/metrics": health.metrics}
    owner = {("GET", "/status"): health.status, ("POST", "/drain"): drain}
    return Responder({("GET", path): answer for path, answer in reads.items()}, owner, log_bug)


def _open(config: Config, loop: asyncio.AbstractEventLoop) -> tuple[HubClock, SqliteSpool]:
    clock = HubClock(config.state / CLOCK_NAME)
    most, most_len = config.number("spool.max_parcels"), config.number("spool.max_mib") * MIB
    bounds = Bounds(
        whole_len=most_len,
        whole_count=most,
        box_len=most_len // 2,
        box_count=most // 2,
        drop_oldest=frozenset([OUT] if config.flag("spool.drop_oldest") else []),
        keep_free_len=config.number("spool.keep_free_mib") * MIB,
    )
    spool = SqliteSpool(config.state, clock.now(), loop.call_soon_threadsafe, bounds)
    if spool.found:
        warn("spool-failed", reason=spool.found)
    if clock.doubt:
        warn("clock-doubted", reason=clock.doubt)
    return clock, spool


async def _begin(config: Config, hub: Hub, responder: Responder) -> dict[str, Any]:
    """Bind everything. Returns where, for the ready line. Raises ConfigError."""
    sockets = Sockets()
    ports: dict[str, Any] = await hub.start(sockets)
    if left := sockets.close_others():
        warn("not-named", sockets=" ".join(left))
    await responder.listen_at(config.state / CONTROL)
    bind = config.bind("health.bind")
    if bind is not None:
        try:
            ports["health"] = (await responder.listen(bind))[1]
        except OSError as error:
            raise ConfigError(f"health.bind {bind} cannot be served: {error.strerror or error}.") from None
    return ports


async def _look_after(hub: Hub, spool: SqliteSpool, notifier: Notifier, stop: asyncio.Event) -> None:
    """Tick every second until told to stop. Raises Failed when the spool's thread has ended."""
    feed_at_ms = 0
    summary = hub.summary
    while not stop.is_set():
        try:
            hub.tick()
        except Exception as fault:  # noqa: BLE001 - the service manager starts the hub again
            log_bug(fault)
            hub.faults.append(fault)
        if not spool.is_alive or hub.faults:
            raise Failed("A part of the hub has stopped because of a bug, which the log names.")
        if notifier.watchdog_s is not None and monotonic_ms() >= feed_at_ms:
            notifier.tell(ALIVE)
            feed_at_ms = monotonic_ms() + int(notifier.watchdog_s * 1000) - int(TICK_S * 1000)
        if hub.summary != summary:
            summary = hub.summary
            notifier.tell(f"STATUS={summary}")
        wait_s = TICK_S if notifier.watchdog_s is None else min(TICK_S, notifier.watchdog_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await stop.wait()


async def _drain(hub: Hub, drain_s: int) -> None:
    """Take nothing new, and let what is under way end, but for drain_s seconds at most."""
    hub.drain()
    say("draining", under_way=hub.under_way)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(drain_s):
            while hub.under_way:  # noqa: ASYNC110 - rooms that know no event loop count it
                await asyncio.sleep(DRAIN_LOOK_S)


def _say_what_escaped(_loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
    """One line for what asyncio would write a traceback for."""
    log_bug(what.get("exception") or RuntimeError(), "escaped")


def _write_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
