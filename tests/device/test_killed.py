"""A MicroPython tube that is killed in the midst of its work, again and again: each life begins where no harm is.

Its state is two files: a countdown that a token began goes on, and a sequence number that is over stays over.
"""

import os
import random
import subprocess
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.provisioning import encode_provisioning
from holdfast_deploy.place_shell import PlacedFlash
from holdfast_device.client import Refused
from holdfast_device.state import State
from holdfast_device.udp_shell import resolve
from testkit import mint
from testkit.doctor import Doctor, free_port
from testkit.story import TUBE, get, held, tube_provisioning

LIVES = 12
EXI_S = 3600


@pytest.fixture
def start(repo, micropython, tmp_path):
    """A function that starts the tube's next life; .port, .state."""
    told = tube_provisioning()
    told.time_floor_s = int(time.time()) - 60
    (tmp_path / "tube.prov").write_bytes(encode_provisioning(told))
    port, lives = free_port(), []
    program = repo / "device" / "examples" / "tube.py"
    command = [micropython, "-X", "heapsize=1M", program, tmp_path / "tube.prov", "--port", port, "--no-clock"]
    environment = dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device")

    def begin():
        lives.append(subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.PIPE, text=True))
        assert "ready" in lives[-1].stdout.readline()
        return lives[-1]

    begin.peer = resolve("127.0.0.1", port)
    begin.state = tmp_path / "tube.prov.state"
    yield begin
    for life in lives:
        life.kill()
        life.wait()
        life.stdout.close()


def post(doctor, peer, sequence):
    cti = b"tube" + sequence.to_bytes(8, "big")
    claims = mint.claims(TUBE, "read_result", int(time.time()), exi=EXI_S, cti=cti, exp=None)
    return doctor.client.open_session(peer, held(mint.encrypted(claims), now_ms=doctor.now_ms()))


def test_each_life_begins_with_a_whole_state_and_serves(start):
    timing, left, boot = random.Random(3), EXI_S, 0
    for life in range(1, LIVES + 1):
        process, doctor = start(), Doctor()
        try:
            session = doctor.run(post(doctor, start.peer, 1))  # the same token: its countdown goes on
            assert doctor.run(session.request(get("/result"))).code == L.CODE_CONTENT
            doctor.endpoint.spawn(post(doctor, start.peer, 1 + life))
            # Killed while this is written, or before, or after.
            end = time.monotonic() + timing.random() * 0.03
            while time.monotonic() < end:
                doctor.shell.step(1)
            process.kill()
            process.wait()
        finally:
            doctor.close()
        kept = State(PlacedFlash(str(start.state)), 0)
        assert boot + 2 <= kept.boot <= boot + 3  # this look was a start as well, and a torn slot counts one more
        boot = kept.boot
        running = dict(kept.exi)
        assert 0 < running[1] < left
        left = running[1]
        assert set(running) <= {1, *range(2, 2 + life)}


def test_a_sequence_number_that_is_over_stays_over(start):
    process, doctor = start(), Doctor()
    try:
        doctor.run(post(doctor, start.peer, 5))
        process.kill()
        process.wait()
        kept = State(PlacedFlash(str(start.state)), 0)
        kept.exi, kept.exi_floor = [], 5
        kept.save()
        start()
        for sequence in (5, 4):
            with pytest.raises(Refused):
                doctor.run(post(doctor, start.peer, sequence))
        assert doctor.run(post(doctor, start.peer, 6)).is_open
    finally:
        doctor.close()
