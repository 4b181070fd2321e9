"""The main.py of an emulated board: its flash is a file of the host, its serial line carries console and SLIP.

Frozen into the firmware of scripts/firmware.sh; holdfast_sim.board_shell calls main() over the raw REPL.
"""

import gc
import os

import emulated
import vfs

from holdfast_device import board_shell
from holdfast_device.serial_shell import SerialLink, peer_text

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
    try:
        os.mkdir(board_shell.DIRECTORY)
    except OSError:
        pass


def provision(record):
    """Write the provisioning file, as whoever provisions a board does."""
    with open(board_shell.DIRECTORY + "/" + board_shell.PROVISIONING_NAME, "wb") as file:
        file.write(record)


def main(app, heap=0, trace=True):
    """Run the application of that name; heap: leave only so many bytes of it, 0 for all."""
    gc.collect()
    taken = bytearray(max(0, gc.mem_alloc() + gc.mem_free() - heap) if heap else 0)
    setup = __import__(app).setup
    line = emulated.Line()
    board_shell.run(setup, SerialLink(line), emulated.urandom, peer_text=peer_text if trace else None)
    del taken
