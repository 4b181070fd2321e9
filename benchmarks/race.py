"""Races between contestants that are processes (worker.py): in turns, and once more each under callgrind.

Times are process time, the median over rounds in which everybody runs once. Instructions are callgrind's for COUNTED
items less those of an empty run, divided: no machine's speed or load is in them. Valgrind's processor has AES-NI,
AVX2 and ADX but neither SHA extensions nor AVX-512, so what uses those is counted on its next best path.
"""

import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from debian_source import CACHE, ROOT

ROUNDS, COUNTED = 7, 16
HERE = ROOT / "benchmarks"
VALGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "-q")
# Hashes of strings steer dicts, and with them what is counted; the tests have the peer that aiocoap needs.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'tests'}", "LANG": "C.UTF-8"}


def say(text: str) -> None:
    """Progress, beside what is printed as the result."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def library(name: str, sources: list[str], flags: list[str]) -> Path:
    """Build a shared object for the workers."""
    CACHE.mkdir(parents=True, exist_ok=True)
    out = CACHE / f"{name}.so"
    command = ["gcc", "-O3", "-fPIC", "-shared", "-std=gnu99", *flags, *(str(ROOT / source) for source in sources)]
    subprocess.run([*command, "-o", str(out)], check=True)
    return out


class Contestant:
    """A worker that runs, and what it answers. Raises SystemExit when it ends before it should."""

    def __init__(self, command: list[str], job: dict[str, Any], cwd: Path = ROOT) -> None:
        self.name = " ".join(command[-2:])
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=cwd
        )
        self._send(job)

    def _send(self, order: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise SystemExit(f"{self.name}: no input")
        with contextlib.suppress(BrokenPipeError):  # its end shows when it is read from
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def answer(self) -> Any:
        """The next answer; the first one is the list of rows, and comes when all of them are proven."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SystemExit(f"{self.name}: ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, order: dict[str, Any]) -> Any:
        """Order something and wait."""
        self._send(order)
        return self.answer()

    def close(self) -> None:
        """End it and wait."""
        if self._process.stdin and self._process.stdout:
            self._process.stdin.close()
            self._process.stdout.close()
        self._process.wait()


def python_of(script: str) -> str:
    """The interpreter of a worker."""
    return str(ROOT / (".venv-cwt" if script == "token_cwt.py" else ".venv") / "bin" / "python")


def worker(script: str, name: str) -> list[str]:
    """Command line of a worker."""
    return [python_of(script), str(HERE / script), name]


@contextlib.contextmanager
def started(workers: dict[str, list[str]], jobs: dict[str, dict[str, Any]]) -> Iterator[dict[str, Contestant]]:
    """Every worker, proven and waiting."""
    running: dict[str, Contestant] = {}
    try:
        for name, command in workers.items():
            running[name] = Contestant(command, jobs[name])
            running[name].answer()
        yield running
    finally:
        for contestant in running.values():
            contestant.close()


def microseconds(running: dict[str, Contestant], row: str, items: int, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Microseconds an item, round by round."""
    taken: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, contestant in running.items():
            taken[name].append(contestant.ask({"do": "time", "row": row}) / items * 1e6)
    return taken


def instructions(command: list[str], job: dict[str, Any]) -> dict[str, int]:
    """Instructions an item, for each row of a worker."""
    marks = library("callgrind_marks", ["benchmarks/callgrind_marks.c"], [])
    with tempfile.TemporaryDirectory() as folder:
        good = {row: items[:COUNTED] for row, items in job["good"].items()}
        contestant = Contestant([*VALGRIND, *command], {**job, "good": good, "marks": str(marks)}, Path(folder))
        for row in contestant.answer():
            contestant.ask({"do": "count", "row": row, "n": COUNTED})
        contestant.close()
        found = dict(map(dump, Path(folder).glob("callgrind.out.*.*")))
    return {row: (found[row, COUNTED] - found[row, 0]) // COUNTED for row, n in found if n}


def dump(path: Path) -> tuple[tuple[str, int], int]:
    """((row, items), instructions) of one of callgrind's files."""
    text = path.read_text()
    named = re.search(r"^desc: Trigger: Client Request: (\S+) (\d+)$", text, re.MULTILINE)
    total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if named is None or total is None:
        raise SystemExit(f"callgrind wrote something else than expected into {path.name}")
    return (named[1], int(named[2])), int(total[1])


def race(
    rows: tuple[str, ...], workers: dict[str, list[str]], jobs: dict[str, dict[str, Any]], rounds: int = ROUNDS
) -> list[dict[str, Any]]:
    """Every row: times in turns, then instructions."""
    found = []
    with started(workers, jobs) as running:
        for row in rows:
            say(f"{row}: {', '.join(workers)}")
            times = microseconds(running, row, len(next(iter(jobs.values()))["good"][row]), rounds)
            found += [
                {
                    "section": row,
                    "what": name,
                    "us": round(statistics.median(taken), 2),
                    "us_min": round(min(taken), 2),
                    "us_max": round(max(taken), 2),
                    "per_second": round(1e6 / statistics.median(taken)),
                }
                for name, taken in times.items()
            ]
    for name, command in workers.items():
        say(f"instructions of {name}")
        for row, count in instructions(command, jobs[name]).items():
            next(line for line in found if line["section"] == row and line["what"] == name)["instructions"] = count
    return found
