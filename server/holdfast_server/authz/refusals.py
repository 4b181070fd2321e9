"""How often the same refusal is written down: at once, then once a minute with the number of those left out.

A client that is refused a thousand times a second must not fill a disk with it, nor wait for it. No count is lost: the
next sweep, or the end of the server, writes what no later refusal wrote. Bounded, in memory only.
"""

from collections.abc import Mapping
from typing import NamedTuple

from holdfast_server.authz.ports import AuditLog

PERIOD_S = 60
MAX_KINDS = 256
"""Kinds told apart in one period. Beyond them networks are told apart no more, so that somebody who comes from many
does not hide which client or person is tried meanwhile; beyond twice as many all else is one kind of its own."""


class Refusal(NamedTuple):
    """A kind of refusal: what its row says.  reason: constant text; network: "" when it makes no difference."""

    event: str
    reason: str = ""
    client_id: str | None = None
    rs_id: str | None = None
    user_id: str | None = None
    network: str = ""


OTHERS = Refusal("refused", "of many kinds")


class Refusals:
    """Counts refusals of each kind."""

    def __init__(self) -> None:
        self._period = 0
        self._counts: dict[Refusal, int] = {}
        self._unwritten: dict[Refusal, int] = {}

    def left_out(self, kind: Refusal, now_s: int) -> int | None:
        """Count one; return None to write nothing, or how many of this kind were not written before."""
        self._turn(now_s // PERIOD_S)
        kind = _among(kind, self._counts)
        count = self._counts.get(kind, 0)
        self._counts[kind] = count + 1
        return None if count else self._unwritten.pop(kind, 0)

    def unwritten(self, now_s: int, *, all_periods: bool = False) -> dict[Refusal, int]:
        """Return how many were not written in the periods that are over; all_periods: in the one of now too."""
        self._turn(None if all_periods else now_s // PERIOD_S)
        return dict(self._unwritten)

    def written(self) -> None:
        """Forget what unwritten() has returned."""
        self._unwritten.clear()

    def _turn(self, period: int | None) -> None:
        if period == self._period:
            return
        for kind, count in self._counts.items():
            if count > 1:
                counted = _among(kind, self._unwritten)
                self._unwritten[counted] = self._unwritten.get(counted, 0) + count - 1
        self._counts, self._period = {}, period or 0


def _among(kind: Refusal, counts: Mapping[Refusal, int]) -> Refusal:
    """The kind as which it is counted."""
    if kind in counts or len(counts) < MAX_KINDS:
        return kind
    kind = kind._replace(network="")
    return kind if kind in counts or len(counts) < 2 * MAX_KINDS else OTHERS


class RefusalRows:
    """Writes refusals into the audit."""

    def __init__(self, store: AuditLog) -> None:
        self._store = store
        self._refusals = Refusals()

    def note(self, kind: Refusal, now_s: int, address: str) -> bool:
        """Write one down, unless its kind was written this minute; whether it was."""
        left_out = self._refusals.left_out(kind, now_s)
        if left_out is not None:
            self._write(kind, left_out, now_s, address)
        return left_out is not None

    def write_left_out(self, now_s: int, *, all_periods: bool = False) -> None:
        """Write how many were left out of the minutes that are over; all_periods: of this one too."""
        unwritten = self._refusals.unwritten(now_s, all_periods=all_periods)
        if unwritten:
            with self._store.transaction():
                for kind, left_out in unwritten.items():
                    self._write(kind, left_out, now_s, kind.network)
            self._refusals.written()

    def _write(self, kind: Refusal, left_out: int, now_s: int, address: str) -> None:
        more = f"{left_out} more since the row before" if left_out else ""
        self._store.audit(
            now_s,
            kind.event,
            client_id=kind.client_id,
            rs_id=kind.rs_id,
            user_id=kind.user_id,
            reason="; ".join(filter(None, (kind.reason, more))),
            address=address,
        )
