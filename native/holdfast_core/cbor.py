"""The one strict CBOR decoder, and the deterministic encoder (RFC 8949).

Decoding is stricter than RFC 8949: one item and nothing after it, definite lengths, shortest integers and
lengths, map keys that are integers or text and never twice, tags only from the caller's allow-list, UTF-8
checked, floats finite (of any width), the simple values false, true and null only, nesting and map size
capped. Encoding follows the core deterministic requirements (section 4.2.1): keys sorted bytewise by their
encoding, shortest lengths, shortest float. So decode(b) re-encodes to b exactly when keys were sorted and
floats shortest. Never allocates by a declared length, never reads past the input, and raises nothing on any
bytes but MalformedCbor. Does not read indefinite lengths, bignums or undefined. On a board whose floats
have 32 bits, a 64-bit one that is no such float is a Double, which is not encoded again.
"""

import struct
import sys

from holdfast_core import errors
from holdfast_core.errors import LocalError
from holdfast_core.kinds import MAX_CBOR_DEPTH, MAX_CBOR_MAP_ITEMS

_F32_MAX = 3.4028234663852886e38

# MicroPython's decode() takes overlong forms and surrogates, and its encode() writes them.
_UTF8_IS_UNCHECKED = sys.implementation.name == "micropython"


# Whether floats have 32 bits, as on most boards.
_FLOATS_ARE_SHORT = float((1 << 24) + 1) == float(1 << 24)


class Double:
    """A float that needs 64 bits, where floats have 32.  ceil: the least integer that is not below it."""

    __slots__ = ("ceil",)

    def __init__(self, content: bytes) -> None:
        bits = int.from_bytes(content, "big")
        exponent = (bits >> 52 & 2047) - 1075
        if exponent == 972:
            raise errors.MalformedCbor("float")
        number = bits & (1 << 52) - 1
        if exponent > -1075:  # else nothing is implied; its exponent is one more, which no number within -1..1 shows
            number |= 1 << 52
        if bits >> 63:
            number = -number
        self.ceil = number << exponent if exponent >= 0 else -(-number >> -exponent)


class Tag:
    """A tagged item: number (0..2^64-1) and value, any encodable item. Prints without its value."""

    __slots__ = ("number", "value")

    def __init__(self, number: int, value: object) -> None:
        self.number = number
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and self.number == other.number and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # the value may be a list

    def __repr__(self) -> str:
        return f"Tag({self.number})"


# --- decoding ---


def decode(encoded: bytes, tags: tuple[int, ...] = (), max_depth: int = MAX_CBOR_DEPTH) -> object:
    """Decode exactly one item that fills `encoded`.

    encoded: bytes-like, any length. tags: tag numbers allowed at any place. max_depth: how many arrays,
    maps and tags may be open at once; 0 allows a scalar only.
    Returns bool, None, int (-2^64..2^64-1), float or Double, bytes, str, list, dict or Tag.
    Raises MalformedCbor with detail: truncated trailing indefinite reserved not-shortest duplicate-key
    key-type depth tag utf8 simple float too-long; LocalError when `encoded` is not bytes-like.
    """
    if not isinstance(encoded, bytes):
        encoded = _octets(encoded)
    value, end = _item(encoded, 0, tags, max_depth)
    if end != len(encoded):
        raise errors.MalformedCbor("trailing")
    return value


def _octets(encoded: object) -> bytes:
    if not isinstance(encoded, (bytearray, memoryview)):
        raise LocalError("type")
    return bytes(encoded)


def _item(encoded: bytes, at: int, tags: tuple[int, ...], depth: int) -> tuple[object, int]:
    """Decode the item at index `at`; returns it and the index after it. One frame a level, for stacks."""
    if at >= len(encoded):
        raise errors.MalformedCbor("truncated")
    initial = encoded[at]
    at += 1
    if initial < 24:  # most labels and values
        return initial, at
    major = initial >> 5
    n = initial & 31
    if major == 7:
        return _simple(encoded, n, at)
    if n > 23:
        n, at = _argument(encoded, at, n)
    if major < 2:
        return (-1 - n if major else n), at
    left = len(encoded) - at
    if major < 4:
        if n > left:
            raise errors.MalformedCbor("truncated")
        content = encoded[at : at + n]
        return (content if major == 2 else _text(content)), at + n
    if depth <= 0:
        raise errors.MalformedCbor("depth")
    if major == 4:
        if n > left:  # each element takes a byte or more
            raise errors.MalformedCbor("truncated")
        items = []
        for _ in range(n):
            value, at = _item(encoded, at, tags, depth - 1)
            items.append(value)
        return items, at
    if major == 6:
        if n not in tags:
            raise errors.MalformedCbor("tag")
        value, at = _item(encoded, at, tags, depth - 1)
        return Tag(n, value), at
    if n > left // 2:
        raise errors.MalformedCbor("truncated")
    if n > MAX_CBOR_MAP_ITEMS:
        raise errors.MalformedCbor("too-long")
    members: dict[object, object] = {}
    for _ in range(n):
        key, at = _key(encoded, at)
        if key in members:
            raise errors.MalformedCbor("duplicate-key")
        members[key], at = _item(encoded, at, tags, depth - 1)
    return members, at


def _argument(encoded: bytes, at: int, info: int) -> tuple[int, int]:
    """Decode the argument after an initial byte whose additional information is info (24..31)."""
    if info > 27:
        raise errors.MalformedCbor("indefinite" if info == 31 else "reserved")
    width = 1 << (info - 24)
    argument = int.from_bytes(_take(encoded, at, width), "big")
    # The shortest form holds nothing that half the width holds; one byte holds nothing below 24.
    if argument < 24 or (width > 1 and argument >> (width * 4) == 0):
        raise errors.MalformedCbor("not-shortest")
    return argument, at + width


def _take(encoded: bytes, at: int, width: int) -> bytes:
    if at + width > len(encoded):
        raise errors.MalformedCbor("truncated")
    return encoded[at : at + width]


def _key(encoded: bytes, at: int) -> tuple[object, int]:
    """Decode a map key, integer or text by its major type: true, 1.0 and h'' never pass for a label."""
    if at < len(encoded) and encoded[at] >> 5 not in (0, 1, 3):
        raise errors.MalformedCbor("key-type")
    return _item(encoded, at, (), 0)


def _simple(encoded: bytes, info: int, at: int) -> tuple[object, int]:
    """Decode major type 7: false, true, null, or a finite float of 16, 32 or 64 bits."""
    if info in (20, 21):
        return info == 21, at
    if info == 22:
        return None, at
    if info < 25:  # undefined, unassigned, and the two-byte form
        raise errors.MalformedCbor("truncated" if info == 24 and at == len(encoded) else "simple")
    if info > 27:
        raise errors.MalformedCbor("indefinite" if info == 31 else "reserved")
    width = 1 << (info - 24)
    return _float(_take(encoded, at, width)), at + width


def _float(content: bytes) -> "float | Double":
    """Decode 2, 4 or 8 bytes of IEEE 754; MalformedCbor("float") on an infinity or a NaN."""
    if len(content) == 2:
        bits = content[0] << 8 | content[1]
        exponent = bits >> 10 & 31
        fraction = bits & 1023
        if exponent == 31:
            raise errors.MalformedCbor("float")
        size = (fraction + 1024) * 2.0 ** (exponent - 25) if exponent else fraction * 2.0**-24
        return -size if bits >> 15 else size
    value: float = struct.unpack(">f" if len(content) == 4 else ">d", content)[0]
    if _FLOATS_ARE_SHORT and len(content) == 8 and struct.pack(">d", value) != content:
        return Double(content)
    if value - value != 0:  # infinities and NaN only
        raise errors.MalformedCbor("float")
    return value


def _text(content: bytes) -> str:
    if _UTF8_IS_UNCHECKED and not is_utf8(content):
        raise errors.MalformedCbor("utf8")
    try:
        return content.decode()
    except UnicodeError:
        raise errors.MalformedCbor("utf8") from None


def is_utf8(content: bytes) -> bool:
    """Whether content is UTF-8 (RFC 3629 section 4): no overlong form, no surrogate, within U+10FFFF."""
    at = 0
    while at < len(content):
        first = content[at]
        at += 1
        if first < 0x80:
            continue
        if not 0xC2 <= first <= 0xF4:
            return False
        extra = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
        if at + extra > len(content):
            return False
        # Only the second byte's range depends on the first.
        low = {0xE0: 0xA0, 0xF0: 0x90}.get(first, 0x80)
        high = {0xED: 0x9F, 0xF4: 0x8F}.get(first, 0xBF)
        if not low <= content[at] <= high:
            return False
        for follower in content[at + 1 : at + extra]:
            if follower >> 6 != 2:
                return False
        at += extra
    return True


# --- encoding ---


def encode(value: object) -> bytes:
    """Encode one item deterministically (RFC 8949 section 4.2.1).

    value: bool, None, int (-2^64..2^64-1), finite float, bytes-like, str, list or tuple, dict with int or
    str keys, Tag; nested at most MAX_CBOR_DEPTH, maps of at most MAX_CBOR_MAP_ITEMS.
    Raises LocalError with detail type, int-range, float, key-type, depth, utf8 or too-long.
    """
    out = bytearray()
    _put(out, value, MAX_CBOR_DEPTH)
    return bytes(out)


def encode_head(major: int, n: int) -> bytes:
    """Encode the head of major type 0..7 with argument n (0..2^64-1), shortest form."""
    if not 0 <= n < 1 << 64:
        raise LocalError("int-range")
    if n < 24:
        return bytes((major << 5 | n,))
    if n < 256:
        return bytes((major << 5 | 24, n))
    width = 2 if n < 1 << 16 else 4 if n < 1 << 32 else 8
    info = 25 if width == 2 else 26 if width == 4 else 27
    return bytes((major << 5 | info,)) + n.to_bytes(width, "big")


def encode_bytes(content: bytes) -> bytes:
    """Encode a byte string: its head, then content."""
    return encode_head(2, len(content)) + content


def _put(out: bytearray, value: object, depth: int) -> None:
    """Append the encoding of value; depth is how many containers may still be opened."""
    if value is None or isinstance(value, bool):
        out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
    elif isinstance(value, int):
        out += encode_head(0, value) if value >= 0 else encode_head(1, -1 - value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        out += encode_head(2, len(value))
        out += value
    elif isinstance(value, str):
        content = _utf8(value)
        out += encode_head(3, len(content))
        out += content
    elif isinstance(value, float):
        out += _encode_float(value)
    elif depth <= 0 and isinstance(value, (list, tuple, dict, Tag)):
        raise LocalError("depth")
    elif isinstance(value, (list, tuple)):
        out += encode_head(4, len(value))
        for element in value:
            _put(out, element, depth - 1)
    elif isinstance(value, dict):
        _put_map(out, value, depth - 1)
    elif isinstance(value, Tag):
        out += encode_head(6, value.number)
        _put(out, value.value, depth - 1)
    else:
        raise LocalError("type")


def _put_map(out: bytearray, members: dict[object, object], depth: int) -> None:
    if len(members) > MAX_CBOR_MAP_ITEMS:
        raise LocalError("too-long")
    pairs = [(_encode_key(key), value) for key, value in members.items()]
    pairs.sort()  # the keys differ, so no value is ever compared
    out += encode_head(5, len(pairs))
    for encoded_key, value in pairs:
        out += encoded_key
        _put(out, value, depth)


def _encode_key(key: object) -> bytes:
    if isinstance(key, bool) or not isinstance(key, (int, str)):
        raise LocalError("key-type")
    if isinstance(key, int):
        return encode_head(0, key) if key >= 0 else encode_head(1, -1 - key)
    content = _utf8(key)
    return encode_head(3, len(content)) + content


def _utf8(text: str) -> bytes:
    """Encode text; LocalError on a lone surrogate, which MicroPython would write."""
    try:
        content = text.encode()
    except UnicodeError:
        raise LocalError("utf8") from None
    if _UTF8_IS_UNCHECKED and not is_utf8(content):
        raise LocalError("utf8")
    return content


def _encode_float(value: float) -> bytes:
    """Encode as the shortest of 16, 32 and 64 bits that keeps the value."""
    if value - value != 0:
        raise LocalError("float")
    if abs(value) <= _F32_MAX:
        short = struct.pack(">f", value)
        if struct.unpack(">f", short)[0] == value:
            half = _half(int.from_bytes(short, "big"))
            return b"\xf9" + half.to_bytes(2, "big") if half is not None else b"\xfa" + short
    return b"\xfb" + struct.pack(">d", value)


def _half(bits: int) -> int | None:
    """Convert the bits of a finite 32-bit float to those of an equal 16-bit one; None when there is none."""
    sign = bits >> 16 & 0x8000
    exponent = (bits >> 23 & 255) - 127 + 15
    fraction = bits & 0x7FFFFF
    if bits & 0x7FFFFFFF == 0:
        return sign
    if 0 < exponent < 31:
        return None if fraction & 0x1FFF else sign | exponent << 10 | fraction >> 13
    if not -10 < exponent <= 0:
        return None
    # A 16-bit subnormal counts units of 2^-24; the leading one becomes explicit.
    significand = fraction | 0x800000
    shift = 14 - exponent
    return None if significand & ((1 << shift) - 1) else sign | significand >> shift
