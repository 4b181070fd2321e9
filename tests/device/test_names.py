"""An AS that devices know by a name or by an address of either family: programs on sockets, both interpreters."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.provisioning import encode_provisioning
from holdfast_device.loop_shell import Loop
from holdfast_device.ticks_shell import Ticks
from holdfast_device.udp_shell import listen, resolve
from testkit import mint
from testkit.doctor import Doctor, free_port
from testkit.story import EKG, FakeAs, ekg_provisioning, get, held

HANDLE = b"handle-of-128-bits"
BEAT = b"a beat"
MAIN = """
import os, sys
from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.board_shell import run
from holdfast_device.udp_shell import listen

def setup(device, options):
    device.rs.resource("/ekg", get=lambda asked: response(L.CODE_CONTENT, b"a beat"))

run(setup, listen(sys.argv[1], int(sys.argv[2])), os.urandom, directory=sys.argv[3])
"""
APP = "from holdfast_core import labels as L\nfrom holdfast_core.coap_message import response\n" + MAIN.split("\n\n")[1]


class AsOnASocket(FakeAs):
    """The AS in a thread of its own, as a Loop wants it."""

    def __init__(self, host):
        super().__init__()
        self.tokens[HANDLE] = {
            L.INTRO_ACTIVE: True,
            L.INTRO_ISS: mint.ISSUER,
            L.INTRO_AUD: EKG,
            L.INTRO_SCOPE: "read_ekg",
            L.INTRO_EXP: int(time.time()) + 600,
            L.INTRO_CLIENT_ID: "doctor_app",
            L.INTRO_CNF: {L.CNF_OSC: mint.osc(b"doctor-1")},
        }
        self.port = free_port()
        self.link = listen(host, self.port)
        self.loop = Loop(self, self.link, Ticks(), has_clock=False)
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended:
            self.loop.step(50)

    def feed(self, datagram, peer, now_ms):
        super().feed(datagram, peer, now_ms)
        return True

    def close(self):
        self.ended = True
        self.thread.join(5)
        for _, sock in self.link._socks:
            sock.close()


@pytest.fixture
def start(tmp_path, repo, micropython):
    """Start an EKG that knows its AS as (host, port) and listens at an address; returns the process."""
    started = []

    def start_ekg(kind, host, as_peer):
        told = ekg_provisioning()
        told.time_floor_s = int(time.time()) - 60
        told.as_peer = as_peer
        (tmp_path / "provisioning").write_bytes(encode_provisioning(told))
        (tmp_path / "main.py").write_text(MAIN)
        (tmp_path / "app.py").write_text(APP)
        port = free_port()
        if kind == "micropython":
            command = [micropython, "-X", "heapsize=1M", tmp_path / "main.py", host, str(port), tmp_path]
        else:
            command = [sys.executable, "-m", "holdfast_core.cli", "device", "run", tmp_path / "provisioning"]
            command += ["--app", tmp_path / "app.py", "--host", host, "--port", str(port)]
        process = subprocess.Popen(
            command,
            env=dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        line = process.stdout.readline()
        assert "ready" in line, line
        return process, port

    yield start_ekg
    for process in started:
        process.kill()
        process.communicate()


def read(host, port):
    doctor = Doctor()
    try:
        peer = resolve(host, port)
        session = doctor.run(doctor.client.open_session(peer, held(HANDLE, b"doctor-1", doctor.now_ms())))
        return doctor.run(session.request(get("/ekg"))).payload
    finally:
        doctor.close()


@pytest.mark.parametrize("kind", ["cpython", "micropython"])
@pytest.mark.parametrize(
    ("host", "as_host", "as_at"),
    [
        ("127.0.0.1", "localhost", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::1", "::1"),
        ("::1", "::1", "::1"),
        ("::1", "localhost", "127.0.0.1"),
    ],
)
def test_an_rs_reaches_its_as(start, kind, host, as_host, as_at):
    known = AsOnASocket(as_at)
    try:
        _, port = start(kind, host, (as_host, known.port))
        assert read(host, port) == BEAT
        assert known.asked
    finally:
        known.close()


@pytest.mark.parametrize("kind", ["cpython", "micropython"])
def test_an_as_whose_name_has_no_address_stops_nothing_and_is_told(start, kind):
    process, port = start(kind, "127.0.0.1", ("no-such-host.invalid", 5683))
    doctor = Doctor(answer_s=15)
    try:
        peer = resolve("127.0.0.1", port)
        assert doctor.run(doctor.client.ask_hints(peer, "/ekg")).audience == EKG
        doctor.endpoint.spawn(doctor.client.open_session(peer, held(HANDLE, b"doctor-1", doctor.now_ms())))
        doctor.shell.step(100)
        assert json.loads(process.stdout.readline()) == {"unresolved": "no-such-host.invalid"}
        assert doctor.run(doctor.client.ask_hints(peer, "/ekg")).audience == EKG
    finally:
        doctor.close()
