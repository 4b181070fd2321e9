"""Who protects and unprotects OSCORE requests: aiocoap, and ours in Python and in C.  `oscore_contestants.py NAME`.

A message goes from what the library's user holds to a datagram and back: a Message of the library for aiocoap and
python, the datagram of the plain message for native, which is C from one message to the next (oscore_native.c).
Everybody starts each run with new contexts, whose derivation is not measured.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from worker import Run, Setup, serve

CLIENT_ID, SERVER_ID = b"\x0c", b"\x05"
PROTECT, UNPROTECT = "oscore-protect", "oscore-unprotect"
Keys = dict[str, str]


def _setup(new: Callable[[], Any], prepare: Callable[[bytes], Any], step: Callable[[Any, Any], bytes]) -> Setup:
    """A row: a new context, then one message after the other."""

    def setup(items: list[bytes]) -> Run:
        context, prepared = new(), [prepare(item) for item in items]
        return lambda: [step(context, item) for item in prepared]

    return setup


def python(keys: Keys) -> dict[str, Setup]:
    """holdfast_core.oscore."""
    from holdfast_core.coap_message import Message, decode, encode  # noqa: PLC0415 - one contestant in a process
    from holdfast_core.oscore import SecurityContext  # noqa: PLC0415

    secret, salt = bytes.fromhex(keys["secret"]), bytes.fromhex(keys["salt"])

    def protect(context: SecurityContext, message: Message) -> bytes:
        return encode(context.protect_request(message)[0])

    def unprotect(context: SecurityContext, datagram: bytes) -> bytes:
        return context.unprotect_request(decode(datagram)).message.payload

    return {
        PROTECT: _setup(lambda: SecurityContext(secret, salt, CLIENT_ID, SERVER_ID), decode, protect),
        UNPROTECT: _setup(lambda: SecurityContext(secret, salt, SERVER_ID, CLIENT_ID), bytes, unprotect),
    }


def aiocoap(keys: Keys) -> dict[str, Setup]:
    """aiocoap.oscore with a context in memory, as in the interoperability tests."""
    from aiocoap import Message  # noqa: PLC0415
    from aiocoap.message import Direction  # noqa: PLC0415

    from testkit.aiocoap_peer import MemoryContext  # noqa: PLC0415

    secret, salt = bytes.fromhex(keys["secret"]), bytes.fromhex(keys["salt"])

    def outgoing(datagram: bytes) -> Any:
        message = Message.decode(datagram)
        message.direction = Direction.OUTGOING
        return message

    def protect(context: Any, message: Any) -> bytes:
        outer, _ = context.protect(message)
        outer.mtype, outer.mid, outer.token = message.mtype, message.mid, message.token
        datagram: bytes = outer.encode()
        return datagram

    def unprotect(context: Any, datagram: bytes) -> bytes:
        inner, _ = context.unprotect(Message.decode(datagram))
        payload: bytes = inner.payload
        return payload

    return {
        PROTECT: _setup(lambda: MemoryContext(secret, salt, CLIENT_ID, SERVER_ID), outgoing, protect),
        UNPROTECT: _setup(lambda: MemoryContext(secret, salt, SERVER_ID, CLIENT_ID), bytes, unprotect),
    }


def native(keys: Keys) -> dict[str, Setup]:
    """hf_oscore."""
    library = ctypes.CDLL(keys["library"])
    secret, salt = bytes.fromhex(keys["secret"]), bytes.fromhex(keys["salt"])

    def row(function: Any) -> Setup:
        def setup(items: list[bytes]) -> Run:
            if library.bench_oscore_derive(secret, salt, CLIENT_ID, SERVER_ID):
                raise ValueError("context")
            joined, count = b"".join(items), len(items)
            lens, out_lens = (ctypes.c_size_t * count)(*map(len, items)), (ctypes.c_size_t * count)()
            out = ctypes.create_string_buffer(len(joined) + 64 * count)

            def run() -> Callable[[], list[bytes]]:
                if function(joined, lens, ctypes.c_size_t(count), out, out_lens):
                    raise ValueError("refused")
                return lambda: split(out.raw, out_lens)

            return run

        return setup

    return {PROTECT: row(library.bench_oscore_protect), UNPROTECT: row(library.bench_oscore_unprotect)}


def split(joined: bytes, lens: Any) -> list[bytes]:
    """Cut what C has put together."""
    parts, at = [], 0
    for length in lens:
        parts.append(joined[at : at + length])
        at += length
    return parts


if __name__ == "__main__":
    serve({"python": python, "aiocoap": aiocoap, "native": native}[sys.argv[1]])
