"""Deep sleep with real processes: each life is a MicroPython of its own, its RTC memory a file, its flash two more."""

import os
import subprocess
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.provisioning import encode_provisioning
from holdfast_device.client import SessionLost
from holdfast_device.udp_shell import resolve
from testkit import mint
from testkit.doctor import Doctor, free_port
from testkit.story import TUBE, get, held, tube_provisioning

PROGRAM = """
import os, sys
from holdfast_core.coap_message import response
from holdfast_device.board_shell import announce, read_provisioning
from holdfast_device.sleep_shell import Sleeper, cycle
from holdfast_device.store_flash import FileFlash
from holdfast_device.udp_shell import UdpLink, bind

folder, port = sys.argv[1], int(sys.argv[2])

class Rtc:
    def memory(self, data=None):
        if data is None:
            try:
                with open(folder + "/rtc", "rb") as file:
                    return file.read()
            except OSError:
                return b""
        with open(folder + "/rtc", "wb") as file:
            file.write(data)

def setup(device):
    device.rs.resource("/result", get=lambda asked: response(69, b"woke" if device.woke else b"started"))
    announce(port)

def deepsleep(for_ms):
    print(for_ms)
    sys.exit(0)

provisioning = read_provisioning(folder + "/provisioning")
cycle(Sleeper(Rtc(), deepsleep), setup, UdpLink(bind("127.0.0.1", port)), provisioning, FileFlash(folder), os.urandom,
    awake_ms=1000)
"""


@pytest.fixture
def tube(tmp_path, repo, micropython):
    """A function that starts the tube's next life."""
    told = tube_provisioning()
    told.time_floor_s = int(time.time()) - 60
    (tmp_path / "provisioning").write_bytes(encode_provisioning(told))
    (tmp_path / "main.py").write_text(PROGRAM)
    command = [str(micropython), "-X", "heapsize=1M", tmp_path / "main.py", tmp_path, str(free_port())]
    environment = dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device")
    lives = []

    def start():
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lives.append(process)
        assert process.stdout.readline().startswith('{"'), process.stderr.read()
        return process

    start.address = ("127.0.0.1", int(command[-1]))
    yield start
    for process in lives:
        process.kill()
        process.communicate()


def test_a_session_outlives_processes_until_the_power_is_cut(tube, tmp_path):
    doctor, peer = Doctor(), resolve(*tube.address)
    try:
        life = tube()
        token = held(mint.encrypted(mint.claims(TUBE, "read_result", int(time.time()))), now_ms=doctor.now_ms())
        session = doctor.run(doctor.client.open_session(peer, token))
        assert doctor.run(session.request(get("/result"))).payload == b"started"
        for _ in range(3):
            out, err = life.communicate(timeout=30)
            assert (life.returncode, err) == (0, "")
            assert 50000 < int(out) < 60000
            life = tube()
            assert (tmp_path / "rtc").read_bytes() == b""
            answer = doctor.run(session.request(get("/result")))
            assert (answer.code, answer.payload) == (L.CODE_CONTENT, b"woke")
        life.communicate(timeout=30)
        assert len((tmp_path / "rtc").read_bytes()) > 200
        (tmp_path / "rtc").unlink()
        tube()
        with pytest.raises(SessionLost):
            doctor.run(session.request(get("/result")))
    finally:
        doctor.sock.close()
