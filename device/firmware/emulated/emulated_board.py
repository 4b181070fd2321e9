"""The main.py of an emulated board: its flash is a file of the host, its serial line carries console and SLIP.

Frozen into the firmware of scripts/firmware.sh; holdfast_sim.emulator_shell calls it over the raw REPL.
"""

import board_app
import emulated
import vfs
from board_app import provision  # noqa: F401 - for whoever calls this board

from holdfast_device.board_shell import run  # noqa: F401 - run(*parts("tube"))
from holdfast_device.serial_shell import SerialLink

BLOCK_LEN = 4096


def mount(path, blocks):
    """Mount the flash at /, formatting it when it is blank."""
    disk = emulated.Disk(path, blocks, BLOCK_LEN)
    try:
        flash = vfs.VfsLfs2(disk, progsize=256, readsize=64)
    except OSError:
        vfs.VfsLfs2.mkfs(disk, progsize=256, readsize=64)
        flash = vfs.VfsLfs2(disk, progsize=256, readsize=64)
    vfs.mount(flash, "/")
    board_app.make_directory()


def parts(app, trace=True):
    """Return what run() takes for the application of that name."""
    return board_app.parts(app, SerialLink(emulated.Line()), emulated.urandom, trace)
