"""The OSCORE contexts between the authorization server and its registered parties, by kid.

A context is made from its registry row when its party first speaks, and the row is
looked up again for each request: a party that another process registers is known
without a restart, and one that was removed, or registered again, is not taken for
the old one. A context that was never used has an empty replay window, and a clean
stop keeps the windows; each is believed once. Where none is kept, as after a crash,
the first request proves itself fresh by Echo (RFC 8613 appendix B.1.2). Sender
sequence numbers are reserved in the store before use and go on at the reservation.
Never evicts and never writes keys.
"""

from typing import Protocol

from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import SenderSequence
from holdfast_server.registry import OscoreParty

RESERVE = 1024
"""Numbers reserved at a time: one row written for 1024 Partial IVs, of which few are used (Echo, second answers)."""

MAX_PARTIES = 100_000
"""About 2 KB each; a server with more of them is several servers."""


class PartyStore(Protocol):
    """The part of the store that contexts need."""

    def oscore_party_by_kid(self, recipient_id: bytes) -> OscoreParty | None:
        """The party whose Sender ID this is."""

    def reserve_sender_sequence(self, recipient_id: bytes, limit: int) -> None:
        """Make "numbers below limit may be used" durable with the transaction around it."""

    def take_window(self, recipient_id: bytes) -> None:
        """Make "the window of this row is in use" durable with the transaction around it."""


class PartyContexts(ContextTable):
    """The table that CoapStack asks, filled from the store as parties speak."""

    def __init__(self, store: PartyStore) -> None:
        super().__init__(MAX_PARTIES)
        self._store = store
        self._secrets: dict[bytes, Secret] = {}

    def find(self, kid: bytes | None, kid_context: bytes | None = None) -> SecurityContext:
        """The context of this kid; its owner is the party's Caller. Raises UnknownContext, MalformedOscore."""
        if kid is not None:
            self._look_up(kid)
        return super().find(kid, kid_context)

    def windows(self) -> list[tuple[bytes, int, int]]:
        """Recipient ID, highest number and mask of every replay window that is known."""
        contexts = [context for context in self.contexts() if context.replay.initialised]
        return [(context.recipient_id, *context.replay.export()) for context in contexts]

    def _look_up(self, kid: bytes) -> None:
        """Let the table hold of this kid what the registry has now."""
        party = self._store.oscore_party_by_kid(kid)
        if kid in self and (party is None or self._secrets[kid] != party.master_secret):
            self.remove(super().find(kid))
            del self._secrets[kid]
        if party is None:
            return
        if kid not in self:
            self.add(self._open(party))
            self._secrets[kid] = party.master_secret
        super().find(kid).owner = party.caller()

    def _open(self, party: OscoreParty) -> SecurityContext:
        kid = party.recipient_id
        replay = ReplayWindow(initialised=party.window is not None)
        if party.window is not None:
            replay.resume(*party.window)
            self._store.take_window(kid)
        return SecurityContext(
            party.master_secret,
            party.master_salt,
            party.sender_id,
            kid,
            sequence=SenderSequence(
                party.sequence_reserved,
                party.sequence_reserved,
                lambda limit: self._store.reserve_sender_sequence(kid, limit),
                chunk=RESERVE,
            ),
            replay=replay,
        )
