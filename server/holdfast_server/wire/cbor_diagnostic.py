"""CBOR diagnostic notation (RFC 8949 section 8, RFC 8610 appendix G), as far as keys and contexts need it.

Integers, byte strings (h'', b64'', ''), text, arrays, maps, true, false, null, and comments: / so / and # so.
Sans-IO; reads at most MAX_LEN characters, MAX_DEPTH deep.
"""

import base64
import binascii
import json
import re
from typing import Any

from holdfast_core.errors import MalformedCbor

MAX_LEN = 1 << 16
MAX_DEPTH = 8
_BLANK = re.compile(r"(?:\s|/[^/]*/|#[^\n]*(?:\n|$))*")
_NUMBER = re.compile(r"-?(?:0x[0-9a-fA-F]+|\d+)(?![\w.])")
_BYTES = re.compile(r"(h|b64|)'([^'\\]*)'")
_TEXT = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"true|false|null")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


def write_diagnostic(item: Any, names: dict[Any, str], indent: str = "") -> str:
    """Return an item in lines; names: what to say in a comment before each key of a map."""
    deeper = indent + "  "
    if isinstance(item, dict):
        rows = [f"{deeper}/ {names[key]} / {_atom(key)}: {write_diagnostic(item[key], names, deeper)}" for key in item]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(item, list):
        return "[" + ", ".join(write_diagnostic(member, names, indent) for member in item) + "]"
    return _atom(item)


def _atom(item: Any) -> str:
    return f"h'{item.hex()}'" if isinstance(item, bytes) else json.dumps(item)


def read_diagnostic(text: str) -> Any:
    """Return the one item that the text describes. Raises MalformedCbor with detail "diagnostic"."""
    if len(text) > MAX_LEN:
        raise MalformedCbor("diagnostic")
    reader = _Reader(text)
    item = reader.item(0)
    reader.blank()
    if reader.at != len(text):
        raise MalformedCbor("diagnostic")
    return item


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = self.at if found is None else found.end()

    def take(self, word: str) -> bool:
        self.blank()
        if not self.text.startswith(word, self.at):
            return False
        self.at += len(word)
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def item(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise MalformedCbor("diagnostic")
        if self.take("{"):
            return self.map(depth)
        if self.take("["):
            return self.array(depth)
        if found := self.match(_BYTES):
            return _octets(found[1], found[2])
        if found := self.match(_TEXT):
            return _text(found[0])
        if found := self.match(_NUMBER):
            return int(found[0], 16 if "x" in found[0] else 10)
        if found := self.match(_WORD):
            return _WORDS[found[0]]
        raise MalformedCbor("diagnostic")

    def map(self, depth: int) -> dict[Any, Any]:
        members: dict[Any, Any] = {}
        while not self.take("}"):
            if members and not self.take(","):
                raise MalformedCbor("diagnostic")
            key = self.item(depth + 1)
            if isinstance(key, (dict, list)) or key in members or not self.take(":"):
                raise MalformedCbor("diagnostic")
            members[key] = self.item(depth + 1)
        return members

    def array(self, depth: int) -> list[Any]:
        members: list[Any] = []
        while not self.take("]"):
            if members and not self.take(","):
                raise MalformedCbor("diagnostic")
            members.append(self.item(depth + 1))
        return members


def _octets(base: str, digits: str) -> bytes:
    try:
        if base == "h":
            return bytes.fromhex(digits)
        if base == "b64":
            packed = re.sub(r"\s", "", digits).replace("-", "+").replace("_", "/").rstrip("=")
            return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        return digits.encode()
    except (ValueError, binascii.Error):
        raise MalformedCbor("diagnostic") from None


def _text(quoted: str) -> str:
    try:
        text: str = json.loads(quoted)
    except ValueError:
        raise MalformedCbor("diagnostic") from None
    return text
