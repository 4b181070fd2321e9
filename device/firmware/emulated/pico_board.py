"""The main.py of an emulated Raspberry Pi Pico: its own flash, its own generator, and USB as console and SLIP.

In the ROM image of scripts/firmware.sh rp2040, and called as emulated_board.py is.
"""

import gc
import os
import select
import sys

import micropython

from holdfast_device import board_shell
from holdfast_device.serial_shell import SerialLink, peer_text


class Usb:
    """The console as a stream that never waits."""

    def __init__(self):
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def poll(self, timeout_ms):
        """Whether something came."""
        return self._poll.poll(timeout_ms)

    def read(self, n):
        """Return what is there, at most n bytes."""
        got = b""
        while len(got) < n and self._poll.poll(0):
            got += sys.stdin.buffer.read(1)
        return got

    def write(self, data):
        """Write all of it."""
        return sys.stdout.buffer.write(data)


def mount(_path, _blocks):
    """Make the directory: the file system is mounted already."""
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
    micropython.kbd_intr(-1)  # a byte 3 in a frame is no Ctrl-C
    usb = Usb()
    board_shell.run(setup, SerialLink(usb, usb), os.urandom, peer_text=peer_text if trace else None)
    del taken
