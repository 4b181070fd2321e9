"""Lines and branches of the C core that ran in the builds made with HOLDFAST_COVER set, counted by gcov over all of them.

Not counted: a line whose comment says `not covered:` and why, and the branches on it.
"""

import json
import subprocess
from collections import defaultdict

from testkit.native_build import CACHE, ROOT

EXCUSE = "not covered:"
FOLDERS = ("native/src", "native/port")
BATCH = 40


class File:
    """What ran of one source: counts by line, and by line and number of the branch."""

    def __init__(self, path):
        self.text = (ROOT / path).read_text().splitlines()
        self.lines = defaultdict(int)
        self.branches = defaultdict(int)

    def is_excused(self, number):
        return EXCUSE in self.text[number - 1]

    def missing(self):
        """Numbers of the lines that never ran, and of those that ran with a branch never taken."""
        lines = {number for number, count in self.lines.items() if not count and not self.is_excused(number)}
        half = {number for (number, _), count in self.branches.items() if not count and not self.is_excused(number)}
        return sorted(lines), sorted(half - lines)

    def row(self):
        """Lines that ran, lines, branches taken, branches."""
        lines = [count > 0 for number, count in self.lines.items() if not self.is_excused(number)]
        branches = [count > 0 for (number, _), count in self.branches.items() if not self.is_excused(number)]
        return sum(lines), len(lines), sum(branches), len(branches)


def _gcov(paths):
    command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    for line in done.stdout.splitlines():
        yield from json.loads(line)["files"]


def measured(folder=CACHE):
    """{path of a source: File} of all counts below the folder."""
    found = {}
    paths = sorted(folder.rglob("*.gcda"))
    for start in range(0, len(paths), BATCH):
        for file in _gcov(paths[start : start + BATCH]):
            path = file["file"].removeprefix(f"{ROOT}/")
            if not path.startswith(FOLDERS):
                continue
            source = found.setdefault(path, File(path))
            for line in file["lines"]:
                number = line["line_number"]
                source.lines[number] += line["count"]
                for index, branch in enumerate(line["branches"]):
                    source.branches[number, index] += branch["count"]
    return found


def table(found):
    """The counts as text, a line for each file, and for what is missing."""
    rows = [f"{'':34}lines        branches"]
    for path, file in sorted(found.items()):
        ran, lines, taken, branches = file.row()
        rows.append(f"{path:34}{ran:4}/{lines:<4}    {taken:4}/{branches:<4}")
        never, half = file.missing()
        rows += [f"    {path}:{number}: never ran: {file.text[number - 1].strip()}" for number in never]
        rows += [f"    {path}:{number}: a branch never taken: {file.text[number - 1].strip()}" for number in half]
    return "\n".join(rows)
