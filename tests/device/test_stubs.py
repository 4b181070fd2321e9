"""What boards run type-checks against the stubs of MicroPython's ports, with their standard library for CPython's.

scripts/stubs.sh installs them. Their own mistakes are theirs: what counts is what mypy finds in our files. One check is
off, warn_return_any, because the stubs leave the types of many results open; CPython's leave none, and `mypy --strict`
has seen the same files with those.

The stubs, the planted file and mypy's cache are the same for all who run these tests, perhaps at the same time: each
takes them for himself (alone). A file that another run had just cut to nothing has no findings.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

FOLDERS = ("native/holdfast_core", "device/holdfast_device")
# A Pico without W has no network, so udp_shell.py is not for it; its link is serial_shell.py.
NOT_FOR = {"rp2": {"udp_shell.py"}}


@contextlib.contextmanager
def alone(repo):
    """Nobody else is in here, in no process."""
    with (repo / ".cache" / "stubs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def stubs(repo):
    with alone(repo):
        made = subprocess.run([repo / "scripts" / "stubs.sh"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return repo / ".cache" / "stubs"


def findings(repo, stubs, port, files):
    """What mypy says about the files, and about no other."""
    with alone(repo):
        return _findings(repo, stubs, port, files)


def _findings(repo, stubs, port, files):
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--no-warn-return-any"]
    command += ["--no-warn-unused-ignores", "--explicit-package-bases", "--no-error-summary", "--no-pretty"]
    command += ["--follow-imports=silent", "--show-error-codes", "--cache-dir", str(stubs / f"mypy-{port}")]
    command += ["--custom-typeshed-dir", str(stubs / port), *map(str, files)]
    env = {"MYPYPATH": f"{stubs / port}:native:device"}
    done = subprocess.run(command, cwd=repo, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert not done.stderr, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(tuple(f"{file}:" for file in files))]


@pytest.mark.parametrize("port", ["esp32", "rp2", "rp2_w"])
def test_device_code_has_the_types_of_the_port(repo, stubs, port):
    not_for_boards = (repo / "native/holdfast_core/not_for_boards.txt").read_text().split()
    files = [path.relative_to(repo) for folder in FOLDERS for path in sorted((repo / folder).glob("*.py"))]
    files = [file for file in files if file.name not in not_for_boards and file.name not in NOT_FOR.get(port, ())]
    assert len(files) > 60
    assert findings(repo, stubs, port, files) == []


def test_a_pico_without_radio_has_no_sockets(repo, stubs):
    said = findings(repo, stubs, "rp2", ["device/holdfast_device/udp_shell.py"])
    assert 'error: Cannot find implementation or library stub for module named "socket"' in said[0]
    assert all("error" not in line for line in said[1:])


# One line each: what no board has, and what every board has.
ABSENT = """\
from time import monotonic
from hashlib import new
import secrets
import dataclasses
import machine; machine.unique_id(1)
from cryptolib import aes; aes(bytes(16))
"""
PRESENT = """\
from time import ticks_ms
from hashlib import sha256
import machine; machine.unique_id()
from cryptolib import aes; aes(bytes(16), 1)
"""


def wrong_lines(repo, stubs, text):
    """Numbers of the lines of a program in which mypy finds an error."""
    # Always the same: mypy's cache tells files by content, and repeats the path it saw first. But a file of the same
    # length and the same second is the same to it.
    path = stubs / "planted.py"
    with alone(repo):
        second = int(path.stat().st_mtime) + 1 if path.exists() else 0
        path.write_text(text)
        os.utime(path, (second, second))
        found = _findings(repo, stubs, "esp32", [path.relative_to(repo)])
    return {int(line.split(":")[1]) for line in found if " error: " in line}


def test_what_no_board_has_is_found_and_nothing_else(repo, stubs):
    assert wrong_lines(repo, stubs, ABSENT + PRESENT) == set(range(1, 1 + ABSENT.count("\n")))


def test_a_program_of_the_same_length_in_the_same_second_is_another(repo, stubs):
    first, second = "import machine; machine.unique_id(1)\n", "import machine; machine.unique_id( )\n"
    assert [wrong_lines(repo, stubs, text) for text in (first, second, first, second)] == [{1}, set(), {1}, set()]


def test_runs_at_the_same_time_do_not_disturb_each_other(repo, stubs):
    programs = [PRESENT + ABSENT, ABSENT, PRESENT]
    with ThreadPoolExecutor(len(programs)) as pool:
        found = list(pool.map(lambda text: wrong_lines(repo, stubs, text), programs))
    present, absent = PRESENT.count("\n"), ABSENT.count("\n")
    assert found == [set(range(1 + present, 1 + present + absent)), set(range(1, 1 + absent)), set()]
