"""On MicroPython the native module and the Python core agree on thousands of tokens that are nearly right.

The same mutants as in test_differential.py, which compares the C core with another build of itself and with OpenSSL;
here it is the module's conversions too: rules in, grants and refusals out, field by field.
"""

import json
import os
import random
import subprocess

from testkit.native_build import ROOT
from testkit.token_mutants import Mutants

SEED, COUNT = 8392, 2000


def test_same_verdict_and_grant(tmp_path):
    subprocess.run([ROOT / "scripts/natmod.sh"], check=True, timeout=300)
    mutants = Mutants(random.Random(SEED))
    file = tmp_path / "mutants.jsonl"
    with file.open("w") as rows:
        for _ in range(COUNT):
            name, token, *state, cnonces = mutants.next()
            fresh = None if cnonces is None else [cnonce.hex() for cnonce in cnonces]
            rows.write(json.dumps([name, token.hex(), *state, fresh]) + "\n")
    command = [
        ROOT / ".cache/micropython/micropython",
        "-X",
        "heapsize=16M",
        "tests/native/mutants_micropython.py",
        file,
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"MICROPYPATH": "native:.cache/natmod/x64"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    rows, verdicts, grants = map(int, done.stdout.splitlines()[-1].split())
    # The sample means something only if it reaches far, and everywhere.
    assert rows == COUNT
    assert verdicts > 60
    assert grants > 0.02 * COUNT
