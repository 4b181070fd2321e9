"""Countdowns of exi tokens: a lifetime that starts when the RS first sees the token (RFC 9200 section 5.10.3).

Persisted ahead: every CHARGE_S seconds the record is written as if the next CHARGE_S were over already.  A
power cut therefore takes up to CHARGE_S seconds from the client and never gives any, and posting a token
again, before or after a restart, goes on with its countdown.  When one ends, every lower sequence number
has ended too.
"""

from holdfast_core import errors
from holdfast_device.slots import StorageFailed
from holdfast_device.state import CHARGE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_device.state import State

RETRY_MS = 1000
MAX_COUNTDOWNS = 16  # beyond, the lowest sequence number is given up: later tokens count more than earlier ones


class ExiTable:
    """Running countdowns; state: holds exi and exi_floor and saves them.

    left: [sequence, monotonic ms of its end] of a device that slept and knows better than what was charged ahead.
    """

    __slots__ = ("_charge_due_ms", "_ends_ms", "_state")

    def __init__(self, state: "State", now_ms: int, left: "list[list[int]] | None" = None) -> None:
        self._state = state
        self._ends_ms: dict[int, int] = {}
        for sequence, left_s in state.exi:
            # One that slept does not name has ended, and the flash had refused to take note of it.
            self._ends_ms[sequence] = now_ms + left_s * 1000 if left is None else now_ms
        for sequence, ends_ms in left or ():
            self._ends_ms[sequence] = ends_ms
        self._charge_due_ms = now_ms
        if left and state.exi:  # what is charged already is not charged anew at each waking
            self._charge_due_ms = min([self._ends_ms[sequence] - left_s * 1000 for sequence, left_s in state.exi])

    def __len__(self) -> int:
        return len(self._ends_ms)

    @property
    def floor(self) -> int:
        """Highest sequence number that has expired, -1 for none; it and all lower ones are refused."""
        return self._state.exi_floor

    def start(self, sequence: int, exi_s: int, now_ms: int) -> int:
        """Start a verified token's countdown, or find it running; return the monotonic ms of its end.

        Durable when it returns.  Raises TokenExpired: it has ended, or a later one has.
        """
        self.tick(now_ms)
        if sequence not in self._ends_ms and sequence > self.floor:
            self._begin(sequence, now_ms + exi_s * 1000, now_ms)
        if sequence not in self._ends_ms:
            raise errors.TokenExpired("exi")
        return self._ends_ms[sequence]

    def _begin(self, sequence: int, ends_ms: int, now_ms: int) -> None:
        if len(self._ends_ms) >= MAX_COUNTDOWNS:
            lowest = min(self._ends_ms)
            self._expire_through(min(lowest, sequence))
            if sequence < lowest:
                return
        self._ends_ms[sequence] = ends_ms
        try:
            self._charge(now_ms, started=True)
        except (StorageFailed, MemoryError):
            del self._ends_ms[sequence]  # what is not durable has not begun
            raise

    def tick(self, now_ms: int) -> None:
        """End what is over and charge ahead when it is due.

        A flash that refuses is asked again a second later.  Ending is safe meanwhile: what ends was charged to zero.
        """
        ended = [sequence for sequence in self._ends_ms if self._ends_ms[sequence] <= now_ms]
        if ended:
            self._expire_through(max(ended))
        if ended or (self._ends_ms and now_ms >= self._charge_due_ms):
            try:
                self._charge(now_ms)
            except StorageFailed:
                self._charge_due_ms = now_ms + RETRY_MS

    def charge_through(self, until_ms: int, now_ms: int) -> "list[list[int]]":
        """Charge ahead beyond a time, as before a sleep, unless that is done; return [sequence, ms of its end].

        Beyond by as much as ever, so that a device that sleeps writes once in each period and not twice.
        Durable when it returns.  Raises StorageFailed.
        """
        self.tick(now_ms)
        if self._ends_ms and self._charge_due_ms < until_ms:
            try:
                self._charge(until_ms)
            except StorageFailed:
                self._charge_due_ms = now_ms + RETRY_MS
                raise
        return [[sequence, self._ends_ms[sequence]] for sequence in sorted(self._ends_ms)]

    def next_deadline_ms(self) -> int | None:
        """When tick has something to do."""
        if not self._ends_ms:
            return None
        return min(self._charge_due_ms, *self._ends_ms.values())

    def _expire_through(self, sequence: int) -> None:
        self._state.exi_floor = max(self._state.exi_floor, sequence)
        for running in list(self._ends_ms):
            if running <= sequence:
                del self._ends_ms[running]

    def _charge(self, now_ms: int, started: bool = False) -> None:
        due_ms = now_ms + CHARGE_S * 1000
        self._state.exi = [
            [sequence, max(0, (self._ends_ms[sequence] - due_ms) // 1000)] for sequence in sorted(self._ends_ms)
        ]
        if started:
            self._state.save_both()
        else:
            self._state.save()
        self._charge_due_ms = due_ms  # only now: what could not be charged stays due
