"""device/README.md: from a bare board to a lock that opens, and not for a thief; each command of it as it stands there.

The board is the unix MicroPython behind a pseudo-terminal, esptool a script, and BOARD is this machine.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testkit.budgets import SLACK_OF_INSTRUCTIONS, limits
from testkit.fake_board import FakeBoard
from testkit.fake_tools import fake_tool

TITLE = "## From a bare board to a lock that opens, and a refused thief"
STARTS_IN_S = 60
CAPTURED = {"capture_output": True, "text": True}


def commands(repo):
    """(command, what it must print) of the guide."""
    section = (repo / "device" / "README.md").read_text().split(TITLE, 1)[1].split("\n## ", 1)[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    return [(command.strip(), said.strip()) for command, _, said in (line.partition("  #") for line in lines)]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))
        return sock.getsockname()[1]


@pytest.fixture
def workplace(repo, tmp_path):
    """A folder like the root of the tree, as far as the guide needs it, and the port of the lock."""
    port = free_port()
    examples = tmp_path / "device" / "examples" / "boards"
    examples.mkdir(parents=True)
    for example in (repo / "device" / "examples" / "boards").glob("*.py"):
        (examples / example.name).write_text(example.read_text().replace("5683", str(port)))
    shutil.copy(repo / "device" / "examples" / "opener.py", examples.parent)
    (tmp_path / "Makefile").write_text(
        f".PHONY: device\ndevice:\n\t@{sys.executable} {repo}/scripts/bundle packages build/device\n"
    )
    (tmp_path / "MICROPYTHON.bin").write_bytes(b"\xe9")
    fake_tool(tmp_path / "tools", "esptool", "esptool v5.0.0")
    (tmp_path / "build").mkdir()
    return tmp_path, port


def until(board, text):
    end_s = time.monotonic() + STARTS_IN_S
    while text not in board.said:
        assert time.monotonic() < end_s, board.said[-500:]
        time.sleep(0.05)


def test_each_command_of_the_guide(repo, micropython, workplace):
    folder, port = workplace
    environment = dict(os.environ, PATH=f"{folder}/tools:{Path(sys.executable).parent}:{os.environ['PATH']}")
    as_port, web_port = free_port(), free_port()
    guide = commands(repo)
    assert len(guide) == 19
    serving = None
    opened = []
    try:
        with FakeBoard(micropython, folder) as board:
            for command, said in guide:
                here = command.replace("/dev/ttyACM0", board.port).replace("BOARD", f"127.0.0.1:{port}")
                here = here.replace("ADDRESS", "127.0.0.1").replace("5683", str(as_port))
                if "server init" in here:
                    here += f" --http 127.0.0.1:{web_port}"
                if here.endswith("&"):
                    serving = subprocess.Popen(here.split()[:-1], cwd=folder, env=environment, stdout=subprocess.PIPE)
                    assert b"ready" in serving.stdout.readline()
                    continue
                done = subprocess.run(
                    ["sh", "-c", here], check=False, cwd=folder, env=environment, timeout=120, **CAPTURED
                )
                output = done.stdout + done.stderr
                assert said in output, (command, output)
                assert (done.returncode == 0) == ("aiocoap" not in command and "thief.context --app" not in command), (
                    output
                )
                opened.append(board.said.count(b"pin 15: 1"))
                if command.endswith("reset"):
                    until(board, b'"ready"')
            assert b'wifi: SSID\n{"wifi": "127.0.0.1"}\n{' in board.said.replace(b"\r\n", b"\n")
            assert b"pin 15: 0" in board.said
    finally:
        if serving is not None:
            serving.terminate()
            serving.communicate(timeout=20)
    turns = [command.split()[3] for (command, _), count in zip(ran(guide), opened, strict=True) if count]
    assert turns[0] == "tenant.context"  # who may has opened it, and nobody before


def ran(guide):
    """The commands that are waited for."""
    return [entry for entry in guide if not entry[0].endswith("&")]


ROWS = {
    "heap: import": "heap_import",
    "heap: tube started": "heap_tube",
    "heap: one session": "heap_session",
    "heap: 16 sessions": "heap_sessions_16",
    "allocated by a protected GET, then freed": "get_allocates_later",
    "flash, MicroPython and all": "flash_bytes",
    "flash: of these, what plain MicroPython has not": "flash_growth",
    "instructions: power-on to the first answer": "instructions_boot",
    "instructions: token check": "instructions_token_check",
    "instructions: session set-up": "instructions_session",
    "instructions: protected GET": "instructions_get",
}


def test_what_it_takes_is_what_is_recorded(repo):
    """The table of device/README.md is a run of its own, and within what a figure may differ from run to run."""
    text = (repo / "device" / "README.md").read_text()
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    told = {cells[0]: [int(cell.replace(",", "")) for cell in cells[1:]] for cells in table if cells[0] in ROWS}
    assert told.keys() == ROWS.keys()
    for row, name in ROWS.items():
        for figure, variant in zip(told[row], ("python", "native"), strict=True):
            recorded = limits()[f"qemu-cortex-m3-{variant}"][name]
            assert abs(figure - recorded) <= recorded * (SLACK_OF_INSTRUCTIONS - 1), (row, variant, figure, recorded)
