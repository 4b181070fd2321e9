"""One contestant in a process of its own: it is told what to run, and says how long that took.

Every contestant is treated alike this way, and one may need another version of a library than the rest. Standard input
is lines of JSON: first the job (keys, and for each row its good items and bad ones), then commands:
  {"do": "time", "row": R}            run all good items of a row once; answers seconds of process time
  {"do": "count", "row": R, "n": N}   run N of them between two marks of callgrind; the dump has the row's name
  {"do": "outputs", "row": R}         answers what the run made of the good items, in hex; the run returns it, or a
                                      function that does
No measurement starts before every row has taken its good items and refused each bad one. Imports nothing but the
standard library, so that it runs in any environment.
"""

import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

Run = Callable[[], Any]
Setup = Callable[[list[bytes]], Run]  # what is not measured, up to a function that does all items


def each(check: Callable[[Any], object], prepare: Callable[[bytes], Any] | None = None) -> Setup:
    """A contestant that does one item after the other; prepare: what of it is not measured."""

    def setup(items: list[bytes]) -> Run:
        prepared: list[Any] = list(items) if prepare is None else [prepare(item) for item in items]

        def run() -> None:
            for item in prepared:
                check(item)

        return run

    return setup


def prove(row: str, setup: Setup, good: list[bytes], bad: list[bytes]) -> None:
    """Exit unless a row takes its good items and refuses each bad one: who does nothing would win."""
    setup(good)()
    for item in bad:
        try:
            setup([item])()
        except Exception:  # noqa: BLE001 - each library refuses in its own words
            continue
        raise SystemExit(f"{row}: takes what is bad: {item.hex()}")


def timed(setup: Setup, items: list[bytes]) -> float:
    """Seconds of process time."""
    run = setup(items)
    began = time.process_time()
    run()
    return time.process_time() - began


def counted(marks: str, name: str, setup: Setup, items: list[bytes]) -> None:
    """Run once to warm up, then between the marks."""
    library = ctypes.CDLL(marks)
    setup(items)()
    run = setup(items)
    gc.collect()
    library.bench_start()
    run()
    library.bench_stop(name.encode())


def serve(build: Callable[[dict[str, str]], dict[str, Setup]]) -> None:
    """Read the job, build the rows with its keys, prove them, obey."""
    job = json.loads(sys.stdin.readline())
    setups = build(job["keys"])
    items = {row: [bytes.fromhex(item) for item in job["good"][row]] for row in setups}
    for row, setup in setups.items():
        prove(row, setup, items[row][: job["prove"]], [bytes.fromhex(item) for item in job["bad"][row]])
    print(json.dumps(list(setups)), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        row = order["row"]
        answer: Any = None
        if order["do"] == "time":
            answer = timed(setups[row], items[row])
        elif order["do"] == "count":
            for n in (0, order["n"]):
                counted(job["marks"], f"{row} {n}", setups[row], items[row][:n])
        else:
            outputs = setups[row](items[row])()
            answer = [output.hex() for output in (outputs() if callable(outputs) else outputs)]
        print(json.dumps(answer), flush=True)
