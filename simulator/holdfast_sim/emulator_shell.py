"""A device on an emulated board, as a program like any other part: UDP in front, the board's serial line behind.

    python -m holdfast_sim.emulator_shell TARGET FIRMWARE --app tube --flash FILE --provisioning FILE --port N

Starts the emulator, provisions the board over its raw REPL when its flash has none, starts the application, and from
then on carries datagrams between a UDP socket and the frames of framing.py; what the board prints is printed.  The
flash is a file of this machine that outlives the emulator, as a chip outlives a power cut.  Emulation is of
instructions: it says nothing about how fast, or how electrically sound, a board is.
"""

import argparse
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from holdfast_core.framing import END, decode_frame, encode_frame
from holdfast_sim.targets import TARGETS, Target

FLASH_BLOCK_LEN = 4096
STARTS_IN_S = 30
CHUNK = 64  # of a script: what a board's input buffer takes at once
MAX_DATAGRAM_LEN = 1500
PR_SET_PDEATHSIG = 1  # prctl(2)
PROMPT = b"raw REPL; CTRL-B to exit\r\n>"


class BoardFailed(Exception):
    """The board does not start or says what it should not, in a sentence."""


class SerialOutput:
    """Takes apart what a board writes: lines of text, and frames between two ENDs; text never holds an END."""

    def __init__(self) -> None:
        self._text = b""
        self._frame: bytes | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes | tuple[bytes, tuple[bytes, int]]]:
        """Yield lines (bytes, with their newline) and frames ((datagram, peer)), in order."""
        pieces = chunk.split(END)
        for index, piece in enumerate(pieces):
            if index > 0:
                yield from self._boundary()
            if self._frame is None:
                yield from self._lines(piece)
            else:
                self._frame += piece

    def _boundary(self) -> Iterator[tuple[bytes, tuple[bytes, int]]]:
        if not self._frame:  # outside a frame, or two ENDs in a row: one begins
            self._frame = b""
            return
        frame, self._frame = self._frame, None
        decoded = decode_frame(frame)
        if decoded is not None:
            yield decoded

    def _lines(self, piece: bytes) -> Iterator[bytes]:
        *lines, self._text = (self._text + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, in whatever way: pulling the plug must stop the board."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Board:
    """A running emulator; its serial line is a pair of pipes."""

    def __init__(self, target: Target, firmware: Path, flash: Path) -> None:
        command = target.command(str(firmware), str(flash))
        if command[0].startswith("."):
            command[0] = str(Path(__file__).resolve().parents[2] / command[0])
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread, one system call
            )
        except OSError as error:
            raise BoardFailed(f"{target.emulator} cannot be started: {error.strerror}.") from None
        assert self._process.stdin is not None  # noqa: S101 - they are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._in = self._process.stdin
        self._lines = self._process.stdout
        self.out = self._lines.fileno()
        self._rest = b""  # read, and not asked for yet

    def cut(self) -> None:
        """Cut its power; a reader of its line sees the end of it."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Cut its power, and let go of its line."""
        self.cut()
        self._in.close()
        self._lines.close()

    def write(self, data: bytes) -> None:
        """Write to its serial line."""
        try:
            self._in.write(data)
        except BrokenPipeError:
            raise BoardFailed("The emulator has ended.") from None

    def read(self) -> bytes:
        """Return what is there of its output, at least a byte. Raises BoardFailed when it has ended."""
        chunk = os.read(self.out, 65536)
        if not chunk:
            raise BoardFailed("The emulator has ended.")
        return chunk

    def rest(self) -> bytes:
        """Return what until() has read beyond its end."""
        rest, self._rest = self._rest, b""
        return rest

    def until(self, end: bytes) -> bytes:
        """Return the output up to and with `end`. Raises BoardFailed with the last words when it does not come."""
        seen = self.rest()
        end_s = time.monotonic() + STARTS_IN_S
        while end not in seen:
            if not select.select([self.out], [], [], max(0.0, end_s - time.monotonic()))[0]:
                raise BoardFailed(f"The board said nothing more after {seen[-200:]!r}.")
            seen += self.read()
        at = seen.index(end) + len(end)
        self._rest = seen[at:]
        return seen[:at]

    def start(self, script: str) -> None:
        """Hand a script to the raw REPL and start it; what it prints is still to come."""
        self.write(b"\r\x03\x01")
        self.until(PROMPT)
        encoded = script.encode()
        for at in range(0, len(encoded), CHUNK):
            self.write(encoded[at : at + CHUNK])
        self.write(b"\x04")
        self.until(b"OK")

    def execute(self, script: str) -> None:
        """Run a script to its end. Raises BoardFailed when it raises."""
        self.start(script)
        self.until(b"\x04")
        failure = self.until(b"\x04")[:-1]
        if failure:
            raise BoardFailed(f"The board says: {failure.decode('utf-8', 'replace').strip().splitlines()[-1]}")


class Bridge:
    """Carries datagrams between a UDP socket and a board; tell gets each line of its text.

    What comes before the board serves waits in the socket: a byte 3 in it would be a Ctrl-C, and end its program.
    """

    def __init__(self, board: Board, sock: socket.socket, tell: Callable[[str], object]) -> None:
        self._board = board
        self._sock = sock
        self._tell_line = tell
        self._output = SerialOutput()
        self._serves = False

    def run(self) -> None:
        """Until the emulator ends."""
        self._from_board(self._board.rest())
        while True:
            ready, _, _ = select.select([self._board.out, *([self._sock.fileno()] if self._serves else [])], [], [])
            if self._sock.fileno() in ready:
                self._from_network()
            if self._board.out in ready:
                self._from_board(self._board.read())

    def _from_network(self) -> None:
        with contextlib.suppress(ConnectionError):  # an ICMP error of something sent before
            datagram, (host, port) = self._sock.recvfrom(MAX_DATAGRAM_LEN)
            self._board.write(encode_frame(datagram, (socket.inet_aton(host), port)))

    def _from_board(self, chunk: bytes) -> None:
        for item in self._output.feed(chunk):
            if isinstance(item, bytes):
                self._tell(item)
                continue
            datagram, (host, port) = item
            with contextlib.suppress(OSError):  # unreachable: lost, as on any network
                self._sock.sendto(datagram, (socket.inet_ntoa(host), port))

    def _tell(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip("\r\n\x04> ")
        said = _record(text)
        if "error" in said:
            raise BoardFailed(str(said["error"]))
        if "ready" in said:
            self._serves = True
            text = json.dumps(said | {"ready": self._sock.getsockname()[1]})
        if text:
            self._tell_line(text)


def _record(text: str) -> dict[str, Any]:
    """What a line says when it is a JSON object, in whatever order; otherwise nothing."""
    with contextlib.suppress(ValueError):
        said = json.loads(text) if text.startswith("{") else None
        if isinstance(said, dict):
            return said
    return {}


def _print(line: str) -> None:
    """Lines of JSON are for the program that started this; the rest is for people."""
    print(line, file=sys.stdout if line.startswith("{") else sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run a device on an emulated board until it is stopped."""
    parser = argparse.ArgumentParser(prog="holdfast_sim.emulator_shell")
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("firmware", type=Path)
    parser.add_argument("--app", required=True, help="name of a frozen application")
    parser.add_argument("--flash", type=Path, required=True, help="the flash chip; made when it is not there")
    parser.add_argument("--provisioning", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args(argv)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((args.host, args.port))
    target = TARGETS[args.target]
    blank = not args.flash.exists()
    if blank:
        args.flash.touch(mode=0o600)
        args.flash.write_bytes(b"\xff" * (target.flash_blocks * FLASH_BLOCK_LEN))
    board = None
    try:
        board = Board(target, args.firmware, args.flash)
        board.execute(f"import {target.board} as board\nboard.mount({str(args.flash)!r}, {target.flash_blocks})")
        if blank:
            board.execute(f"board.provision({args.provisioning.read_bytes()!r})")
        board.start(f"board.run(*board.parts({args.app!r}))")
        Bridge(board, sock, _print).run()
    except BoardFailed as failed:
        print(f"error: {failed}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        pass
    finally:
        if board is not None:
            board.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
