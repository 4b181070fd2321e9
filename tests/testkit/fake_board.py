"""A board behind a pseudo-terminal: the unix MicroPython with a littlefs in a file, speaking to mpremote as boards do.

Whatever mpremote, or a command that drives it, does to a serial port can be done to FakeBoard.port.  What the board
prints of itself is kept in `said`.  Never more than one program at a time on the port, as on a real one.
"""

import os
import pty
import signal
import subprocess
import threading
import tty
from pathlib import Path

REPL = Path(__file__).with_name("board_repl.py")
SOFT = 4
FLASH_LEN = 256 * 4096


class FakeBoard:
    """micropython: the interpreter; folder: where its flash is, which outlives it as a chip outlives a power cut."""

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
        self._start("main")
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._to_board, self._run)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "FakeBoard":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut its power."""
        self._closed = True
        self._process.kill()
        self._threads[1].join(10)
        os.write(self._host, b"\x00")  # wakes the thread that reads
        self._threads[0].join(10)
        os.close(self._host)
        os.close(self._board)

    def _start(self, mode: str) -> None:
        self._process = subprocess.Popen(
            [self._micropython, REPL, self.flash, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def _to_board(self) -> None:
        while not self._closed:
            chunk = os.read(self._board, 4096)
            if b"\x03" in chunk:
                self._process.send_signal(signal.SIGINT)
            try:
                self._process.stdin.write(chunk.replace(b"\x03", b""))
            except (BrokenPipeError, ValueError):
                continue  # it is being reset: what comes meanwhile is lost

    def _run(self) -> None:
        while not self._closed:
            while chunk := os.read(self._process.stdout.fileno(), 4096):
                self.said += chunk
                os.write(self._board, chunk)
            mode = "raw" if self._process.wait() == SOFT else "main"
            self._process.stdin.close()
            self._process.stdout.close()
            if not self._closed:
                self._start(mode)
