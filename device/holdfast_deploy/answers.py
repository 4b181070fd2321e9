"""What a board says, told apart from what its serial line says besides: framed answers, and foreign text made safe.

A question is a program of questions.py that calls answer(object).  Each answer is a line

    NONCE number length JSON NONCE

whose nonce is of this question alone: nothing that was in the line before, and nothing that a boot loader or a radio's
log writes into it, is taken for an answer.  A frame of length 0 says that there are no more.  Pure: bytes in, objects
out.
"""

import json
import re
from typing import Any

FAILED_NAME = "failed"  # in the answer of a program that ended in an exception
MAX_DEPTH = 4
MAX_NUMBER = 1 << 53
MAX_SHOWN_LEN = 500  # characters of a line of foreign text

# print writes its arguments one by one: a small heap has no room for a second copy of a long answer.  A length counts
# characters, because MicroPython's len does.
_ASK = """
import json
_n = 0
def answer(found):
 global _n
 said = json.dumps(found)
 print()
 print("{nonce}", _n, len(said), said, "{nonce}")
 _n += 1
try:
{question}
except Exception as e:
 answer({{"{failed}": type(e).__name__ + ": " + str(e)}})
print()
print("{nonce}", _n, 0, "", "{nonce}")
"""
# An escape sequence goes whole (ECMA-48): CSI; OSC, DCS, SOS, PM and APC with their text; those of two characters.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)

_TELLING = re.compile(r"(?i)\w*error\b|\bfatal\b|\bfailed\b|\bcould not\b|\bno such\b|\bno device\b|exception|denied")


class Damaged(Exception):
    """A board's answer is not there, or not whole."""


def program_of(question: str, nonce: str) -> str:
    """Return the program that makes a board answer a question."""
    inner = "\n".join(" " + line for line in question.splitlines())
    return _ASK.format(nonce=nonce, question=inner, failed=FAILED_NAME)


def answers_in(output: bytes, nonce: str) -> list[dict[str, Any]]:
    """Return the objects of a board's answer, in order.  Raises Damaged."""
    text = output.decode("utf-8", "surrogateescape")
    found: list[dict[str, Any]] = []
    for frame in re.finditer(rf"{nonce} (\d{{1,6}}) (\d{{1,7}}) ", text):
        if int(frame[1]) != len(found):
            raise Damaged
        end = frame.end() + int(frame[2])
        said = text[frame.end() : end]
        if not text.startswith(f" {nonce}", end):
            raise Damaged
        if not said:
            return found
        found.append(_decode(said))
    raise Damaged


def _decode(said: str) -> dict[str, Any]:
    try:
        decoded = json.loads(said, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Damaged from None
    if not isinstance(decoded, dict) or not _is_plain(decoded, MAX_DEPTH):
        raise Damaged
    return decoded


def _refuse(_constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError


def _is_plain(value: object, depth: int) -> bool:
    """Whether people and arithmetic can take a value: not nested deep, no fraction, no number without an end."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_is_plain(item, depth - 1) for item in inner)
    return value is None or isinstance(value, str) or (isinstance(value, int) and 0 <= value <= MAX_NUMBER)


def other_lines(output: bytes, nonce: str) -> list[str]:
    """Return what a board said beside its answer, as people may see it."""
    lines = (readable(line) for line in re.split(rb"[\r\n]+", output) if nonce.encode() not in line)
    return [line for line in lines if line]


def readable(text: str | bytes) -> str:
    """Return foreign text as a terminal may have it: one line, no escape sequence, and no character without a face.

    Bytes are a line as it came, and cut at MAX_SHOWN_LEN.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")[:MAX_SHOWN_LEN]
    text = _ESCAPES.sub("", text).strip()
    return "".join(one if one.isprintable() else " " if one in "\t\r\n" else f"\\x{ord(one):02x}" for one in text)


def message_of(lines: list[str]) -> str:
    """Return which line of a program that failed says why: the last that speaks of an error, else its last."""
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines or ["no word"])[-1]
