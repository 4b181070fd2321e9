"""What a device must remember over a restart, and nothing more: one small record in two slots.

    boot        restarts so far; seeds the DRBG, saved before the first random byte is drawn
    floor_s     time floor (clock.py)
    as_sequence OSCORE sender sequence numbers below it may have been used with the AS (RFC 8613 appendix B.1.1)
    exi_floor   highest sequence number of an expired exi token (RFC 9200 section 5.10.3)
    exi         running exi countdowns, [sequence, seconds left]; charged ahead: what is persisted is always less than
                what is left, so a power cut costs the client up to CHARGE_S seconds and never gives it any

Sessions and grants are not here: after a restart the client gets 4.01 and posts its token again.
"""

from holdfast_core import cbor, errors
from holdfast_device.slots import StorageFailed, TwoSlots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_device.slots import Flash

VERSION = 1


class State:
    """The record, loaded.  Change the members, then save(); nothing may act on a change before save() returned."""

    __slots__ = ("_slots", "as_sequence", "boot", "exi", "exi_floor", "floor_s", "woke")

    def __init__(self, flash: "Flash", floor_s: int, asleep: "tuple[int, int] | None" = None) -> None:
        """Load, count this boot, save.  floor_s: from provisioning.  StorageFailed: the flash is lost or refuses.

        asleep: the mark that a device left when it went to sleep (hibernation.py).  When nothing was saved since, this
        is no restart: woke is True, and neither is the boot counted nor the flash written.
        """
        self._slots = TwoSlots(flash)
        self.boot = 0
        self.floor_s = floor_s
        self.as_sequence = 0
        self.exi_floor = -1
        self.exi: list[list[int]] = []
        self.woke = False
        record = self._slots.load()
        if record is None:
            self.boot = 1
            self._slots.save_first(self._encode())
            return
        self._decode(record)
        self.floor_s = max(self.floor_s, floor_s)
        if asleep == self.mark:
            self.woke = True
            return
        self.boot += 1
        self.save()

    @property
    def mark(self) -> "tuple[int, int]":
        """This boot and the record's generation: no other state of this flash, earlier or later, has both."""
        return self.boot, self._slots.generation

    def save(self) -> None:
        """Persist all members; when it returns they survive.  StorageFailed leaves the record before in place."""
        self._slots.save(self._encode())

    def reserve_as_sequence(self, limit: int) -> None:
        """Persist that sequence numbers below limit may be used; the port of SenderSequence."""
        before = self.as_sequence
        self.as_sequence = limit
        try:
            self.save()
        except StorageFailed:
            self.as_sequence = before
            raise

    def _encode(self) -> bytes:
        return cbor.encode([VERSION, self.boot, self.floor_s, self.as_sequence, self.exi_floor, self.exi])

    def _decode(self, record: bytes) -> None:
        try:
            values: Any = cbor.decode(record)
        except errors.MalformedCbor:
            raise StorageFailed("record") from None
        if not isinstance(values, list) or len(values) != 6 or values[0] != VERSION:
            raise StorageFailed("record")
        _, self.boot, self.floor_s, self.as_sequence, self.exi_floor, self.exi = values
