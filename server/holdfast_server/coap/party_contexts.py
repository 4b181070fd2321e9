"""The OSCORE contexts between the authorization server and its registered parties, by kid.

A context is made from its registry row when its party first speaks, and the row is
looked up again for each request: a party that another process registers is known
without a restart, and one that was removed, or registered again, is not taken for
the old one. What a party was provisioned with is no context yet: each start of the
party that does not go on with an earlier one makes another (RFC 8613 appendix B.2),
which the row remembers, and ends the one before. A context that was never used has an
empty replay window, and a clean stop keeps the windows; each is believed once. Where
none is kept, as after a crash, the first request proves itself fresh by Echo
(appendix B.1.2). Sender sequence numbers are reserved in the store before use and go
on at the reservation.
Never evicts and never writes keys.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from holdfast_core.coap_admission import TokenBucket
from holdfast_core.errors import UnknownContext
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.rederive import kid_context_of
from holdfast_core.rederive_server import DerivedContext, Rederivation
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import SenderSequence
from holdfast_server.records import OscoreParty

RESERVE = 1024
"""Numbers reserved at a time: one row written for 1024 Partial IVs, of which few are used (Echo, second answers)."""

MAX_PARTIES = 100_000
"""About 2 KB each; a server with more of them is several servers."""

ALL_DERIVATIONS_RATE, ALL_DERIVATIONS_BURST = 1000, 2000
"""New contexts tried a second and at once, from all addresses: 0.1 ms each, so a tenth of a processor."""

RENEWALS_RATE, RENEWALS_BURST = 0.1, 30
"""New contexts of one party, which cost a transaction and an audit row each: one in 10 s, and so many at once."""


class PartyStore(Protocol):
    """The part of the store that contexts need."""

    def oscore_party_by_kid(self, recipient_id: bytes) -> OscoreParty | None:
        """The party whose Sender ID this is."""

    def reserve_sender_sequence(self, recipient_id: bytes, limit: int) -> None:
        """Make "numbers below limit may be used" durable with the transaction around it."""

    def take_window(self, recipient_id: bytes) -> None:
        """Make "the window of this row is in use" durable with the transaction around it."""

    def renew_oscore_party(self, recipient_id: bytes, id_context: bytes) -> None:
        """Make the party's context one of this ID Context, of which no number was used."""

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is durable after it, or was never done."""

    def audit(self, now_s: int, event: str, *, client_id: str | None = None, rs_id: str | None = None) -> None:
        """Add a row."""


class PartyContexts(ContextTable):
    """The table that CoapStack asks, filled from the store as parties speak.

    rng: n -> n random bytes. wall_s: the time of audit rows.
    """

    def __init__(self, store: PartyStore, rng: Callable[[int], bytes], wall_s: Callable[[], int]) -> None:
        super().__init__(MAX_PARTIES)
        self._store = store
        self._wall_s = wall_s
        self._rederivation = Rederivation(rng)
        self._made_of: dict[bytes, tuple[object, ...]] = {}
        self._renewals = TokenBucket(RENEWALS_RATE, RENEWALS_BURST, ALL_DERIVATIONS_RATE, ALL_DERIVATIONS_BURST)
        self._derivations = TokenBucket(total_rate=ALL_DERIVATIONS_RATE, total_burst=ALL_DERIVATIONS_BURST)

    def find(self, kid: bytes | None, kid_context: bytes | None = None, *sender: Any) -> SecurityContext:
        """The context of this kid; its owner is the party's Caller. Raises UnknownContext, MalformedOscore.

        sender: (peer, now_ms); without it no context is derived.
        """
        party = None if kid is None else self._look_up(kid)
        if party is None or kid is None:
            return super().find(kid)
        if party.rederives:
            if party.id_context is None or kid_context not in (None, kid_context_of(party.id_context)):
                return self._derive(party, kid_context, *sender)
            kid_context = None
        if kid not in self:
            self._keep(self._open(party), party)
        context = super().find(kid, kid_context)
        context.owner = party.caller()
        return context

    def windows(self) -> list[tuple[bytes, int, int]]:
        """Recipient ID, highest number and mask of every replay window that is known."""
        contexts = [context for context in self.contexts() if context.replay.initialised]
        return [(context.recipient_id, *context.replay.export()) for context in contexts]

    def _derive(self, party: OscoreParty, kid_context: bytes | None, *sender: Any) -> SecurityContext:
        """A context for a party whose own is another, or who has none yet; good for this one request.

        It costs so much that the sender is charged for it first, apart from what strangers use up: so a flood of them
        keeps out no party that starts anew.
        """
        if kid_context is None or not sender:
            raise UnknownContext
        peer, now_ms = sender
        if not self._derivations.admit(peer, now_ms, 0):
            raise UnknownContext

        def taken(made: DerivedContext) -> None:
            if not self._renewals.admit(party.recipient_id, now_ms, 0):
                raise UnknownContext
            self._take_on(made)

        numbers = self._sequence(party.recipient_id, 0)
        context = self._rederivation.candidate(party, party.id_context or b"", kid_context, numbers, taken)
        context.owner = party.caller()
        return context

    def _take_on(self, context: DerivedContext) -> None:
        """The party has proven that it has the new context, and that it is there now."""
        kid = context.recipient_id
        with self._store.transaction():
            self._store.renew_oscore_party(kid, context.id_context or b"")
            party = self._store.oscore_party_by_kid(kid)
            if party is None:
                raise UnknownContext
            names = {"client_id": party.client_id, "rs_id": party.rs_id}
            self._store.audit(self._wall_s(), "oscore-context-renewed", **names)
        self._look_up(kid)  # which drops the one before
        self._keep(context, party)

    def _look_up(self, kid: bytes) -> OscoreParty | None:
        """Let the table hold nothing of this kid but what the registry has now; return the party."""
        party = self._store.oscore_party_by_kid(kid)
        if kid in self and (party is None or self._made_of[kid] != _inputs_of(party)):
            self.remove(super().find(kid))
            del self._made_of[kid]
        return party

    def _keep(self, context: SecurityContext, party: OscoreParty) -> None:
        self.add(context)
        self._made_of[party.recipient_id] = _inputs_of(party)

    def _open(self, party: OscoreParty) -> SecurityContext:
        kid, sequence = party.recipient_id, self._sequence(party.recipient_id, party.sequence_reserved)
        replay = ReplayWindow(initialised=party.window is not None)
        if party.window is not None:
            replay.resume(*party.window)
            self._store.take_window(kid)
        if party.rederives:
            return DerivedContext(party, party.id_context or b"", sequence, replay)
        return SecurityContext(
            party.master_secret,
            party.master_salt,
            party.sender_id,
            kid,
            party.id_context,
            party.alg,
            sequence=sequence,
            replay=replay,
        )

    def _sequence(self, kid: bytes, reserved: int) -> SenderSequence:
        return SenderSequence(
            reserved, reserved, lambda limit: self._store.reserve_sender_sequence(kid, limit), chunk=RESERVE
        )


def _inputs_of(party: OscoreParty) -> tuple[object, ...]:
    """All that makes its keys."""
    given = (party.master_secret, party.master_salt, party.sender_id, party.alg)
    return *given, party.rederives, party.id_context
