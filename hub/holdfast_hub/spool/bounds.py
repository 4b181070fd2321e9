"""How much the spool may hold, and for whom room is kept."""

from dataclasses import dataclass

from holdfast_hub.records import Parcel

LEASE_MS = 900_000
"""A lent parcel that has not come back by then was forgotten by its taker: longer than any delivery takes."""
ALONE_FROM = 2
"""A parcel that was tried so often and has not arrived is lent alone, so that it brings down no other."""
OVERHEAD_LEN = 160
"""What a parcel takes on disk beside its body, about and id; counted, so that many empty ones are bounded too."""
GONE_IN_BOX, GONE_WHOLE, GONE_MS = 1024, 65_536, 7 * 86_400_000
"""Of parcels that have left, the ids are remembered: so many a box, so many in all, and so long at most."""
SHARES = (100, 95, 90, 80)
"""Percent of a bound that a parcel of priority 0, 1, 2 and of any later one may fill: the last is refused first."""
MAX_ID_LEN = 64
MAX_PRIORITY = 9
SWEEP_ROWS = 500
"""Of each kind that is over, so many are looked at in one commit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an operator may set. len: octets of bodies and what comes with them; count: of parcels.

    keep_free_len: so much of the disk stays free of new parcels, so that delivering always has room to be noted.
    drop_oldest: boxes in which the oldest of the least important parcels give way to a new one when there is no room.
    """

    whole_len: int = 256 << 20
    whole_count: int = 200_000
    box_len: int = 128 << 20
    box_count: int = 100_000
    keep_free_len: int = 16 << 20
    drop_oldest: frozenset[str] = frozenset()


def size_of(parcel: Parcel) -> int:
    """Octets that a parcel is counted with."""
    return len(parcel.body) + len(parcel.about) + len(parcel.id) + OVERHEAD_LEN


def share_of(bound: int, priority: int) -> int:
    """What of a bound a parcel of this priority may fill."""
    return bound * SHARES[min(priority, len(SHARES) - 1)] // 100
