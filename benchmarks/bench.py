"""Every benchmark in one run: one table, the goals below it, and all of it as JSON.  Run by `make bench`.

    PYTHONPATH=tests .venv/bin/python benchmarks/bench.py [--only tokens|oscore|full|es256] [--json FILE]

A ratio is how many times as fast as the line with 1.00 in its section, measured in the same run: read
those, since times are of one machine in one minute. Instructions of this machine are callgrind's and do not vary from
run to run; race.py says what that processor lacks. Nothing here was measured on a board: p256.py says what simulates.
"""

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from debian_source import CACHE, ROOT
from race import python_of, say
from tokens import AIOCOAP, CFFI, EMPTY, FULL, HAND, ROW, full_race, oscore_race, token_race

Row = dict[str, Any]
PARTS = ("tokens", "oscore", "full", "es256")
HOST = "ES256 on this machine"
REFERENCES = (HAND, AIOCOAP, EMPTY, "OpenSSL", "p256-m")
FIXED = "provisioned key, 2 x {} KB"
# Name, section, what is measured, what it is held against (another line, or a number), and how many times as fast.
RACES = (
    ("a nested token through cffi", "cwt-nested", CFFI, HAND, 3.0),
    ("a signed token through cffi", "cwt-signed", CFFI, HAND, 3.0),
    ("ES256, tables of 2 x 8 KB", HOST, "ours, mulx and adx: " + FIXED.format(8), "OpenSSL", 3.3),
    ("ES256, tables of 2 x 32 KB", HOST, "ours, mulx and adx: " + FIXED.format(32), "OpenSSL", 4.0),
    ("full tables make a request 1.2 times as dear at most", ROW, FULL, EMPTY, 1 / 1.2),
    ("RV32IMC, 2 x 8 KB", "RV32IMC", FIXED.format(8), "BearSSL", 5.0),
)
LIMITS = (
    ("Cortex-M0+ cycles, 2 x 2 KB", "Cortex-M0+", "ours, assembly: " + FIXED.format(2), 3_000_000),
    ("Cortex-M0+ cycles, 2 x 8 KB", "Cortex-M0+", "ours, assembly: " + FIXED.format(8), 2_200_000),
    ("Cortex-M4 cycles, 2 x 8 KB", "Cortex-M4", "ours, assembly: " + FIXED.format(8), 500_000),
)


def es256_rows() -> list[Row]:
    """What p256.py measures, in this table's words."""
    say("ES256 here, on a simulated Cortex-M0+, in qemu as Cortex-M4 and RV32IMC: some minutes")
    command = [sys.executable, str(ROOT / "benchmarks" / "p256.py")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = json.loads((CACHE / "p256.json").read_text())
    host = [{"section": HOST, **row, "per_second": round(1e6 / row["us"])} for row in found["host"]]
    cores = [{"section": row["core"], **row} for row in found["cores"]]
    for row in cores:
        row["cycles"] = row.get("cycles") or row.get("cycles_by_manual")
    return host + sorted(cores, key=lambda row: str(row["section"]))


def cost(row: Row) -> float:
    """What a ratio is made of: time where there is one, then cycles, then instructions."""
    return float(row.get("us") or row.get("cycles") or row["instructions"])


def find(rows: list[Row], section: str, what: str) -> Row | None:
    """The first line of a section whose name begins or ends like that."""
    for row in rows:
        if row["section"].startswith(section) and (row["what"].startswith(what) or row["what"].endswith(what)):
            return row
    return None


def add_ratios(rows: list[Row]) -> None:
    """How many times as fast as the section's reference."""
    for section in dict.fromkeys(row["section"] for row in rows):
        reference = next(filter(None, (find(rows, section, name) for name in REFERENCES)), None)
        for row in rows:
            if reference is not None and row["section"] == section:
                row["ratio"] = round(cost(reference) / cost(row), 2)


def goals(rows: list[Row]) -> list[Row]:
    """What was to be reached, what was, and whether; only what was measured."""
    found = []
    for name, section, what, against, factor in RACES:
        ours, other = find(rows, section, what), find(rows, section, against)
        if ours and other:
            ratio = cost(other) / cost(ours)
            said = f"{ratio:.2f} times as fast as {other['what']}; goal {factor:.2f}"
            found.append({"goal": name, "met": ratio >= factor, "said": said})
    for name, section, what, limit in LIMITS:
        ours = find(rows, section, what)
        if ours:
            found.append({"goal": name, "met": cost(ours) <= limit, "said": f"{ours['cycles']:,}; goal {limit:,}"})
    return found


def first_line(*command: str) -> str:
    """What a program says of its version."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def facts() -> Row:
    """The machine and the versions."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    cwt = "from importlib.metadata import version as v; print('python-cwt', v('cwt'), 'with cbor2', v('cbor2'))"
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cpu": cpu.partition(":")[2].strip() or platform.machine(),
        "kernel": platform.release(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("cryptography", "cbor2", "pycose", "aiocoap")},
        "other": first_line(python_of("token_cwt.py"), "-c", cwt),
        "tools": [first_line(tool, "--version") for tool in ("gcc", "valgrind")] + [first_line("openssl", "version")],
    }


def number(value: float | None, digits: int = 0) -> str:
    """A cell."""
    return "" if value is None else f"{value:,.{digits}f}"


def show(result: Row) -> None:
    """The table."""
    machine = result["machine"]
    packages = ", ".join(f"{name} {said}" for name, said in machine["packages"].items())
    print(
        f"{machine['date']}  {machine['cpu']}  load {machine['load']} at the start, {machine['load_after']} at the end"
    )
    print(f"Python {machine['python']}, {packages}, {machine['other']}; {', '.join(machine['tools'])}\n")
    heads = f"{'a second':>10}{'us':>11}{'instructions':>14}{'cycles':>13}{'ratio':>9}"
    section = None
    for row in result["rows"]:
        if row["section"] != section:
            section = row["section"]
            print(f"{section:<56}{heads}")
        cells = (
            f"{number(row.get('per_second')):>10}{number(row.get('us'), 2):>11}{number(row.get('instructions')):>14}"
            f"{number(row.get('cycles')):>13}{number(row.get('ratio'), 2):>9}"
        )
        print(f"  {row['what']:<54}{cells}")


def conclude(result: dict[str, Any], show: Callable[[dict[str, Any]], None], path: Path) -> None:
    """Write the machine, the rows and the goals of a run, and print them."""
    result["machine"]["load_after"] = round(os.getloadavg()[0], 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    show(result)
    for goal in result["goals"]:
        print(f"{'PASS' if goal['met'] else 'FAIL'}  {goal['goal']}: {goal['said']}")
    say(f"the same as JSON: {path}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be given again")
    parser.add_argument("--json", type=Path, default=CACHE / "results.json", help="where the JSON goes")
    given = parser.parse_args()
    machine, rows = facts(), []
    for name, part in (("tokens", token_race), ("oscore", oscore_race), ("full", full_race), ("es256", es256_rows)):
        if given.only is None or name in given.only:
            rows += part()
    add_ratios(rows)
    conclude({"machine": machine, "rows": rows, "goals": goals(rows)}, show, given.json)


if __name__ == "__main__":
    main()
