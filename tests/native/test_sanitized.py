"""The same tests on a build with AddressSanitizer and UndefinedBehaviorSanitizer, in processes of their own.

An error of either ends the process, so a test that passes there says that nothing was read or written out of bounds.
"""

import os
import subprocess
import sys

import pytest

from testkit import native_build


def sanitized(*arguments):
    """Run Python with the sanitizer's library first; returns the finished process."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    env = {
        **os.environ,
        "LD_PRELOAD": library.stdout.strip(),
        # CPython keeps some memory until its end; and sanitizers want to be told apart from a Python exception.
        "ASAN_OPTIONS": "detect_leaks=0:exitcode=99",
        "HOLDFAST_NATIVE_BUILD": "sanitized",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=env, cwd=native_build.ROOT, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize("name", ["test_symmetric", "test_oscore_native", "test_oscore_native_random"])
def test_nothing_out_of_bounds(name):
    done = sanitized("-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/native/{name}.py")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout


def test_a_planted_overflow_is_caught():
    """A tag of 16 bytes into a buffer that ends behind 8."""
    program = """
import sys
sys.path.insert(0, "tests")
from ctypes import byref, c_size_t, c_void_p, CDLL
from testkit import symmetric_native as kit
libc = CDLL(None)
libc.malloc.restype = c_void_p
aead = kit.Aead(kit.library("sanitized"), bytes(16), 16)
place = libc.malloc(c_size_t(8))
aead.lib.hf_aes_ccm_seal(byref(aead.ccm), bytes(13), b"", c_size_t(0), b"", c_size_t(0), c_void_p(place))
"""
    done = sanitized("-c", program)
    assert done.returncode == 99
    assert "heap-buffer-overflow" in done.stderr
