"""Lines and branches of the C core that ran in builds made with HOLDFAST_COVER set, by gcov over all of them together.

A line whose comment says `not covered:` and why does not count, nor do its branches, nor files for other processors.
"""

import json
import subprocess
from collections import defaultdict
from pathlib import Path

from testkit.native_build import CACHE, ROOT

EXCUSE = "not covered:"
FOLDERS = ("native/src", "native/port")
# What a processor must have for a source to run on it, in the words of /proc/cpuinfo.
WANTS = {
    "native/src/hf_p256_x86.c": {"adx", "bmi2"},
    "native/src/hf_p256_field_x86.h": {"adx", "bmi2"},
    "native/src/hf_sha256_x86.h": {"sha_ni", "sse4_1"},
    "native/src/hf_aes_x86.h": {"aes"},
}
# Arm's assembly; tests/native/test_p256_cores.py runs it under the same vectors.
ELSEWHERE = {"native/src/hf_p256_field_asm32.h"}
BATCH = 40


class File:
    """Which lines of one source ran: counts by line, and by line and number of the branch."""

    def __init__(self, path):
        self.text = (ROOT / path).read_text().splitlines()
        self.lines = defaultdict(int)
        self.branches = defaultdict(int)

    def is_excused(self, number):
        return EXCUSE in self.text[number - 1]

    def missing(self):
        """Lines that never ran, and lines that ran with a branch never taken: (number, what)."""
        lines = {number for number, count in self.lines.items() if not count and not self.is_excused(number)}
        half = {number for (number, _), count in self.branches.items() if not count and not self.is_excused(number)}
        return sorted([(n, "never ran") for n in lines] + [(n, "a branch never taken") for n in half - lines])

    def row(self):
        """Lines that ran, lines, branches taken, branches, lines excused."""
        lines = [count > 0 for number, count in self.lines.items() if not self.is_excused(number)]
        branches = [count > 0 for (number, _), count in self.branches.items() if not self.is_excused(number)]
        return sum(lines), len(lines), sum(branches), len(branches), len(self.lines) - len(lines)


def _gcov(paths):
    command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    for line in done.stdout.splitlines():
        yield from json.loads(line)["files"]


def _runs_here(path):
    wanted = WANTS.get(path)
    return path not in ELSEWHERE and (wanted is None or wanted <= set(Path("/proc/cpuinfo").read_text().split()))


def measured(folder=CACHE, folders=FOLDERS, root=ROOT):
    """{path of a source: File} of all counts below the folder; a source that no build has gets an empty File."""
    found = {str(path.relative_to(root)): None for name in folders for path in sorted((root / name).glob("*.c"))}
    found = {path: File(root / path) for path in found if _runs_here(path)}
    counts = sorted(Path(folder).rglob("*.gcda"))
    for start in range(0, len(counts), BATCH):
        for file in _gcov(counts[start : start + BATCH]):
            path = file["file"].removeprefix(f"{root}/")
            if not path.startswith(folders) or not _runs_here(path):
                continue
            source = found.setdefault(path, File(root / path))
            for line in file["lines"]:
                number = line["line_number"]
                source.lines[number] += line["count"]
                for index, branch in enumerate(line["branches"]):
                    source.branches[number, index] += branch["count"]
    return found


def table(found):
    """The counts as text, a line for each source."""
    rows = [f"{'':34}    lines     branches   not counted"]
    for path, file in sorted(found.items()):
        ran, lines, taken, branches, excused = file.row()
        rows.append(f"{path:34} {f'{ran}/{lines}':>8} {f'{taken}/{branches}':>12} {excused or '':>13}".rstrip())
    return "\n".join(rows)


def missing(found):
    """A line of text for each place that was not reached."""
    places = [f"{path}: in no build" for path, file in sorted(found.items()) if not file.lines]
    for path, file in sorted(found.items()):
        places += [f"{path}:{number}: {what}: {file.text[number - 1].strip()}" for number, what in file.missing()]
    return places
