"""One JSON line for each datagram: who, how long, which message; never a payload, a key or an option's value but paths.

The trace port of the stack, for simulators and for people.  What is inside OSCORE is shown only where this device has
opened it.
"""

import json

from holdfast_core import labels as L
from holdfast_core.coap_message import code_text
from holdfast_core.errors import MalformedCoap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast_core.coap_message import Message

_TYPES = ("CON", "NON", "ACK", "RST")


def make_trace(write: "Callable[[str], Any]", peer_text: "Callable[[Any], str]") -> "Callable[..., None]":
    """Return a trace port that hands write() one line of JSON without its end for each datagram."""

    def trace(
        direction: str, peer: "Any", outer: "Message", inner: "Message | None", datagram_len: int, now_ms: int
    ) -> None:
        row = {
            "t_ms": now_ms,
            "dir": direction,
            "peer": peer_text(peer),
            "len": datagram_len,
            "type": None if outer.mtype is None else _TYPES[outer.mtype],
            "code": code_text(outer.code),
            "mid": outer.mid,
            "token": _hex(outer.token),
            "oscore": outer.get(L.OPT_OSCORE) is not None,
        }
        shown = outer if inner is None and not row["oscore"] else inner
        if inner is not None:
            row["inner_code"] = code_text(inner.code)
        if shown is not None:
            _describe(row, shown)
        write(json.dumps(row))

    return trace


def _describe(row: "dict[str, Any]", message: "Message") -> None:
    """Add path (of a request), whether there is an Echo, Content-Format, Observe and block numbers."""
    if 0 < message.code < 32:
        try:
            row["path"] = message.path()
        except MalformedCoap:
            row["path"] = None
    if message.get(L.OPT_ECHO) is not None:
        row["echo"] = True
    for name, number in _SHOWN:
        value = message.uint(number)
        if value is not None:
            row[name] = value


_SHOWN = (
    ("content_format", L.OPT_CONTENT_FORMAT),
    ("observe", L.OPT_OBSERVE),
    ("block1", L.OPT_BLOCK1),
    ("block2", L.OPT_BLOCK2),
)


def _hex(octets: bytes) -> str:
    return "".join([f"{byte:02x}" for byte in octets])
