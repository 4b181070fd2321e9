"""The fuzz targets on seeds made from the vectors and on ten thousand changes of them, under sanitizers.

The long run, with libFuzzer: tests/tools/fuzz_native.py.
"""

import os
import subprocess

import pytest

from testkit import native_fuzz as kit
from testkit.native_build import X86

COUNT = int(os.environ.get("HOLDFAST_FUZZ_COUNT", "10000"))


FLAVOURS = {"": kit.PLAIN}
if X86:
    FLAVOURS |= {"-chosen": kit.CHOSEN, "-narrow": kit.NARROW}
CASES = {target + name: (target, flavour) for name, flavour in FLAVOURS.items() for target in kit.TARGETS}
for target in ("cbor", "coap", "cose"):  # nothing is chosen there that the others do not reach
    CASES.pop(target + "-chosen", None)


@pytest.mark.parametrize(("target", "flavour"), CASES.values(), ids=CASES)
def test_fuzz(target, flavour, tmp_path):
    program = kit.build(target, tmp_path, flavour)
    seeds = kit.write_seeds(target, tmp_path / "seeds")
    assert len(seeds) > 50
    done = subprocess.run([program, str(COUNT), *seeds], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_broken_promise_stops_the_target(tmp_path, monkeypatch):
    """A target that never fails would find nothing: here are rules that do not decode."""
    header = kit.rules_header()
    monkeypatch.setattr(kit, "rules_header", lambda: header.replace("FUZZ_RULES {", "FUZZ_RULES {0, "))
    program = kit.build("token", tmp_path)
    (seed, *_) = kit.write_seeds("token", tmp_path / "seeds")
    done = subprocess.run([program, "0", seed], capture_output=True, text=True, timeout=60, check=False)
    assert "hf_rules_read" in done.stderr
    assert done.returncode != 0
