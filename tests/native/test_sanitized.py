"""The same tests on builds with AddressSanitizer and UndefinedBehaviorSanitizer, by gcc and by clang, in processes of
their own.

An error of either ends the process, so a test that passes there says that nothing was read or written out of bounds.
"""

import os
import subprocess
import sys

import pytest

from testkit import native_build

LIBRARIES = {"sanitized": "libasan.so", "clang-sanitized": "libclang_rt.asan-x86_64.so"}
# One build of each field, one geometry: what would run anew elsewhere is the same code.
CURVE = "(limbs or x86) and not T8B1 and not T8B4 and (opposite or ranges or made or lie)"
every_build = pytest.mark.parametrize("build", native_build.SANITIZED)


def sanitized(build, *arguments):
    """Run Python with the sanitizer's library first; returns the finished process."""
    compiler, _ = native_build.SANITIZED[build]
    asked = [compiler, f"-print-file-name={LIBRARIES[build]}"]
    library = subprocess.run(asked, capture_output=True, text=True, check=True)
    env = {
        **os.environ,
        "LD_PRELOAD": library.stdout.strip(),
        # CPython keeps some memory until its end; sanitizers want to be told apart from a Python exception; and a
        # symbolizer that is preloaded with the sanitizer itself never ends, nor does who reads its output.
        "ASAN_OPTIONS": "detect_leaks=0:exitcode=99:symbolize=0",
        "HOLDFAST_NATIVE_BUILD": build,
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=env, cwd=native_build.ROOT, capture_output=True, text=True, timeout=600, check=False
    )


@every_build
@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("test_symmetric", ""),
        ("test_oscore_native", ""),
        ("test_oscore_native_random", ""),
        ("test_p256", CURVE),
        ("test_p256_tables", CURVE),
        ("test_p256_numbers", "scalars or inverse"),
    ],
)
def test_nothing_out_of_bounds(build, name, chosen):
    done = sanitized(build, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, f"tests/native/{name}.py")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout


@every_build
def test_a_planted_overflow_is_caught(build):
    """A tag of 16 bytes into a buffer that ends behind 8."""
    program = """
import sys
sys.path.insert(0, "tests")
from ctypes import byref, c_size_t, c_void_p, CDLL
from testkit import symmetric_native as kit
libc = CDLL(None)
libc.malloc.restype = c_void_p
aead = kit.Aead(kit.library("speed"), bytes(16), 16)
place = libc.malloc(c_size_t(8))
aead.lib.hf_aes_ccm_seal(byref(aead.ccm), bytes(13), b"", c_size_t(0), b"", c_size_t(0), c_void_p(place))
"""
    done = sanitized(build, "-c", program)
    assert done.returncode == 99
    assert "heap-buffer-overflow" in done.stderr
