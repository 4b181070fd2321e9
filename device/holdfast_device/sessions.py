"""The clients of this RS: one session for each proven key, and a few that have yet to prove theirs (RFC 9203).

    PENDING   the token was accepted and both nonces are exchanged; no request has proven the key
    BOUND     a request verified: that was the proof, and an older session of the same key has ended
    ENDED     expired, revoked, replaced or evicted: in no table any more, and its context is unknown

A post at the unprotected authz-info makes a PENDING session and touches no BOUND one, so a client that
replays another's token, or floods the RS with tokens that it never uses, ends no live session.  Both kinds are bounded;
the oldest PENDING session leaves first, and of several with the same key the latest, so that replayed posts never
push out the first.  A BOUND session leaves only for a newcomer that has proven its key too, and only after
IDLE_MS of silence.
"""

from holdfast_core import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.confirmation import OscInput
    from holdfast_core.grant import Grant
    from holdfast_core.oscore import SecurityContext
    from holdfast_core.oscore_contexts import ContextTable
    from holdfast_core.secret import Secret

PENDING, BOUND, ENDED = "PENDING", "BOUND", "ENDED"
# What happens to a session, and what it is then.  Anything else is a mistake in this program, and a KeyError.
STATES = {
    PENDING: {"touch": PENDING, "bind": BOUND, "end": ENDED},
    BOUND: {"touch": BOUND, "replace": BOUND, "end": ENDED},
    ENDED: {},
}

MAX_PENDING = 4  # posts whose first request is on its way; more at once is a flood
# Of one key: the first, which replayed posts must not push out, and the latest, for a client that lost an answer.
MAX_PENDING_PER_KEY = 2
PENDING_LIFE_MS = 2 * 3600 * 1000  # a hub that passes once an hour must find its session
IDLE_MS = 60 * 1000  # a client that was silent for so long may have to post again


class Session:
    """state: PENDING at first, one of STATES.  context: OSCORE, its owner is this.  grant: what the client may do.

    osc: the key material of the grant.  token: the raw token as posted, for an RS that must show it to the AS again.
    ends_ms: monotonic end of an exi countdown, or None.  checked_ms: when the token was last known to be active.
    check_due_ms: when to ask again on behalf of its observers.  nonces: N1 and N2, for a device that sleeps.
    next_update_ms: when its next post is due (authz_info.py).
    """

    __slots__ = (
        "check_due_ms",
        "checked_ms",
        "context",
        "ends_ms",
        "grant",
        "next_update_ms",
        "nonces",
        "osc",
        "state",
        "token",
        "used_ms",
    )

    def __init__(
        self,
        context: "SecurityContext",
        grant: "Grant",
        osc: "OscInput",
        token: "Secret",
        ends_ms: int | None,
        now_ms: int,
        nonces: "tuple[bytes, bytes]",
    ) -> None:
        self.context = context
        self.grant = grant
        self.osc = osc
        self.token = token
        self.ends_ms = ends_ms
        self.state = PENDING
        self.used_ms = now_ms
        self.checked_ms = now_ms
        self.check_due_ms = now_ms
        self.next_update_ms = now_ms
        self.nonces = nonces

    def touch(self, now_ms: int) -> None:
        """A request verified, or a notification goes out: not silent."""
        self.state = STATES[self.state]["touch"]
        self.used_ms = now_ms

    def bind(self) -> None:
        """The client has proven the key, and no other session of the key is left."""
        self.state = STATES[self.state]["bind"]

    def replace(self, grant: "Grant", token: "Secret", ends_ms: int | None) -> None:
        """Take new rights.  Needs no memory: there are old rights or new ones, and never half of each."""
        self.state = STATES[self.state]["replace"]
        self.grant = grant
        self.token = token
        self.ends_ms = ends_ms

    def end(self) -> None:
        """The session has left its table."""
        self.state = STATES[self.state]["end"]

    def has_key_of(self, osc: "OscInput") -> bool:
        """Whether this is the same PoP key."""
        return self.osc.id == osc.id and self.osc.ms == osc.ms

    def __repr__(self) -> str:
        return f"Session({self.state}, {self.grant!r})"


class Sessions:
    """The table.  contexts: where the stack finds them; limit: how many BOUND ones."""

    __slots__ = ("_limit", "_sessions", "contexts")

    def __init__(self, contexts: "ContextTable", limit: int) -> None:
        self.contexts = contexts
        self._limit = limit
        self._sessions: list[Session] = []

    def all(self) -> "list[Session]":
        """Every session, oldest first; a copy."""
        return list(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def check_room(self, now_ms: int) -> None:
        """Raise Overloaded when a newcomer could not be bound: every BOUND session is in use."""
        bound = self._bound()
        if len(bound) >= self._limit and not self._idle(bound, now_ms):
            raise errors.Overloaded("sessions")

    def make_room(self, osc: "OscInput") -> "list[Session]":
        """Return the PENDING sessions that have to go before one of this key is added."""
        pending = [session for session in self._sessions if session.state == PENDING]
        same = [session for session in pending if session.has_key_of(osc)]
        if len(same) >= MAX_PENDING_PER_KEY:
            return same[-1:]
        return pending[:1] if len(pending) >= MAX_PENDING else []

    def add(self, session: Session) -> None:
        """Enter a PENDING session; the caller has made room."""
        session.context.owner = session
        self.contexts.add(session.context)
        try:
            self._sessions.append(session)
        except MemoryError:
            self.contexts.remove(session.context)
            raise

    def remove(self, session: Session) -> None:
        """End a session, if it has not ended: its context is unknown from now on."""
        if session in self._sessions:
            self._sessions.remove(session)
            self.contexts.remove(session.context)
            session.end()

    def find(self, context: "SecurityContext") -> Session:
        """Return the session of a context; raises UnknownContext when it is gone meanwhile."""
        session = context.owner
        if not isinstance(session, Session) or session not in self._sessions:
            raise errors.UnknownContext
        return session

    def ended_by(self, session: Session, now_ms: int) -> "list[Session]":
        """Return the sessions that must end before a PENDING one is bound: earlier ones of its key.

        Raises Overloaded when there is no room.
        """
        earlier = self._sessions[: self._sessions.index(session)]
        ended = [other for other in earlier if other.has_key_of(session.osc)]
        bound = [other for other in self._bound() if other not in ended]
        if len(bound) >= self._limit:
            idle = self._idle(bound, now_ms)
            if idle is None:
                raise errors.Overloaded("sessions")
            ended.append(idle)
        return ended

    def _bound(self) -> "list[Session]":
        return [session for session in self._sessions if session.state == BOUND]

    def _idle(self, bound: "list[Session]", now_ms: int) -> Session | None:
        """Return the BOUND session longest silent, if that is long enough."""
        longest = min(bound, key=_used_ms)
        return longest if now_ms - longest.used_ms >= IDLE_MS else None


def _used_ms(session: Session) -> int:
    return session.used_ms
