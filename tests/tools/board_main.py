"""What boards.py runs on a board, and only there: every suite; a class prints one line, and each test a dot in it."""

import gc
import json
import sys

import minitest

from holdfast_core import crypto


def classes(suite):
    """Yield the test classes of a suite."""
    module = __import__(suite)
    for name in sorted(dir(module)):
        kind = getattr(module, name)
        if isinstance(kind, type) and issubclass(kind, minitest.TestCase) and kind is not minitest.TestCase:
            yield kind


def run(kind, left_out):
    """Run a class; return how many of its tests ran. The first failure ends everything, with its traceback."""
    ran = 0
    for name in sorted(dir(kind)):
        if name.startswith("test") and name not in left_out:
            gc.collect()
            case = kind()
            minitest.begin_test()
            try:
                case.setUp()
                getattr(case, name)()
            except Exception:
                print("\nfailed:", kind.__name__, name, case.failed_in)
                raise
            case.tearDown()
            minitest.end_test(True)
            print(".", end="")
            ran += 1
    return ran


def run_suite(suite, left_out):
    """Run a suite's classes; return how many tests ran. Nothing holds the suite afterwards: the next needs its room."""
    ran = 0
    for kind in classes(suite):
        print(suite, kind.__name__, end=" ")
        count = run(kind, left_out)
        gc.collect()
        print(f" {count}, {gc.mem_free()} free")
        ran += count
    for name in list(sys.modules):
        if name[:5] == "test_" or name[:10] == "hf_native_":
            del sys.modules[name]
    return ran


def main(native, suites, left_out):
    """native: whether the primitives must come from hf_native. left_out: names of tests not to run."""
    if (crypto.PROVIDER == "hf_native") != native:
        raise AssertionError("cryptography from " + crypto.PROVIDER)
    passed = sum(run_suite(suite, left_out) for suite in suites)
    print(f"{passed} passed on {sys.implementation._machine}, cryptography from {crypto.PROVIDER}")
    result = {"provider": crypto.PROVIDER, "passed": passed, "failed": 0, "vectors": minitest.taken()}
    print("RESULT " + json.dumps(result))
