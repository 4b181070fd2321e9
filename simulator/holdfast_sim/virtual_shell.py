"""A ward in this process, in virtual time: a client, a tube, and the way between them, where an hour takes no time.

The tube and the client are the device package's; the hub is the core of holdfast_hub with its spool on a real disk.
Only sockets, processes and waiting are left out. Wall time and monotonic time begin at what they are.
"""

import secrets
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Protocol

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, response
from holdfast_core.errors import HoldfastError
from holdfast_core.provisioning import Provisioning
from holdfast_device.client import AceClient
from holdfast_device.device import Device
from holdfast_device.endpoint import Endpoint
from holdfast_device.store_flash import FileFlash
from holdfast_hub import records
from holdfast_hub.devices.presence import DutyPresence
from holdfast_hub.later.desk import LaterDesk
from holdfast_hub.proxy.gateway import Proxy
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.records import OUR_FAR, Now
from holdfast_hub.spool.store import SqliteSpool
from holdfast_sim.app_shell import QUICK

Steps = Generator[Any, Any, Any]
RESULT = b"troponin negative"
TUBE_PORT = 5701
NAME, LINE = "sleeper", "line"
CLIENT = ("127.0.0.14", ("127.0.0.14", 40000), TUBE_PORT)
HUB_ADDRESS = ("127.0.0.1", TUBE_PORT)
FAR = (b"\x7f\x00\x00\x0e", 40000)
WITHIN_MS = 300_000
MAX_STEPS = 10_000


class Way(Protocol):
    """What carries datagrams between the client and the tube."""

    def from_client(self, octets: bytes, now_ms: int) -> None:
        """Take a datagram of the client."""

    def from_tube(self, octets: bytes, now_ms: int) -> None:
        """Take a datagram of the tube."""

    def for_tube(self) -> list[bytes]:
        """Take what is to be sent to the tube."""

    def for_client(self) -> list[bytes]:
        """Take what is to be sent to the client."""

    def tick(self, now_ms: int) -> None:
        """Do what is due."""

    def next_deadline_ms(self) -> int | None:
        """When tick is due, None for never."""


class HubCore:
    """The Way through the hub's own rooms. directory: of its spool; key: of its places. link_up: of the tube's line."""

    def __init__(self, directory: Path, key: bytes, clock: Callable[[], Now]) -> None:
        self.link_up = True
        self._clock = clock
        self._calls: list[Callable[[], None]] = []
        self._device = records.Device(NAME, LINE, port=TUBE_PORT)
        self.spool = SqliteSpool(directory, clock(), self._calls.append, boot="virtual", threaded=False)
        self._presence = DutyPresence(lambda _link: self.link_up)
        targets = Targets([self._device])
        self._proxy = Proxy(secrets.token_bytes, targets, wall_s=lambda: clock().wall_s)
        devices = {NAME: self._device}
        self.later = LaterDesk(self._proxy, self.spool, self._presence, devices.get, key, clock)
        self._proxy.desks = [self.later]

    def line(self, *, up: bool) -> None:
        """The line to the tube is there, or not; with it a contact begins."""
        self.link_up = up
        if up:
            self.later.contact(self._device)

    def from_client(self, octets: bytes, now_ms: int) -> None:
        """See Way."""
        self._proxy.feed_client(octets, CLIENT, now_ms)

    def from_tube(self, octets: bytes, now_ms: int) -> None:
        """See Way."""
        if self.link_up:
            self._proxy.feed_device(octets, self._device, OUR_FAR, now_ms)

    def for_tube(self) -> list[bytes]:
        """See Way; what goes out while the line is down is lost."""
        self._work()
        octets = [datagram for datagram, _, _ in self._proxy.take_for_devices()]
        return octets if self.link_up else []

    def for_client(self) -> list[bytes]:
        """See Way."""
        self._work()
        return [datagram for datagram, _ in self._proxy.take_for_clients()]

    def tick(self, now_ms: int) -> None:
        """See Way."""
        self._proxy.tick(now_ms)
        self.later.tick(now_ms)
        self.spool.tick(self._clock())
        self._work()

    def next_deadline_ms(self) -> int | None:
        """See Way."""
        dues = [self._proxy.next_deadline_ms(), self.later.next_deadline_ms()]
        return min((due_ms for due_ms in dues if due_ms is not None), default=None)

    def _work(self) -> None:
        """Let the spool write and report, and the proxy call back, until nothing more comes of it."""
        for _ in range(MAX_STEPS):
            self.spool.turn()
            calls, self._calls[:] = list(self._calls), []
            for call in calls:
                call()
            if self._proxy.next_deadline_ms() == 0:
                self._proxy.tick(self._clock().ms)
            elif not calls:
                return


class Ward:
    """One tube and one client. reads: how often the tube's result was read. way: set it before anything is asked."""

    way: Way

    def __init__(self, directory: Path, provisioning: Provisioning, as_uri: str) -> None:
        self.now_ms = time.monotonic_ns() // 1_000_000
        self.reads = 0
        self._wall_ms = int(time.time() * 1000) - self.now_ms
        directory.mkdir(mode=0o700)
        self.tube = Device(provisioning, FileFlash(str(directory)), secrets.token_bytes, self.now_ms)
        assert self.tube.rs is not None  # noqa: S101 - a tube is an RS
        self.tube.rs.resource("/result", get=self._read)
        self.endpoint = Endpoint(secrets.token_bytes, None, QUICK)
        self.endpoint.now_ms = self.now_ms
        self.client = AceClient(self.endpoint, secrets.token_bytes, as_uri)

    def now(self) -> Now:
        """The virtual time."""
        return Now(self.now_ms, (self._wall_ms + self.now_ms) // 1000)

    def run(self, steps: Steps, within_ms: int = WITHIN_MS) -> Any:
        """Run a task of the client to its end, in virtual time; returns its value, raises its HoldfastError."""
        ended: list[tuple[Any, HoldfastError | None]] = []
        self.endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
        end_ms = self.now_ms + within_ms
        self._carry()
        while not ended:
            if self.now_ms >= end_ms:
                raise TimeoutError
            self._step(end_ms)
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    def pass_s(self, seconds: int) -> None:
        """Let time pass, and do all that is due in it."""
        end_ms = self.now_ms + seconds * 1000
        while self.now_ms < end_ms:
            self._step(end_ms)

    def leap_s(self, seconds: int) -> None:
        """Let much time pass in which nobody does anything."""
        self.now_ms += seconds * 1000
        self._tick()

    def _step(self, end_ms: int) -> None:
        dues = [part.next_deadline_ms() for part in (self.endpoint, self.tube, self.way)]
        due_ms = min((due for due in dues if due is not None), default=end_ms)
        self.now_ms = min(end_ms, max(due_ms, self.now_ms + 1))
        self._tick()

    def _tick(self) -> None:
        self.endpoint.tick(self.now_ms)
        self.tube.tick(self.now_ms)
        self.way.tick(self.now_ms)
        self._carry()

    def _carry(self) -> None:
        """Carry datagrams until there are none."""
        for _ in range(MAX_STEPS):
            moved = False
            for octets, _ in self.endpoint.take_datagrams():
                self.way.from_client(octets, self.now_ms)
                moved = True
            for octets in self.way.for_tube():
                self.tube.feed(octets, FAR, self.now_ms)
                moved = True
            for octets, _ in self.tube.take_datagrams():
                self.way.from_tube(octets, self.now_ms)
                moved = True
            for octets in self.way.for_client():
                self.endpoint.feed(octets, HUB_ADDRESS, self.now_ms)
                moved = True
            if not moved:
                return

    def _read(self, _asked: Any) -> Message:
        self.reads += 1
        return response(L.CODE_CONTENT, RESULT, L.CF_TEXT_PLAIN)
