"""`holdfast device`: what it writes, what it shows, what it never shows."""

import json
import os
import re
import stat
import subprocess
import sys

import pytest
from click.testing import CliRunner

from holdfast_core.crypto import PROVIDER
from holdfast_core.provisioning import decode_provisioning, encode_provisioning
from holdfast_core.token_check import PATH
from holdfast_deploy import cli
from testkit.story import EKG_SECRET, ekg_provisioning, tube_provisioning


def run(*arguments):
    return CliRunner().invoke(cli.group, [str(argument) for argument in arguments])


@pytest.fixture
def server(tmp_path):
    """A server's state with one resource server, made with the server's own commands."""
    from holdfast_core.cli import group

    state = tmp_path / "as"
    for arguments in (
        ["server", "init", "--state", str(state)],
        ["server", "rs", "add", "tube", "--scope", "read_result=GET:/result", "--state", str(state)],
    ):
        done = CliRunner().invoke(group, arguments)
        assert done.exit_code == 0, done.output
    return state


def test_provision_writes_a_private_file_once(server, tmp_path):
    out = tmp_path / "tube.prov"
    done = run("provision", "tube", "--server", server, "--out", out)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert f"Next: holdfast device run {out}" in done.output
    first = out.read_bytes()
    assert decode_provisioning(first).rs.rs_id == b"tube"
    again = run("provision", "tube", "--server", server, "--out", out)
    assert again.exit_code == 2
    assert "--force" in again.output
    assert out.read_bytes() == first
    assert run("provision", "tube", "--server", server, "--out", out, "--force").exit_code == 0
    assert out.read_bytes() != first


def test_provision_says_what_the_server_said(server, tmp_path):
    done = run("provision", "nobody", "--server", server, "--out", tmp_path / "x.prov")
    assert done.exit_code == 2
    assert "nobody" in done.output or "resource server" in done.output
    assert not (tmp_path / "x.prov").exists()


@pytest.mark.parametrize("make", [tube_provisioning, ekg_provisioning])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_show_shows_names_and_no_secret(tmp_path, make, as_json):
    told = make()
    file = tmp_path / "device.prov"
    file.write_bytes(encode_provisioning(told))
    done = run("show", file, *as_json)
    assert done.exit_code == 0
    assert told.rs.audiences[0] in done.output
    secrets = [told.seed.reveal(), EKG_SECRET] + [key.material.reveal() for key in told.keys]
    for secret in secrets:
        assert secret.hex() not in done.output
        assert repr(secret) not in done.output
    if as_json:
        shown = json.loads(done.output)
        assert shown["audiences"] == list(told.rs.audiences)
        assert len(shown["keys"]) == len(told.keys)


def test_status_says_what_it_runs_on():
    done = run("status", "--json")
    assert json.loads(done.output)["crypto"] == PROVIDER
    assert json.loads(done.output)["tokens"] == PATH
    assert "CPython" in run("status").output


def test_show_refuses_what_is_no_provisioning(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(os.urandom(10))
    done = run("show", file)
    assert done.exit_code == 2
    assert re.search(r"no provisioning file", done.output)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\n", "has no setup(device, options)."),
        ("x = 1\ndef setup(device, options)\n", "is no Python: expected ':' in line 2."),
        ("import no_such_module\n", "cannot be loaded: No module named 'no_such_module'."),
        ("x = 1\n1 / 0\n", "cannot be loaded: {app} line 2: ZeroDivisionError: division by zero"),
    ],
)
def test_run_refuses_an_app_in_a_sentence(tmp_path, source, says):
    file = tmp_path / "device.prov"
    file.write_bytes(encode_provisioning(tube_provisioning()))
    app = tmp_path / "app.py"
    app.write_text(source)
    done = run("run", file, "--app", app)
    assert done.exit_code == 2
    assert done.output == f"Error: {app} {says.format(app=app)}\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def setup(device, options):\n    return {}['scope']\n", "app.py line 2: KeyError: 'scope'"),
        ("def setup(device):\n    pass\n", "TypeError: setup() takes 1 positional argument but 2 were given"),
        (
            "import socket\ndef setup(device, options):\n    socket.socket().connect(('127.0.0.1', 1))\n",
            "app.py line 3: ",
        ),
    ],
)
def test_a_setup_that_fails_is_the_programs_own_error(tmp_path, source, says):
    file = tmp_path / "device.prov"
    file.write_bytes(encode_provisioning(tube_provisioning()))
    (tmp_path / "app.py").write_text(source)
    program = [sys.executable, "-c", "from holdfast_core.cli import main; main()", "device", "run", file]
    command = [*program, "--app", tmp_path / "app.py", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


SHOWS_OPTIONS = """
import json, sys
NAMES = "host", "port", "state", "recheck_ms", "trace", "clock", "peers"
def setup(device, options):
    print(json.dumps({name: getattr(options, name) for name in NAMES}))
    sys.exit(device.rs.rights.recheck_ms // 1000)
"""
AS_IT_IS = {"host": "127.0.0.1", "port": 5683, "recheck_ms": None, "trace": False, "clock": True, "peers": {}}


@pytest.mark.parametrize(
    ("said", "became", "recheck_s"),
    [
        ("", {"state": "device.prov.state"}, 60),
        ("--host ::1 --port 7 --state s", {"host": "::1", "port": 7, "state": "s"}, 60),
        ("--recheck 2 --trace", {"recheck_ms": 2000, "trace": True, "state": "device.prov.state"}, 2),
        (
            "--no-clock --peer tube=[::1]:5683 --peer lock=h:1 --state s",
            {"clock": False, "peers": {"tube": ["::1", 5683], "lock": ["h", 1]}, "state": "s"},
            60,
        ),
    ],
)
def test_run_hands_on_each_option(tmp_path, said, became, recheck_s):
    (tmp_path / "device.prov").write_bytes(encode_provisioning(tube_provisioning()))
    (tmp_path / "app.py").write_text(SHOWS_OPTIONS)
    command = [sys.executable, "-m", "holdfast_core.cli", "device", "run", "device.prov", "--app", "app.py"]
    done = subprocess.run([*command, *said.split()], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (json.loads(done.stdout), done.returncode) == ({**AS_IT_IS, **became}, recheck_s), done.stderr


@pytest.mark.parametrize(
    "peer", ["x", "tube=", "tube=192.0.2.1", "=192.0.2.1:5683", "tube=:1", "tube=h:65536", "tube=::1:5683"]
)
def test_run_says_what_a_peer_looks_like(tmp_path, peer):
    file = tmp_path / "device.prov"
    file.write_bytes(encode_provisioning(tube_provisioning()))
    done = run("run", file, "--peer", peer)
    assert done.exit_code == 2
    assert f'--peer must look like "tube=192.0.2.1:5683" or "tube=[2001:db8::1]:5683", not "{peer}".' in done.output


def test_no_board_means_no_export(server, tmp_path):
    """An export gives the device a new context with the server, and ends the one that a board in the field has."""
    done = run("provision", "tube", "--server", server, "--port", tmp_path / "ttyNO")
    assert done.exit_code == 3
    assert "mpremote connect list" in done.output
    assert events(server) == ["rs-added", "initialised"]
    assert run("provision", "tube", "--server", server, "--out", tmp_path / "tube.prov").exit_code == 0
    assert events(server)[0] == "rs-exported"


def events(server):
    from holdfast_core.cli import group

    done = CliRunner().invoke(group, ["server", "audit", "--json", "--state", str(server)])
    return [row["event"] for row in json.loads(done.stdout)]


def test_what_is_wider_than_the_terminal_goes_on_below(tmp_path, monkeypatch):
    file = tmp_path / "device.prov"
    file.write_bytes(encode_provisioning(ekg_provisioning()))
    monkeypatch.setenv("COLUMNS", "60")
    for output in (run("show", file).output, run("audit").output):
        assert max(map(len, output.splitlines())) <= 60
    monkeypatch.setenv("COLUMNS", "300")
    narrow = run("show", file).output.splitlines()
    assert [line.split()[0] for line in narrow][:2] == ["identity", "issuer"]
    assert len(narrow) == len(json.loads(run("show", file, "--json").output))


def test_an_address_that_is_not_there_is_said_in_words(tmp_path):
    file = tmp_path / "tube.prov"
    file.write_bytes(encode_provisioning(tube_provisioning()))
    program = [sys.executable, "-c", "from holdfast_core.cli import main; main()", "device", "run", file]
    command = [*program, "--host", "nowhere.invalid", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: cannot run: nowhere.invalid port 0: ")
    assert "[Errno" not in done.stderr
