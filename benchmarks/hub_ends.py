"""What stands around a hub that is measured: processes that end with this one, an origin and a load in C, a real hub.

Run with PYTHONPATH=tests. Ports are below those that the system gives out, and others in another process.
"""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testkit.hub import COMMAND, HubPlace, environment

Row = dict[str, Any]
Process = subprocess.Popen[str]
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
BASE = 15_000 + os.getpid() % 15 * 1100
"""The first port of devices, of 1,000."""
THEIRS = BASE + 1050
"""The first port of proxies that are compared."""
MOST_NSTART = 16


@contextlib.contextmanager
def child(*command: str) -> Iterator[tuple[Process, str]]:
    """A process and the line by which it says that it is there. It is killed with this block, or with this process."""
    process = subprocess.Popen(
        [*ENDS_WITH_US, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise SystemExit(f"{' '.join(command)}: ended with {process.wait()}")
        yield process, line
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def coap_load() -> Iterator[str]:
    """Build the origin and the load; give the program's path."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/coap_load"
        subprocess.run(["gcc", "-O2", "-o", program, str(Path(__file__).with_name("coap_load.c"))], check=True)
        yield program


@contextlib.contextmanager
def whole_hub(count: int, nstart: int) -> Iterator[tuple[Process, int]]:
    """A `holdfast hub run` with devices dev0, dev1, ... at the ports from BASE; the process and its port."""
    with tempfile.TemporaryDirectory() as folder:
        place = HubPlace(Path(folder) / "hub")
        place.devices.write_text(
            "\n".join(
                f'[devices.dev{n}]\nlink = "udp"\naddress = "127.0.0.1:{BASE + n}"\nnstart = {nstart}'
                for n in range(count)
            )
        )
        with child(*COMMAND, "run", "--config", str(place.config)) as (process, line):
            yield process, json.loads(line)["ready"]["coap"][0]


def cpu_s(process: subprocess.Popen[Any]) -> float:
    """Seconds of processor that all threads of a process have used, as the scheduler counts them: in nanoseconds."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def ask(program: str, measured: Process, port: int, window: int, requests: int, kind: str, *whom: str) -> Row:
    """Run the load, and say what it saw and what each request cost the process that is measured."""
    before_s = cpu_s(measured)
    load = (program, "load", "127.0.0.1", str(port), str(window), str(requests), kind, *whom)
    row: Row = json.loads(subprocess.check_output([*ENDS_WITH_US, *load], text=True))
    row["per_second"] = round(row["requests"] / row["seconds"])
    row["cpu_us"] = round((cpu_s(measured) - before_s) / requests * 1e6)
    return row
