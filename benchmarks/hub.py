"""All that is measured of the hub in one run: one table, goals below it, and all of it as JSON.  Run by `make bench`.

    PYTHONPATH=tests .venv/bin/python benchmarks/hub.py [--only proxy|devices|spool|tokens] [--share X] [--json FILE]

Rates and times are of one machine in one minute: compare lines of one section. Octets of tokens do not vary. CPU is of
the process that is measured, for one request or message. Latency is what the load waited, so with many requests under
way it is mostly the queue. Every process that is started ends with this one, whatever ends this one.
"""

import argparse
import datetime as dt
import os
import platform
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hub_devices
import hub_proxy
import hub_spool
import hub_tokens
from debian_source import CACHE
from race import say

from bench import conclude, first_line, number

Row = dict[str, Any]
PARTS: dict[str, Callable[[float], list[Row]]] = {
    "proxy": hub_proxy.measure,
    "devices": hub_devices.measure,
    "spool": hub_spool.measure,
    "tokens": hub_tokens.measure,
}
COLUMNS = (
    ("per_second", "a second", 0),
    ("cpu_us", "CPU us", 0),
    ("p50_us", "p50 us", 0),
    ("p95_us", "p95 us", 0),
    ("p99_us", "p99 us", 0),
    ("lost", "lost", 0),
    ("wrong", "wrong", 0),
    ("ratio", "ratio", 2),
    ("before_kib", "KiB before", 0),
    ("after_kib", "KiB after", 0),
    ("fsyncs_per_s", "a second", 0),
    ("in_per_s", "in a second", 0),
    ("out_per_s", "out a second", 0),
    ("in_cpu_us", "CPU us in", 1),
    ("out_cpu_us", "CPU us out", 1),
    ("acknowledged", "acknowledged", 0),
    ("left", "left", 0),
    ("carried", "carried", 0),
    *((leg, leg, 0) for leg in hub_tokens.LEGS),
    ("radio", "radio", 0),
    ("saved_to_hub", "saved to hub", 0),
    ("saved_to_device", "to device", 0),
)
"""What a row may have, its head, and digits behind the point. A section has the columns that any of its rows has."""
LATENCY = [hub_proxy.section_of(kind, 1) for kind in hub_proxy.KINDS]
"""Where one request waits for the other, so that the rate says how long one takes, and not how many can be borne."""
GOAL_TIMES, GOAL_KIB, GOAL_PER_S = 5.0, 64 << 10, 5000


def add_ratios(rows: list[Row]) -> None:
    """How many times as many requests a second as aiocoap's proxy in the same section."""
    base = {row["section"]: row["per_second"] for row in rows if row["what"] == hub_proxy.AIOCOAP}
    for row in rows:
        if row["part"] == "proxy" and row["section"] in base:
            row["ratio"] = round(row["per_second"] / base[row["section"]], 2)


def goals(rows: list[Row]) -> list[Row]:
    """What was to be reached, what was, and whether; only what was measured."""
    found: list[Row] = []

    def goal(name: str, said: str, *, met: bool) -> None:
        found.append({"goal": name, "met": met, "said": said})

    if ratios := [row["ratio"] for row in rows if row["what"] == hub_proxy.WHOLE and row["section"] not in LATENCY]:
        said = f"{min(ratios):.2f} to {max(ratios):.2f} times its requests a second; goal {GOAL_TIMES:.0f}"
        goal("the whole hub beside aiocoap's proxy, many under way", said, met=min(ratios) >= GOAL_TIMES)
    if devices := [row for row in rows if row["part"] == "devices"]:
        lost, wrong = (sum(row[name] for row in devices) for name in ("lost", "wrong"))
        said = f"{lost:,} answers lost, {wrong:,} other than the device's"
        goal("nothing is lost on the way to 1,000 devices", said, met=lost + wrong == 0)
        most = max(row["after_kib"] for row in devices)
        goal("memory", f"{most:,} KiB; goal {GOAL_KIB:,}", met=most <= GOAL_KIB)
    grouped = f"spool, groups of {hub_spool.GROUP}"
    for row in rows:
        if row["what"] == grouped:
            slower = min(row["in_per_s"], row["out_per_s"])
            goal("durable in groups", f"{slower:,.0f} a second; goal {GOAL_PER_S:,}", met=slower >= GOAL_PER_S)
        if row["section"] == hub_spool.KILLS and row["what"] == "spool":
            said = f"{row['left']:,} of {row['acknowledged']:,} are left"
            goal("kill -9", said, met=row["left"] == row["acknowledged"])
    return found


def facts() -> Row:
    """The machine and the versions."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cpu": cpu.partition(":")[2].strip() or platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
        "versions": [
            f"Python {platform.python_version()}",
            f"aiocoap {version('aiocoap')}",
            f"SQLite {sqlite3.sqlite_version}",
            first_line("gcc", "--version"),
        ],
    }


def table(rows: list[Row]) -> list[str]:
    """The lines of all sections."""
    lines: list[str] = []
    for section in dict.fromkeys(row["section"] for row in rows):
        of_section = [row for row in rows if row["section"] == section]
        columns = [column for column in COLUMNS if any(column[0] in row for row in of_section)]
        wide = [max(9, len(head)) + 2 for _, head, _ in columns]
        heads = zip(columns, wide, strict=True)
        lines.append(f"{section:<52}" + "".join(f"{head:>{width}}" for (_, head, _), width in heads))
        for row in of_section:
            cells = (number(row.get(name), digits) for name, _, digits in columns)
            line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, wide, strict=True))
            lines.append(f"  {row['what']:<50}{line}".rstrip())
    return lines


def show(result: Row) -> None:
    """Print the machine and the table."""
    machine = result["machine"]
    loads = f"load {machine['load']} at the start, {machine['load_after']} at the end"
    print(f"{machine['date']}  {machine['cpu']}, {machine['cores']} cores  {loads}")
    print(f"{', '.join(machine['versions'])}, Linux {machine['kernel']}\n")
    print("\n".join(table(result["rows"])))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be given again")
    parser.add_argument("--share", type=float, default=1.0, help="of the requests and messages; 0.1 is a quick look")
    parser.add_argument("--json", type=Path, default=CACHE / "hub.json", help="where the JSON goes")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # noqa: ARG005 - so folders go, too
    os.environ["PATH"] += ":/usr/sbin"  # where Debian has mosquitto
    if missing := [tool for tool in ("gcc", "setpriv", "mosquitto") if not shutil.which(tool)]:
        raise SystemExit(f"hub.py runs {' and '.join(missing)}: install it first.")
    machine: Row = facts()
    rows: list[Row] = []
    for name, measure in PARTS.items():
        if given.only is None or name in given.only:
            say(f"hub, {name}")
            rows += [{"part": name, **row} for row in measure(given.share)]
    add_ratios(rows)
    conclude({"machine": machine, "rows": rows, "goals": goals(rows)}, show, given.json)


if __name__ == "__main__":
    main()
