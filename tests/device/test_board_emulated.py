"""`holdfast device` and MicroPython's own raw REPL, on an emulated Cortex-M3 with a littlefs: firmware, no board."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast_core.provisioning import encode_provisioning
from testkit.device_command import run, told
from testkit.story import TUBE, tube_provisioning

FIRMWARE = ".cache/firmware/qemu-cortex-m3-native/firmware.elf"
MACHINE = ["-machine", "mps2-an385", "-nographic", "-monitor", "none", "-semihosting", "-serial", "pty"]
BLOCKS, BLOCK_LEN = 40, 4096
MPREMOTE = Path(sys.executable).with_name("mpremote")
# The firmware mounts its flash when it is told to, so a reset would lose it.
KEEPS_MOUNT = f"""#!/bin/sh
case "$*" in version) exec {MPREMOTE} version;; *" resume reset") exit 0;; esac
port=$2; shift 2
exec {MPREMOTE} connect "$port" resume "$@"
"""


@pytest.fixture
def port(repo, tmp_path, monkeypatch):
    """The serial port of an emulated board with an empty flash."""
    tool = tmp_path / "tools" / "mpremote"
    tool.parent.mkdir()
    tool.write_text(KEEPS_MOUNT)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    flash = tmp_path / "flash"
    flash.write_bytes(b"\xff" * BLOCKS * BLOCK_LEN)
    emulator = subprocess.Popen(
        ["qemu-system-arm", *MACHINE, "-kernel", repo / FIRMWARE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        path = re.search(r"/dev/pts/\d+", emulator.stdout.readline()).group()
        mount = f"import emulated_board as b; b.mount({str(flash)!r}, {BLOCKS})"
        subprocess.run([tool, "connect", path, "exec", mount], check=True, timeout=60)
        yield path
    finally:
        emulator.kill()
        emulator.communicate()


def small_tree(repo, folder):
    """A package of every ninth file and the C core: a serial line at the speed of an emulator is slow."""
    subprocess.run([sys.executable, repo / "scripts" / "bundle", "packages", folder], check=True, capture_output=True)
    for listed in folder.glob("*/package.json"):
        package = json.loads(listed.read_text())
        package["urls"] = package["urls"][:-1:9] + package["urls"][-1:]
        listed.write_text(json.dumps(package))
    return folder


@pytest.mark.boards
def test_from_nothing_to_wiped(repo, port, tmp_path):
    tree = small_tree(repo, tmp_path / "tree")
    pushed = told(run("push", "--port", port, "--tree", tree, "--json"))
    assert pushed["package"] == "armv7m_6.3"
    assert told(run("push", "--port", port, "--tree", tree, "--json"))["copied"] == 0
    file = tmp_path / "tube.prov"
    file.write_bytes(encode_provisioning(tube_provisioning()))
    secret = tube_provisioning().keys[1].material.reveal()
    done = run("provision", "--from", file, "--port", port, "--shred")
    assert done.exit_code == 0, done.output
    assert secret in (tmp_path / "flash").read_bytes()
    verified = told(run("verify", "--port", port, "--tree", tree, "--json"), code=1)
    assert verified["problems"] == ["holdfast_core is frozen into the firmware, and /lib is not looked at"]
    assert verified["provisioned"]["name"] == TUBE
    assert verified["crypto"] == verified["tokens"] == "hf_native"
    wiped = run("wipe", "--port", port, "--yes")
    assert wiped.exit_code == 0, wiped.output
    assert secret not in (tmp_path / "flash").read_bytes()
    assert told(run("status", "--port", port, "--json"))["provisioned"] is None
