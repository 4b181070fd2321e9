"""The device package as frozen modules: include this file in the FROZEN_MANIFEST of a board.

    python3 scripts/bundle tree build/device/src
    include("/path/to/holdfast/device/firmware/manifest.py")

Run by MicroPython's makemanifest, which brings metadata(), options and package().
"""

import os

options.defaults(tree="../../build/device/src")
metadata(version="0.1.0", license="Apache-2.0")

for _name in ("holdfast_core", "holdfast_device"):
    package(_name, files=sorted(os.listdir(options.tree + "/" + _name)), base_path=options.tree, opt=3)
