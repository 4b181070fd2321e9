"""A board behind a pseudo-terminal: the unix MicroPython with a littlefs in a file, speaking to mpremote as boards do.

mpremote, or a command that drives it, can do to FakeBoard.port what it does to a serial port.  `said` keeps what the
board prints by itself.  Only one program at a time may use the port, as on a real board.  Nothing that is written to
the port is lost, also while the board is reset: mpremote has no deadline at a pseudo-terminal.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import tty
from contextlib import suppress
from pathlib import Path

REPL = Path(__file__).with_name("board_repl.py")
SOFT = 4
FLASH_LEN = 256 * 4096
CTRL_C = b"\x03"
BEGINS = 0  # as in board_repl.py
MPREMOTE = Path(sys.executable).with_name("mpremote")
MPREMOTE_S = 120


class FakeBoard:
    """micropython: the interpreter; folder: where the flash is, which outlives the board as a chip does."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self._micropython = micropython
        self.flash = folder / "flash"
        if not self.flash.exists():
            self.flash.write_bytes(b"\xff" * FLASH_LEN)
        self._board, self._host = pty.openpty()
        tty.setraw(self._host)
        self.port = os.ttyname(self._host)
        self.said = b""
        self._closed = False
        self._input = _Input()
        self._life = _Life(self._command("main"), self._input)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._to_board, self._run)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "FakeBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def mpremote(self, *arguments: str) -> str:
        """Run mpremote at the port and return what it prints; a failure shows what the board said last."""
        command = [MPREMOTE, "connect", self.port, *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=MPREMOTE_S).stdout
        except subprocess.SubprocessError as error:
            raise AssertionError(f"{arguments}: {error}: {error.stderr!r}; the board: {self.said[-300:]!r}") from error

    def close(self) -> None:
        """Cut the board's power."""
        self._closed = True
        self._life.process.kill()
        while self._threads[1].is_alive():
            termios.tcflush(self._host, termios.TCIFLUSH)  # what nobody has read holds the thread that writes
            self._threads[1].join(0.1)
        os.write(self._host, b"\x00")  # wakes the thread that reads
        self._threads[0].join(10)
        os.close(self._host)
        os.close(self._board)
        self._input.close()

    def _command(self, mode: str) -> list[str | Path]:
        return [self._micropython, REPL, self.flash, mode]

    def _to_board(self) -> None:
        while not self._closed:
            chunk = os.read(self._board, 4096)
            with self._input.lock:
                self._life.write(chunk)

    def _run(self) -> None:
        while not self._closed:
            for chunk in self._life.output():
                self.said += chunk
                _write(self._board, chunk)
            mode = "raw" if self._life.process.wait() == SOFT else "main"
            if not self._closed:
                self._life = _Life(self._command(mode), self._input)


def _write(file: int, chunk: bytes) -> None:
    """Write all of the bytes: a pseudo-terminal may take fewer at once."""
    while chunk:
        chunk = chunk[os.write(file, chunk) :]


class _Input:
    """The pipe that the board reads in all its lives, and the place of the last Ctrl-C in it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # one thread writes, the other hears of programs
        self.reader, self._writer = os.pipe()
        self._written = self._interrupt_ends = 0

    def write(self, chunk: bytes) -> None:
        if CTRL_C in chunk:
            self._interrupt_ends = self._written + chunk.rindex(CTRL_C) + 1
        self._written += len(chunk)
        _write(self._writer, chunk)

    def has_interrupt(self) -> bool:
        """Whether a Ctrl-C waits to be read."""
        (waiting,) = struct.unpack("i", fcntl.ioctl(self.reader, termios.FIONREAD, bytes(4)))
        return self._interrupt_ends > self._written - waiting

    def close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)


class _Life:
    """The interpreter from one reset to the next.  A signal interrupts it once for each program, and nothing else."""

    def __init__(self, command: list[str | Path], stdin: _Input) -> None:
        self._input = stdin
        self._is_interruptible = False
        self._told, tell = os.pipe()
        hear, self._confirm = os.pipe()
        self.process = subprocess.Popen(
            [*command, str(tell), str(hear)],
            stdin=stdin.reader,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=(tell, hear),
        )
        os.close(tell)
        os.close(hear)

    def write(self, chunk: bytes) -> None:
        """Give the board what comes over the port; the input's lock is held.

        Ctrl-C is always a character, and while a program runs it is a signal too.  It needs to be both, because the
        program may be resetting the board: then the character interrupts main.py.
        """
        if CTRL_C in chunk and self._is_interruptible:
            self._interrupt()
        self._input.write(chunk)

    def output(self):
        """Yield what the interpreter prints until it has ended."""
        printed = self.process.stdout.fileno()
        open_ones = [printed, self._told]
        while printed in open_ones:
            for ready in select.select(open_ones, [], [])[0]:
                chunk = os.read(ready, 4096)
                if not chunk:
                    open_ones.remove(ready)
                elif ready == printed:
                    yield chunk
                else:
                    self._hear(chunk)
        self.process.stdout.close()
        os.close(self._told)
        os.close(self._confirm)

    def _hear(self, told: bytes) -> None:
        with self._input.lock:
            for number in told:
                if number != BEGINS:
                    self._is_interruptible = False
                    with suppress(BrokenPipeError):  # an end that is told twice needs one confirmation
                        os.write(self._confirm, bytes((number,)))
                elif self._input.has_interrupt():
                    self._interrupt()  # it was written before the program began
                else:
                    self._is_interruptible = True

    def _interrupt(self) -> None:
        self._is_interruptible = False
        self.process.send_signal(signal.SIGINT)
