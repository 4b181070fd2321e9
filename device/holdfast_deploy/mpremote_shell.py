"""Programs that talk to boards: mpremote for a board that runs MicroPython, esptool for an ESP32 that does not yet.

Each is started as a program, with a list of arguments, never by a shell; no secret is ever an argument, and no name
that a person gave is taken for an option.  Each has a deadline, and what it says reaches a terminal only as readable
text.
"""

import functools
import os
import re
import secrets
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from holdfast_core.cli import EXIT_FAILED, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, Problem
from holdfast_deploy import answers
from holdfast_deploy.questions import Question

FAILED, USAGE, UNREACHABLE, REFUSED = EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_REFUSED
_STARTING = b"could not enter raw repl"  # of a board too that the command before has just reset
_UNREACHABLE = ("failed to access", "no device found", "could not enter raw repl", "could not exec command")
_LOOK = " Is it the right port (`mpremote connect list`), free, and yours to open (group dialout)?"
_NO_PACKAGE = "no module named 'holdfast_"
SILENCE_S = 60.0  # without a word for so long, a board has been reset, hangs, or is not there
QUESTION_S = 900.0  # a board that talks for longer says nothing; the slowest question fills the free flash with zeros
START_S = 3.0  # of a board, until its port is there
LINE_RATE = 1000  # bytes a second that a serial line carries at the least
MAX_OUTPUT_LEN = 4 << 20
_READ_LEN = 65536
_VERSION_S = 30.0
_VERSION = re.compile(r"\bv?(\d{1,6})\.(\d{1,6})(?:\.\d|\b)")
OLDEST = {"mpremote": (1, 23), "esptool": (4, 0)}


class Trouble(Problem):
    """What went wrong and what to do about it, in one sentence; exit_code says of which kind it is."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(answers.readable(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it for the class


def tool(name: str, *others: str) -> str:
    """Where a program is, by its names: on PATH, or beside the Python that runs this. Trouble: how to install it."""
    for one in (name, *others):
        beside = Path(sys.executable).with_name(one)
        found = shutil.which(one) or (str(beside) if beside.exists() else None)
        if found is not None:
            return found
    raise Trouble(f"{name} is not here; install it with: {sys.executable} -m pip install {name}", USAGE)


@functools.cache
def version_of(program: str, name: str) -> tuple[int, int]:
    """Return the version that a program says it is. Trouble: it says none, or is too old for us."""
    output = b"".join(_output([program, "version"], _VERSION_S, _VERSION_S))
    found = _VERSION.search(answers.readable(output))
    if found is None:
        raise Trouble(f"{program} does not say which version of {name} it is: {_install(name)}", USAGE)
    version = int(found[1]), int(found[2])
    if version < OLDEST[name]:
        needed = ".".join(map(str, OLDEST[name]))
        raise Trouble(f"{program} is {name} {found[1]}.{found[2]}, and {needed} is needed: {_install(name)}", USAGE)
    return version


def _install(name: str) -> str:
    return f"{sys.executable} -m pip install -U {name}"


def check_port(port: str) -> str:
    """Return the name of a serial port. Trouble: mpremote or esptool would take it for something else."""
    if not port or port[0] in "-+" or port == "list" or not port.isprintable():
        raise Trouble(f"{answers.readable(port)!r} is no serial port: `mpremote connect list` names them.", USAGE)
    return port


def _await(port: str) -> None:
    """Wait a moment for a board whose USB is its own: its port goes away while it starts."""
    until_s = time.monotonic() + START_S
    while port.startswith("/dev/") and not Path(port).exists() and time.monotonic() < until_s:
        time.sleep(0.1)


def argument_of(file: Path) -> str:
    """Return a file's path such that no program takes it for an option, or for a path of the board."""
    return os.path.abspath(file)


def run(command: list[str], tell: Callable[[str], object], silence_s: float, total_s: float) -> None:
    """Run a program, tell each line as it comes. Trouble with the line that says why when it fails or is silent."""
    lines: list[str] = []
    rest = b""

    def take(text: bytes) -> None:
        said = answers.readable(text)
        if said:
            lines.append(said)
            tell(said)

    try:
        for chunk in _output(command, silence_s, total_s):
            *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
            for text in whole:
                take(text)
        take(rest)
    except subprocess.CalledProcessError:
        take(rest)
        _fail(command[0], lines)


def _output(command: list[str], silence_s: float, total_s: float) -> Iterator[bytes]:
    """Yield what a program writes. CalledProcessError when it fails; Trouble when it does not start or does not end."""
    try:
        process = subprocess.Popen(  # noqa: S603 - arguments as a list
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except (OSError, ValueError) as error:
        raise Trouble(f"{command[0]} cannot be started: {error}.", USAGE) from None
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    until_s = time.monotonic() + total_s
    length = 0
    with process:
        try:
            while True:
                wait_s = min(silence_s, until_s - time.monotonic())
                if wait_s <= 0 or not select.select([process.stdout], [], [], wait_s)[0]:
                    raise Trouble(_no_end(command[0], min(silence_s, total_s)), UNREACHABLE)
                chunk = os.read(process.stdout.fileno(), _READ_LEN)
                if not chunk:
                    break
                length += len(chunk)
                if length > MAX_OUTPUT_LEN:
                    raise Trouble("The board says more than any answer is long: press its reset and try again.")
                yield chunk
            process.wait(silence_s)
        except subprocess.TimeoutExpired:
            raise Trouble(_no_end(command[0], silence_s), UNREACHABLE) from None
        finally:
            process.kill()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command[0])


def _no_end(program: str, silence_s: float) -> str:
    return (
        f"No answer in {silence_s:.0f} s ({Path(program).name}): the board was reset, or hangs. Press its reset button "
        "and try again."
    )


def _fail(program: str, lines: list[str]) -> None:
    name = Path(program).name
    unreachable = [line for line in lines if any(phrase in line for phrase in _UNREACHABLE)]
    said = (unreachable or [answers.message_of(lines)])[-1].removeprefix(f"{name}: ")
    if unreachable:
        raise Trouble(f"{name} says: {said}.{_LOOK if name == 'mpremote' else ''}", UNREACHABLE)
    raise Trouble(f"{name} says: {said}")


class Board:
    """A board at a serial port, through mpremote; each call is one run of it, after a soft reset of the board.

    The soft reset stops the program that runs on the board.
    """

    def __init__(self, port: str) -> None:
        program = tool("mpremote")
        self._mpremote = [program, "connect", check_port(port)]
        version_of(program, "mpremote")
        _await(port)

    def ask(self, question: Question, tell: Callable[[str], object] = lambda _line: None) -> dict[str, Any]:
        """Return the objects that the board answers with as one; tell gets what its program says beside. Trouble."""
        nonce = secrets.token_hex(8)
        output = bytearray()
        shown = 0

        def take(chunk: bytes) -> None:
            nonlocal shown
            output.extend(chunk)
            end = output.rfind(b"\n") + 1
            for line in answers.other_lines(bytes(output[shown:end]), nonce):
                tell(line)
            shown = max(shown, end)

        command = [*self._mpremote, "exec", answers.program_of(question.program, nonce)]
        for last in (False, True):
            try:
                for chunk in _output(command, SILENCE_S, QUESTION_S):
                    take(chunk)
                break
            except subprocess.CalledProcessError:
                if last or _STARTING not in output:
                    _fail(self._mpremote[0], answers.other_lines(bytes(output), nonce))
                output.clear()  # nothing of the question has run
                shown = 0
        answer: dict[str, Any] = {}
        try:
            for part in answers.answers_in(bytes(output), nonce):
                answer.update(part)
        except answers.Damaged:
            raise Trouble("The board's answer did not come whole: ask again.", UNREACHABLE) from None
        failed = answer.get(answers.FAILED_NAME)
        if failed is not None:
            said = answers.readable(str(failed))
            if _NO_PACKAGE in said:
                raise Trouble(f"The package is not on the board ({said}): holdfast device push puts it there.")
            raise Trouble(f"The board says: {said}")
        if not question.fits(answer):
            raise Trouble("The board's answer makes no sense: is it MicroPython?")
        return answer

    def copy(self, files: dict[str, Path], tell: Callable[[str], object]) -> None:
        """Copy files to paths of the board whose directories are there; tell gets each path as its turn comes."""
        arguments: list[str] = []
        for path, file in files.items():
            arguments += ["+"] * bool(arguments) + ["fs", "cp", argument_of(file), ":" + path]
        if arguments:
            sizes = [file.stat().st_size for file in files.values()]
            run(
                [*self._mpremote, *arguments],
                lambda line: line.startswith("cp ") and tell(line.rpartition(":")[2]),
                SILENCE_S + max(sizes) / LINE_RATE,
                QUESTION_S + sum(sizes) / LINE_RATE,
            )

    def restart(self) -> bool:
        """Start the board's program again by a reset; returns whether that could be done."""
        try:
            run([*self._mpremote, "resume", "reset"], lambda _line: None, SILENCE_S, SILENCE_S)
        except Trouble:
            return False
        return True
