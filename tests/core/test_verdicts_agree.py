"""CPython and MicroPython give the same verdict on the same bytes, also on thousands that no one thought of.

Fixed seed: bytes of good tokens changed at random, and well protected claims sets with odd values in them.
"""

import json
import os
import random
import subprocess
import sys

import cbor2
from minitest import vectors

from testkit.token_mutants import LABELS, changed_bytes, odd_value
from vectors.gen import story as s
from vectors.gen import token_writer as w

SEED = 9200
CHANGED = 1500
ODD = 1500


def changed_tokens(rng):
    good = [row for row in vectors("tokens") if row["expect"] == "ok" and row["keys"] in ("lean", "mac", "any", "tube")]
    for _ in range(CHANGED):
        row = rng.choice(good)
        yield row | {"token": changed_bytes(rng, bytes.fromhex(row["token"])).hex()}


def odd_claims(rng):
    osc = {0: s.OSC_ID, 2: s.MS}
    for _ in range(ODD):
        members = osc | {rng.randrange(8): odd_value(rng, 1)} if rng.random() < 0.5 else osc
        claims = {3: s.TUBE, 4: s.NOW + 60, 9: "read_result", 8: {4: members}}
        for label in rng.sample(LABELS, rng.randrange(3)):
            claims[label] = odd_value(rng)
        token = w.cwt(16, s.encrypted(cbor2.dumps(claims)))
        yield {"token": token.hex(), "keys": "lean", "now": s.NOW, "exi_floor": 0}


def verdicts(repo, command, path, **env):
    done = subprocess.run(
        [*command, "tests/tools/verdicts.py", str(path)],
        cwd=repo,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()


def test_same_bytes_same_verdict(repo, micropython, tmp_path):
    rng = random.Random(SEED)
    rows = [*changed_tokens(rng), *odd_claims(rng)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ours = verdicts(repo, [sys.executable], path)
    theirs = verdicts(repo, [micropython, "-X", "heapsize=4M"], path, MICROPYPATH="native:device")
    assert len(ours) == len(theirs) == CHANGED + ODD
    differing = [(row, a, b) for row, a, b in zip(rows, ours, theirs, strict=True) if a != b]
    assert not differing, differing[:3]
    # The sample means something only if it reaches far: grants, refusals by claims, refusals by bytes.
    assert {verdict.split(":")[0].split()[0] for verdict in ours} == {"ok", "malformed", "rejected"}
    assert len(set(ours)) > 40
