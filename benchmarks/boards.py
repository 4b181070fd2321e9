"""What the device package takes on an emulated board: flash, heap, allocations, instructions; one table.

    PYTHONPATH=tests:tests/dual .venv/bin/python benchmarks/boards.py [TARGET] [--json] [--no-bisection | --record]

The firmware is what scripts/firmware.sh builds and `holdfast sim tube --tube TARGET` runs: the package frozen,
littlefs, a serial line. TARGET is qemu-cortex-m3 unless another of QEMU's is named. The smallest heap is that with
which a tube starts, takes a token, and answers ten protected requests, ten times in a row, since it is chance what is
on the heap when a byte arrives; found by bisection to 256 bytes. --record writes that of the Cortex-M3 to
tests/budgets.json, and --no-bisection quotes it from there. Instructions are QEMU's count; power-on is a board's second
start, with a request waiting at its line. Plain MicroPython is the same port with no module of ours. No board was
measured.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from holdfast_sim.targets import TARGETS, Target
from testkit import budgets
from testkit.emulated_tube import works

STEP = 256
TIMES = 10
LOW, HIGH = 8 * 1024, 160 * 1024  # the emulated boards have 188 kB to give
ROWS = (
    ("smallest_heap", "smallest heap, one session, ten times of ten"),
    ("heap_import", "heap: import"),
    ("heap_tube", "heap: tube started"),
    ("heap_session", "heap: one session"),
    ("heap_sessions_16", "heap: 16 sessions"),
    ("get_allocates_later", "allocated by a protected GET, then freed"),
    ("flash_bytes", "flash, MicroPython and all"),
    ("flash_growth", "flash: of these, what plain MicroPython has not"),
    ("instructions_boot", "instructions: power-on to the first answer"),
    ("instructions_token_check", "instructions: token check"),
    ("instructions_session", "instructions: session set-up"),
    ("instructions_get", "instructions: protected GET"),
)


def smallest_heap(target: Target, firmware: Path) -> int:
    """By bisection; 0 when even all of the heap is too little."""
    low, high = LOW, HIGH
    if not works(target, firmware, high):
        return 0
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        print(f"\r  {firmware.parent.name}: between {low} and {high}   ", end="", file=sys.stderr, flush=True)
        if all(works(target, firmware, middle) for _ in range(TIMES)):
            high = middle
        else:
            low = middle
    print("\r" + " " * 70 + "\r", end="", file=sys.stderr)
    return high


def record(heaps: dict[str, int]) -> None:
    """Write the smallest heaps to the record of limits."""
    limits = budgets.limits() if budgets.RECORD.exists() else {}
    budgets.save(limits | {"smallest_heap": heaps})


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-bisection", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument(
        "target", nargs="?", default=budgets.TARGET, choices=[n for n in TARGETS if n.startswith("qemu")]
    )
    args = parser.parse_args()
    target = TARGETS[args.target]
    if args.record and target.name != budgets.TARGET:
        parser.error(f"only {budgets.TARGET} has a record of heaps")
    known = budgets.limits()["smallest_heap"] if args.no_bisection and target.name == budgets.TARGET else {}
    columns: dict[str, dict[str, Any]] = {}
    for variant in ("python", "native"):
        firmware = budgets.ROOT / target.firmware(variant)
        if not firmware.exists():
            sys.exit(f"boards: no firmware at {firmware}: run scripts/firmware.sh {target.name}")
        heap = known.get(variant, 0) if args.no_bisection else smallest_heap(target, firmware)
        columns[variant] = {"smallest_heap": heap, **budgets.on_board(target, variant)}
    if args.record:
        record({variant: column["smallest_heap"] for variant, column in columns.items()})
    if args.json:
        print(json.dumps({"target": target.name, **columns}, indent=2))
        return 0
    print(f"| {target.mcu}, emulated; bytes | python | native |\n|---|--:|--:|")
    for name, text in ROWS:
        if not columns["python"][name]:
            continue
        print(f"| {text} | {columns['python'][name]:,} | {columns['native'][name]:,} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
