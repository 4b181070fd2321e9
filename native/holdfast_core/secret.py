"""A value that does not show itself: key material wrapped so that no repr, log line or exception prints it.

Never derives, stores or wipes anything; Python cannot promise to erase an immutable bytes object.
"""

from holdfast_core.errors import LocalError

try:
    from hmac import compare_digest
except ImportError:  # MicroPython

    def compare_digest(a: bytes, b: bytes) -> bool:
        """Compare in time that depends on the lengths only."""
        difference = len(a) ^ len(b)
        for left, right in zip(a, b):
            difference |= left ^ right
        return difference == 0


class Secret:
    """Bytes that print as `<redacted 16B>`; equality is in constant time; unhashable on CPython.

    value: the secret bytes; a bytearray or memoryview is copied.  LocalError on anything else.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise LocalError("secret-type")
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Return the bytes; the caller keeps them out of everything that is written anywhere."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._value, other._value)

    def __repr__(self) -> str:
        return "<redacted %dB>" % len(self._value)
