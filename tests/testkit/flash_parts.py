"""Raw flash, and NVS of ESP-IDF, which lie below a Flash port on boards. They behave as their documentation says.

Both can lose power at any step: `cut(steps)` cuts it within the step after so many, and power_on() brings it back.
"""

from testkit.flash import PowerCut


class _Powered:
    def __init__(self):
        self.steps = 0
        self.budget = None
        self.dead = False

    def cut(self, after):
        self.budget = after

    def power_on(self):
        self.dead, self.budget = False, None

    def _step(self):
        """Count a step; return whether the power goes in this step."""
        if self.dead:
            raise PowerCut
        self.steps += 1
        if self.budget is None:
            return False
        self.budget -= 1
        return self.budget < 0

    def _die(self):
        self.dead = True
        raise PowerCut


class RawFlash(_Powered):
    """esp32.Partition or rp2.Flash: programming clears bits, erasing sets those of a block.  A step: 64 bytes, a block.

    offset given: writeblocks programs and does not erase.  half: what a cut in an erase leaves of a block, b"" for a
    block half erased, or a byte with which all others are ORed.  stuck: a bit that no longer erases.
    """

    def __init__(self, blocks=4, size=4096, half=b""):
        _Powered.__init__(self)
        self.size = size
        self.cells = bytearray(b"\xff" * (blocks * size))
        self.erases = [0] * blocks
        self.half = half
        self.error = None

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            raise PowerCut
        start = block * self.size + offset
        buf[:] = self.cells[start : start + len(buf)]

    def writeblocks(self, block, buf, offset=None):
        if self.error is not None:
            raise OSError(self.error)
        if offset is None:
            for index in range(len(buf) // self.size):
                self.ioctl(6, block + index)
        start = block * self.size + (offset or 0)
        for at in range(0, len(buf), 64):
            cut = self._step()
            piece = buf[at : at + 64]
            for index, value in enumerate(piece[:20] if cut else piece):
                self.cells[start + at + index] &= value
            if cut:
                self._die()

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.erases)
        if op == 5:
            return self.size
        if op != 6:
            return None
        if self.error is not None:
            raise OSError(self.error)
        cut = self._step()
        self.erases[arg] += 1
        start = arg * self.size
        for index in range(start, start + self.size):
            if not cut:
                self.cells[index] = 0xFF
            elif self.half:
                self.cells[index] |= self.half[0]
            elif index < start + self.size // 2:
                self.cells[index] = 0xFF
        if cut:
            self._die()
        return 0


class Disk(_Powered):
    """A block device for a file system: a step is a sector of 512 bytes, which is written whole or not at all."""

    def __init__(self, cells=None):
        _Powered.__init__(self)
        self.cells = bytearray(b"\xff" * (128 * 512)) if cells is None else bytearray(cells)

    def readblocks(self, block, buf, offset=0):
        at = block * 512 + offset
        buf[:] = self.cells[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        for start in range(0, len(buf), 512):
            if self._step():
                self.dead = True
                raise PowerCut
            piece = buf[start : start + 512]
            at = block * 512 + offset + start
            self.cells[at : at + len(piece)] = piece

    def ioctl(self, op, arg):
        if op == 6 and not self.dead:  # littlefs erases before it writes
            self.cells[arg * 512 : arg * 512 + 512] = b"\xff" * 512
        return {4: len(self.cells) // 512, 5: 512}.get(op, 0)


class NvsFake(_Powered):
    """esp32.NVS: a value that was set and not committed is there or not after a cut; keys of 15 characters at most."""

    NOT_FOUND, INVALID_LENGTH, NOT_ENOUGH_SPACE = -0x1102, -0x110C, -0x1105

    def __init__(self, keeps_uncommitted=False, room=10**6):
        _Powered.__init__(self)
        self.keeps_uncommitted = keeps_uncommitted
        self.room = room
        self.durable = {}
        self.pending = {}

    def get_blob(self, key, buffer):
        value = self.pending.get(key, self.durable.get(key))
        if value is None:
            raise OSError(self.NOT_FOUND)
        if len(value) > len(buffer):
            raise OSError(self.INVALID_LENGTH)
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        assert len(key) <= 15
        if len(value) > self.room:
            raise OSError(self.NOT_ENOUGH_SPACE)
        if self._step():
            self._lose()
        self.pending[key] = bytes(value)

    def erase_key(self, key):
        if self._step():
            self._lose()
        self.pending.pop(key, None)
        del self.durable[key]

    def commit(self):
        if self._step():
            self._lose()
        self.durable.update(self.pending)
        self.pending = {}

    def _lose(self):
        if self.keeps_uncommitted:
            self.durable.update(self.pending)
        self.pending = {}
        self._die()
