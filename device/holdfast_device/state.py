"""What a device must remember over a restart, and nothing more: one small record in two slots.

    boot        restarts so far; seeds the DRBG, saved before the first random byte is drawn
    floor_s     time floor (clock.py)
    as_sequence OSCORE sender sequence numbers below it may have been used with the AS (RFC 8613 appendix B.1.1)
    as_id_context  ID Context of the context with the AS, b"" for none yet (RFC 8613 appendix B.2)
    exi_floor   highest sequence number of an expired exi token (RFC 9200 section 5.10.3)
    edition     of the provisioning that floor_s and exi_floor were last taken from (core/provisioning.py)
    exi         running exi countdowns, [sequence, seconds left]; charged ahead: what is persisted is always less than
                what is left, so a power cut costs the client up to CHARGE_S seconds and never gives it any

A slot that is torn, or has rotted, may have held a record one save newer than what is left.  A save changes one thing,
so the start after it goes beyond whatever that can have been: a boot more, JUMP numbers more, each countdown CHARGE_S
further; a time floor that a token has proven and the start of a countdown are in both slots from the first.
Only a cut during a save, or a failing flash, makes that necessary: 2^24 times before the numbers are used up, which no
flash lives to see, and then the device makes a new context with the AS.

Sessions and grants are not here: after a restart the client gets 4.01 and posts its token again.
"""

from holdfast_core import cbor, errors
from holdfast_core.sender_sequence import CHUNK
from holdfast_device.slots import StorageFailed, TwoSlots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_device.slots import Flash

VERSION = 2
CHARGE_S = 60  # countdowns are charged so far ahead: 1440 saves a day while an exi token runs, none otherwise
# A save reserves one chunk of 64; the rest is for a flash that has kept less than it said.
JUMP = 1 << 16


class State:
    """The record, loaded.  Change the members, then save(); nothing may act on a change before save() returned."""

    __slots__ = ("_slots", "as_id_context", "as_sequence", "boot", "edition", "exi", "exi_floor", "floor_s", "woke")

    def __init__(
        self,
        flash: "Flash",
        floor_s: int,
        asleep: "tuple[int, int] | None" = None,
        exi_floor: int = -1,
        copied: bool = False,
        edition: int = 0,
    ) -> None:
        """Load, count this boot, save.  StorageFailed: the flash is lost or refuses.

        floor_s, exi_floor, edition: from provisioning.  exi_floor: for a flash that remembers nothing; no token has a
        higher number yet.  A later edition than the last sets the floor, also back, and lowers an exi_floor that no
        token has reached; an earlier one, put back by whomever, changes nothing.
        asleep: the mark that a device left when it went to sleep (hibernation.py).  When nothing was saved since, this
        is no restart: woke is True, and neither is the boot counted nor the flash written.
        copied: somebody else may go on from the same record, so the context with the AS is given up.
        """
        self._slots = TwoSlots(flash)
        self.floor_s = floor_s
        self.edition = edition
        self.as_sequence = 0
        self.as_id_context = b""
        self.exi_floor = exi_floor
        self.exi: list[list[int]] = []
        self.woke = False
        record = self._slots.load()
        if record is None:
            self.boot = 1
            self.save_both()
            return
        self._decode(record)
        later = edition > self.edition
        if later:
            self.edition, self.floor_s = edition, floor_s
            if 0 <= exi_floor < self.exi_floor:
                self.exi_floor = exi_floor
            self.exi = [running for running in self.exi if not 0 <= exi_floor < running[0]]
        if asleep == self.mark and not later and not copied and not self._slots.is_damaged:
            self.woke = True
            return
        if copied:
            self.as_id_context = b""
        self.boot += 1
        if self._slots.is_damaged or copied:
            self._go_beyond()
        elif later:
            self.save_both()
        else:
            self.save()

    def _go_beyond(self) -> None:
        """Leave behind whatever a record that is lost can have allowed."""
        self.boot += 1
        self.as_sequence += JUMP
        running = []
        for sequence, left_s in self.exi:
            if left_s > CHARGE_S:
                running.append([sequence, left_s - CHARGE_S])
            else:
                self.exi_floor = max(self.exi_floor, sequence)
        self.exi = [row for row in running if row[0] > self.exi_floor]
        self.save_both()

    @property
    def mark(self) -> "tuple[int, int]":
        """This boot and the record's generation: no other state of this flash, earlier or later, has both."""
        return self.boot, self._slots.generation

    def save(self) -> None:
        """Persist all members; when it returns they survive.  StorageFailed leaves the record before in place."""
        self._slots.save(self._encode())

    def save_both(self) -> None:
        """Persist what must also survive the loss of either slot."""
        self._slots.save_both(self._encode())

    def reserve_as_sequence(self, limit: int) -> None:
        """Persist that sequence numbers below limit may be used; the port of SenderSequence."""
        self._save_as(self.as_id_context, limit)

    def renew(self, id_context: bytes) -> int:
        """Persist a new context with the AS; return how many of its numbers may be used.  Port of RederivedContext."""
        self._save_as(id_context, CHUNK)
        return CHUNK

    def _save_as(self, id_context: bytes, limit: int) -> None:
        before = self.as_id_context, self.as_sequence
        self.as_id_context, self.as_sequence = id_context, limit
        try:
            self.save()
        except (StorageFailed, MemoryError):
            self.as_id_context, self.as_sequence = before
            raise

    def _encode(self) -> bytes:
        times = [self.floor_s, self.as_sequence, self.exi_floor, self.exi, self.as_id_context, self.edition]
        return cbor.encode([VERSION, self.boot] + times)

    def _decode(self, record: bytes) -> None:
        try:
            values: Any = cbor.decode(record)
        except errors.MalformedCbor:
            raise StorageFailed("record") from None
        if not isinstance(values, list) or len(values) != 8 or values[0] != VERSION:
            raise StorageFailed("record")
        _, self.boot, self.floor_s, self.as_sequence, self.exi_floor, self.exi, self.as_id_context, self.edition = (
            values
        )
