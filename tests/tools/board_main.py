"""What boards.py runs on a board: every suite there, one line for each class. Never run elsewhere."""

import gc
import sys

from holdfast_core import crypto

SUITES = ("test_crypto", "test_cose", "test_cwt", "test_oscore")


def classes(suite):
    """Yield the test classes of a suite."""
    from minitest import TestCase

    module = __import__(suite)
    for name in sorted(dir(module)):
        kind = getattr(module, name)
        if isinstance(kind, type) and issubclass(kind, TestCase) and kind is not TestCase:
            yield kind


def run(kind, words):
    """Run a class; return how many of its tests ran. The first failure ends everything, with its traceback."""
    ran = 0
    for name in sorted(dir(kind)):
        if name.startswith("test") and (not words or any(word in kind.__name__ + "." + name for word in words)):
            gc.collect()
            case = kind()
            case.setUp()
            getattr(case, name)()
            case.tearDown()
            ran += 1
    return ran


def main(native, words):
    """native: whether hf_native must be what the primitives come from."""
    if (crypto.PROVIDER == "hf_native") != native:
        raise AssertionError("cryptography from " + crypto.PROVIDER)
    ran = 0
    if native:
        import hf_native_cases  # noqa: F401 - runs by itself
    for suite in SUITES:
        for kind in classes(suite):
            count = run(kind, words)
            ran += count
            print(suite, kind.__name__, count)
    gc.collect()
    print(f"{ran} passed on {sys.implementation._machine}, cryptography from {crypto.PROVIDER}, {gc.mem_free()} free")
