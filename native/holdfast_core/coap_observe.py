"""Observing resources: who watches us, and which of two notifications is the newer one (RFC 7641).

Never sends anything and never holds more observations than Limits allows.
"""

from holdfast_core.coap_limits import Limits, owner_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from holdfast_core.coap_events import Incoming
    from holdfast_core.coap_message import Message
    from holdfast_core.coap_reliability import Outgoing

_SEQUENCE_SPACE = 1 << 24  # RFC 7641 section 3.4
_SEQUENCE_HALF = 1 << 23
_FRESH_MS = 128_000  # a notification so much later is newer whatever its number


class Observation:
    """One entry of the list of observers: incoming registered it, number is the last Observe value sent.

    count: notifications sent.  confirmed_ms: when the last confirmable one was.
    outgoing: the last notification while it can still be acknowledged or reset.  latest: what to send when it has been
    acknowledged; a newer state replaces an older one (RFC 7641 section 4.5).
    """

    __slots__ = ("confirmed_ms", "count", "incoming", "latest", "number", "outgoing")

    def __init__(self, incoming: "Incoming", number: int) -> None:
        self.incoming = incoming
        self.number = number
        self.count = 0
        self.confirmed_ms = 0
        self.outgoing: Outgoing | None = None
        self.latest: Message | None = None

    def next_number(self) -> int:
        """Observe value of the next notification."""
        self.number = (self.number + 1) % _SEQUENCE_SPACE
        return self.number


class Observers:
    """The list of observers, by peer and token (RFC 7641 section 4.1)."""

    __slots__ = ("_limits", "_observations", "_per_owner")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._observations: dict[tuple[Hashable, bytes], Observation] = {}
        self._per_owner: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._observations)

    def find(self, peer: "Hashable", token: bytes) -> Observation | None:
        """Observation of that peer and token, or None."""
        return self._observations.get((peer, token))

    def add(self, incoming: "Incoming") -> Observation | None:
        """Enter an observation in place of an earlier one of the same token.

        Returns None when there is no room, or when the token is in use under another security context.  The Observe
        numbers of the earlier one go on, as the client may take both for one (RFC 7641 section 3.1).
        """
        peer, owner = incoming.peer, owner_of(incoming.peer, incoming.context)
        earlier = self.find(peer, incoming.message.token)
        if earlier is not None:
            if earlier.incoming.context is not incoming.context:
                return None
            self.remove(earlier)
        elif (
            len(self._observations) >= self._limits.max_observers
            or self._per_owner.get(owner, 0) >= self._limits.max_observers_per_peer
        ):
            return None
        observation = Observation(incoming, 0 if earlier is None else earlier.next_number())
        self._observations[(peer, incoming.message.token)] = observation
        self._per_owner[owner] = self._per_owner.get(owner, 0) + 1
        return observation

    def remove(self, observation: Observation) -> bool:
        """Take an observation out; False when it was not in any more."""
        peer = observation.incoming.peer
        key = (peer, observation.incoming.message.token)
        if self._observations.get(key) is not observation:
            return False
        del self._observations[key]
        owner = owner_of(peer, observation.incoming.context)
        self._per_owner[owner] -= 1
        if not self._per_owner[owner]:
            del self._per_owner[owner]
        return True

    def watches(self, observation: Observation) -> bool:
        """Tell whether an observation is still in the list."""
        incoming = observation.incoming
        return self._observations.get((incoming.peer, incoming.message.token)) is observation


def is_newer(number: int, now_ms: int, last_number: int, last_ms: int) -> bool:
    """Tell whether a notification is newer than the last one taken (RFC 7641 section 3.4); for plain CoAP only."""
    return (
        (last_number < number and number - last_number < _SEQUENCE_HALF)
        or (last_number > number and last_number - number > _SEQUENCE_HALF)
        or now_ms > last_ms + _FRESH_MS
    )
