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
    """Write the provisioning file, as the tool that provisions a board does."""
    with open(board_shell.DIRECTORY + "/" + board_shell.PROVISIONING_NAME, "wb") as file:
        file.write(record)


def parts(app, link, board_rng, trace):
    """Return what board_shell.run() takes for this application; called from the top, since each call takes stack."""
    gc.collect()
    return __import__(app).setup, link, board_rng, None, board_shell.DIRECTORY, False, peer_text if trace else None
