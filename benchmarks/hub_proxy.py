"""The hub's proxy beside aiocoap's own: distinct, uncacheable requests, an origin and a load in C.  Prints JSON lines.

    .venv/bin/python benchmarks/hub_proxy.py

The proxies are processes of this file; CPU is of the proxy's process.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiocoap
from aiocoap.proxy.server import ForwardProxy

from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.north_udp_shell import NorthUdpShell
from holdfast_hub.links.udp_shell import UdpLink
from holdfast_hub.process.run import GARBAGE_AFTER
from holdfast_hub.proxy.gateway import Proxy
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.records import Device

COUNT, ORIGIN, OURS, THEIRS = 16, 40100, 40001, 40002


def monotonic_ms() -> int:
    """Milliseconds since the machine began."""
    return time.monotonic_ns() // 1_000_000


async def contest(name: str) -> None:
    """Be one of the proxies until the end."""
    if name == "holdfast":
        gc.freeze()
        gc.set_threshold(*GARBAGE_AFTER)  # as `holdfast hub run` does
        devices = [Device(f"dev{n}", "udp", ("127.0.0.1", ORIGIN + n), nstart=64) for n in range(COUNT)]
        proxy = Proxy(os.urandom, Targets(devices))
        shells: list[NorthUdpShell] = []
        link = UdpLink("udp", lambda *came: shells[0].received(*came))  # noqa: PLW0108 - it is not there yet
        link.use(DeviceTable(devices))
        shells.append(NorthUdpShell(proxy, link.send, monotonic_ms, lambda fault: sys.exit(repr(fault))))
        proxy.wake = shells[0].wake
        shells[0].start("127.0.0.1", OURS)
    else:
        out = await aiocoap.Context.create_client_context()
        bind = ("127.0.0.1", THEIRS)
        await aiocoap.Context.create_server_context(ForwardProxy(out), bind=bind, transports=["udp6"])
    print("ready", flush=True)
    await asyncio.Event().wait()


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run each race and print a line for it."""
    with tempfile.TemporaryDirectory() as folder:
        load = f"{folder}/coap_load"
        subprocess.run(["gcc", "-O2", "-o", load, str(Path(__file__).with_name("coap_load.c"))], check=True)
        commands = {
            "origin": [load, "origin", str(ORIGIN), str(COUNT)],
            "holdfast": [sys.executable, __file__, "holdfast"],
            "aiocoap": [sys.executable, __file__, "aiocoap"],
        }
        running: dict[str, subprocess.Popen[str]] = {}
        try:
            for name, command in commands.items():
                running[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                running[name].stdout.readline()  # type: ignore[union-attr]
            for window in ("16", "64"):
                for kind in ("con", "non"):
                    for name, requests, port, asks in (
                        ("direct", 20000, ORIGIN, ["-", str(COUNT)]),
                        ("holdfast", 10000, OURS, ["dev", str(COUNT)]),
                        ("aiocoap", 1000, THEIRS, [":127.0.0.1", str(COUNT), str(ORIGIN)]),
                    ):
                        pid = running["origin" if name == "direct" else name].pid
                        before_s = cpu_s(pid)
                        command = [load, "load", "127.0.0.1", str(port), window, str(requests), kind, *asks]
                        row: dict[str, Any] = json.loads(subprocess.check_output(command, text=True))
                        row["per_second"] = round(row["requests"] / row["seconds"])
                        row["cpu_us"] = round((cpu_s(pid) - before_s) / requests * 1e6)
                        print(json.dumps({"what": name, "window": int(window), "type": kind, **row}), flush=True)
        finally:
            for process in running.values():
                process.kill()
                process.wait()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        asyncio.run(contest(sys.argv[1]))
    else:
        main()
