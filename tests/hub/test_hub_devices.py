"""A client through `holdfast hub run` to real device programs: over UDP, and over a pty whose line is pulled out."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.provisioning import encode_provisioning
from holdfast_deploy.files_shell import examples
from holdfast_sim.process_shell import Part
from testkit.hub import NEEDED_S, HubPlace, stopped
from testkit.hub_client import Client, named
from testkit.hub_links import Line
from testkit.story import AS_URI, tube_provisioning

SERIAL_TUBE = Path(__file__).parents[1] / "testkit" / "serial_tube.py"


@pytest.fixture
def provisioning(tmp_path):
    path = tmp_path / "tube.prov"
    path.write_bytes(encode_provisioning(tube_provisioning()))
    return path


def hints_of(client):
    """What a device says to a client that shows nothing, the Echo of an address that is new to it sent back."""
    client.send(named("/result", b"tube-1"))
    answer = client.receive()
    if answer.get(L.OPT_ECHO) is not None:
        client.send(named("/result", b"tube-1").add(L.OPT_ECHO, answer.get(L.OPT_ECHO)))
        answer = client.receive()
    return answer


def test_a_device_program_over_udp(tmp_path, provisioning):
    program = str(examples() / "tube.py")
    tube = Part("tube", [sys.executable, program, str(provisioning), "--port", "0"])
    tube.start()
    try:
        place = HubPlace(tmp_path / "hub")
        place.devices.write_text(f'[devices.tube-1]\nlink = "udp"\naddress = "127.0.0.1:{tube.ready}"\n')
        with place.running("--trace") as process:
            client = Client(process.ready["coap"][0])
            with client.socket:
                answer = hints_of(client)
            assert (answer.code, AS_URI.encode() in answer.payload) == (L.CODE_UNAUTHORIZED, True)
            process.terminate()
            out, _ = process.communicate(timeout=NEEDED_S)
        told = [json.loads(line) for line in out.splitlines()]
        assert {(line["who"], line["dir"], line["peer"]) for line in told} == {
            ("hub", way, peer) for way in ("in", "out") for peer in ("client", "tube-1")
        }
        assert AS_URI not in out
    finally:
        tube.stop()


@contextmanager
def serial_tube(line, provisioning):
    """A tube at the far end of a line."""
    command = [sys.executable, str(SERIAL_TUBE), str(provisioning), f"{provisioning}.state", str(line.master)]
    process = subprocess.Popen(command, pass_fds=[line.master])
    try:
        yield
    finally:
        process.kill()
        process.wait(NEEDED_S)


def test_a_device_program_at_a_serial_line_that_is_pulled_out_and_put_back(tmp_path, provisioning):
    line = Line(Path("/dev/shm") / f"holdfast-{os.getpid()}")  # a hub opens lines below /dev alone
    place = HubPlace(tmp_path / "hub")
    place.add(f'[links.tty0]\nkind = "serial"\npath = "{line.path}"\nbaud = 115200\n')
    place.devices.write_text('[devices.tube-1]\nlink = "tty0"\n')
    try:
        with place.running() as process:
            client = Client(process.ready["coap"][0])
            with client.socket:
                with serial_tube(line, provisioning):
                    assert hints_of(client).code == L.CODE_UNAUTHORIZED
                assert place.told("status")["links"]["tty0"] == "up"
                line.unplug()
                until(lambda: place.told("status")["links"]["tty0"] == "down")
                client.send(request(L.CODE_GET, "/result").add(L.OPT_URI_HOST, b"tube-1"))
                assert client.receive().code == L.CODE_SERVICE_UNAVAILABLE
                line.plug()
                with serial_tube(line, provisioning):
                    until(lambda: place.told("status")["links"]["tty0"] == "up")
                    assert hints_of(client).code == L.CODE_UNAUTHORIZED
            code, lines = stopped(process)
    finally:
        line.close()
    assert code == 0
    assert [text for text in lines if "event=link-down" in text]


def until(happened):
    end_s = time.monotonic() + NEEDED_S
    while not happened():
        assert time.monotonic() < end_s
