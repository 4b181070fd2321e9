"""Other programs: run one to its end, or start one, read what it says, and end it whatever happens.

Every wait has a deadline; a program that does not answer is named in one sentence with the end of its own error
output. Never uses a shell, never inherits a Holdfast setting from the environment.
"""

import collections
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HOLDFAST = (sys.executable, "-m", "holdfast_core.cli")
TAIL_LINES = 12
STOP_S = 3


class PartFailed(Exception):
    """A part cannot start or has not answered; the text is a sentence and, below it, the part's last words."""


def run_program(arguments: Sequence[str], deadline_s: float = 30) -> str:
    """Run `holdfast ARGUMENTS` to its end; returns what it printed. Raises PartFailed."""
    shown = "holdfast " + " ".join(arguments[:3])
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            [*HOLDFAST, *arguments],
            capture_output=True,
            text=True,
            timeout=deadline_s,
            env=environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PartFailed(f"`{shown}` did not end within {deadline_s:.0f} s.") from None
    if done.returncode:
        raise PartFailed(_with_tail(f"`{shown}` failed with exit code {done.returncode}.", done.stderr.splitlines()))
    return done.stdout


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a part: ours, without Holdfast's own variables, and `more`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST")}
    return ours | dict(more or {})


class Part:
    """One running program that prints lines of JSON: one with `ready`, then a trace line for each datagram.

    who: its name in sentences. After start(), ready: the value of its ready line; announced: all of that line.
    trace: its trace lines; heard: every line of its output and error output.
    """

    def __init__(self, who: str, command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
        self.who = who
        self.ready: Any = None
        self.announced: dict[str, Any] = {}
        self.trace: list[dict[str, Any]] = []
        self.heard: list[str] = []
        self._command = list(command)
        self._environment = environment(variables)
        self._said_ready = threading.Event()
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []

    def start(self, deadline_s: float = 20) -> None:
        """Start it and wait until it says that it is ready. Raises PartFailed."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own parts
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=self._environment,
            )
        except OSError as error:
            raise PartFailed(f"{self.who} cannot be started: {error.strerror} ({self._command[0]}).") from None
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        end_s = time.monotonic() + deadline_s
        while not self._said_ready.wait(0.02):
            if self._process.poll() is not None:
                raise PartFailed(self.words(f"{self.who} ended with exit code {self._process.returncode}."))
            if time.monotonic() > end_s:
                raise PartFailed(self.words(f"{self.who} was not ready within {deadline_s:.0f} s."))

    @property
    def pid(self) -> int:
        """Of its process. Raises PartFailed when it has not been started."""
        if self._process is None:
            raise PartFailed(f"{self.who} has not been started.")
        return self._process.pid

    def check(self) -> None:
        """Raise PartFailed when it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise PartFailed(self.words(f"{self.who} ended with exit code {self._process.returncode}."))

    def kill(self) -> None:
        """Cut its power: no goodbye, nothing flushed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._join()

    def stop(self) -> None:
        """End it, by force when it does not go; harmless when it has ended."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)
        self._join()

    def words(self, sentence: str) -> str:
        """The sentence, with the last lines of its error output below."""
        for reader in self._readers:
            reader.join(0.2)
        return _with_tail(sentence, list(self._tail))

    def said(self) -> bytes:
        """Everything that it has printed, on both of its outputs."""
        return "".join(self.heard).encode()

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(STOP_S)
        if self._process is not None:
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()

    def _read_lines(self) -> None:
        for record in _json_lines(self._lines("stdout")):
            if "ready" in record:
                self.announced = record
                self.ready = record["ready"]
                self._said_ready.set()
            elif "dir" in record:
                self.trace.append(record)

    def _read_errors(self) -> None:
        self._tail.extend(line.rstrip("\n") for line in self._lines("stderr"))

    def _lines(self, pipe: str) -> Iterator[str]:
        stream = getattr(self._process, pipe)
        with contextlib.suppress(ValueError):  # closed under us by stop()
            for line in stream:
                self.heard.append(line)
                yield line


def free_port(kind: socket.SocketKind, host: str = "127.0.0.1") -> int:
    """A port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _json_lines(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects among the lines; a part may say other things too."""
    for line in lines:
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield record


def _with_tail(sentence: str, tail: list[str]) -> str:
    return "\n".join([sentence, *(f"  | {line}" for line in tail[-TAIL_LINES:])])
