"""Out of memory on MicroPython: with each allocation failing in its turn, and with a process whose heap is full.

What is expected: the exchange is lost or refused (5.00, 5.03, 4.13), and nothing else is; no half of a session, of new
rights or of a countdown, and no nonce twice; the same tube goes on.  With no memory at all the board is reset.
"""

import contextlib
import json
import os
import subprocess
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.provisioning import encode_provisioning
from holdfast_device.client import Refused, SessionLost
from holdfast_device.loop_shell import MAX_FAILED
from holdfast_device.udp_shell import resolve
from testkit import mint
from testkit.doctor import Doctor, free_port
from testkit.story import TUBE, get, held, tube_provisioning

# Operation: the range of bytes in which its allocations begin to fail and end to, on 64 bits; most of them garbage.
RANGES = {
    "get": (0, 12000),
    "put_big": (0, 14000),
    "post": (0, 60000),
    "accept": (0, 9000),
    "bind": (0, 14000),
    "observe": (0, 20000),
    "update": (0, 9000),
    "expire": (0, 14000),
}
TURNS = 30
# A mistake, and where it shows.
PLANTED = {
    "bind": ("bind", "6000", "14000", "16", "two bound sessions of one key"),
    "torn": ("expire", "6000", "16000", "64", "something is left undone"),
    "charge": ("expire", "0", "4000", "96", "a countdown that is not charged"),
    "update": ("update", "0", "4000", "64", "half of new rights"),
}


def starve(repo, micropython, *arguments):
    command = [micropython, "-X", "heapsize=3M", repo / "tests" / "tools" / "starve_main.py", *map(str, arguments)]
    environment = dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device:{repo}/tests")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("operation", RANGES)
def test_wherever_memory_runs_out_nothing_is_half_done_and_the_tube_goes_on(repo, micropython, operation, patience):
    first, last = RANGES[operation]
    step = (last - first) // TURNS // 16 * 16 + 16 * patience  # another step meets other allocations
    found = starve(repo, micropython, operation, patience, first, last, step)
    assert found["wrong"] == []
    assert found["failures"] > TURNS // 3
    assert found["grown"] < 10000


@pytest.mark.parametrize("plant", PLANTED)
def test_a_mistake_is_found(repo, micropython, plant):
    operation, first, last, step, said = PLANTED[plant]
    found = starve(repo, micropython, operation, 1, first, last, step, plant)
    assert said in found["wrong"]


PROGRAM = """
import gc, sys, time
class Machine:
    def reset():
        print("reset")
        sys.exit(7)
sys.modules["machine"] = Machine
import os
from holdfast_core.coap_message import response
from holdfast_device import board_shell, loop_shell
from holdfast_device.udp_shell import UdpLink, bind
from testkit.starved import relieve, starve

folder, port, room, for_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
board_shell.RESET_PAUSE_S = 0
STATE = [0, 0]  # 1: to be filled before the next wait; when to be emptied, in seconds

class Link(UdpLink):
    def wait(self, timeout_ms):
        if STATE[1] and time.time() >= STATE[1]:
            STATE[1] = 0
            relieve()
        if STATE[0]:
            STATE[0], STATE[1] = 0, time.time() + for_s
            starve(room)
            gc.enable()
        return UdpLink.wait(self, 50)

def fill(asked):
    STATE[0] = 1
    return response(68)

def setup(device, options):
    device.rs.resource("/result", get=lambda asked: response(69, b"negative"))
    device.rs.resource("/calibration", put=fill)

board_shell.run(setup, Link(bind("127.0.0.1", port)), os.urandom, directory=folder)
"""


class Tube:
    """A tube in a process, which fills its own heap when the calibration is put, and a doctor."""

    def __init__(self, repo, micropython, folder, room, for_s):
        told = tube_provisioning()
        told.time_floor_s = int(time.time()) - 60
        (folder / "provisioning").write_bytes(encode_provisioning(told))
        (folder / "main.py").write_text(PROGRAM)
        self.doctor, self.port = Doctor(), free_port()
        self._command = [micropython, "-X", "heapsize=1M", folder / "main.py", folder, self.port, room, for_s]
        self._environment = dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device:{repo}/tests")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            list(map(str, self._command)), env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert "ready" in self.process.stdout.readline()

    def session(self):
        token = mint.encrypted(mint.claims(TUBE, "read_result calibrate", int(time.time())))
        opening = self.doctor.client.open_session(
            resolve("127.0.0.1", self.port), held(token, now_ms=self.doctor.now_ms())
        )
        return self.doctor.run(opening)

    def fill(self, session):
        message = get("/calibration")
        message.code = L.CODE_PUT
        assert self.doctor.run(session.request(message)).code == L.CODE_CHANGED

    def read(self, session):
        return self.doctor.run(session.request(get("/result"))).code

    def out(self):
        with self.process.stdout as stdout:
            return stdout.read()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.doctor.sock.close()


@pytest.fixture
def tube(repo, micropython, tmp_path):
    """A function that starts one."""
    started = []

    def start(room, for_s):
        started.append(Tube(repo, micropython, tmp_path, room, for_s))
        return started[-1]

    yield start
    for one in started:
        one.close()


def read_in_the_end(one, session):
    """The first result; while the heap is full the session may end, and a new one be refused."""
    for _ in range(60):
        try:
            code = one.read(session)
            if code == L.CODE_CONTENT:
                return code
            session = one.session()
        except (SessionLost, Refused):
            one.doctor.shell.step(500)
            with contextlib.suppress(Refused):
                session = one.session()
    return None


def test_a_request_that_is_too_much_is_lost_and_the_service_goes_on(tube):
    """Enough to wait, too little to answer, for three seconds; the doctor's stack asks again meanwhile.

    What was lost after it had been opened counts as seen, so that its repetition is a replay and the session over.
    """
    one = tube(4000, 3)
    session = one.session()
    assert one.read(session) == L.CODE_CONTENT
    one.fill(session)
    assert read_in_the_end(one, session) == L.CODE_CONTENT
    assert one.process.poll() is None
    one.process.kill()
    lines = one.out().splitlines()
    assert lines
    assert set(lines) == {'{"lost": "out of memory"}'}


def test_a_heap_that_stays_full_resets_the_board_which_serves_again(tube):
    one = tube(0, 60)
    session = one.session()
    assert one.read(session) == L.CODE_CONTENT
    one.fill(session)
    one.doctor.endpoint.spawn(session.request(get("/result")))
    while one.process.poll() is None:
        one.doctor.shell.step(100)
    lines = one.out().splitlines()
    assert lines == ['{"lost": "out of memory"}'] * (MAX_FAILED - 1) + ['{"error": "out of memory"}', "reset"]
    assert one.process.returncode == 7
    one.start()
    with pytest.raises(SessionLost):
        one.read(session)
    assert one.read(one.session()) == L.CODE_CONTENT
