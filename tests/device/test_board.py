"""`holdfast device` and a board: a real mpremote, a real MicroPython with a littlefs, behind a pseudo-terminal."""

import os
import sys

import pytest

from holdfast_core.provisioning import encode_provisioning
from holdfast_deploy.board_commands_shell import FIELDS
from testkit.device_command import MAIN, run, told
from testkit.fake_board import FakeBoard
from testkit.fake_tools import called, fake_tool
from testkit.story import EKG_SECRET, TUBE, ekg_provisioning, tube_provisioning

# Filling all free space goes through Python here, block by block: leave little.
BALLAST = "with open('/ballast', 'wb') as file:\n for _ in range(130): file.write(bytes(4096))"


def write(board, path, text):
    board.mpremote("exec", f"with open({path!r}, 'w') as file: file.write({text!r})")


def test_push_copies_what_differs_and_removes_what_would_hide_it(board, tree):
    assert told(run("push", "--port", board.port, "--tree", tree, "--json"))["copied"] == 0
    write(board, "/lib/holdfast_core/cbor.py", "x = 1")
    write(board, "/lib/holdfast_core/cose.mpy", "torn")
    wrong = told(run("verify", "--port", board.port, "--tree", tree, "--json"), code=1)["problems"]
    assert "holdfast_core/cbor.py is not of this package" in wrong
    assert "holdfast_core/cose.mpy is different" in wrong
    again = told(run("push", "--port", board.port, "--tree", tree, "--json"))
    assert (again["copied"], again["removed"]) == (1, 1)
    assert board.mpremote("fs", "cat", ":/main.py") == MAIN


def test_from_provisioned_to_wiped(board, tree, file):
    verified = run("verify", "--port", board.port, "--tree", tree, "--json")
    before = told(verified, code=1)
    assert before["problems"] == ["the board is not provisioned"]
    assert "Next: holdfast device provision NAME" in verified.stderr
    assert before["crypto"] == before["tokens"] == "hf_native"
    assert run("provision", "--from", file, "--port", board.port, "--shred").exit_code == 0
    assert not file.exists()
    after = told(run("verify", "--port", board.port, "--tree", tree, "--json"))
    assert after["problems"] == []
    assert after["provisioned"]["name"] == TUBE
    assert board.mpremote("exec", "import os; print(os.listdir('/holdfast'))").strip() == "['provisioning']"
    secret = tube_provisioning().keys[1].material.reveal()
    assert secret in board.flash.read_bytes()
    board.mpremote("exec", BALLAST)
    assert run("wipe", "--port", board.port).exit_code == 2
    done = run("wipe", "--port", board.port, "--yes", "--json")
    assert told(done) == {"wiped": True}
    assert "free space" in done.stderr
    assert board.mpremote("exec", "import os; print(os.listdir('/holdfast'))").strip() == "[]"
    assert told(run("status", "--port", board.port, "--json"))["provisioned"] is None
    assert secret not in board.flash.read_bytes()


def test_provision_replaces_only_when_told_to(board, file, tmp_path):
    assert run("provision", "--from", file, "--port", board.port).exit_code == 0
    assert run("provision", "--from", file, "--port", board.port).exit_code == 0  # the same
    other = tmp_path / "ekg.prov"
    other.write_bytes(encode_provisioning(ekg_provisioning()))
    refused = run("provision", "--from", other, "--port", board.port)
    assert refused.exit_code == 4
    assert "--force" in refused.output
    assert told(run("status", "--port", board.port, "--json"))["provisioned"]["name"] == TUBE
    done = run("provision", "--from", other, "--port", board.port, "--force")
    assert done.exit_code == 0, done.output
    status = run("status", "--port", board.port)
    assert "ekg_device_ABC" in status.output
    secrets = [EKG_SECRET] + [key.material.reveal() for key in ekg_provisioning().keys]
    shown = done.output + status.output + board.said.decode("latin-1")
    assert [secret for secret in secrets if secret.hex() in shown] == []
    assert [secret for secret in secrets if repr(secret)[2:-1] in shown] == []


def test_what_is_cut_off_is_not_taken_for_provisioning(board, file):
    """The copy ends at .new: the board knows nothing of it, the audit finds it, the next provision replaces it."""
    board.mpremote("fs", "mkdir", ":/holdfast")
    write(board, "/holdfast/provisioning.new", "half")
    assert told(run("status", "--port", board.port, "--json"))["provisioned"] is None
    checks = told(run("audit", "--port", board.port, "--json"), code=1)["checks"]
    assert [check["says"] for check in checks if check["level"] == "problem"] == [
        "copies of provisioning lie about: provisioning.new; remove them"
    ]
    done = run("provision", "--from", file, "--port", board.port)
    assert done.exit_code == 0, done.output
    audit = told(run("audit", "--port", board.port, "--json"))
    assert {check["level"] for check in audit["checks"]} == {"ok"}
    assert audit["wear"]["blocks"] > 100
    assert audit["wear"]["years"] > 100


def test_a_torn_provisioning_is_a_problem(board, tree, file):
    assert run("provision", "--from", file, "--port", board.port).exit_code == 0
    write(board, "/holdfast/provisioning", "half")
    found = told(run("verify", "--port", board.port, "--tree", tree, "--json"), code=1)["problems"]
    assert "the board cannot read its provisioning" in found


def test_a_board_without_the_package(micropython, tree, tmp_path):
    with FakeBoard(micropython, tmp_path) as board:
        status = told(run("status", "--port", board.port, "--json"))
        assert status["crypto"] is None
        assert status["mpy"] == "6.3 x64"
        assert status["flash_free"] > 1000000
        assert list(status) == sorted(status, key=FIELDS.index)
        wiped = run("wipe", "--port", board.port, "--yes")
        assert wiped.exit_code == 1
        assert "holdfast_device" in wiped.output
        assert "Traceback" not in wiped.output
        assert "holdfast device push" in wiped.output
        audit = told(run("audit", "--port", board.port, "--json"), code=1)["checks"]
        assert [check["says"] for check in audit] == [
            "the package is not on the board: holdfast device push puts it there"
        ]
        verified = run("verify", "--port", board.port, "--tree", tree)
        assert verified.exit_code == 1
        assert "the package is not on the board, the board is not provisioned" in " ".join(verified.stdout.split())
        assert "missing" not in verified.output
        assert f"Next: holdfast device push --port {board.port}" in verified.stderr


def test_mip_installs_it_as_well(micropython, tree, tmp_path):
    with FakeBoard(micropython, tmp_path) as board:
        board.mpremote("mip", "install", str(tree / "py" / "package.json"))
        found = told(run("push", "--port", board.port, "--tree", tree, "--json"))
        assert found["copied"] == 1  # the C core, of which mip cannot know the processor


def test_audit_tells_the_wear_without_a_board():
    quiet = told(run("audit", "--json"))
    busy = told(run("audit", "--exi-share", 1, "--blocks", 64, "--json"))
    assert quiet["checks"] == busy["checks"] == []
    assert quiet["wear"]["saves_per_year"] == 45 * 365
    assert 1 < busy["wear"]["years"] < quiet["wear"]["years"]
    text = run("audit").output
    assert "cannot   A person who reaches USB" in text
    assert "littlefs, 64 blocks" in text


def test_no_board_and_no_tool(tmp_path, monkeypatch):
    missing = run("status", "--port", tmp_path / "ttyNO")
    assert missing.exit_code == 3
    assert "ttyNO" in missing.output
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    without = run("status", "--port", tmp_path / "ttyNO")
    assert without.exit_code == 2
    assert "-m pip install mpremote" in without.output


@pytest.mark.parametrize(("chip", "offset"), [("esp32", "0x1000"), ("esp32s3", "0"), ("esp32c3", "0")])
def test_flash_calls_esptool(tmp_path, monkeypatch, chip, offset):
    tools = tmp_path / "tools"
    fake_tool(tools, "esptool", "esptool v5.0.0", b"Writing at 0x0... (100 %)\n")
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    image = tmp_path / "firmware.bin"
    image.write_bytes(b"\xe9")
    done = run("flash", image, "--chip", chip, "--port", "/dev/ttyUSB0")
    assert done.exit_code == 0, done.output
    assert "(100 %)" in done.stderr
    head = ["--chip", chip, "--port", "/dev/ttyUSB0"]
    assert called(tools) == [[*head, "erase-flash"], [*head, "write-flash", offset, str(image)]]
    assert run("flash", image, "--chip", chip, "--port", "/dev/ttyUSB0", "--keep").exit_code == 0
    assert called(tools)[2:] == [[*head, "write-flash", offset, str(image)]]
    done = run("flash", image, "--chip", chip, "--port", "/dev/ttyUSB0", "--json")
    assert told(done) == {"image": str(image), "chip": chip, "erased": True}


def test_flash_knows_a_pico(tmp_path):
    image = tmp_path / "firmware.uf2"
    image.write_bytes(b"UF2\n")
    done = run("flash", image, "--chip", "esp32", "--port", "/dev/ttyACM0")
    assert done.exit_code == 2
    assert "BOOTSEL" in done.output
