"""gcc and clang compile every C source of the core, of its ports and of its test programs without one warning."""

import platform
import subprocess

import pytest

from testkit import native_build, native_fuzz

FOLDERS = ("native/src", "native/port", "native/tests")
SOURCES = sorted(path for folder in FOLDERS for path in (native_build.ROOT / folder).glob("*.c"))
# As strictly compiled where they run: the one has system calls of emulated cores, the other wants OpenSSL's headers.
ELSEWHERE = {"p256_core.c", "p256_million.c"}
X86 = dict.fromkeys(("hf_aes.c", "hf_p256.c", "hf_p256_x86.c", "hf_sha256.c"), ("-DHF_P256_X86=1",))
SECRETS = {"ct_cose.c", "ct_symmetric.c"}  # for valgrind, or for nothing
WIDE = {"hf_p256.c": ("-DHF_P256_LIMB_BITS=32",)}


def cases():
    for path in SOURCES:
        if path.name in ELSEWHERE:
            continue
        if path.name in SECRETS:
            yield path, ("-DHF_CT_TEST",)
        elif path.name != "hf_p256_x86.c":
            yield path, ()
        if path.name in WIDE:
            yield path, WIDE[path.name]
        if path.name in X86 and platform.machine() == "x86_64":
            yield path, X86[path.name]


@pytest.fixture(scope="module")
def includes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    (folder / "fuzz_rules.h").write_text(native_fuzz.rules_header())
    native = native_build.ROOT / "native"
    folders = (native / "include", native / "src", native_build.generator_include(6, 1), folder)
    return [f"-I{folder}" for folder in folders]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_warning(compiler, includes):
    tried = 0
    for path, flags in cases():
        command = [compiler, *native_build.STRICT, "-O2", *flags, *includes, "-c", str(path), "-o", "/dev/null"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (path.name, flags, done.stderr[-3000:])
        tried += 1
    assert tried > 25


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_warning_is_an_error(compiler, tmp_path):
    source = tmp_path / "narrow.c"
    source.write_text("char f(int n);\nchar f(int n) { return n; }\n")
    command = [compiler, *native_build.STRICT, "-c", str(source), "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "conversion" in done.stderr
