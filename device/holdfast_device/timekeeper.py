"""Everything an RS knows about time in one place: monotonic now, clock, persisted floor, exi countdowns.

The floor rises when a client has proven the key of a token, to that token's iat; a token that is new for certain, by a
cnonce of this device or because the AS has just said that it is active, lowers a floor that cannot be.
Never reads a clock; the endpoint says how late it is (RFC 9200 section 5.10.3).
"""

from holdfast_core import errors
from holdfast_core.kinds import REFERENCE
from holdfast_core.moment import Moment
from holdfast_device.clock import DeviceClock
from holdfast_device.exi import ExiTable
from holdfast_device.slots import StorageFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast_core.grant import Grant
    from holdfast_device.frozen import Frozen
    from holdfast_device.sessions import Session
    from holdfast_device.state import State

# The floor counts on while the device runs; persisted so often, a restart forgets at most so much of it.
FLOOR_SAVE_S = 3600


class Timekeeper:
    """state: persists floor and countdowns; now_ms: monotonic time of this start.

    told_floor_s: the floor of the provisioning.  frozen: of a device that slept; its floor and its countdowns go on.
    doubtful: a token was refused in this life that is over by the floor, and only by the floor.
    """

    __slots__ = ("_exi", "_save_at_s", "_state", "_told_floor_s", "clock", "doubtful", "now_ms")

    def __init__(self, state: "State", now_ms: int, told_floor_s: int, frozen: "Frozen | None" = None) -> None:
        self._state = state
        self._told_floor_s = told_floor_s
        self._save_at_s = state.floor_s + FLOOR_SAVE_S
        self.now_ms = now_ms
        self.doubtful = False
        if frozen is None:
            self.clock = DeviceClock(state.floor_s, now_ms)
            self._exi = ExiTable(state, now_ms)
        else:
            self.clock = DeviceClock(frozen.floor_s, frozen.floor_ms, frozen.step_s, frozen.ahead_s)
            self._exi = ExiTable(state, now_ms, frozen.exi)

    @property
    def now_s(self) -> int:
        """Best knowledge of unix time."""
        return self.clock.now_s(self.now_ms)

    @property
    def is_floor(self) -> bool:
        """Whether now_s is only the earliest time that it can be."""
        return not self.clock.is_set(self.now_ms)

    @property
    def exi_floor(self) -> int:
        """Highest expired exi sequence number."""
        return self._exi.floor

    def moment(self, cnonce_check: "Callable[[bytes], bool]") -> Moment:
        """What the device knows now, for the check of a token."""
        return Moment(self.now_s, self.is_floor, self.exi_floor, cnonce_check)

    def tick(self, now_ms: int) -> None:
        """Let time pass.  A floor that cannot be saved now is saved an hour later."""
        self.now_ms = now_ms
        self._exi.tick(now_ms)
        if self.clock.floor_s(now_ms) >= self._save_at_s:
            try:
                self._save_floor(self._state.save)
            except (StorageFailed, MemoryError):
                return

    def prove(self, grant: "Grant") -> None:
        """Take the time at which the AS issued a token whose key was proven; durable when it returns."""
        if grant.iat is not None:
            self.clock.prove(grant.iat, self.now_ms)
            if min(grant.iat, self.clock.floor_s(self.now_ms)) > self._state.floor_s:
                self._save_floor(self._state.save_both)

    def confront(self, grant: "Grant", age_s: int | None) -> None:
        """Compare what a floor and a verified token say of the time; the verifier has left to this what is new.

        age_s: seconds since the token's cnonce was given out, None when it has none.  Raises TokenExpired.
        A floor that is above all that the time can be goes down to the token's iat, or to the provisioning's if that is
        later and can be: a reference may be years old.  Durable when it returns.  What went further than the floor, and
        cannot be, is forgotten.
        """
        if not self.is_floor:
            return
        latest_s = None
        if age_s is not None and grant.iat is not None:
            latest_s = grant.iat + age_s
        elif grant.format == REFERENCE and grant.exp is not None:
            latest_s = grant.exp - 1
        if latest_s is not None and grant.iat is not None:
            floor_s = self.clock.floor_s(self.now_ms)
            if floor_s > latest_s:
                told_s = self._told_floor_s
                self.clock.reset(max(grant.iat, told_s if told_s <= latest_s else 0), self.now_ms)
                self._save_floor(self._state.save_both)
            elif floor_s + self.clock.ahead_s > latest_s:
                self.clock.ahead_s = 0
        if grant.exp is not None and self.now_s + self._ahead_s(grant) >= grant.exp:
            raise errors.TokenExpired("exp")

    def _ahead_s(self, grant: "Grant") -> int:
        """How far beyond now_s a grant counts: one of a time that the floor may not go to still ends after its life."""
        ahead_s = self.clock.ahead_s  # asked first: mostly 0, and each session is looked at for each datagram
        return ahead_s if ahead_s and self.is_floor and grant.iat is not None and grant.iat > self.now_s else 0

    def countdown(self, grant: "Grant") -> int | None:
        """Start or find the exi countdown of an accepted token: monotonic ms of its end, None without exi.

        Raises TokenExpired when it is over, StorageFailed when it cannot be made durable.
        """
        if grant.exi is None:
            return None
        if grant.exi_seq is None:  # by reference: the AS remembers how long it has been active
            return self.now_ms + grant.exi * 1000
        return self._exi.start(grant.exi_seq, grant.exi, self.now_ms)

    def is_over(self, session: "Session") -> bool:
        """Whether the session's token has come to its end."""
        grant = session.grant
        exp = grant.exp
        if exp is not None and self.now_s + self._ahead_s(grant) >= exp:
            return True
        if grant.exi_seq is not None and grant.exi_seq <= self.exi_floor:
            return True
        return session.ends_ms is not None and self.now_ms >= session.ends_ms

    def end_ms(self, session: "Session") -> int | None:
        """Monotonic ms at which is_over will be true, as far as is known now."""
        exp = session.grant.exp
        if exp is None:
            return session.ends_ms
        end_ms = self.clock.ms_at(exp - self._ahead_s(session.grant))
        return end_ms if session.ends_ms is None else min(end_ms, session.ends_ms)

    def sleep(self, until_ms: int, now_ms: int) -> "list[list[int]]":
        """Make countdowns durable through a sleep and return them (exi.py).  Raises StorageFailed."""
        self.tick(now_ms)
        return self._exi.charge_through(until_ms, now_ms)

    def next_deadline_ms(self) -> int | None:
        """When tick has to save or end a countdown."""
        return self._exi.next_deadline_ms()

    def _save_floor(self, save: "Callable[[], None]") -> None:
        before, floor_s = self._state.floor_s, self.clock.floor_s(self.now_ms)
        self._save_at_s = floor_s + FLOOR_SAVE_S
        self._state.floor_s = floor_s
        try:
            save()
        except (StorageFailed, MemoryError):
            self._state.floor_s = before  # so that the next token that proves it is saved, or refused
            raise
