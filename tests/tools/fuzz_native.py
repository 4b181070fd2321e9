"""Fuzz the C core with libFuzzer, each target for a number of seconds; what is found stays in .cache/native/corpus-*.

python tests/tools/fuzz_native.py SECONDS [TARGET..]     (needs clang; ten minutes in CI, an hour before a release)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "dual"), str(HERE.parent), str(HERE.parents[1] / "native")]

from testkit import native_fuzz as kit  # noqa: E402

if __name__ == "__main__":
    seconds, *targets = sys.argv[1:]
    for name in targets or kit.TARGETS:
        with tempfile.TemporaryDirectory() as scratch:
            fuzzer = kit.build(name, Path(scratch), kit.LIBFUZZER)
            kit.write_seeds(name, kit.corpus(name))
            limits = [f"-max_total_time={seconds}", "-max_len=900", "-timeout=5", "-print_final_stats=1"]
            subprocess.run([fuzzer, *limits, str(kit.corpus(name))], check=True)
