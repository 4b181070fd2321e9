"""`holdfast hub` as a user runs it: commands in this process, and `run` in one of its own until it is stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress

from click.testing import CliRunner

from holdfast_hub.cli.main import group
from testkit.serve import Done

COMMAND = [sys.executable, "-c", "from holdfast_core.cli import main; main()", "hub"]
NEEDED_S = 30


def environment(more=()):
    """The environment of this process, without what a user has set of a hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_HUB")}
    return {**kept, **dict(more)}


def holdfast_hub(*argv, env=()):
    """Run one command in this process; an exception is the test's failure."""
    unset = {name: None for name in os.environ if name.startswith("HOLDFAST_HUB")}
    return Done(CliRunner(env={**unset, **dict(env)}).invoke(group, [str(word) for word in argv]))


class HubPlace:
    """A hub's files in a folder, made by `init`, on ports that the system chooses."""

    def __init__(self, folder, *argv):
        folder.mkdir(exist_ok=True)
        self.config = folder / "hub.toml"
        self.devices = folder / "devices.toml"
        self.state = folder / "state"
        done = holdfast_hub(
            *("init", "--config", self.config, "--state", self.state, "--coap", "127.0.0.1:0"),
            *("--health", "127.0.0.1:0", *argv),
        )
        assert done.returncode == 0, done.stderr

    def add(self, text, name="more.toml"):
        """Say more in conf.d."""
        (self.config.parent / "conf.d" / name).write_text(text)

    def call(self, *argv, env=()):
        """Run one command on this hub."""
        return holdfast_hub(*argv, "--config", self.config, env=env)

    def told(self, *argv):
        """What a command that is to succeed says as JSON."""
        done = self.call(*argv, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *argv, env=(), **popen):
        """A running hub, as subprocess.Popen, from the moment it says that it is ready; killed at the end."""
        process = subprocess.Popen(
            [*COMMAND, "run", "--config", str(self.config), *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(env),
            **popen,
        )
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            process.ready = json.loads(line)["ready"]
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=NEEDED_S)

    def refused(self, *argv):
        """Run a hub that does not start; return (exit code, what it says)."""
        command = [*COMMAND, "run", "--config", str(self.config), *argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=NEEDED_S, check=False, env=environment())
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stderr


def stopped(process, number=signal.SIGTERM):
    """Stop a hub; return (exit code, the lines that it logged)."""
    process.send_signal(number)
    _, err = process.communicate(timeout=NEEDED_S)
    assert "Traceback" not in err, err
    return process.returncode, err.splitlines()


def get(port, path, *, method="GET", host="127.0.0.1", octets=None):
    """Ask the port of health; return (status, head, body), (0, b"", b"") when it hangs up."""
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=NEEDED_S) as asked,
        suppress(ConnectionResetError),  # the hub has closed, and not read all
    ):
        asked.sendall(octets or f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        while more := asked.recv(65536):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, head, body


def resident_kib(process):
    """What a process has of memory, as the kernel counts it."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
