"""A doctor and a tube on sockets, and `holdfast hub run` between them, which is killed while things wait in it."""

import select
import signal
import socket
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits, Transmission
from holdfast_core.coap_message import Message, encode, request, response
from holdfast_core.coap_stack import DEVICE_LIMITS
from holdfast_device.client import AceClient
from holdfast_device.device import Device
from holdfast_device.endpoint import Endpoint
from holdfast_device.later import Behind, ask_later, open_later
from holdfast_sim.process_shell import free_port
from testkit import mint
from testkit.flash import FlashFake
from testkit.hub import NEEDED_S, HubPlace
from testkit.link import Random
from testkit.story import AS_URI, NOW_S, TUBE, held, same_bytes, tube_provisioning

QUICK = Limits(transmission=Transmission(ack_timeout_ms=500, response_timeout_ms=10_000))


def now_ms():
    return time.monotonic_ns() // 1_000_000


class Party:
    """A device or an endpoint on a socket of its own, at an address of its own."""

    def __init__(self, inner, host):
        self.inner = inner
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)

    def turn(self):
        if select.select([self.socket], [], [], 0.01)[0]:
            octets, peer = self.socket.recvfrom(2048)
            self.inner.feed(octets, peer, now_ms())
        self.inner.tick(now_ms())
        for octets, peer in self.inner.take_datagrams():
            self.socket.sendto(octets, peer)


class Stage:
    """written: what the tube was told to write."""

    def __init__(self, folder):
        self.port = free_port(socket.SOCK_DGRAM)
        self.place = HubPlace(folder)
        self.place.add(f'[coap]\nbind = ["127.0.0.1:{self.port}"]\n')
        self.hub = ("127.0.0.1", self.port)
        self.written = []
        self.contacts = 0
        tube = Device(tube_provisioning(), FlashFake(), same_bytes, now_ms(), limits=DEVICE_LIMITS)
        tube.set_time(NOW_S, now_ms())
        tube.rs.resource("/calibration", put=self._put)
        self.tube = Party(tube, "127.0.0.1")
        endpoint = Endpoint(Random(3).octets, None, QUICK)
        self.doctor = Party(endpoint, "127.0.0.2")
        self.client = AceClient(Behind(endpoint, b"tube-1"), Random(4).octets, AS_URI)
        at = self.tube.socket.getsockname()[1]
        entry = f'[devices.tube-1]\nlink = "udp"\naddress = "127.0.0.1:{at}"\nevery_s = 3600\nawake_s = 1\n'
        self.place.devices.write_text(entry)

    def close(self):
        self.tube.socket.close()
        self.doctor.socket.close()

    def run(self, steps, *, tube=True):
        """Run a task of the doctor; the tube is there or sleeps."""
        self.doctor.inner.now_ms = now_ms()
        ended = []
        self.doctor.inner.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
        end_s = time.monotonic() + NEEDED_S
        while not ended:
            assert time.monotonic() < end_s
            self.doctor.turn()
            if tube:
                self.tube.turn()
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    def contact(self):
        """The tube says that it is there."""
        wakes = request(L.CODE_GET, "/")
        self.contacts += 1
        wakes.mtype, wakes.mid, wakes.token = L.TYPE_NON, self.contacts, b"w"
        self.tube.socket.sendto(encode(wakes), self.hub)

    def collected(self, ticket):
        end_s = time.monotonic() + NEEDED_S
        while (answer := self.run(ticket.collect())) is None:
            assert time.monotonic() < end_s
            self.tube.turn()
        return answer

    def _put(self, asked):
        self.written.append(bytes(asked.message.payload))
        return response(L.CODE_CHANGED)


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    yield made
    made.close()


def test_token_and_request_wait_in_a_hub_that_is_killed_and_are_answered_by_the_tube(stage):
    token = held(mint.encrypted(mint.claims(TUBE, "calibrate", NOW_S)), now_ms=now_ms())
    with stage.place.running() as process:
        ticket = stage.run(open_later(stage.client, stage.hub, token), tube=False)
        assert ticket.wait_s > 1
        assert stage.run(ticket.collect(), tube=False) is None
        process.send_signal(signal.SIGKILL)
        process.wait(NEEDED_S)
    with stage.place.running():
        stage.contact()
        session = stage.collected(ticket)
        end_s = time.monotonic() + NEEDED_S
        while stage.place.told("devices")[0]["there"]:
            assert time.monotonic() < end_s
            stage.doctor.turn()
        tickets = [
            stage.run(ask_later(session, Message(L.CODE_PUT, octets, [(L.OPT_URI_PATH, b"calibration")])), tube=False)
            for octets in (b"1", b"2")
        ]
        assert [stage.run(ticket.collect(), tube=False) for ticket in tickets] == [None, None]
        stage.contact()
        assert [stage.collected(ticket).code for ticket in tickets] == [L.CODE_CHANGED, L.CODE_CHANGED]
    assert stage.written == [b"1", b"2"]
