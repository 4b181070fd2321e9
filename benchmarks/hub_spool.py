"""The hub's spool: messages a second that are durable, by size of a group, beside mosquitto's queue.

    .venv/bin/python benchmarks/hub_spool.py [--count N] [--json FILE]

Each row writes bodies of 256 octets to the same disk. in: put and acknowledged. out: taken, and told as delivered.
CPU: of the whole process that keeps them (for the spool its producer and taker too), in microseconds for a message.
An acknowledgement of the spool comes after an fsync. mosquitto's comes from memory: it saves its database every half
hour and when it stops, so the last rows kill it (and a spool) and count what is left.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from mosquitto_queue import kept_after_a_kill, queue_rates

from holdfast_hub.records import READING, Now, Parcel
from holdfast_hub.spool.bounds import Bounds
from holdfast_hub.spool.store import GATHER_S, GROUP, SqliteSpool

BODY = bytes(range(256))
GROUPS = (1, 16, 64, 256, GROUP)
GOAL_PER_S = 5000
ROOMY = Bounds(whole_count=10**7, box_count=10**7, box_len=1 << 40, whole_len=1 << 40)
AHEAD = 4
"""Groups that are asked for before the first is acknowledged."""
TAKE = 256
EAGER = ("autosave_on_changes true",)
NO_TIME = Now(0, None)
Row = dict[str, Any]


async def spool_rates(folder: Path, count: int, group: int, boxes: int) -> Row:
    """A producer and then a taker, each in the loop of one process."""
    loop = asyncio.get_running_loop()
    window = asyncio.Semaphore(group * AHEAD)
    ended = asyncio.Event()
    gather_s = GATHER_S if group > 1 else 0
    spool = SqliteSpool(folder, NO_TIME, loop.call_soon_threadsafe, ROOMY, group=group, gather_s=gather_s)
    answers: list[str] = []

    def kept(answer: str) -> None:
        answers.append(answer)
        window.release()
        if len(answers) == count:
            ended.set()

    cpu, start = time.process_time(), time.perf_counter()
    for number in range(count):
        await window.acquire()
        spool.put(Parcel(f"box{number % boxes}", b"%d" % number, READING, BODY), NO_TIME, kept)
    await ended.wait()
    in_s, in_cpu = time.perf_counter() - start, time.process_time() - cpu
    if set(answers) != {"kept"}:
        raise RuntimeError(f"not all were kept: {set(answers)}")
    ended.clear()
    left = count

    def taken(box: str, parcels: list[Parcel]) -> None:
        if parcels:  # both in one commit
            spool.delivered(parcels, partial(forgotten, len(parcels)))
            spool.take(box, min(group, TAKE), NO_TIME, partial(taken, box))

    def forgotten(number: int, is_kept: bool) -> None:
        nonlocal left
        left -= number
        if not is_kept or left == 0:
            ended.set()

    cpu, start = time.process_time(), time.perf_counter()
    for box in range(boxes):
        spool.take(f"box{box}", min(group, TAKE), NO_TIME, partial(taken, f"box{box}"))
    await ended.wait()
    out_s, out_cpu = time.perf_counter() - start, time.process_time() - cpu
    if left:
        raise RuntimeError("not all were delivered")
    spool.close()
    return {
        "in_per_s": count / in_s,
        "out_per_s": count / out_s,
        "in_cpu_us": in_cpu / count * 1e6,
        "out_cpu_us": out_cpu / count * 1e6,
    }


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from hub_spool import BODY, NO_TIME, ROOMY
from holdfast_hub.records import READING, Parcel
from holdfast_hub.spool.store import SqliteSpool
acknowledged = 0
def call(report):
    report()
    os.write(1, b"%d\\n" % acknowledged)
def kept(answer):
    global acknowledged
    acknowledged += answer == "kept"
spool = SqliteSpool(Path({folder!r}), NO_TIME, call, ROOMY)
for number in range({count}):
    spool.put(Parcel("box", b"%d" % number, READING, BODY), NO_TIME, kept)
"""


def spool_after_a_kill(folder: Path, count: int) -> int:
    """Of so many acknowledged parcels, how many are there after kill -9."""
    program = KILLED.format(here=str(Path(__file__).parent), folder=str(folder), count=count)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == count:
                break
        process.send_signal(signal.SIGKILL)
    found: list[Parcel] = []
    spool = SqliteSpool(folder, NO_TIME, lambda report: report(), ROOMY, threaded=False)
    spool.take("box", count, NO_TIME, found.extend)
    spool.close()
    return len(found)


def fsyncs_per_s(folder: Path) -> float:
    """How often this disk makes a page durable."""
    fd = os.open(folder / "fsync", os.O_RDWR | os.O_CREAT)
    start = time.perf_counter()
    for number in range(300):
        os.pwrite(fd, BODY * 16, number % 16 * 4096)
        os.fsync(fd)
    os.close(fd)
    return 300 / (time.perf_counter() - start)


def measure(folder: Path, count: int) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    for group in GROUPS:
        number = count if group >= 64 else count * group // 640
        for boxes in (1, 100) if group == GROUP else (1,):
            place = folder / f"spool-{group}-{boxes}"
            name = f"spool, groups of {group}" + (f", {boxes} devices" if boxes > 1 else "")
            rows.append({"what": name, **asyncio.run(spool_rates(place, number, group, boxes))})
    for name, number, settings in (
        ("mosquitto, as it comes: saved every 30 minutes", count, ()),
        ("mosquitto, saved after every 100 changes", count // 20, (*EAGER, "autosave_interval 100")),
        ("mosquitto, saved at every change", count // 200, (*EAGER, "autosave_interval 1")),
    ):
        place = folder / f"mosquitto-{len(rows)}"
        place.mkdir()
        rows.append({"what": name, **queue_rates(place, number, BODY, 1000, *settings)})
    return rows


def losses(folder: Path, count: int) -> list[Row]:
    """What is left of acknowledged messages after kill -9."""
    place = folder / "mosquitto-killed"
    place.mkdir()
    return [
        {"what": "spool", "acknowledged": count, "left": spool_after_a_kill(folder / "killed", count)},
        {"what": "mosquitto, as it comes", "acknowledged": count, "left": kept_after_a_kill(place, count, BODY)},
    ]


def show(result: Row) -> None:
    """The tables."""
    machine = result["machine"]
    print(f"{machine['date']}  {machine['cpu']}  load {machine['load']}; {machine['versions']}")
    print(f"This disk makes {machine['fsyncs_per_s']:,.0f} writes a second durable.\n")
    print(f"{'256 octets a message':<50}{'in a second':>12}{'out a second':>14}{'CPU us in':>11}{'CPU us out':>11}")
    for row in result["rows"]:
        rates = (
            f"{row['in_per_s']:>12,.0f}{row['out_per_s']:>14,.0f}{row['in_cpu_us']:>11.1f}{row['out_cpu_us']:>11.1f}"
        )
        print(f"  {row['what']:<48}{rates}")
    print(f"\n{'after kill -9':<50}{'acknowledged':>12}{'left':>14}")
    for row in result["losses"]:
        print(f"  {row['what']:<48}{row['acknowledged']:>12,}{row['left']:>14,}")
    for goal in result["goals"]:
        print(f"{'PASS' if goal['met'] else 'FAIL'}  {goal['goal']}: {goal['said']}")


def goals(result: Row) -> list[Row]:
    """What was to be reached."""
    row = next(row for row in result["rows"] if row["what"] == f"spool, groups of {GROUP}")
    slower = min(row["in_per_s"], row["out_per_s"])
    said = f"{slower:,.0f} a second; goal {GOAL_PER_S:,}"
    kept = result["losses"][0]
    return [
        {"goal": "durable in groups", "met": slower >= GOAL_PER_S, "said": said},
        {
            "goal": "kill -9",
            "met": kept["left"] == kept["acknowledged"],
            "said": f"{kept['left']:,} of {kept['acknowledged']:,} are left",
        },
    ]


def facts(folder: Path) -> Row:
    """The machine and the versions."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    said = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cpu": cpu.partition(":")[2].strip() or platform.machine(),
        "load": round(os.getloadavg()[0], 2),
        "versions": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {said}",
        "fsyncs_per_s": fsyncs_per_s(folder),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40_000, help="messages a row; fewer where each is slow")
    parser.add_argument("--json", type=Path, default=Path(".cache/hub_spool.json"), help="where the JSON goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.json.parent.resolve()) as made:  # on a disk: /tmp may be memory
        folder = Path(made)
        result: Row = {"machine": facts(folder), "rows": measure(folder, options.count)}
        result["losses"] = losses(folder, 5000)
    result["goals"] = goals(result)
    show(result)
    options.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(not all(goal["met"] for goal in result["goals"]))


if __name__ == "__main__":
    main()
