"""A value that does not show itself: key material wrapped so that no repr, log line or exception prints it.

Never derives, stores or wipes anything; Python cannot promise to erase an immutable bytes object.
"""

from holdfast_core.errors import LocalError


class Secret:
    """Bytes that print as `<redacted 16B>`; equality is in constant time; never hashable on CPython.

    value: the secret bytes; a bytearray or memoryview is copied. LocalError on anything else.
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
        from holdfast_core.crypto import equal  # here, because crypto stands on this file

        return isinstance(other, Secret) and equal(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would be one more place that shows the value

    def __repr__(self) -> str:
        return f"<redacted {len(self._value)}B>"
