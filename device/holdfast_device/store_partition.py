"""The two slots on raw flash, a range of erase blocks to itself: the Flash port of slots.py without a file system.

    flash = PartitionFlash(esp32.Partition("holdfast"))
    flash = PartitionFlash(rp2.Flash(start=START, len=16384))        the file system must end before START

Each slot is half of the blocks, and is filled with one copy after another, 512 bytes each; its last copy is what it
holds.  Only when it is full, or its last copy is torn, are its blocks erased: of blocks of 4 KB each is erased once in
16 saves, with two blocks a slot once in 32.  What was written is read back: rp2.Flash never says that it failed.
Never erases the slot that holds the newest record; a cut in an erase or in a copy costs this slot and no other.
Not for an encrypted partition: what is erased there does not look so, and NVS or a file system is for that.
"""

from holdfast_device.slots import StorageFailed, is_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Blocks(Protocol):
        """A block device with the extended interface of MicroPython; it may raise OSError."""

        def readblocks(self, __block: int, __buf: bytearray, __offset: int) -> Any:
            """Fill buf from there."""

        def writeblocks(self, __block: int, __buf: bytes, __offset: int) -> Any:
            """Program what was erased: with an offset it erases nothing."""

        def ioctl(self, __op: int, __arg: int) -> Any:
            """4: number of blocks, 5: size of one, 6: erase one."""


COPY_LEN = 512  # two pages of flash: RP2 programs whole ones
_COUNT, _SIZE, _ERASE = 4, 5, 6
_BLANK = b"\xff" * COPY_LEN


class PartitionFlash:
    """Flash port over a block device that holds nothing else.  StorageFailed: its shape does not do, or it fails."""

    __slots__ = ("_blocks", "_copies", "_device", "_size")

    def __init__(self, device: "Blocks") -> None:
        self._device = device
        try:
            self._size = int(device.ioctl(_SIZE, 0))
            self._blocks = int(device.ioctl(_COUNT, 0)) // 2
        except OSError:
            raise StorageFailed("read") from None
        if self._blocks < 1 or self._size < COPY_LEN or self._size % COPY_LEN:
            raise StorageFailed("geometry")
        self._copies = self._blocks * self._size // COPY_LEN

    def read(self, slot: int) -> bytes:
        """Return the last copy, b"" when the slot is erased."""
        last = self._used(slot)
        return self._read(slot, last - 1) if last else b""

    def write(self, slot: int, encoded: bytes) -> None:
        """Add a copy; it is down when this returns."""
        if len(encoded) > COPY_LEN:
            raise StorageFailed("record-length")
        copy = encoded + _BLANK[len(encoded) :]
        index = self._used(slot)
        # Where nothing is whole a cut may have ended an erase too early, and what looks erased would not keep a copy.
        if index in (0, self._copies) or not is_whole(self._read(slot, index - 1)):
            self._erase(slot)
            index = 0
        try:
            block, offset = self._place(slot, index)
            self._device.writeblocks(block, copy, offset)
        except OSError:
            raise StorageFailed("write") from None
        if self._read(slot, index) != copy:
            raise StorageFailed("write")

    def wipe(self) -> None:
        """Erase everything, for a factory reset."""
        self._erase(0)
        self._erase(1)

    def _erase(self, slot: int) -> None:
        """First block first: after a cut the last copies stand, and beyond them is no room."""
        for block in range(slot * self._blocks, (slot + 1) * self._blocks):
            try:
                self._device.ioctl(_ERASE, block)
            except OSError:
                raise StorageFailed("erase") from None
        if self._used(slot):
            raise StorageFailed("erase")

    def _used(self, slot: int) -> int:
        """Return how many copies the slot holds, torn ones among them."""
        index = self._copies
        while index and self._read(slot, index - 1) == _BLANK:
            index -= 1
        return index

    def _read(self, slot: int, index: int) -> bytes:
        block, offset = self._place(slot, index)
        copy = bytearray(COPY_LEN)
        try:
            self._device.readblocks(block, copy, offset)
        except OSError:
            raise StorageFailed("read") from None
        return bytes(copy)

    def _place(self, slot: int, index: int) -> "tuple[int, int]":
        """Return (block, offset) of a copy."""
        at = index * COPY_LEN
        return slot * self._blocks + at // self._size, at % self._size
