"""The main.py of an emulated board that starts by itself: a tube, and the request that waits at its line at power-on.

    -append "FLASH BLOCKS FRAME"     the flash chip, as for emulated_board.mount(); a frame of framing.py, in hex

Says in JSON how many instructions it took from power-on until the answer has gone, where QEMU counts them.  The request
waits because the time that a line takes is nobody's instructions.
"""

import binascii
import json

import board_app
import emulated
import emulated_board

from holdfast_device.board_shell import write
from holdfast_device.serial_shell import SerialLink


class Waiting:
    """The line; its poll and its stream in one."""

    def __init__(self, frame):
        self._frame = frame
        self._line = emulated.Line()

    def poll(self, _timeout_ms):
        """Whether the frame is still to be read."""
        return bool(self._frame)

    def read(self, _n):
        """Return the frame, once."""
        frame, self._frame = self._frame, b""
        return frame

    def write(self, answer):
        """Write the answer, and say when."""
        written = self._line.write(answer)
        write(json.dumps({"instructions": emulated.ticks() * 1000 // (emulated.HZ // 1000000)}) + "\n")
        return written


_flash, _blocks, _frame = emulated.arguments().split()[1:]
emulated_board.mount(_flash, int(_blocks))
_waiting = Waiting(binascii.unhexlify(_frame))
emulated_board.run(*board_app.parts("tube", SerialLink(_waiting, _waiting), emulated.urandom, False))
