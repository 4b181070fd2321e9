"""Read any valid CBOR item (RFC 8949), for the maps of parameters that peers send.

A request may be in whatever encoding its sender has: indefinite lengths, long integers, floats, tags. Tokens and claims
are another matter: holdfast_core.cbor reads those, strictly. Bounded in depth and in items; never guesses between two
values of one key. Sans-IO.
"""

import struct
from dataclasses import dataclass
from typing import Any

from holdfast_core.errors import MalformedCbor

MAX_DEPTH = 8
MAX_ITEMS = 256
"""A token request has some twenty; the longest one that anybody needs has an AIF scope in a byte string."""

_INDEFINITE = 31
_BREAK = 0xFF
_FIRST_SIMPLE = 20
_SIMPLE = (False, True, None)
_FIRST_FLOAT = 25
_FLOATS = (">e", ">f", ">d")


@dataclass(frozen=True, slots=True)
class Other:
    """A value that no parameter has: a tagged one, a simple one, a map key that is neither integer nor string."""

    kind: str
    value: Any = None


def decode_any(encoded: bytes) -> Any:
    """Return the one item: int, bytes, str, list, dict, bool, None, float or Other.

    Raises MalformedCbor with detail: truncated, trailing, depth, items, duplicate, utf8, head, break.
    """
    reader = _Reader(encoded)
    value = reader.item(0)
    if reader.at != len(encoded):
        raise MalformedCbor("trailing")
    return value


class _Reader:
    def __init__(self, encoded: bytes) -> None:
        self.at = 0
        self._encoded = encoded
        self._items = 0

    def item(self, depth: int) -> Any:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise MalformedCbor("items")
        if depth > MAX_DEPTH:
            raise MalformedCbor("depth")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major in (2, 3):
            return self._string(major, info)
        if major in (4, 5):
            return self._array(info, depth) if major == 4 else self._map(info, depth)
        if major == 7:
            return self._simple(info)
        number = self._argument(info)
        if major == 6:
            return Other("tag", (number, _identity(self.item(depth + 1))))
        return number if major == 0 else -1 - number

    def _take(self, length: int) -> bytes:
        octets = self._encoded[self.at : self.at + length]
        if len(octets) != length:
            raise MalformedCbor("truncated")
        self.at += length
        return octets

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise MalformedCbor("head")
        return int.from_bytes(self._take(1 << (info - 24)), "big")

    def _string(self, major: int, info: int) -> bytes | str:
        chunks = []
        if info != _INDEFINITE:
            chunks.append(self._take(self._argument(info)))
        while info == _INDEFINITE and not self._ends():
            first = self._take(1)[0]
            if first >> 5 != major:
                raise MalformedCbor("head")
            chunks.append(self._take(self._argument(first & 31)))
        try:
            return b"".join(chunks) if major == 2 else "".join(str(chunk, "utf-8") for chunk in chunks)
        except UnicodeDecodeError:
            raise MalformedCbor("utf8") from None

    def _array(self, info: int, depth: int) -> list[Any]:
        items: list[Any] = []
        length = None if info == _INDEFINITE else self._argument(info)
        while len(items) != length if length is not None else not self._ends():
            items.append(self.item(depth + 1))
        return items

    def _map(self, info: int, depth: int) -> dict[Any, Any]:
        members: dict[Any, Any] = {}
        length = None if info == _INDEFINITE else self._argument(info)
        while len(members) != length if length is not None else not self._ends():
            key = self.item(depth + 1)
            if type(key) not in (int, str, bytes):  # Python takes 1, 1.0 and True for one key
                key = Other("key", _identity(key))
            if key in members:
                raise MalformedCbor("duplicate")
            members[key] = self.item(depth + 1)
        return members

    def _ends(self) -> bool:
        """Whether a break comes next, which is then taken."""
        if self._encoded[self.at : self.at + 1] != bytes((_BREAK,)):
            return False
        self.at += 1
        return True

    def _simple(self, info: int) -> Any:
        if 0 <= info - _FIRST_SIMPLE < len(_SIMPLE):
            return _SIMPLE[info - _FIRST_SIMPLE]
        if 0 <= info - _FIRST_FLOAT < len(_FLOATS):
            return struct.unpack(_FLOATS[info - _FIRST_FLOAT], self._take(1 << (info - 24)))[0]
        if info == _INDEFINITE:
            raise MalformedCbor("break")
        number = self._argument(info)
        if info == 24 and number < 32:
            raise MalformedCbor("head")
        return Other("simple", number)


def _identity(value: Any) -> Any:
    """A hashable value, equal for equal items only."""
    if isinstance(value, list):
        return "list", tuple(map(_identity, value))
    if isinstance(value, dict):
        return "map", frozenset((_identity(key), _identity(member)) for key, member in value.items())
    return type(value).__name__, struct.pack(">d", value) if isinstance(value, float) else value
