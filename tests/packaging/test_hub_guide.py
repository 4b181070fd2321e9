"""hub/README.md: from a bare gateway to a tube read through it; each command of it as it stands there.

The gateway is a bare Debian 12 in a folder, systemctl a script that starts what the unit says as its user, and all
addresses are this machine.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast_sim.process_shell import free_port
from testkit.chroots import wait_for_line

pytestmark = pytest.mark.packages
TITLE = "## From a bare gateway to a tube read through it, in ten minutes"
SYSTEMCTL = """#!/bin/sh
# Of systemctl what the guide types: start the unit's program as its user, and wait until it is ready.
for name; do :; done
unit=/lib/systemd/system/$name.service
pid=/tmp/$name.pid
if [ "$1" = stop ]; then
  kill "$(cat "$pid")"
  while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.1; done
  exit
fi
setsid runuser -u "$(sed -n 's/^User=//p' "$unit")" -- $(sed -n 's/^ExecStart=//p' "$unit") >/tmp/$name.log 2>&1 &
echo $! >"$pid"
for _ in $(seq 300); do
  grep -q '"ready"' "/tmp/$name.log" && exit
  sleep 0.2
done
cat "/tmp/$name.log"
exit 1
"""
CAPTURED = {"capture_output": True, "text": True, "errors": "replace"}  # aiocoap-client prints the hint's CBOR
REFUSED = ("aiocoap-client", "holdfast device run thief.context")


def guide(repo):
    """Blocks of (command, what it must print): the gateway's, the computer's, the gateway's again."""
    section = (repo / "hub/README.md").read_text().split(TITLE, 1)[1].split("\n## ", 1)[0]
    blocks = [[]]
    for line in section.splitlines():
        if line.startswith("    "):
            command, _, said = line.strip().partition("  #")
            blocks[-1].append((command.strip(), said.strip()))
        elif line and blocks[-1]:
            blocks.append([])
    return blocks[:3]


@pytest.fixture
def gateway(bare, packages):
    """A bare system with the hub's package in its folder."""
    (bare.path / "usr/local/bin/systemctl").write_text(SYSTEMCTL)
    (bare.path / "usr/local/bin/systemctl").chmod(0o755)
    shutil.copy(packages["hub"], bare.path / "root")
    yield bare
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((bare.path / "tmp/holdfast-hub.pid").read_text()), signal.SIGKILL)


def typed(command, replaced):
    for word, value in replaced.items():
        command = command.replace(word, value)
    return command


def test_each_command_of_the_guide(repo, gateway, tmp_path):
    udp = [str(free_port(socket.SOCK_DGRAM)) for _ in range(4)]
    replaced = dict(zip(("5683", "5684", "5701"), udp, strict=False)) | {"GATEWAY": "127.0.0.1", "TUBE": "127.0.0.1"}
    first, computer, last = guide(repo)
    assert [len(block) for block in (first, computer, last)] == [7, 10, 3]

    def on_the_gateway(block):
        for command, said in block:
            here = typed(command, replaced)
            if "hub init" in here:
                here += f" --health 127.0.0.1:{free_port(socket.SOCK_STREAM)}"
            done = gateway.run("sh", "-c", f"cd /root && {here}")
            assert said in done.stdout + done.stderr, (command, done.stdout, done.stderr)

    on_the_gateway(first)
    shutil.copytree(repo / "device/examples", tmp_path / "device/examples")
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with contextlib.ExitStack() as running:
        for command, said in computer:
            here = typed(command, replaced)
            if "server init" in here:
                here += f" --coap 127.0.0.1:{udp[3]} --http 127.0.0.1:{free_port(socket.SOCK_STREAM)}"
            if here.endswith("&"):
                process = running.enter_context(
                    subprocess.Popen(
                        here.split()[:-1], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
                    )
                )
                running.callback(process.terminate)
                wait_for_line(process, '"ready"')
                continue
            done = subprocess.run(
                ["sh", "-c", here], cwd=tmp_path, env=environment, timeout=120, check=False, **CAPTURED
            )
            assert said in done.stdout + done.stderr, (command, done.stdout, done.stderr)
            assert (done.returncode == 0) == (not command.startswith(REFUSED)), (command, done.stdout, done.stderr)
    on_the_gateway(last)
