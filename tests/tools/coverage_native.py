"""Which part of the C core the vectors and tests reach, by gcov: it must be every line, and every branch both ways.

Prints a line for each source, then what was missed; exit code 1 when anything was missed. A line that no test can reach
says so in its comment (`not covered:` and why). Runs tests of tests/native anew on builds that count and are not
optimised.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ["HOLDFAST_COVER"] = "1"

from testkit import native_coverage as kit  # noqa: E402
from testkit.native_build import CACHE, ROOT  # noqa: E402

AREAS = ("cbor", "token", "token_edges", "symmetric", "oscore_native", "oscore_native_random")
CURVE = ("p256", "p256_numbers", "p256_tables")
# Nothing more would be reached by these: other builds of the same, other geometries, thousands of random numbers.
WITHOUT = ("sanitized", "clang", "wycheproof", "random_signatures", "many_random", "T8B1", "T8B4")


def run_tests() -> int:
    """Run the tests; return the exit code, and what pytest said when they failed."""
    shutil.rmtree(CACHE, ignore_errors=True)
    chosen = " and ".join(f"not {word}" for word in WITHOUT)
    files = [f"tests/native/test_{area}.py" for area in AREAS + CURVE]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-3000:])
    return done.returncode


def main() -> int:
    """Run, count, print; return 0 when nothing is missing."""
    if run_tests():
        print("coverage: the tests themselves failed, see above")
        return 1
    found = kit.measured()
    print(kit.table(found))
    missing = kit.missing(found)
    for line in missing:
        print(line)
    print(f"coverage: {len(missing)} places missing" if missing else "coverage: every line, every branch both ways")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
