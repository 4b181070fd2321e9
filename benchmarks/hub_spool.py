"""The hub's spool: messages a second that are durable, by size of a group, beside mosquitto's queue.  hub.py runs it.

Each row writes bodies of 256 octets to the same disk. in: put and acknowledged. out: taken, and told as delivered.
CPU: of the whole process that keeps them (for the spool its producer and taker too), in microseconds for a message.
An acknowledgement of the spool comes after an fsync. mosquitto's comes from memory: it saves its database every half
hour and when it stops, so the last rows kill it (and a spool) and count what is left.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from debian_source import CACHE
from hub_ends import ENDS_WITH_US
from mosquitto_queue import kept_after_a_kill, queue_rates

from holdfast_hub.records import READING, Now, Parcel
from holdfast_hub.spool.bounds import Bounds
from holdfast_hub.spool.store import GATHER_S, GROUP, SqliteSpool

BODY = bytes(range(256))
GROUPS = (1, 16, 64, 256, GROUP)
COUNT, ACKNOWLEDGED = 40_000, 5000
"""Messages of a row, fewer where each is slow; and of a row that ends by kill -9."""
RATES, KILLS = "256 octets a message", "acknowledged, then kill -9"
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
    with subprocess.Popen([*ENDS_WITH_US, sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
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


def measure(share: float = 1.0) -> list[Row]:
    """All rows. share: of the messages."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:  # on a disk: /tmp may be memory
        folder = Path(made)
        disk = {"section": "this disk, a page", "what": "pwrite and fsync", "fsyncs_per_s": fsyncs_per_s(folder)}
        return [disk, *rates(folder, round(COUNT * share)), *losses(folder, round(ACKNOWLEDGED * share))]


def rates(folder: Path, count: int) -> list[Row]:
    """What goes in and out in a second."""
    rows: list[Row] = []
    for group in GROUPS:
        number = count if group >= 64 else count * group // 640
        for boxes in (1, 100) if group == GROUP else (1,):
            place = folder / f"spool-{group}-{boxes}"
            name = f"spool, groups of {group}" + (f", {boxes} devices" if boxes > 1 else "")
            rows.append({"section": RATES, "what": name, **asyncio.run(spool_rates(place, number, group, boxes))})
    for name, number, settings in (
        ("mosquitto, as it comes: saved every 30 minutes", count, ()),
        ("mosquitto, saved after every 100 changes", count // 20, (*EAGER, "autosave_interval 100")),
        ("mosquitto, saved at every change", count // 200, (*EAGER, "autosave_interval 1")),
    ):
        place = folder / f"mosquitto-{len(rows)}"
        place.mkdir()
        rows.append({"section": RATES, "what": name, **queue_rates(place, number, BODY, 1000, *settings)})
    return rows


def losses(folder: Path, count: int) -> list[Row]:
    """What is left of acknowledged messages after kill -9."""
    place = folder / "mosquitto-killed"
    place.mkdir()
    return [
        {
            "section": KILLS,
            "what": "spool",
            "acknowledged": count,
            "left": spool_after_a_kill(folder / "killed", count),
        },
        {
            "section": KILLS,
            "what": "mosquitto, as it comes",
            "acknowledged": count,
            "left": kept_after_a_kill(place, count, BODY),
        },
    ]
