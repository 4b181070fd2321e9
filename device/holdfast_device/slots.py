"""One record that survives a power cut at any byte: two slots, a generation and a checksum.

The newest valid slot counts and a save goes to the other one, so that a torn write leaves the old record whole.  Never
deletes, never writes the slot it would read.  It trusts the flash with secrecy, not with integrity of a torn write:
the checksum finds accidents, it is no defence against somebody who can write the flash (RFC 9200 section 6.3).

    slot = magic(2) generation(8, big-endian) length(4, big-endian) record sha256-of-all-before(16)

Two slots whose generations do not follow each other are no outcome of saves that all went well: a write was torn, or a
record has rotted since.  The two cannot be told apart, so the caller must expect that a newer record was in
force and is lost (TwoSlots.is_damaged).

Flash is a port: read(slot) -> bytes, b"" when never written; write(slot, encoded) -> None, durable when it returns.
"""

from holdfast_core.crypto import sha256
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Flash(Protocol):
        """Two slots of bytes."""

        def read(self, slot: int) -> bytes:
            """Return what the slot holds, b"" when it was never written; StorageFailed when that cannot be told."""

        def write(self, slot: int, encoded: bytes) -> None:
            """Replace what the slot holds; StorageFailed when the flash refuses."""


MAGIC = b"hf"
HEAD_LEN = 14
CHECK_LEN = 16
# The whole state of a device; a record beyond this is a bug, and a length beyond it is garbage.
MAX_RECORD_LEN = 4096
MAX_SLOT_LEN = HEAD_LEN + MAX_RECORD_LEN + CHECK_LEN
BEGUN = MAGIC[:1]  # what a store returns of a slot that is there and empty: its writing had only begun
_FIRST = MAGIC + b"\0\0\0\0\0\0\0\1"  # how the first record of all begins
LOST = "both copies of the state are damaged; wipe the device and provision it anew"


class StorageFailed(LocalError):
    """The flash cannot be written, or what it held is lost; nothing that needs it may go on."""

    reason = "storage-failed"


class TwoSlots:
    """Keeps one record.  load() first, then save() as often as needed.  StorageFailed when both slots are lost.

    is_damaged: a record that was in force may be lost; it was one save newer than what load() returned.
    """

    __slots__ = ("_flash", "_generation", "_newest", "is_damaged")

    def __init__(self, flash: "Flash") -> None:
        self._flash = flash
        self._generation = 0
        self._newest = 1
        self.is_damaged = False

    @property
    def generation(self) -> int:
        """How many records were saved so far, of which the newest is this one."""
        return self._generation

    def load(self) -> "bytes | None":
        """Return the newest whole record, None when the flash is blank.

        A torn first save counts as blank: save_both had not returned, so nothing was built on it.  Any other pair of
        which neither is whole was a device's: starting afresh would repeat counters, so StorageFailed stops it.
        """
        slots = [self._read(0), self._read(1)]
        generations = [0, 0]
        newest: bytes | None = None
        for slot in (0, 1):
            decoded = _decode(slots[slot])
            if decoded is None:
                continue
            generations[slot] = decoded[0]
            if decoded[0] > self._generation:
                self._generation, newest = decoded
                self._newest = slot
        if newest is None and (slots[1] or not _FIRST.startswith(slots[0].rstrip(b"\xff")[: len(_FIRST)])):
            raise StorageFailed(LOST)
        self.is_damaged = newest is not None and abs(generations[0] - generations[1]) != 1
        return newest

    def _read(self, slot: int) -> bytes:
        try:
            return self._flash.read(slot)
        except StorageFailed:
            return b"?"  # there is something

    def save_both(self, record: bytes) -> None:
        """Write the record into both slots, so that whichever of them is lost later, nothing goes back behind it."""
        self.save(record)
        self.save(record)

    def save(self, record: bytes) -> None:
        """Write the record into the older slot.  When it raises, the record before it is still there."""
        if len(record) > MAX_RECORD_LEN:
            raise StorageFailed("record-length")
        slot = 1 - self._newest
        self._flash.write(slot, _encode(self._generation + 1, record))
        self._generation += 1
        self._newest = slot


def is_whole(encoded: bytes) -> bool:
    """Whether this is a slot that was written to its end."""
    return _decode(encoded) is not None


def _encode(generation: int, record: bytes) -> bytes:
    head = MAGIC + generation.to_bytes(8, "big") + len(record).to_bytes(4, "big")
    return head + record + sha256(head + record)[:CHECK_LEN]


def _decode(encoded: bytes) -> "tuple[int, bytes] | None":
    """Return (generation, record) of a whole slot, None of anything else.  Bytes after the checksum are old flash."""
    length = int.from_bytes(encoded[10:HEAD_LEN], "big")
    if encoded[:2] != MAGIC or length > MAX_RECORD_LEN:
        return None
    end = HEAD_LEN + length
    if sha256(encoded[:end])[:CHECK_LEN] != encoded[end : end + CHECK_LEN]:  # of what is too short, too
        return None
    return int.from_bytes(encoded[2:10], "big"), encoded[HEAD_LEN:end]
