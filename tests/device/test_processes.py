"""Real processes and real sockets: the examples as programs, on CPython and on MicroPython, read by our client."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.crypto import PROVIDER
from holdfast_core.provisioning import encode_provisioning
from holdfast_device.client import SessionLost
from holdfast_device.udp_shell import resolve
from testkit import mint
from testkit.doctor import Doctor, free_port
from testkit.story import TUBE, get, held, tube_provisioning

STARTS_IN_S = 20


class Program:
    """One running device; its lines of JSON in rows."""

    def __init__(self, command, environment, arguments):
        self.command = command
        self.environment = environment
        self.arguments = [str(argument) for argument in arguments]
        self.rows = []
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [*self.command, *self.arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        said = json.loads(line)
        self.port = said["ready"]
        self.crypto = said["crypto"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        out, err = self.process.communicate(timeout=STARTS_IN_S)
        self.rows += [json.loads(line) for line in out.splitlines()]
        assert err == b""


@pytest.fixture
def doctor():
    made = Doctor()
    yield made
    made.sock.close()


@pytest.fixture
def start(tmp_path, repo, micropython):
    """Start device/examples/tube.py on an interpreter with a fresh state, tracing; all are ended afterwards."""
    started = []

    def start_tube(kind):
        provisioning = tube_provisioning()
        provisioning.time_floor_s = int(time.time()) - 60
        file = tmp_path / "tube.prov"
        file.write_bytes(encode_provisioning(provisioning))
        environment = dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device")
        command = [sys.executable] if kind == "cpython" else [str(micropython), "-X", "heapsize=512k"]
        arguments = [file, "--port", free_port(), "--state", tmp_path / "state", "--trace"]
        started.append(Program([*command, str(repo / "device/examples/tube.py")], environment, arguments))
        return started[-1]

    yield start_tube
    for program in started:
        if program.process.poll() is None:
            program.kill()


def token():
    return mint.nested(mint.claims(TUBE, "read_result", int(time.time())))


@pytest.mark.parametrize("kind", ["cpython", "micropython"])
def test_read_restart_and_read_again(start, doctor, kind):
    tube = start(kind)
    assert tube.crypto == {"cpython": PROVIDER, "micropython": "micropython"}[kind]
    peer = resolve("127.0.0.1", tube.port)
    access_token = token()
    session = doctor.run(doctor.client.open_session(peer, held(access_token, now_ms=doctor.now_ms())))
    answer = doctor.run(session.request(get("/result")))
    assert (answer.code, answer.payload) == (L.CODE_CONTENT, b"troponin negative")
    assert doctor.run(doctor.client.ask_hints(peer, "/result")).audience == TUBE
    tube.kill()
    tube.start()
    with pytest.raises(SessionLost):
        doctor.run(session.request(get("/result")))
    again = doctor.run(doctor.client.open_session(peer, held(access_token, now_ms=doctor.now_ms())))
    assert doctor.run(again.request(get("/result"))).code == L.CODE_CONTENT
    tube.kill()
    check_trace(tube.rows, access_token)


def check_trace(rows, access_token):
    """What a trace shows, and that it shows no token, key or payload."""
    assert {row["dir"] for row in rows if "dir" in row} == {"in", "out"}
    opened = [row for row in rows if row.get("oscore") and row.get("inner") == "0.01"]
    assert opened
    assert all(row["path"] == "/result" for row in opened)
    posts = [row for row in rows if row.get("path") == "/authz-info"]
    assert posts
    assert all(row["ct"] == L.CF_ACE_CBOR for row in posts)
    text = json.dumps(rows)
    secret = mint.osc(b"osc-1")[L.OSC_MS]
    for hidden in (secret.hex(), access_token.hex(), "troponin"):
        assert hidden not in text


def test_two_processes_on_one_state_are_refused(start):
    tube = start("cpython")
    second = subprocess.run(
        [*tube.command, *tube.arguments], env=tube.environment, capture_output=True, timeout=STARTS_IN_S, check=False
    )
    assert second.returncode == 2
    assert b"another process" in second.stderr


def test_a_busy_port_and_a_file_of_something_else_are_named(start, tmp_path):
    tube = start("cpython")
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8\xff")
    for arguments, said in (
        ([tube.arguments[0], "--state", tmp_path / "other", "--port", tube.port], f"127.0.0.1 port {tube.port}: "),
        ([tmp_path / "holiday.jpg"], "holiday.jpg is no provisioning file"),
    ):
        done = subprocess.run(
            [*tube.command, *map(str, arguments)],
            env=tube.environment,
            capture_output=True,
            text=True,
            timeout=STARTS_IN_S,
            check=False,
        )
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--port"], ["--port", "x"], ["--port", "70000"], ["a", "b"], ["--what"]])
def test_wrong_arguments_are_one_line(repo, arguments):
    done = subprocess.run(
        [sys.executable, str(repo / "device/examples/tube.py"), *arguments],
        capture_output=True,
        timeout=STARTS_IN_S,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.count(b"\n") == 1
