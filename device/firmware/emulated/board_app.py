"""What every emulated board's main.py does the same way: its directory, its provisioning, its application.

Beside emulated_board.py or pico_board.py, which know the board's own parts.
"""

import gc
import os

from holdfast_device import board_shell
from holdfast_device.serial_shell import peer_text


def make_directory():
    """Make the device's directory on the mounted file system, unless it is there."""
    try:
        os.mkdir(board_shell.DIRECTORY)
    except OSError:
        pass


def provision(record):
    """Write the provisioning file, as whoever provisions a board does."""
    with open(board_shell.DIRECTORY + "/" + board_shell.PROVISIONING_NAME, "wb") as file:
        file.write(record)


def run(app, link, board_rng, trace):
    """Run the application of that name."""
    gc.collect()
    board_shell.run(__import__(app).setup, link, board_rng, peer_text=peer_text if trace else None)
