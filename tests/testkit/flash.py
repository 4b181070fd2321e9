"""A flash that can lose power at any byte of any write, on both interpreters.

The cut leaves a prefix of the new bytes, then what was there before (as flash programming does) or nothing
(as a truncated file does).  After a cut nothing can be written until power returns.
"""

from holdfast_device.slots import StorageFailed


class PowerCut(Exception):
    """The power is gone; the program ends here."""


class FlashFake:
    """Two slots in memory; cut(after, keep_tail) cuts the power when `after` more bytes are written."""

    def __init__(self):
        self.slots = [b"", b""]
        self.writes = 0
        self.written = 0
        self.budget = None
        self.keep_tail = False
        self.dead = False

    def cut(self, after, keep_tail=False):
        self.budget = after
        self.keep_tail = keep_tail

    def power_on(self):
        self.dead = False
        self.budget = None

    def read(self, slot):
        if self.dead:
            raise PowerCut
        return self.slots[slot]

    def write(self, slot, encoded):
        if self.dead:
            raise PowerCut
        self.writes += 1
        if self.budget is not None and self.budget <= len(encoded):
            done = encoded[: self.budget]
            tail = self.slots[slot][self.budget :] if self.keep_tail else b""
            self.slots[slot] = done + tail
            self.dead = True
            raise PowerCut
        if self.budget is not None:
            self.budget -= len(encoded)
        self.written += len(encoded)
        self.slots[slot] = encoded


class Refusing(FlashFake):
    """A flash that takes nothing while refuses is true."""

    refuses = False

    def write(self, slot, encoded):
        if self.refuses:
            raise StorageFailed("write")
        super().write(slot, encoded)
