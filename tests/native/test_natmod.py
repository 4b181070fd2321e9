"""The native module for MicroPython: its interface, and that its build refuses what a native module must not hold.

The dual suite runs on it too, as a gate of scripts/test.sh. Boards: scripts/boards.sh.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.native_build import ROOT

CACHE = ROOT / ".cache"
NATMOD = CACHE / "natmod"


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run([ROOT / "scripts/natmod.sh"], check=True, timeout=300)


@pytest.fixture(name="builder", scope="module")
def _builder():
    sys.path.insert(0, str(NATMOD / "tools"))
    try:
        spec = importlib.util.spec_from_file_location("build_natmod", ROOT / "native/bind/natmod/build_natmod.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(NATMOD / "tools"))
    return module


def _run(program, heap):
    """Run a program of tests/native by MicroPython; returns the lines it printed."""
    path = ("native", "tests/dual", ".cache/natmod/x64")
    done = subprocess.run(
        [CACHE / "micropython/micropython", "-X", f"heapsize={heap}", f"tests/native/{program}"],
        env=os.environ | {"MICROPYPATH": ":".join(path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.splitlines()


def test_the_interface_on_this_machine():
    assert _run("hf_native_cases.py", "1M")[-1] == "hf_native on linux: 20 passed"


def test_no_secret_is_left_where_memory_runs_out():
    starved = dict(line.split() for line in _run("wiped_micropython.py", "300K"))
    assert set(starved) == {"ccm_open", "hmac_sha256", "token_verify", "token_refused"}
    assert all(int(times) > 0 for times in starved.values())


def test_every_function_is_declared():
    """hf_native.pyi and the binding name the same functions."""
    stub = (ROOT / "native/hf_native.pyi").read_text()
    source = (ROOT / "native/bind/usermod/modhf_native.c").read_text()
    declared = {line[4:].split("(")[0] for line in stub.splitlines() if line.startswith("def ")}
    exported = {part.split(",")[0] for part in source.split("EXPORT(MP_QSTR_")[1:]}
    assert declared == exported
    assert len(declared) > 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("static int calls; int f(void); int f(void) { return ++calls; }", r"\.bss has 4 bytes of writable data"),
        ("int calls;", r"\.bss has 4 bytes of writable data"),
        ("int limit = 3;", r"\.data has 4 bytes of writable data"),
        ("int g(void); int f(void); int f(void) { return g(); }", "nothing defines g on x64"),
        ("int f(void); int f(void) { return __builtin_puts(__FILE__); }", "nothing defines puts on x64"),
        ("static const char *const names[] = {__FILE__}; extern const void *f; const void *f = names;", "data.rel"),
    ],
)
def test_refused(builder, tmp_path, text, said):
    source = tmp_path / "planted.c"
    source.write_text(text)
    natmod = builder.Natmod(Path(), tmp_path, "x64")
    natmod.out.mkdir()
    with pytest.raises(builder.Refused, match=said):
        natmod.check([natmod.compile(source)])


def test_constants_are_fine(builder, tmp_path):
    source = tmp_path / "good.c"
    source.write_text(
        "static int one(void) { return 1; }\n"
        "extern int (*const table[])(void); int (*const table[])(void) = {one};\n"
        "extern const int numbers[]; const int numbers[] = {1, 2, 3};\n"
    )
    natmod = builder.Natmod(Path(), tmp_path, "x64")
    natmod.out.mkdir()
    natmod.check([natmod.compile(source)])
    names = [path.stem for path in (NATMOD / "x64").glob("*.o")]
    assert len(names) > 5
    natmod.check([NATMOD / f"x64/{name}.o" for name in names])


def test_what_does_not_compile_is_refused(builder, tmp_path):
    source = tmp_path / "bad.c"
    source.write_text("int f(void) { int unused; }\n")
    natmod = builder.Natmod(Path(), tmp_path, "x64")
    natmod.out.mkdir()
    with pytest.raises(builder.Refused, match="unused"):
        natmod.compile(source)
    natmod.cross = "no-such-"
    with pytest.raises(builder.Refused, match="no-such-gcc is not installed"):
        natmod.compile(source)


def test_a_module_that_grew_is_refused(builder, tmp_path):
    module = tmp_path / "hf_native.mpy"
    natmod = builder.Natmod(Path(), tmp_path, "armv6m")
    module.write_bytes(bytes(builder.LIMITS["armv6m"]))
    natmod.check_size(module)
    module.write_bytes(bytes(builder.LIMITS["armv6m"] + 1))
    with pytest.raises(builder.Refused, match="has grown to"):
        natmod.check_size(module)
    assert set(builder.LIMITS) == set(builder.ARCHS)
