"""CoAP messages and their datagram form: options, tokens, codes (RFC 7252 section 3 and 5.4).

Never judges what a request means, never remembers anything, never allocates by a length that a datagram only
claims.  An option of a wrong length or one too many is not malformed: RFC 7252 sections 5.4.3 and 5.4.5 say to
treat it as unrecognized, which screen_options does.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.cbor import is_utf8
from holdfast_core.errors import LocalError
from holdfast_core.kinds import MAX_COAP_TOKEN_LEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    Options = list[tuple[int, bytes]]

_PAYLOAD_MARKER = 0xFF
_LAST_LOCATION, _LATER_LOCATIONS = 0x8C, 12  # 128, 132, 136 and 140 are kept for more Location-* options

# Where an option may stand: in a request, in a response; and whether it may repeat there.
_ASKS, _TELLS = 1, 2
_ASKS_OFTEN, _TELLS_OFTEN = _ASKS << 2, _TELLS << 2
_BOTH = _ASKS | _TELLS
# If-Match and If-None-Match are missing on purpose: they are critical, and no resource of ours is conditional.
# Shortest and longest value, and where (RFC 7252 5.10; 7641 2; 7959 2.1; 7967 2; 8613 2; 8768 3; 9175 2.2, 3.2).
_OPTION_RULES: dict[int, tuple[int, int, int]] = {
    L.OPT_URI_HOST: (1, 255, _ASKS),
    L.OPT_ETAG: (1, 8, _BOTH | _ASKS_OFTEN),
    L.OPT_OBSERVE: (0, 3, _BOTH),
    L.OPT_URI_PORT: (0, 2, _ASKS),
    L.OPT_LOCATION_PATH: (0, 255, _TELLS | _TELLS_OFTEN),
    L.OPT_OSCORE: (0, 255, _BOTH),
    L.OPT_URI_PATH: (0, 255, _ASKS | _ASKS_OFTEN),
    L.OPT_CONTENT_FORMAT: (0, 2, _BOTH),
    L.OPT_MAX_AGE: (0, 4, _TELLS),
    L.OPT_URI_QUERY: (0, 255, _ASKS | _ASKS_OFTEN),
    L.OPT_HOP_LIMIT: (1, 1, _ASKS),
    L.OPT_ACCEPT: (0, 2, _ASKS),
    L.OPT_LOCATION_QUERY: (0, 255, _TELLS | _TELLS_OFTEN),
    L.OPT_BLOCK2: (0, 3, _BOTH),
    L.OPT_BLOCK1: (0, 3, _BOTH),
    L.OPT_SIZE2: (0, 4, _BOTH),
    L.OPT_PROXY_URI: (1, 1034, _ASKS),
    L.OPT_PROXY_SCHEME: (1, 255, _ASKS),
    L.OPT_SIZE1: (0, 4, _BOTH),
    L.OPT_ECHO: (1, 40, _BOTH),
    L.OPT_NO_RESPONSE: (0, 1, _ASKS),
    L.OPT_REQUEST_TAG: (0, 8, _ASKS | _ASKS_OFTEN),
}


def _shortest_uint(number: int) -> bytes:
    """Encode a uint option value without leading zeros; zero is the empty string (RFC 7252 section 3.2)."""
    if number < 0 or number > 0xFFFFFFFF:
        raise LocalError("option-uint")
    length = 0
    while number >> (8 * length):
        length += 1
    return number.to_bytes(length, "big") if length else b""


class Message:
    """One CoAP message; without mtype, mid and token it is what an application asks or answers.

    options: (number, value) pairs in ascending order of number, repeats in order of appearance.
    mtype and mid are None until the message layer sets them.
    """

    __slots__ = ("_path", "code", "mid", "mtype", "options", "payload", "token")

    def __init__(
        self,
        code: int,
        payload: bytes = b"",
        options: "Options | None" = None,
        mtype: int | None = None,
        mid: int | None = None,
        token: bytes = b"",
    ) -> None:
        self.code = code
        self.payload = payload
        self.options: Options = [] if options is None else options
        self.mtype = mtype
        self.mid = mid
        self.token = token
        self._path: str | None = None

    def add(self, number: int, value: bytes | str | int = b"") -> "Message":
        """Insert one option behind those of the same number; an int is encoded as uint. Returns self."""
        if isinstance(value, int):
            value = _shortest_uint(value)
        elif isinstance(value, str):
            value = value.encode()
        options = self.options
        at = len(options)
        while at and options[at - 1][0] > number:
            at -= 1
        self._path = None
        options.insert(at, (number, value))
        return self

    def get(self, number: int) -> bytes | None:
        """Value of the first option of that number, or None."""
        for found, value in self.options:
            if found == number:
                return value
        return None

    def get_all(self, number: int) -> list[bytes]:
        """Values of all options of that number, in order."""
        return [value for found, value in self.options if found == number]

    def uint(self, number: int) -> int | None:
        """Value of the first option of that number as an unsigned integer, or None."""
        value = self.get(number)
        return None if value is None else int.from_bytes(value, "big")

    def remove(self, number: int) -> "Message":
        """Take out every option of that number. Returns self."""
        self._path = None
        self.options = [option for option in self.options if option[0] != number]
        return self

    def set(self, number: int, value: bytes | str | int = b"") -> "Message":
        """Make value the only option of that number. Returns self."""
        return self.remove(number).add(number, value)

    def path(self) -> str:
        """Uri-Path as "/a/b", "/" when there is none; "/" and "%" within a segment come percent-encoded.

        Raises MalformedCoap: a segment is not UTF-8.
        """
        path = self._path
        if path is None:
            segments = [text_of(value) for number, value in self.options if number == L.OPT_URI_PATH]
            path = "/" + "/".join([segment.replace("%", "%25").replace("/", "%2F") for segment in segments])
            self._path = path
        return path

    def queries(self) -> list[str]:
        """Uri-Query arguments in order. Raises MalformedCoap: one is not UTF-8."""
        return [text_of(value) for number, value in self.options if number == L.OPT_URI_QUERY]

    @property
    def content_format(self) -> int | None:
        """Content-Format, or None."""
        return self.uint(L.OPT_CONTENT_FORMAT)

    def copy(self) -> "Message":
        """Copy that shares no mutable part."""
        return Message(self.code, self.payload, list(self.options), self.mtype, self.mid, self.token)

    def __repr__(self) -> str:
        """Code, option numbers and sizes; neither payload nor option values, which may be secret."""
        numbers = [number for number, _ in self.options]
        return f"<Message {code_text(self.code)} options={numbers} payload={len(self.payload)}B>"


def request(
    code: int,
    path: str,
    payload: bytes = b"",
    content_format: int | None = None,
    accept: int | None = None,
) -> Message:
    """Build a request for a path such as "/authz-info"; "/" is no Uri-Path option (RFC 7252 6.4)."""
    options: Options = []
    if path.strip("/"):
        options = [(L.OPT_URI_PATH, segment.encode()) for segment in path.strip("/").split("/")]
    message = Message(code, payload, options)
    if content_format is not None:
        message.add(L.OPT_CONTENT_FORMAT, content_format)
    if accept is not None:
        message.add(L.OPT_ACCEPT, accept)
    return message


def response(code: int, payload: bytes = b"", content_format: int | None = None) -> Message:
    """Build a response."""
    message = Message(code, payload)
    if content_format is not None:
        message.add(L.OPT_CONTENT_FORMAT, content_format)
    return message


def code_text(code: int) -> str:
    """Code byte as RFC 7252 writes it: 0x45 is "2.05"."""
    return f"{code >> 5}.{code & 31:02d}"


def is_request(code: int) -> bool:
    """Tell whether a code byte is a method, 0.01 to 0.31."""
    return 0 < code < 32


def is_response(code: int) -> bool:
    """Tell whether a code byte is of class 2, 4 or 5."""
    return code >> 5 in (2, 4, 5)


def text_of(value: bytes) -> str:
    """Decode an option's UTF-8 strictly; MicroPython's own decoder lets overlong forms through.

    Raises MalformedCoap("utf8").
    """
    if not is_utf8(value):
        raise errors.MalformedCoap("utf8")
    return value.decode()


def _extended(encoded: bytes, at: int, nibble: int, end: int) -> tuple[int, int]:
    """Read the extended part of an option delta or length: (value, next position)."""
    if nibble == 13 and at < end:
        return encoded[at] + 13, at + 1
    if nibble == 14 and at + 1 < end:
        return (encoded[at] << 8 | encoded[at + 1]) + 269, at + 2
    raise errors.MalformedCoap("option-reserved" if nibble == 15 else "truncated")


def decode_options(encoded: bytes, at: int = 0) -> "tuple[Options, bytes]":
    """Decode options and payload from position at to the end (RFC 7252 section 3.1).

    Returns (options in ascending order, payload).
    Raises MalformedCoap: reserved nibble, value beyond the end, number above 65535, marker without payload.
    """
    options: Options = []
    payload = b""
    end = len(encoded)
    number = 0
    while at < end:
        first = encoded[at]
        at += 1
        if first == _PAYLOAD_MARKER:
            if at == end:
                raise errors.MalformedCoap("empty-payload")
            payload = encoded[at:]
            break
        delta = first >> 4
        length = first & 15
        if delta > 12:
            delta, at = _extended(encoded, at, delta, end)
        if length > 12:
            length, at = _extended(encoded, at, length, end)
        number += delta
        stop = at + length
        if stop > end:
            raise errors.MalformedCoap("truncated")
        options.append((number, encoded[at:stop]))
        at = stop
    if number > 0xFFFF:
        raise errors.MalformedCoap("option-number")
    return options, payload


def _nibble(value: int) -> tuple[int, bytes]:
    """Split a delta or length into its nibble and its extended bytes."""
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, (value - 269).to_bytes(2, "big")


def encode_options(options: "Options", payload: bytes = b"") -> bytes:
    """Encode options (ascending) and, when there is one, the payload behind its marker."""
    encoded = bytearray()
    previous = 0
    for number, value in options:
        delta = number - previous
        length = len(value)
        previous = number
        if 0 <= delta < 13 and length < 13:
            encoded.append(delta << 4 | length)
        else:
            if delta < 0 or number > 0xFFFF or length > 0xFFFF:
                raise LocalError("options-order")
            delta, more_delta = _nibble(delta)
            length, more_length = _nibble(length)
            encoded.append(delta << 4 | length)
            encoded.extend(more_delta)
            encoded.extend(more_length)
        encoded.extend(value)
    if payload:
        encoded.append(_PAYLOAD_MARKER)
        encoded.extend(payload)
    return bytes(encoded)


def encode(message: Message) -> bytes:
    """Encode a message whose mtype and mid are set (RFC 7252 section 3).

    Raises LocalError: no mtype or mid, token longer than 8 bytes, options out of order.
    """
    token = message.token
    if message.mtype is None or message.mid is None or len(token) > MAX_COAP_TOKEN_LEN:
        raise LocalError("message-header")
    mid = message.mid
    header = bytes((0x40 | message.mtype << 4 | len(token), message.code, mid >> 8, mid & 0xFF))
    return header + token + encode_options(message.options, message.payload)


def decode(datagram: bytes) -> Message:
    """Decode one datagram (RFC 7252 section 3).

    Raises MalformedCoap, see reset_due for what to answer.  Details: short, version, token-length, code,
    not-empty, truncated, option-reserved, option-number, empty-payload.
    """
    if len(datagram) < 4:
        raise errors.MalformedCoap("short")
    first = datagram[0]
    code = datagram[1]
    token_len = first & 15
    if first >> 6 != 1:
        raise errors.MalformedCoap("version")
    if token_len > MAX_COAP_TOKEN_LEN:
        raise errors.MalformedCoap("token-length")
    start = 4 + token_len
    if start > len(datagram):
        raise errors.MalformedCoap("truncated")
    mtype = first >> 4 & 3
    mid = datagram[2] << 8 | datagram[3]
    if code == L.CODE_EMPTY:
        if len(datagram) > 4:
            raise errors.MalformedCoap("not-empty")
        return Message(code, b"", None, mtype, mid)
    if code >> 5 in (1, 6, 7):
        raise errors.MalformedCoap("code")
    options, payload = decode_options(datagram, start)
    return Message(code, payload, options, mtype, mid, datagram[4:start])


def reset_due(datagram: bytes) -> int | None:
    """Message ID to reset when a datagram is malformed; None: stay silent (RFC 7252 sections 3 and 4.2)."""
    if len(datagram) >= 4 and datagram[0] >> 4 == 0x4 | L.TYPE_CON:
        return datagram[2] << 8 | datagram[3]
    return None


def screen_options(message: Message) -> int | None:
    """Drop unrecognized elective options; return the first unrecognized critical one's number, or None.

    An option of impossible length, a repeat of an unrepeatable one, and one that is defined for requests in a response
    or the other way round, count as unrecognized (RFC 7252 5.4).  So does a future Location-* option beside Location-*
    ones, which must not be ignored then (5.10.7).
    """
    here = _ASKS if is_request(message.code) else _TELLS
    previous = -1
    sound = 0  # so many from the start, as long as all are
    kept: Options | None = None
    for number, value in message.options:
        rule = _OPTION_RULES.get(number)
        if (
            rule is None
            or not rule[2] & here
            or not rule[0] <= len(value) <= rule[1]
            or (number == previous and not rule[2] >> 2 & here)
        ):
            if number & 1 or (number | _LATER_LOCATIONS == _LAST_LOCATION and _has_location(message)):
                return number
            if kept is None:
                kept = message.options[:sound]
        elif kept is not None:
            kept.append((number, value))
        else:
            sound += 1
        previous = number
    if kept is not None:
        message.options = kept
    return None


def _has_location(message: Message) -> bool:
    return message.get(L.OPT_LOCATION_PATH) is not None or message.get(L.OPT_LOCATION_QUERY) is not None
