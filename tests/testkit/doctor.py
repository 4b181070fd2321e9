"""A client on a real socket, for tests of devices as programs; CPython only."""

import os
import socket
import time

from holdfast_device.client import AceClient
from holdfast_device.endpoint import Endpoint
from holdfast_device.loop_shell import Loop
from holdfast_device.ticks_shell import Ticks
from holdfast_device.udp_shell import UdpLink, bind
from testkit.story import AS_URI


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


STEP_MS = 100  # so often, at least, the deadline is looked at


class Doctor:
    """A client on a real socket; host: its own address, since devices count posts by address."""

    def __init__(self, host="127.0.0.1", answer_s=60):
        self.answer_s = answer_s
        self.ticks = Ticks()
        self.endpoint = Endpoint(os.urandom)
        self.client = AceClient(self.endpoint, os.urandom, AS_URI)
        self.sock = bind(host, 0)
        self.link = UdpLink(self.sock)
        self.shell = Loop(self.endpoint, self.link, self.ticks, has_clock=False)

    def run(self, steps):
        ended = []
        self.endpoint.now_ms = self.ticks.now_ms()
        self.endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
        deadline = time.monotonic() + self.answer_s
        while not ended:
            self.shell.step(STEP_MS)
            assert time.monotonic() < deadline
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    def now_ms(self):
        return self.ticks.now_ms()

    def close(self):
        for _, sock in self.link._socks:
            sock.close()
