"""Programs that talk to boards: mpremote for a board that runs MicroPython, esptool for an ESP32 that does not yet.

Each is started as a program, with a list of arguments, never by a shell; no secret is ever an argument. CPython only.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FAILED, USAGE, UNREACHABLE, REFUSED = 1, 2, 3, 4
_UNREACHABLE = ("failed to access", "no device found", "could not enter raw repl", "could not exec command")
_LOOK = " Is it the right port (`mpremote connect list`), free, and yours to open (group dialout)?"
_TRACEBACK = "Traceback (most recent call last):"  # what a board prints before the line that says what went wrong
_NO_PACKAGE = "no module named 'holdfast_"


class Problem(click.ClickException):
    """What went wrong and what to do about it, in one sentence; exit_code says of which kind it is."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class


def tool(name: str) -> str:
    """Where a program is: on PATH, or beside the Python that runs this. Problem with the command that installs it."""
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(name) or (str(beside) if beside.exists() else None)
    if found is None:
        raise Problem(f"{name} is not here; install it with: {sys.executable} -m pip install {name}", USAGE)
    return found


def run(command: list[str], tell: Callable[[str], object]) -> list[str]:
    """Run a program, tell each line as it comes, return them. Problem with its last line when it fails."""
    try:
        process = subprocess.Popen(  # noqa: S603 - arguments as a list
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise Problem(f"{command[0]} cannot be started: {error.strerror}.", USAGE) from None
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    lines = []
    with process:
        for line in process.stdout:
            lines.append(line.rstrip())
            tell(lines[-1])
    if process.returncode:
        _fail(command[0], [line for line in lines if line])
    return lines


def _fail(program: str, lines: list[str]) -> None:
    name = Path(program).name
    said = lines[-1].removeprefix(f"{name}: ") if lines else "no word"
    if any(phrase in line for line in lines for phrase in _UNREACHABLE):
        raise Problem(f"{name} says: {said}.{_LOOK if name == 'mpremote' else ''}", UNREACHABLE)
    if _NO_PACKAGE in said:
        raise Problem(f"The package is not on the board ({said}): holdfast device push puts it there.")
    raise Problem(f"{name} says: {said}")


def _decode(line: str) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = json.loads(line)
    except ValueError:
        raise Problem(f"The board's answer cannot be read: {line}") from None
    return decoded


def _told_until_it_fails(tell: Callable[[str], object]) -> Callable[[str], object]:
    """Pass on what a program on the board says beside its answer, and no traceback of it: its last line is enough."""
    failed = False

    def next_line(line: str) -> None:
        nonlocal failed
        failed = failed or line == _TRACEBACK
        if not failed and not line.startswith("{"):
            tell(line)

    return next_line


class Board:
    """A board at a serial port, through mpremote; each call is one run of it, after a soft reset of the board."""

    def __init__(self, port: str) -> None:
        self._mpremote = [tool("mpremote"), "connect", port]

    def ask(self, program: str, tell: Callable[[str], object] = lambda _line: None) -> dict[str, Any]:
        """Run a program of questions_cpython.py on the board; returns its objects as one. tell gets its other lines."""
        answer: dict[str, Any] = {}
        answered = False
        for line in run([*self._mpremote, "exec", program], _told_until_it_fails(tell)):
            if line.startswith("{"):
                answer.update(_decode(line))
                answered = True
        if not answered:
            raise Problem("The board does not answer the question.")
        return answer

    def copy(self, files: dict[str, Path], tell: Callable[[str], object]) -> None:
        """Copy files to paths of the board whose directories are there; tell gets each path as its turn comes."""
        arguments: list[str] = []
        for path, file in files.items():
            arguments += ["+"] * bool(arguments) + ["fs", "cp", str(file), ":" + path]
        if arguments:
            run([*self._mpremote, *arguments], lambda line: line.startswith("cp ") and tell(line.rpartition(":")[2]))
