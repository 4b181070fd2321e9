"""Run tests/dual/test_*.py on whichever interpreter runs this file; it never collects anything else.

    python tests/dual/run.py [--json FILE] [word ...]
    MICROPYPATH=native:device .cache/micropython/micropython -X heapsize=4M tests/dual/run.py [word ...]

A word keeps the tests whose file.Class.method contains it. One line per failure, then the traceback; the
last line is `N passed, N failed`. The exit code is 1 on any failure and when nothing ran. FILE then holds what passed
and how many rows of each file of vectors it took (tests/tools/paths_table.py reads it).
"""

import gc
import io
import json
import os
import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
if HERE not in sys.path:
    sys.path.insert(0, HERE)
sys.path.append(HERE + "/..")  # for testkit
sys.path.append(HERE + "/../native")  # for hf_native_cases

import minitest  # noqa: E402
from minitest import MICROPYTHON, TestCase  # noqa: E402

MAX_REPR = 1000  # a failure shows this much of its message: enough for a whole token in hex


def _trace(err):
    if MICROPYTHON:
        out = io.StringIO()
        sys.print_exception(err, out)
        return out.getvalue()
    import traceback

    return "".join(traceback.format_exception(err))


def _fail(name, err):
    print(f"FAIL {name}: {type(err).__name__}: {str(err)[:MAX_REPR]}")
    print(_trace(err))


def _run_one(kind, method, name):
    """Run one test in a fresh instance; return whether it passed."""
    case = kind(method) if not MICROPYTHON else kind()
    minitest.begin_test()
    passed = False
    try:
        case.setUp()
        try:
            getattr(case, method)()
        finally:
            case.tearDown()
        passed = True
    except Exception as err:  # noqa: BLE001 - a test may fail in any way, and the next must run
        failed_in = getattr(case, "failed_in", None)
        _fail(name + (f" [{failed_in}]" if failed_in else ""), err)
    minitest.end_test(passed)
    return passed


def _cases(stem):
    """Yield the test classes of one file; importing it may fail, which is a failure of its own."""
    module = __import__(stem)
    for name in sorted(dir(module)):
        kind = getattr(module, name)
        if isinstance(kind, type) and issubclass(kind, TestCase) and kind is not TestCase:
            yield name, kind


def _run_file(stem, words):
    passed = failed = 0
    try:
        cases = list(_cases(stem))
    except Exception as err:  # noqa: BLE001 - an import that fails on one interpreter is what we look for
        _fail(stem + " (import)", err)
        return 0, 1
    for class_name, kind in cases:
        for method in sorted(dir(kind)):
            name = f"{stem}.{class_name}.{method}"
            if not method.startswith("test") or (words and not any(word in name for word in words)):
                continue
            gc.collect()
            if _run_one(kind, method, name):
                passed += 1
            else:
                failed += 1
    return passed, failed


def _stems():
    """The files: all of this folder, and the native module's own where that is there."""
    stems = [name[:-3] for name in sorted(os.listdir(HERE)) if name.startswith("test_") and name.endswith(".py")]
    return stems + (["hf_native_cases"] if _provider() == "hf_native" else [])


def _provider():
    """Where the primitives come from."""
    from holdfast_core import crypto

    return crypto.PROVIDER


def main(words):
    """Run what matches; return the exit code."""
    report = None
    if words[:1] == ["--json"]:
        report, words = words[1], words[2:]
    passed = failed = 0
    for stem in _stems():
        good, bad = _run_file(stem, words)
        passed += good
        failed += bad
    print(f"dual suite on {sys.implementation.name}, cryptography from {_provider()}")
    print(f"{passed} passed, {failed} failed")
    if report:
        with open(report, "w") as file:
            result = {"provider": _provider(), "passed": passed, "failed": failed, "vectors": minitest.taken()}
            file.write(json.dumps(result))
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1:]))
