"""The main.py of an emulated board: its flash is a file of the host, its serial line carries console and SLIP.

Frozen into the firmware of scripts/firmware.sh; holdfast_sim.emulator_shell calls it over the raw REPL.
"""

import board_app
import emulated
import vfs
from board_app import provision  # noqa: F401 - for the program that calls this board

from holdfast_device.board_shell import run  # noqa: F401 - run(*parts("tube"))
from holdfast_device.serial_shell import SerialLink

BLOCK_LEN = 4096


def mount(path, blocks):
    """Mount the flash at /, formatting it when it is blank, as an ESP32 does.

    A Pico programs 256 bytes at a time, and littlefs takes 3 kB more of its heap.
    """
    disk = emulated.Disk(path, blocks, BLOCK_LEN)
    try:
        flash = vfs.VfsLfs2(disk)
    except OSError:
        vfs.VfsLfs2.mkfs(disk)
        flash = vfs.VfsLfs2(disk)
    vfs.mount(flash, "/")
    board_app.make_directory()


def parts(app, trace=True):
    """Return what run() takes for the application of that name."""
    return board_app.parts(app, SerialLink(emulated.Line()), emulated.urandom, trace)
