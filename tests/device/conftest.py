"""A board with the package on it, for the tests of the commands that boards are reached by."""

import subprocess
import sys

import pytest

from holdfast_core.provisioning import encode_provisioning
from testkit.device_command import MAIN, run, told
from testkit.fake_board import FakeBoard
from testkit.story import tube_provisioning


@pytest.fixture(scope="session")
def tree(repo, tmp_path_factory):
    """What make device builds."""
    out = tmp_path_factory.mktemp("build") / "device"
    subprocess.run([sys.executable, repo / "scripts" / "bundle", "packages", out], check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def pushed(micropython, tree, tmp_path_factory):
    """The flash of a board with the package on it."""
    folder = tmp_path_factory.mktemp("pushed")
    main = folder / "main.py"
    main.write_text(MAIN)
    with FakeBoard(micropython, folder) as board:
        done = run("push", "--port", board.port, "--tree", tree, "--main", main, "--json")
        assert told(done)["package"] == "x64_6.3"
        assert "100% /main.py" in done.stderr
    return (folder / "flash").read_bytes()


@pytest.fixture
def board(micropython, pushed, tmp_path):
    """A board with the package, not provisioned."""
    (tmp_path / "flash").write_bytes(pushed)
    with FakeBoard(micropython, tmp_path) as board:
        yield board


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "tube.prov"
    file.write_bytes(encode_provisioning(tube_provisioning()))
    return file
