"""Every module that devices run imports on MicroPython, and every module of core and device on CPython.

It never runs them: mpy-cross proves that they compile, this that they find what they import.
"""

import os

from minitest import MICROPYTHON, TestCase

from holdfast_core import crypto

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
PACKAGES = (("native", "holdfast_core"), ("device", "holdfast_device"))
with open(HERE + "/../../native/holdfast_core/not_for_boards.txt") as _file:
    NOT_FOR_BOARDS = _file.read().split()


def for_this_interpreter(name):
    """Whether a file is meant for the interpreter that runs this."""
    if name.endswith("_cpython_native.py") and "C core" not in crypto.PROVIDER:
        return False  # not built; tests/tools/paths_table.py wants it used where it is
    if not MICROPYTHON:
        return "micropython" not in name and not name.endswith("_hf.py")
    if name.endswith("_hf.py") and crypto.PROVIDER != "hf_native":
        return False
    return name not in NOT_FOR_BOARDS


class Imports(TestCase):
    def test_every_module_imports(self):
        imported = 0
        for area, package in PACKAGES if MICROPYTHON else PACKAGES + (("device", "holdfast_deploy"),):
            for name in sorted(os.listdir(HERE + "/../../" + area + "/" + package)):
                if name.endswith(".py") and name != "__init__.py" and for_this_interpreter(name):
                    with self.subTest(module=package + "." + name[:-3]):
                        __import__(package + "." + name[:-3])
                        imported += 1
        self.assertGreater(imported, 0)
