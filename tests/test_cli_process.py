"""`holdfast` as a process: closed and full outputs, pipes, signals and bytes that are no text end in one sentence."""

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from holdfast_core import cli
from holdfast_core.cli import EXIT_INTERRUPTED
from holdfast_deploy import mpremote_shell as deploy

HOLDFAST = [sys.executable, "-c", "from holdfast_core.cli import main; main()"]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    path = tmp_path_factory.mktemp("process") / "state"
    assert holdfast("server", "init", "--state", path).returncode == 0
    assert holdfast("server", "rs", "add", "tube", "--scope", "read=GET:/r", "--state", path).returncode == 0
    adding = ("server", "client", "add", "meter", "--grant", "client_credentials", "--state", path)
    assert holdfast(*adding).returncode == 0
    return path


def holdfast(*arguments, **more):
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    done = subprocess.run([*HOLDFAST, *map(os.fsencode, arguments)], timeout=60, check=False, **more)
    said = (done.stderr or b"").decode()
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    return done


def test_an_output_that_is_closed_is_nothing(state):
    for closed in ("1", "2", "0", "1 2"):
        closing = " ".join(f"{number}>&-" if number != "0" else "0<&-" for number in closed.split())
        command = ["/bin/bash", "-c", f'"$@" {closing}', "-", *HOLDFAST, "server", "audit", "--state", str(state)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), (closed, done.stderr)
    assert holdfast("server", "check", "--state", state).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        ["server", "audit"],
        ["server", "rs", "list", "--json"],
        ["server", "client", "list"],
        ["server", "rs", "set", "tube", "--title", "A tube"],
        ["server", "client", "set", "meter", "--title", "A meter", "--json"],
        ["server", "client", "allow", "meter", "tube=read"],
        ["server", "user", "set", "admin", "--admin"],
        ["--help"],
    ],
)
def test_a_full_output_is_one_sentence(state, command):
    more = [] if command == ["--help"] else ["--state", state]
    with open("/dev/full", "wb") as full:
        done = holdfast(*command, *more, stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"Error: What was to be shown cannot be written: No space left on device.\n"


def test_a_reader_that_has_seen_enough_is_no_error_to_speak_of(state):
    reads, writes = os.pipe()
    os.close(reads)
    done = holdfast("server", "audit", "--state", state, stdout=writes)
    os.close(writes)
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["server", "user", "add", b"\xff\xfe", "--generate"],
        ["server", "check", "--state", b"/tmp/\xff"],
        ["device", "show", b"\xff"],
        ["sim", b"\xff"],
        [b"\xff"],
    ],
)
def test_bytes_that_are_no_text_are_one_sentence(arguments):
    done = holdfast(*arguments)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"no text that UTF-8 can hold" in done.stderr


def test_a_place_that_is_not_permitted_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir(mode=0o700)
    os.chmod(tmp_path, 0o755)
    for arguments in (
        ["server", "init", "--state", tmp_path / "locked" / "state"],
        ["server", "check", "--state", tmp_path / "locked"],
        ["device", "show", tmp_path / "locked" / "x.prov"],
        ["device", "run", tmp_path / "locked" / "x.prov"],
    ):
        permitted = [] if os.getuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = subprocess.run(
            [*permitted, *HOLDFAST, *map(str, arguments)], capture_output=True, check=False, timeout=60, cwd="/"
        )
        assert done.returncode == 2, (arguments, done.stderr)
        assert b"Traceback" not in done.stderr, done.stderr
        assert b"Error" in done.stderr


def test_ctrl_c_is_said(monkeypatch):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.group, "main", interrupted)
    assert cli._run([]) == EXIT_INTERRUPTED


# --- one table of exit codes ---


def test_help_has_the_one_table_of_exit_codes():
    text = CliRunner().invoke(cli.group, ["--help"]).output
    for code in (
        cli.EXIT_DONE,
        cli.EXIT_FAILED,
        cli.EXIT_USAGE,
        cli.EXIT_UNREACHABLE,
        cli.EXIT_REFUSED,
        cli.EXIT_INTERRUPTED,
    ):
        assert f"\n    {code:<3}  " in text


def test_every_group_has_the_codes_of_the_table():
    assert (deploy.FAILED, deploy.USAGE, deploy.UNREACHABLE, deploy.REFUSED) == (1, 2, 3, 4)
    assert (cli.Problem.exit_code, cli.Failed.exit_code) == (cli.EXIT_USAGE, cli.EXIT_FAILED)
    for arguments, code in (
        (["server", "nonsense"], cli.EXIT_USAGE),
        (["device", "nonsense"], cli.EXIT_USAGE),
        (["sim", "nonsense"], cli.EXIT_USAGE),
        (["nonsense"], cli.EXIT_USAGE),
        (["server", "list", "--x"], cli.EXIT_USAGE),
        (["server", "check", "--state", "/nowhere"], cli.EXIT_USAGE),
        (["device", "show", "/nowhere"], cli.EXIT_USAGE),
        (["device", "run", "/nowhere"], cli.EXIT_USAGE),
        (["device", "run", "/dev/null"], cli.EXIT_USAGE),
        (["--version"], cli.EXIT_DONE),
        (["device", "--help"], cli.EXIT_DONE),
    ):
        assert holdfast(*arguments).returncode == code, arguments


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_device_that_is_told_to_stop_has_done_what_it_should(state, tmp_path, number):
    file = tmp_path / "tube"
    assert holdfast("server", "rs", "export", "tube", "--out", file, "--state", state).returncode == 0
    device = subprocess.Popen(
        [*HOLDFAST, "device", "run", str(file), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with device:
        assert "ready" in json.loads(device.stdout.readline())
        device.send_signal(number)
        try:
            assert device.wait(30) == 0
        finally:
            device.kill()
        assert device.stderr.read() == b""
