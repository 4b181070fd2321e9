"""Sender sequence numbers that never repeat, whatever the power does (RFC 8613 sections 7.2, 7.5 and B.1.1).

Numbers are reserved in chunks by a port that has made the reservation durable when it returns, before the first of
them is used.  A restart goes on at the reservation, so at most a chunk is lost.  Never stores anything itself.
"""

from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SEQUENCE = (1 << 40) - 1  # RFC 8613 section 7.2.1
CHUNK = 64  # a write to flash every 64 messages: 1000 messages a day wear a 100 000 cycle sector for 17 years


class SequenceExhausted(LocalError):
    """No number is left: this context protects nothing more, and its owner makes a new one (RFC 9203 section 6)."""

    reason = "sequence-exhausted"


class SenderSequence:
    """The numbers next_value..limit, each given out once.

    next_value: the first number that was never used; after a restart, the last durable reservation.
    reserved_until: numbers below it are durably reserved already; usually equal to next_value.
    reserve: port; reserve(n) returns when "numbers below n may be used" is durable, or raises.  None: the context
    dies with the process, as those of RFC 9203 do, and nothing is reserved.
    limit: the last number that may be used.
    """

    __slots__ = ("_chunk", "_limit", "_reserve", "next_value", "reserved_until")

    def __init__(
        self,
        next_value: int = 0,
        reserved_until: int = 0,
        reserve: "Callable[[int], None] | None" = None,
        chunk: int = CHUNK,
        limit: int = MAX_SEQUENCE,
    ) -> None:
        if next_value < 0 or chunk < 1 or limit > MAX_SEQUENCE:
            raise LocalError("sequence-range")
        self.next_value = next_value
        self.reserved_until = reserved_until if reserve is not None else limit + 1
        self._reserve = reserve
        self._chunk = chunk
        self._limit = limit

    def take(self) -> int:
        """Return the next number.  Raises SequenceExhausted, and whatever the port raises; then none was used."""
        number = self.next_value
        if number > self._limit:
            raise SequenceExhausted
        if number >= self.reserved_until and self._reserve is not None:
            until = min(number + self._chunk, self._limit + 1)
            self._reserve(until)
            self.reserved_until = until
        self.next_value = number + 1
        return number
