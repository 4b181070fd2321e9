"""The rights of sessions from the proof of the key to their end, and what ends with them (RFC 9200 section 5.10.3).

The first request that verifies is the proof of possession, and binds its session.  When a token ends, its observations
and open requests get their 4.01 and its context is forgotten.  A reference counts for recheck_ms, then the AS is asked
again (RFC 9200 section 6.10).
"""

from holdfast_core import errors
from holdfast_core.errors import PeerError
from holdfast_core.kinds import REFERENCE
from holdfast_device.answers import RETRY_AFTER_S
from holdfast_device.sessions import ENDED, PENDING, PENDING_LIFE_MS
from holdfast_device.token_checker import was_fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.coap_events import Incoming
    from holdfast_core.grant import Grant
    from holdfast_device.answers import Answers
    from holdfast_device.endpoint import Endpoint
    from holdfast_device.sessions import Session, Sessions
    from holdfast_device.tasks import Steps
    from holdfast_device.timekeeper import Timekeeper
    from holdfast_device.token_checker import TokenChecker

# How long a reference token counts as active without asking the AS again; so late, at most, a revocation works.
RECHECK_MS = 60 * 1000


class Rights:
    """sessions: the table; answers: what clients of a session wait for; times: what is over; checker: of tokens.

    recheck_ms: RECHECK_MS, or what the program sets.
    """

    __slots__ = ("_answers", "_endpoint", "_times", "checker", "recheck_ms", "sessions")

    def __init__(
        self,
        endpoint: "Endpoint",
        times: "Timekeeper",
        sessions: "Sessions",
        answers: "Answers",
        checker: "TokenChecker",
    ) -> None:
        self._endpoint = endpoint
        self._times = times
        self.sessions = sessions
        self._answers = answers
        self.checker = checker
        self.recheck_ms = RECHECK_MS

    def session_of(self, incoming: "Incoming") -> "Session | None":
        """Return the session of a verified request; the first one is the proof of possession and binds it."""
        if incoming.context is None:
            return None
        session = self.sessions.find(incoming.context)
        now_ms = self._times.now_ms
        session.touch(now_ms)
        if session.state == PENDING:
            self._times.prove(session.grant)
            for ended in self.sessions.ended_by(session, now_ms):
                self.end(ended)
            session.bind()  # last, so that no two sessions of a key are bound, wherever memory runs out
        return session

    def change(self, session: "Session", grant: "Grant") -> None:
        """End what the session's new grant may no longer cover, before it is in force: blocks to come, observations."""
        self._endpoint.forget(session.context, False)
        self._answers.end(session, grant)

    def end(self, session: "Session") -> None:
        """End a session: 4.01 to its observations and open requests, then its context is gone."""
        self._answers.end(session)
        self._endpoint.forget(session.context, True)
        self.sessions.remove(session)

    def expire(self, now_ms: int) -> None:
        """End what is over; called before anything else at each point of time."""
        self._times.tick(now_ms)
        for session in self.sessions.all():
            if self._times.is_over(session) or (
                session.state == PENDING and now_ms - session.checked_ms >= PENDING_LIFE_MS
            ):
                self.end(session)
            elif self.is_unchecked(session):
                self._endpoint.forget(session.context, False)  # the stack gives out later blocks by itself
        for request, _resource in self._answers.observers:
            if request.session is not None and self.is_unchecked(request.session):
                self._recheck(request.session)

    def next_deadline_ms(self) -> int | None:
        """When expire has something to do."""
        ends = [self._times.end_ms(session) for session in self.sessions.all()]
        ends.append(self._times.next_deadline_ms())
        for request, _resource in self._answers.observers:
            if request.session is not None and request.session.grant.format == REFERENCE:
                ends.append(max(request.session.checked_ms + self.recheck_ms, request.session.check_due_ms))
        known = [end for end in ends if end is not None]
        return min(known) if known else None

    # --- reference tokens: is it still active? ---

    def is_unchecked(self, session: "Session") -> bool:
        """Whether the AS has to be asked before the session's rights count."""
        return session.grant.format == REFERENCE and self._times.now_ms - session.checked_ms >= self.recheck_ms

    def check(self, session: "Session") -> "Steps":
        """Task: ask the AS again; end or narrow the session as it says of the token (RFC 9200 section 6.10)."""
        token = session.token
        try:
            grant = yield self.checker.verify(token.reveal(), was_fresh)
            if session.state == ENDED:
                return
            session.checked_ms = self._times.now_ms
            if session.token is token and grant.scope != session.grant.scope:  # and no update came meanwhile
                self.change(session, grant)
                session.replace(grant, token, session.ends_ms)
        except errors.Overloaded:
            raise
        except PeerError:
            self.end(session)

    def _recheck(self, session: "Session") -> None:
        """Ask on behalf of observers; not while a question is on its way, and not in a hurry when others ask."""
        if self._times.now_ms >= session.check_due_ms:
            session.check_due_ms = self._times.now_ms + self.recheck_ms
            try:
                self._endpoint.spawn(self.check(session))
            except errors.Overloaded:
                session.check_due_ms = self._times.now_ms + RETRY_AFTER_S * 1000
