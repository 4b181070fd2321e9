"""A hub that is hostile: it carries what the two ends say to each other, and bends it. It has no key. Sans-IO.

The simulator's own; what it tries is what whoever owns a hub can try: reorder, replay, mix, truncate, forge, keep.
"""

from collections.abc import Callable

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode

Bend = Callable[[bytes], list[bytes]]


def as_it_is(octets: bytes) -> list[bytes]:
    """What an honest carrier does."""
    return [octets]


class Hostile:
    """The Way of virtual_shell.py. request, answer: what becomes of a datagram to the tube, and of one from it."""

    def __init__(self) -> None:
        self.request: Bend = as_it_is
        self.answer: Bend = as_it_is
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        self._to_tube: list[bytes] = []
        self._to_client: list[bytes] = []

    def from_client(self, octets: bytes, _now_ms: int) -> None:
        """Take a datagram of the client."""
        self.asked.append(octets)
        self._to_tube += self.request(octets)

    def from_tube(self, octets: bytes, _now_ms: int) -> None:
        """Take a datagram of the tube."""
        self.answered.append(octets)
        self._to_client += self.answer(octets)

    def say_to_tube(self, octets: bytes) -> None:
        """Send something of its own, or something that it has kept."""
        self._to_tube.append(octets)

    def for_tube(self) -> list[bytes]:
        """Take what is to be sent to the tube."""
        taken, self._to_tube = self._to_tube, []
        return taken

    def for_client(self) -> list[bytes]:
        """Take what is to be sent to the client."""
        taken, self._to_client = self._to_client, []
        return taken

    def tick(self, _now_ms: int) -> None:
        """Nothing is due."""

    def next_deadline_ms(self) -> int | None:
        """Nothing is due."""
        return None


def renumbered(octets: bytes, mask: int = 0x1111) -> bytes:
    """The same message under another message ID."""
    return octets[:2] + (int.from_bytes(octets[2:4], "big") ^ mask).to_bytes(2, "big") + octets[4:]


def readdressed(octets: bytes, asked: bytes) -> bytes:
    """An answer, told as the answer to another request."""
    answer, question = decode(octets), decode(asked)
    answer.mtype, answer.mid, answer.token = L.TYPE_ACK, question.mid, question.token
    return encode(answer)


def forged(asked: bytes, code: int, payload: bytes = b"", content_format: int | None = None) -> bytes:
    """An answer that nobody but the hub has given."""
    question = decode(asked)
    answer = Message(code, payload, [], L.TYPE_ACK, question.mid, question.token)
    if content_format is not None:
        answer.add(L.OPT_CONTENT_FORMAT, content_format)
    return encode(answer)
