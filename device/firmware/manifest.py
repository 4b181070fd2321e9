"""The device package as frozen modules: include this file in the FROZEN_MANIFEST of a board.

    include("/path/to/holdfast/device/firmware/manifest.py")

Run by MicroPython's makemanifest, which brings metadata(), include() and package(). What only CPython uses stays out.
"""

import os

metadata(version="0.1.0", license="Apache-2.0")

_HOST_ONLY = ("cli.py", "config.py")


def _files(folder):
    """Names of a package's files that a board can run."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    return [name for name in names if name not in _HOST_ONLY and "cpython" not in name and "cryptography" not in name]


for _base, _name in (("../../native", "holdfast_core"), ("..", "holdfast_device")):
    package(_name, files=_files(_base + "/" + _name), base_path=_base)
