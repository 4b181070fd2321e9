"""What an emulated board does by itself from power-on: it runs main.py and answers a request that waits at its line.

QEMU counts instructions, and only instructions pass the board's time: where the processor would wait, it goes on.
"""

import json
import tempfile

from holdfast_core.framing import encode_frame
from holdfast_sim.emulator_shell import Board, SerialOutput
from testkit.emulated_tube import Counted, blank_chip, provision_earlier

PEER = (b"\x7f\x00\x00\x01", 5683)
GET_RESULT = b"\x41\x01\x00\x01\x01\xb6result"  # confirmable, of token 1
SAYS = b'{"instructions": '


class PowerOn:
    """instructions: from power-on until the first answer has gone; answer: that datagram."""

    def __init__(self, output):
        told = list(SerialOutput().feed(output))
        self.instructions = json.loads(told[-1])["instructions"]
        (self.answer,) = [item[0] for item in told if isinstance(item, tuple)]


class Chip:
    """A tube's flash, on which boards start one after the other."""

    def __init__(self, target, firmware, provisioned=True):
        self._target, self._firmware = target, firmware
        self._folder = tempfile.TemporaryDirectory()
        self.path = blank_chip(target, self._folder.name)
        if provisioned:
            provision_earlier(target, firmware, self.path)

    def output(self, says=SAYS):
        """Start the board; return all that it writes, up to the line that begins with this text."""
        frame = encode_frame(GET_RESULT, PEER).hex()
        told = f"{self.path} {self._target.flash_blocks} {frame}"
        board = Board(Counted(self._target, "shift=0,sleep=off", ("-append", told)), self._firmware, self.path)
        try:
            return board.until(says) + board.until(b"\n")
        finally:
            board.close()

    def start(self):
        """Start the board; return PowerOn."""
        return PowerOn(self.output())

    def close(self):
        self._folder.cleanup()


def power_on(target, firmware):
    """Return PowerOn of a board that has started once before."""
    chip = Chip(target, firmware)
    try:
        chip.start()
        return chip.start()
    finally:
        chip.close()
