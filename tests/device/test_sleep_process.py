"""Deep sleep with real processes: the example that sleeps, each life a MicroPython of its own, awake for 2 s."""

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

# What the example finds on a board: its sleep ends the process, its RTC memory and its flash are files.
BOARD = """
import sys
from holdfast_device import board_shell
from holdfast_device.udp_shell import UdpLink, bind

folder, port, example = sys.argv[1], int(sys.argv[2]), sys.argv[3]

class RTC:
    def memory(self, data=None):
        if data is None:
            try:
                with open(folder + "/rtc", "rb") as file:
                    return file.read()
            except OSError:
                return b""
        with open(folder + "/rtc", "wb") as file:
            file.write(data)

def deepsleep(for_ms):
    print(for_ms)
    sys.exit(0)

class Link(UdpLink):
    said = False

    def wait(self, timeout_ms):
        if not Link.said:
            Link.said = True
            board_shell.announce(port)
        return UdpLink.wait(self, timeout_ms)

def link():
    return Link(bind("127.0.0.1", port))

class Fake:
    pass

machine, wifi = Fake(), Fake()
machine.RTC, machine.deepsleep, wifi.link = RTC, deepsleep, link
sys.modules["machine"], sys.modules["wifi"] = machine, wifi
with open(example) as file:
    program = file.read().replace("/holdfast", folder)
exec(program, {"__name__": "__main__"})
"""
RESULT = b"troponin negative"


@pytest.fixture
def tube(tmp_path, repo, micropython):
    """A function that starts the tube's next life."""
    told = tube_provisioning()
    told.time_floor_s = int(time.time()) - 60
    (tmp_path / "provisioning").write_bytes(encode_provisioning(told))
    (tmp_path / "main.py").write_text(BOARD)
    command = [str(micropython), "-X", "heapsize=1M", tmp_path / "main.py", tmp_path, str(free_port())]
    command.append(repo / "device" / "examples" / "boards" / "sleepy_tube.py")
    environment = dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device")
    lives = []

    def start():
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lives.append(process)
        assert process.stdout.readline().startswith('{"'), process.stderr.read()
        return process

    start.address = ("127.0.0.1", int(command[5]))
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
        assert doctor.run(session.request(get("/result"))).payload == RESULT
        for _ in range(3):
            out, err = life.communicate(timeout=30)
            assert (life.returncode, err) == (0, "")
            assert 50000 < int(out) < 60000
            life = tube()
            assert (tmp_path / "rtc").read_bytes() == b""
            answer = doctor.run(session.request(get("/result")))
            assert (answer.code, answer.payload) == (L.CODE_CONTENT, RESULT)
        life.communicate(timeout=30)
        assert len((tmp_path / "rtc").read_bytes()) > 200
        (tmp_path / "rtc").unlink()
        tube()
        with pytest.raises(SessionLost):
            doctor.run(session.request(get("/result")))
    finally:
        doctor.sock.close()
