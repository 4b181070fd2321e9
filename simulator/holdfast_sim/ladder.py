"""From records to a ladder: one numbered line for each message, in the RFC's words.

What a datagram says is decoded here from the datagram; what OSCORE hides is told by the trace lines of the two ends,
which know code and path of the inner message and never its content. A datagram and its trace line are matched by
message ID, token, code and length. RFC 7252, 9200, 9203.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, code_text, decode, is_request
from holdfast_core.errors import Malformed
from holdfast_core.names import ACE_NAMES
from holdfast_core.trace import TYPE_NAMES
from holdfast_sim.records import Chapter, Datagram, HttpMessage, Note, Record

METHOD_WORDS = {
    L.CODE_GET: "GET",
    L.CODE_POST: "POST",
    L.CODE_PUT: "PUT",
    L.CODE_DELETE: "DELETE",
    L.CODE_FETCH: "FETCH",
}
CODE_WORDS = {
    L.CODE_CREATED: "Created",
    L.CODE_CHANGED: "Changed",
    L.CODE_CONTENT: "Content",
    L.CODE_CONTINUE: "Continue",
    L.CODE_BAD_REQUEST: "Bad Request",
    L.CODE_UNAUTHORIZED: "Unauthorized",
    L.CODE_FORBIDDEN: "Forbidden",
    L.CODE_NOT_FOUND: "Not Found",
    L.CODE_METHOD_NOT_ALLOWED: "Method Not Allowed",
    L.CODE_TOO_MANY_REQUESTS: "Too Many Requests",
    L.CODE_INTERNAL_SERVER_ERROR: "Internal Server Error",
    L.CODE_SERVICE_UNAVAILABLE: "Service Unavailable",
}
HINT_WORDS = {
    L.HINT_AS: "AS",
    L.HINT_KID: "kid",
    L.HINT_AUDIENCE: "audience",
    L.HINT_SCOPE: "scope",
    L.HINT_CNONCE: "cnonce",
}
_WORDS_OF_TEXT = {code_text(code): word for code, word in (METHOD_WORDS | CODE_WORDS).items()}

Key = tuple[int, str, str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ladder: a message, or with number None a heading or a remark in `what`."""

    number: int | None
    src: str
    dst: str
    what: str
    size: int
    kind: str = "message"


class Annotations:
    """Trace lines of the parts, found by what a datagram and its trace line share."""

    def __init__(self) -> None:
        self._lines: dict[Key, dict[str, Any]] = {}
        self._received: set[Key] = set()

    def add(self, lines: Iterable[dict[str, Any]]) -> None:
        """Take trace lines in; one that knows the inner message is preferred."""
        for line in lines:
            try:
                key = (line["mid"], line["token"], line["code"], line["len"])
            except KeyError:
                continue
            if key not in self._lines or _inner(line):
                self._lines[key] = line
            if line.get("dir") == "in":
                self._received.add(key)

    def of(self, message: Message, size: int) -> dict[str, Any] | None:
        """The trace line of a datagram, or None when no part told of it."""
        return self._lines.get(_key(message, size))

    def is_complete(self, datagram: Datagram) -> bool:
        """Whether nothing more is to be learnt: it is readable, its inner message is told, or who got it told of it."""
        message = decoded(datagram.octets)
        if message is None or message.get(L.OPT_OSCORE) is None:
            return True
        key = _key(message, len(datagram.octets))
        return key in self._received or (key in self._lines and _inner(self._lines[key]) is not None)


def _key(message: Message, size: int) -> Key:
    return (message.mid or 0, message.token.hex(), code_text(message.code), size)


def _inner(line: dict[str, Any]) -> str | None:
    """The code of the inner message, under the name that the server's trace or the device's gives it."""
    code = line.get("inner", line.get("inner_code"))
    return code if isinstance(code, str) else None


def decoded(octets: bytes) -> Message | None:
    """The message in a datagram, None when it is no CoAP."""
    try:
        return decode(octets)
    except Malformed:
        return None


def ladder(records: Sequence[Record], annotations: Annotations, first: int = 1) -> list[Line]:
    """The lines of some records; messages are numbered from `first`."""
    lines = []
    number = first
    for record in records:
        match record:
            case Chapter():
                lines.append(Line(None, "", "", record.title, 0, "chapter"))
            case Note():
                lines.append(Line(None, "", "", record.text, 0, "note"))
            case HttpMessage():
                lines.append(Line(number, record.src, record.dst, record.what, record.size))
                number += 1
            case Datagram():
                what = say(record.octets, annotations)
                if record.note:
                    what += f"  ({record.note})"
                lines.append(Line(number, record.src, record.dst, what, len(record.octets)))
                number += 1
    return lines


def say(octets: bytes, annotations: Annotations) -> str:
    """What one datagram says, in the RFC's words."""
    message = decoded(octets)
    if message is None:
        return "no CoAP message"
    kind = TYPE_NAMES[message.mtype or 0]
    if message.code == L.CODE_EMPTY:
        return f"{kind}, empty"
    if message.get(L.OPT_OSCORE) is None:
        words = _readable(message)
    else:
        words = _protected(annotations.of(message, len(octets)))
    if message.get(L.OPT_OBSERVE) is not None:
        words += "  Observe"
    return f"{words}  {kind}"


def _readable(message: Message) -> str:
    words = _code_words(message.code)
    if is_request(message.code):
        words += " " + path_of(message)
    if message.get(L.OPT_ECHO) is not None:
        words += "  Echo"
    if message.payload:
        words += f"  {_payload_words(message)}"
    return words


def _protected(line: dict[str, Any] | None) -> str:
    inner = None if line is None else _inner(line)
    if line is None or inner is None:
        return "OSCORE ciphertext that nobody opened"
    word = _WORDS_OF_TEXT.get(inner, "")
    words = f"OSCORE [{word}" if inner.startswith("0.") else f"OSCORE [{inner} {word}".rstrip()
    if "path" in line:
        words += f" {line['path']}"
    if line.get("echo"):
        words += ", Echo"
    if "payload_len" in line:
        words += f", {line['payload_len']} B"
    return words + "]"


def _code_words(code: int) -> str:
    if code in METHOD_WORDS:
        return METHOD_WORDS[code]
    return f"{code_text(code)} {CODE_WORDS.get(code, '')}".rstrip()


def path_of(message: Message) -> str:
    """The path of a message, also of one whose path is no text."""
    try:
        return message.path()
    except Malformed:
        return "/?"


def _payload_words(message: Message) -> str:
    """Names of the parameters, never their values."""
    members = _members(message.payload) if message.content_format == L.CF_ACE_CBOR else None
    if members is None:
        return f"{len(message.payload)} B"
    names = HINT_WORDS if message.code == L.CODE_UNAUTHORIZED and L.HINT_AS in members else ACE_NAMES
    return "{" + ", ".join(names.get(label, str(label)) for label in members) + "}"


def _members(payload: bytes) -> dict[int, Any] | None:
    try:
        value = cbor.decode(payload)
    except Malformed:
        return None
    return value if isinstance(value, dict) else None
