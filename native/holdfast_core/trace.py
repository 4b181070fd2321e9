"""A line of JSON for each datagram, for ladders and logs: who, direction, size, code and path.

Never a payload, a key, a nonce or the value of an option other than the path; the inner message of
OSCORE shows its code, path and content format only.  Runs on both interpreters.
"""

import json

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_message import code_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from holdfast_core.coap_message import Message

TYPE_NAMES = ("CON", "NON", "ACK", "RST")


def tracer(
    who: str, write: "Callable[[str], object]", peer_text: "Callable[[Any], str] | None" = None
) -> "Callable[..., None]":
    """Make the `trace` port of CoapStack: write gets one line with its newline for each datagram.

    peer_text: how to write a peer's address; without it the line does not name the peer.
    """

    def trace(
        direction: str, peer: "Hashable", outer: "Message", inner: "Message | None", datagram_len: int, now_ms: int
    ) -> None:
        line = describe(outer, inner)
        line.update({"who": who, "dir": direction, "len": datagram_len, "at_ms": now_ms})
        if peer_text is not None:
            line["peer"] = peer_text(peer)
        write(json.dumps(line) + "\n")

    return trace


def describe(outer: "Message", inner: "Message | None") -> "dict[str, Any]":
    """What may be told of a message: type, code, mid, token, whether OSCORE; path and format of what is readable."""
    line: dict[str, Any] = {
        "type": TYPE_NAMES[outer.mtype or 0],
        "code": code_text(outer.code),
        "mid": outer.mid,
        "token": outer.token.hex(),
        "oscore": outer.get(L.OPT_OSCORE) is not None,
    }
    readable = outer if inner is None else inner
    if inner is not None:
        line["inner"] = code_text(inner.code)
    if readable.get(L.OPT_URI_PATH) is not None:
        line["path"] = _path(readable)
    if readable.content_format is not None:
        line["ct"] = readable.content_format
    if readable.get(L.OPT_ECHO) is not None:
        line["echo"] = True
    if readable.payload:
        line["payload_len"] = len(readable.payload)
    return line


def _path(message: "Message") -> "str | None":
    """Uri-Path, None when it is not UTF-8: a trace never raises, whatever it is shown."""
    try:
        return message.path()
    except errors.MalformedCoap:
        return None
