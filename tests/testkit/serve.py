"""`holdfast server` as a user runs it: commands in processes of their own, and `serve` until it is stopped."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

from click.testing import CliRunner

from holdfast_server.cli.main import group
from testkit.as_peer import free_ports

COMMAND = [sys.executable, "-c", "from holdfast_core.cli import main; main()", "server"]


def environment():
    """The environment of this process, without a state directory that a user has set."""
    return {name: value for name, value in os.environ.items() if name != "HOLDFAST_STATE"}


class Done:
    """The result of a command: returncode, stdout, stderr."""

    def __init__(self, result):
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        self.returncode = result.exit_code
        self.stdout = result.stdout
        self.stderr = result.stderr


def holdfast(*argv, stdin=""):
    """Run one command in this process, which takes a tenth of the time; an exception is the test's failure."""
    return Done(CliRunner(env={"HOLDFAST_STATE": None}).invoke(group, [str(word) for word in argv], input=stdin))


def process(*argv, stdin=""):
    """Run one command in a process of its own; returns the CompletedProcess, with no traceback in it."""
    done = subprocess.run(
        [*COMMAND, *map(str, argv)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def init(state, *argv):
    """Make a server on two free ports; returns (http port, CoAP port, what init printed as JSON)."""
    http, coap = free_ports()
    done = holdfast(
        "init", "--state", state, "--http", f"127.0.0.1:{http}", "--coap", f"127.0.0.1:{coap}", "--json", *argv
    )
    assert done.returncode == 0, done.stderr
    return http, coap, json.loads(done.stdout)


def certified(tmp_path):
    """Make a server with a certificate for 127.0.0.1; returns the certificate's path and the port."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    http, _, _ = init(tmp_path / "state", "--certificate", str(certificate), "--key", str(key))
    return certificate, http


@contextmanager
def serving(state, *argv):
    """A running `serve`, as subprocess.Popen, from the moment it says that it is ready; killed at the end."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--state", str(state), *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        process.ready = json.loads(line)["ready"]
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def ended(process):
    """Wait for the end; return (exit code, what the server printed, what it logged)."""
    out, err = process.communicate(timeout=20)
    assert "Traceback" not in err, err
    return process.returncode, out, err
