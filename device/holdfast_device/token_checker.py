"""Which grant a token is at this time: checked here when it comes by value, asked of the AS when it is a reference.

Keeps nothing of a token, and never decides what its grant is good for (RFC 9200 section 5.10.1.1).
"""

from holdfast_core.kinds import REFERENCE
from holdfast_core.token_check import verify_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast_core.grant import Grant
    from holdfast_core.rules import Rules
    from holdfast_device.cnonces import Cnonces
    from holdfast_device.introspection import Introspector
    from holdfast_device.tasks import Steps
    from holdfast_device.timekeeper import Timekeeper

_CWT_HEAD = b"\xd8\x3d"  # tag 61 in its shortest form; no reference begins so


class TokenChecker:
    """rules: of the verifier; times: clock, floor and exi countdowns; introspector: or None."""

    __slots__ = ("_cnonces", "_introspector", "_issuer", "_rules", "_times")

    def __init__(
        self,
        rules: "Rules",
        times: "Timekeeper",
        cnonces: "Cnonces",
        issuer: str,
        introspector: "Introspector | None" = None,
    ) -> None:
        self._rules = rules
        self._times = times
        self._cnonces = cnonces
        self._issuer = issuer
        self._introspector = introspector

    def verify(self, token: bytes, is_fresh: "Callable[[bytes], bool] | None" = None) -> "Steps":
        """Task: return the Grant of a token, by value or by reference; raises Malformed* or TokenRejected.

        is_fresh: what to ask about its client-nonce, None for whether it is fresh now.
        """
        is_fresh = is_fresh or self._is_fresh
        if self._introspector is not None and REFERENCE in self._rules.formats and not token.startswith(_CWT_HEAD):
            from holdfast_core.verifier import grant_from_introspection  # a tube never needs it

            answer = yield self._introspector.ask(token)
            return grant_from_introspection(answer, self._rules, self._times.moment(is_fresh), self._issuer, token)
        return verify_token(token, self._rules, self._times.moment(is_fresh))

    def verify_again(self, token: bytes) -> "tuple[Grant, int | None]":
        """Check a token by value that was accepted before a sleep; return its Grant and the end of its countdown.

        Raises as verify does, and as Timekeeper.countdown.
        """
        grant = verify_token(token, self._rules, self._times.moment(was_fresh))
        return grant, self._times.countdown(grant)

    def confront(self, grant: "Grant") -> None:
        """Compare a token that just came with what the device knows of the time.  Raises TokenExpired."""
        now_ms = self._times.now_ms
        self._times.confront(grant, None if grant.cnonce is None else self._cnonces.age_s(grant.cnonce, now_ms))

    def cnonce(self) -> bytes | None:
        """Return a fresh cnonce for hints, None when tokens do without."""
        if self._rules.require_cnonce or self._times.doubtful:
            return self._cnonces.issue(self._times.now_ms)
        return None

    def _is_fresh(self, cnonce: bytes) -> bool:
        return self._cnonces.is_fresh(cnonce, self._times.now_ms)


def was_fresh(_cnonce: bytes) -> bool:
    """Say of the client-nonce of a token that is in force that it was fresh when the token came."""
    return True
