"""The hub beside aiocoap's own proxy: distinct, uncacheable requests, an origin and a load in C.  hub.py runs it.

The whole hub is a `holdfast hub run`, as users have it. Its proxy alone, without the other desks, and aiocoap's are
processes of this file. CPU is of the proxy's process.
"""

import asyncio
import gc
import os
import sys
import time

import aiocoap
from aiocoap.proxy.server import ForwardProxy
from hub_ends import BASE, MOST_NSTART, THEIRS, Row, ask, child, coap_load, whole_hub

from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.north_udp_shell import NorthUdpShell
from holdfast_hub.links.udp_shell import UdpLink
from holdfast_hub.process.run import GARBAGE_AFTER
from holdfast_hub.proxy.gateway import Proxy
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.records import Device

COUNT = 16
DIRECT, WHOLE, ALONE, AIOCOAP = "direct, no proxy", "holdfast hub run", "its proxy alone", "aiocoap's proxy"
KINDS, WINDOWS = ("con", "non"), (1, 16, 64)
"""So many requests under way; 1 shows what a request takes when nothing else does."""


def section_of(kind: str, window: int) -> str:
    """The section of the table for a race."""
    return f"{kind}, {window} under way"


def monotonic_ms() -> int:
    """Milliseconds since the machine began."""
    return time.monotonic_ns() // 1_000_000


async def contest(name: str, port: int, origin: int) -> None:
    """Be one of the proxies until the end."""
    if name == ALONE:
        gc.freeze()
        gc.set_threshold(*GARBAGE_AFTER)  # as `holdfast hub run` does
        devices = [Device(f"dev{n}", "udp", ("127.0.0.1", origin + n), nstart=MOST_NSTART) for n in range(COUNT)]
        proxy = Proxy(os.urandom, Targets(devices))
        shells: list[NorthUdpShell] = []
        link = UdpLink("udp", lambda *came: shells[0].received(*came))  # noqa: PLW0108 - it is not there yet
        link.use(DeviceTable(devices))
        shells.append(NorthUdpShell(proxy, link.send, monotonic_ms, lambda fault: sys.exit(repr(fault))))
        proxy.wake = shells[0].wake
        shells[0].start("127.0.0.1", port)
    else:
        out = await aiocoap.Context.create_client_context()
        bind = ("127.0.0.1", port)
        await aiocoap.Context.create_server_context(ForwardProxy(out), bind=bind, transports=["udp6"])
    print("ready", flush=True)
    await asyncio.Event().wait()


def measure(share: float = 1.0) -> list[Row]:
    """Every race, the contestants one after another in each. share: of the requests."""
    rows: list[Row] = []
    us = (sys.executable, __file__)
    with (
        coap_load() as program,
        child(program, "origin", str(BASE), str(COUNT)) as (origin, _),
        whole_hub(COUNT, MOST_NSTART) as (hub, port),
        child(*us, ALONE, str(THEIRS), str(BASE)) as (alone, _),
        child(*us, AIOCOAP, str(THEIRS + 1), str(BASE)) as (aiocoaps, _),
    ):
        contestants = (
            (DIRECT, origin, BASE, 20_000, ("-", str(COUNT))),
            (WHOLE, hub, port, 10_000, ("dev", str(COUNT))),
            (ALONE, alone, THEIRS, 10_000, ("dev", str(COUNT))),
            (AIOCOAP, aiocoaps, THEIRS + 1, 1000, (":127.0.0.1", str(COUNT), str(BASE))),
        )
        for window in WINDOWS:
            for kind in KINDS:
                section = section_of(kind, window)
                for what, process, at, most, whom in contestants:
                    requests = max(window, round(most * share / (1 if window > 1 else 4)))
                    rows.append(
                        {"section": section, "what": what, **ask(program, process, at, window, requests, kind, *whom)}
                    )
    return rows


if __name__ == "__main__":
    asyncio.run(contest(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
