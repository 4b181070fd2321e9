"""Fuzz the C core with libFuzzer under ASan and UBSan: every target, for CPU-minutes in all, on all cores.

    fuzz_native.py [CPU_MINUTES] [TARGET ...]        make fuzz; ten minutes and every target when nothing is said

Interesting inputs stay in .cache/native/corpus-TARGET, and the next run begins with them. A finding ends the run with
exit code 1, after the name of the file that shows it again. Fuzz ten minutes for each change, hours for a release:
    FUZZ_CPU_MINUTES=600 make fuzz
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "dual"), str(HERE.parent), str(HERE.parents[1] / "native")]

from testkit import native_fuzz as kit  # noqa: E402

DEFAULT_MINUTES = 10
INPUT_S = 5  # one input that takes longer is a finding


class Run:
    """One target's share."""

    def __init__(self, name: str, seconds: int, folder: Path) -> None:
        self.name = name
        self.seconds = seconds
        self.folder = folder / name
        self.folder.mkdir()
        self.corpus = kit.corpus(name)
        self.findings = kit.corpus(name).with_name(f"findings-{name}")
        self.log = ""
        self.failed = False

    def run(self) -> "Run":
        """Build, seed, fuzz; the output is in log."""
        fuzzer = kit.build(self.name, self.folder, kit.LIBFUZZER)
        kit.write_seeds(self.name, self.corpus)
        self.findings.mkdir(exist_ok=True)
        limits = [f"-max_total_time={self.seconds}", "-max_len=1100", f"-timeout={INPUT_S}", "-print_final_stats=1"]
        command = [str(fuzzer), *limits, f"-artifact_prefix={self.findings}/"]
        command += [str(self.corpus), str(self.findings)]  # what was found once is tried first
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        self.log = done.stderr
        self.failed = done.returncode != 0
        return self

    def summary(self) -> str:
        """One line: inputs, coverage, corpus."""
        executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", self.log)
        covered = re.findall(r"cov: (\d+)", self.log)
        inputs = f"{int(executed.group(1)):,}" if executed else "?"
        files = len(list(self.corpus.iterdir()))
        return f"{inputs} inputs, {covered[-1] if covered else '?'} edges, {files} files in the corpus"


def main(words: "list[str]") -> int:
    """Fuzz; exit code 1 when something was found."""
    minutes = float(words.pop(0)) if words and words[0].replace(".", "").isdigit() else DEFAULT_MINUTES
    names = words or list(kit.TARGETS)
    seconds = max(1, round(60 * minutes / len(names)))
    jobs = os.cpu_count() or 1
    print(f"fuzz: {', '.join(names)}; {seconds} s each, {jobs} at a time", flush=True)
    began = time.monotonic()
    failed = False
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        for run in pool.map(Run.run, [Run(name, seconds, Path(folder)) for name in names]):
            print(f"fuzz: {run.name}: {run.summary()}", flush=True)
            if run.failed:
                failed = True
                print(run.log[-3000:], file=sys.stderr)
                shown = ", ".join(map(str, sorted(run.findings.iterdir())))
                print(f"fuzz: {run.name}: FOUND something; inputs that show it: {shown}", file=sys.stderr)
                print(f"fuzz: again: .venv/bin/python tests/tools/fuzz_native.py 1 {run.name}", file=sys.stderr)
    print(f"fuzz: {'FAILED' if failed else 'nothing found'} in {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
