"""`holdfast device`: what it writes, what it shows, what it never shows."""

import json
import os
import re
import stat

import pytest
from click.testing import CliRunner

from holdfast_core.crypto import PROVIDER
from holdfast_core.provisioning import decode_provisioning, encode_provisioning
from holdfast_core.token_check import PATH
from holdfast_device import cli
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
    assert again.exit_code == 1
    assert "--force" in again.output
    assert out.read_bytes() == first
    assert run("provision", "tube", "--server", server, "--out", out, "--force").exit_code == 0
    assert out.read_bytes() != first


def test_provision_says_what_the_server_said(server, tmp_path):
    done = run("provision", "nobody", "--server", server, "--out", tmp_path / "x.prov")
    assert done.exit_code == 1
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
    assert json.loads(done.output)["tokens"] == PATH == "python"
    assert "CPython" in run("status").output


def test_show_refuses_what_is_no_provisioning(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(os.urandom(10))
    done = run("show", file)
    assert done.exit_code == 1
    assert re.search(r"no provisioning file", done.output)


def test_run_refuses_an_app_without_setup(tmp_path):
    file = tmp_path / "device.prov"
    file.write_bytes(encode_provisioning(tube_provisioning()))
    app = tmp_path / "app.py"
    app.write_text("x = 1\n")
    done = run("run", file, "--app", app)
    assert done.exit_code == 1
    assert "setup" in done.output
