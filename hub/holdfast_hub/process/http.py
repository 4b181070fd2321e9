"""A small HTTP responder for health, metrics and the hub's own commands: one request a connection.

Bounded in connections, octets and time, so that whoever may connect can hold nothing. Over the port, a Host that is no
address is refused, because a page in a browser can reach a loopback port too.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast_hub.process.settings import Bind, is_address

MAX_CONNECTIONS = 32
MAX_HEAD_LEN = 4096
HEAD_WITHIN_S = 5.0
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 421: "Misdirected Request"}
UNAVAILABLE = 503
PATH_LEN = 100  # AF_UNIX takes 107 octets


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. status: 200, 503 or one of REASONS."""

    body: bytes
    status: int = 200
    kind: str = "text/plain; charset=utf-8"


Table = Mapping[tuple[str, str], Callable[[], Awaitable[Answer]]]


class Responder:
    """table: what everybody may ask; owner: what only the owner of the socket in the state directory may ask more.

    on_bug: told what an answer raised; the peer gets 503.
    """

    def __init__(self, table: Table, owner: Table, on_bug: Callable[[BaseException], None]) -> None:
        self._table = table
        self._owners = {**table, **owner}
        self._on_bug = on_bug
        self._open = {True: 0, False: 0}  # by whether it is the owner's: whoever floods the port keeps no owner out
        self._servers: list[asyncio.Server] = []

    async def listen(self, bind: Bind) -> tuple[str, int]:
        """Serve on a port. Raises OSError. Returns where."""
        server = await asyncio.start_server(self._serve_port, bind.host, bind.port, limit=MAX_HEAD_LEN)
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def listen_at(self, path: Path) -> None:
        """Serve at a socket that only the owner of this process can use. Raises OSError."""
        bound = _bound_at(path)
        self._servers.append(await asyncio.start_unix_server(self._serve_owner, sock=bound, limit=MAX_HEAD_LEN))

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()

    async def _serve_owner(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, is_owner=True)

    async def _serve_port(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, is_owner=False)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_owner: bool) -> None:
        if self._open[is_owner] >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open[is_owner] += 1
        try:
            async with asyncio.timeout(HEAD_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
            method, answer = await self._answer(head, is_owner=is_owner)
            reason = REASONS.get(answer.status, "Service Unavailable")
            lines = [
                f"HTTP/1.1 {answer.status} {reason}",
                f"Content-Type: {answer.kind}",
                f"Content-Length: {len(answer.body)}",
                "Cache-Control: no-store",
                "X-Content-Type-Options: nosniff",
                "Connection: close",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else answer.body))
            async with asyncio.timeout(HEAD_WITHIN_S):
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open[is_owner] -= 1
            writer.close()

    async def _answer(self, head: bytes, *, is_owner: bool) -> tuple[str, Answer]:
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        path, _, protocol = rest.partition(" ")
        if not protocol.startswith("HTTP/1."):
            return method, Answer(b"bad request\n", 400)
        if not is_owner and not _is_for_us(lines):
            return method, Answer(b"no such host\n", 421)
        table = self._owners if is_owner else self._table
        asked = table.get(("GET" if method == "HEAD" else method, path))
        if asked is None:
            known = any(where == path for _, where in table)
            return method, Answer(b"no such method\n", 405) if known else Answer(b"no such path\n", 404)
        try:
            return method, await asked()
        except Exception as error:  # noqa: BLE001 - one answer's bug must not end the hub
            self._on_bug(error)
            return method, Answer(b"not now\n", UNAVAILABLE)


def _bound_at(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with reachable(path) as name:
            bound.bind(name)
        path.chmod(0o600)
    except BaseException:
        bound.close()
        raise
    return bound


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name of the path that fits into an address of AF_UNIX, however long the path is."""
    if len(os.fsencode(path)) <= PATH_LEN:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _is_for_us(lines: list[str]) -> bool:
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "host":
            host = value.strip().rpartition(":")[0] if value.strip().rpartition(":")[2].isdigit() else value.strip()
            host = host.removeprefix("[").removesuffix("]")
            return host == "localhost" or is_address(host)
    return True
