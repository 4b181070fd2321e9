"""The main.py of an emulated Raspberry Pi Pico: its own flash, its own generator, and USB as console and SLIP.

In the ROM image of scripts/firmware.sh rp2040, and called as emulated_board.py is.
"""

import os
import select
import sys

import board_app
import micropython
from board_app import provision  # noqa: F401 - for the program that calls this board

from holdfast_device.board_shell import run  # noqa: F401 - run(*parts("tube"))
from holdfast_device.serial_shell import SerialLink


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
    board_app.make_directory()


def parts(app, trace=True):
    """Return what run() takes for the application of that name."""
    micropython.kbd_intr(-1)  # a byte 3 in a frame is no Ctrl-C
    usb = Usb()
    return board_app.parts(app, SerialLink(usb, usb), os.urandom, trace)
