"""The dual suite one test at a time, for dialects.mjs: memory comes back only while no Python runs. Each collection
walks through the whole heap, however large it has grown, so each file has an interpreter of its own.

LEFT_OUT names what a browser's MicroPython cannot do. Any other test that fails is a failure.
"""

import os
import sys

import minitest
from minitest import TestCase

HERE = "/tests/dual"
# Files or parts of names, and why.
LEFT_OUT = {
    "test_device_shells": "no sockets, and a file system that numbers its errors otherwise",
    "test_wipe.OnLittlefs": "no littlefs",
    "test_links.Families": "no sockets",
    "test_links.Errors.test_no_error_of_a_link": "no sockets",
    "test_replayed_over_a_thousand_restarts_no_nonce_comes_twice": "one test takes more memory than there is",
    "Es256.test_each_flipped_bit_is_refused": "half a minute of the same arithmetic; the published vectors stay",
    "Es256.test_wycheproof": "the same; test_wycheproof_points with it",
}


def files():
    """Return the files of the suite, one a line, LEFT_OUT aside."""
    return "\n".join(
        [name[:-3] for name in sorted(os.listdir(HERE)) if name.startswith("test_") and name[:-3] not in LEFT_OUT]
    )


def names(stem):
    """Return file.Class.method of every test of a file, one a line, LEFT_OUT aside."""
    module = __import__(stem)
    found = []
    for kind in sorted(dir(module)):
        case = getattr(module, kind)
        if isinstance(case, type) and issubclass(case, TestCase) and case is not TestCase:
            found += [f"{stem}.{kind}.{method}" for method in sorted(dir(case)) if method.startswith("test")]
    return "\n".join([name for name in found if not any(word in name for word in LEFT_OUT)])


def run(name):
    """Run one test; return whether it passed, and say why when it did not."""
    stem, kind, method = name.split(".")
    case = getattr(sys.modules[stem], kind)()
    minitest.begin_test()
    try:
        case.setUp()
        try:
            getattr(case, method)()
        finally:
            case.tearDown()
    except Exception as error:  # noqa: BLE001 - a test may fail in any way, and the next must run
        print("FAIL", name, case.failed_in or "")
        sys.print_exception(error)
        return False
    finally:
        minitest.end_test(passed=True)
    return True
