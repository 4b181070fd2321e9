"""The assembly: which rooms there are, and who is told what by whom. Decides nothing itself."""

import asyncio
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_hub.admission.desk import AdmissionDesk
from holdfast_hub.devices.addresses import UDP
from holdfast_hub.devices.presence import DutyPresence
from holdfast_hub.later.desk import LaterDesk, Limits
from holdfast_hub.links.line import Line
from holdfast_hub.links.north_stream_shell import NorthStreamShell
from holdfast_hub.links.north_udp_shell import NorthUdpShell
from holdfast_hub.links.udp_shell import UdpLink, place_of
from holdfast_hub.ports import Desk
from holdfast_hub.process.as_link import KEY as AS_KEY
from holdfast_hub.process.as_link import AsLink
from holdfast_hub.process.clock import HubClock, monotonic_ms
from holdfast_hub.process.config import Config
from holdfast_hub.process.early import limits_in
from holdfast_hub.process.health import DRAINING
from holdfast_hub.process.log import log_bug, say, warn
from holdfast_hub.process.metrics import Metrics
from holdfast_hub.process.readings_out import ReadingsOut, broker_of, routes_in
from holdfast_hub.process.settings import Bind, ConfigError
from holdfast_hub.process.sockets import Sockets
from holdfast_hub.process.south import load_devices, open_links
from holdfast_hub.process.told import facts, samples
from holdfast_hub.process.traced import Traced
from holdfast_hub.proxy.gateway import FROM_DEVICE, Proxy
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.readings.intake import Intake
from holdfast_hub.records import Asked, Device, Now
from holdfast_hub.spool.store import SqliteSpool
from holdfast_hub.tokens.desk import TokenDesk
from holdfast_hub.tokens.kept import KeptTokens

Far = tuple[bytes, int]
PLACES_KEY = "places.key"
PLACES_KEY_LEN = 32
TICK_MS, SHORTEST_MS = 1000, 1
RETRY_S = 5
"""Max-Age of what a hub that stops refuses: another one may run by then."""


class Hub:
    """All rooms of one hub. trace: writes a line for each datagram, None for no trace."""

    def __init__(
        self, config: Config, clock: HubClock, spool: SqliteSpool, trace: Callable[[str], None] | None
    ) -> None:
        self.config = config
        self.clock = clock
        self.spool = spool
        self.drains = False
        self.faults: list[Exception] = []
        self._said: dict[str, str] = {"clock": clock.doubt, "spool": "", "broker": ""}
        self.table = load_devices(config)
        self.devices = {device.name: device for device in self.table}
        self.presence = DutyPresence(self._reaches)
        self.targets = Targets(self.devices.values(), [config.text("name")])
        self.proxy = Proxy(
            secrets.token_bytes,
            self.targets,
            wall_s=lambda: clock.now().wall_s,
            name=config.text("name"),
            wake=self._wake,
        )
        self.udp = UdpLink(UDP, self._received)
        self.links: dict[str, Line] = {UDP: self.udp}
        self.links.update(open_links(config, self._received, self._link_changed, self._arrived))
        peers = self.proxy if trace is None else Traced(self.proxy, trace, monotonic_ms)
        self.north = NorthUdpShell(peers, self._send, monotonic_ms, self._fail)
        self.streams = NorthStreamShell(peers, monotonic_ms, self._fail)
        key = kept_key(config.state / PLACES_KEY)
        limits = Limits(
            request_s=config.number("later.request_s"),
            answer_s=config.number("later.answer_s"),
            per_client=config.number("later.per_client"),
        )
        self.later = LaterDesk(self.proxy, spool, self.presence, self.devices.get, key, clock.now, limits)
        self.routes = routes_in(config, self.devices)
        where = broker_of(config)
        self.out: ReadingsOut | None = None
        if where is not None:
            out = ReadingsOut(config, where, self.routes, spool, clock.now, self._call, lambda: facts(self))
            self.out = out
        intake = Intake(self.proxy, spool, self.routes, self.whose, self._reading_kept, monotonic_ms)
        self.admission = AdmissionDesk(self.proxy, limits_in(config))
        desks: list[Desk] = [_Door(self), self.admission, intake, self.later]
        self.server = self.tokens = None
        if config.text(AS_KEY):
            self.server = AsLink(config, monotonic_ms, self._wake)
            kept = KeptTokens(spool, secrets.token_bytes, clock.now)
            self.tokens = TokenDesk(self.proxy, self.server.client, kept, clock.now, self.later)
            desks.insert(3, self.tokens)
        self.proxy.desks = desks
        self._aside = 0
        self._is_called = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.metrics = Metrics(lambda: samples(self)).text

    async def start(self, sockets: Sockets) -> dict[str, Any]:
        """Bind and connect everything. Returns the ports. Raises ConfigError."""
        ports = [sockets.udp("coap.bind", bind) for bind in self.config.binds("coap.bind")]
        for bound in ports:
            self.north.adopt(bound)
        for device in self.devices.values():
            self._open_port(device, sockets)
        for link in self.links.values():
            link.use(self.table)
            link.start()
        self._meet(self.table.of(UDP))
        return {"coap": [bound.getsockname()[1] for bound in ports], **await self._serve_streams()}

    def reload(self) -> None:
        """Read the devices again; what cannot be used leaves everything as it was."""
        try:
            table = load_devices(self.config)
        except ConfigError as error:
            warn("reload-refused", reason=str(error))
            return
        waits = sorted(
            device.name for device in table if device.port is not None and self._port_of(device.name) != device.port
        )
        self.table = table
        self.devices.clear()
        self.devices.update({device.name: device for device in table})
        self.targets.replace(table)
        for link in self.links.values():
            link.use(table)
        self.presence.keep(table)
        say("reloaded", devices=len(table), waits_for_restart=" ".join(waits) or None)

    def tick(self) -> None:
        """Once a second, and when something is due."""
        self.spool.tick(self.clock.now())
        self._pulse()
        self._tell("broker", "" if self.out is None else self.out.outbox.trouble, "broker-down", "broker-up")
        self._tell("clock", self.clock.doubt, "clock-doubted", "clock-agrees")
        if self.spool.level.aside > self._aside:
            warn("set-aside", parcels=self.spool.level.aside)
        self._aside = self.spool.level.aside
        self._tell("spool", self.spool.level.trouble, "spool-failed", "spool-works")

    def drain(self) -> None:
        """Take nothing new."""
        self.drains = True
        if self.out is not None:
            self.out.outbox.stop()

    def close(self) -> None:
        """Close every socket and line."""
        if self._timer is not None:
            self._timer.cancel()
        if self.out is not None:
            self.out.outbox.stop()
        if self.server is not None:
            self.server.close()
        self.north.stop()
        self.streams.close()
        for link in self.links.values():
            link.close()

    @property
    def under_way(self) -> int:
        """Requests that have not been answered, and readings that the broker has not acknowledged."""
        return self.proxy.under_way + (0 if self.out is None else self.out.outbox.under_way)

    @property
    def trouble(self) -> str:
        """Why the hub cannot do its work, constant text, or ""."""
        if self.drains:
            return DRAINING
        return "" if self.out is None else self.out.trouble

    @property
    def summary(self) -> str:
        """One line for the service manager."""
        return f"{len(self.devices)} devices, {self.spool.level.count} wait"

    # --- between the rooms ---

    def whose(self, client: tuple[object, ...]) -> Device | None:
        """Return the device that asks: by its link, or by its address in the network; None for anybody else."""
        if client[2] == FROM_DEVICE:
            return self.devices.get(str(client[0]))
        address = client[1]
        return self.udp.device_at(place_of(address)) if isinstance(address, tuple) else None

    def heard(self, device: Device) -> None:
        """A device has said something."""
        if self.presence.heard(device, monotonic_ms()):
            self.later.contact(device)

    def _arrived(self, device: Device) -> None:
        """A device has come over its link, and has not said anything yet."""
        self.heard(device)
        self._meet([device])

    def _meet(self, devices: Iterable[Device]) -> None:
        """The link of these devices is there: bring those that are awake what waits for them."""
        for device in devices:
            if self.presence.is_awake(device, monotonic_ms()):
                self.later.contact(device)

    def _link_changed(self, name: str, why: str) -> None:
        if why:
            warn("link-down", link=name, reason=why)
            return
        say("link-up", link=name)
        self._meet(self.table.of(name))
        self._wake()

    def _reaches(self, device: Device) -> bool:
        link = self.links.get(device.link)
        return link is not None and link.reaches(device)

    def _received(self, datagram: bytes, device: Device, far: Far) -> None:
        self.heard(device)
        self.north.received(datagram, device, far)

    def _send(self, datagram: bytes, device: Device, far: Far) -> None:
        link = self.links.get(device.link)
        if link is not None:
            link.send(datagram, device, far)

    def _wake(self) -> None:
        """Something is to be sent, or to be done soon, that no datagram has caused."""
        self.north.wake()
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._pulse)

    def _pulse(self) -> None:
        """Do what is due, and come back when the next thing is."""
        self._is_called = False
        now_ms = monotonic_ms()
        try:
            dues = [due_ms for due_ms in self._due(now_ms) if due_ms is not None]
        except Exception as fault:  # noqa: BLE001 - what a room remembers may be torn
            self._fail(fault)
            return
        if self._timer is not None:
            self._timer.cancel()
        wait_ms = max(0, min(dues, default=now_ms + TICK_MS) - now_ms)
        self._timer = None
        if wait_ms < TICK_MS:  # otherwise the tick of every second comes first
            self._timer = asyncio.get_running_loop().call_later(max(wait_ms, SHORTEST_MS) / 1000, self._pulse)

    def _due(self, now_ms: int) -> Iterator[int | None]:
        self.later.tick(now_ms)
        yield self.later.next_deadline_ms()
        if self.out is not None:
            self.out.outbox.tick()
            yield self.out.outbox.due_ms
        if self.tokens is not None and self.server is not None:
            self.tokens.tick(now_ms)
            self.server.turn()
            yield self.tokens.next_deadline_ms()
            yield self.server.client.next_deadline_ms()

    def _call(self, what: Callable[[], None]) -> None:
        """Run a function in this thread, called from any."""
        self._loop.call_soon_threadsafe(self._do, what)

    def _do(self, what: Callable[[], None]) -> None:
        what()
        self._wake()

    def _reading_kept(self) -> None:
        if self.out is not None:
            self.out.outbox.kept()

    def _fail(self, fault: Exception) -> None:
        log_bug(fault)
        self.faults.append(fault)

    async def _serve_streams(self) -> dict[str, int]:
        served = {}
        for what, serve in (("tcp", self.streams.serve_tcp), ("websocket", self.streams.serve_websocket)):
            bind = self.config.bind(f"coap.{what}")
            if bind is not None:
                try:
                    served[what] = (await serve(bind.host, bind.port))[1]
                except OSError as error:
                    why = os.strerror(error.errno) if error.errno else error  # asyncio puts its own words around it
                    raise ConfigError(f"coap.{what} {bind} cannot be served: {why}.") from None
        return served

    def _open_port(self, device: Device, sockets: Sockets) -> None:
        if device.port is None:
            return
        for host in self.config.texts("coap.device_hosts"):
            key = f"the port of the device {device.name}, with coap.device_hosts"
            self.north.adopt(sockets.udp(key, Bind(host, device.port)), device.port)

    def _port_of(self, name: str) -> int | None:
        device = self.devices.get(name)
        return None if device is None else device.port

    def _tell(self, what: str, trouble: str, begun: str, ended: str) -> None:
        """Say what has begun or ended since the last time."""
        if trouble == self._said[what]:
            return
        self._said[what] = trouble
        if trouble:
            warn(begun, reason=trouble)
        else:
            say(ended)


class _Door:
    """The first desk: a hub that stops takes nothing new, and a device that asks for something is there."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def serve(self, asked: Asked, now: Now) -> bool:
        """See Desk."""
        hub = self._hub
        if hub.drains:
            answer = Message(L.CODE_SERVICE_UNAVAILABLE).add(L.OPT_MAX_AGE, RETRY_S)
            hub.proxy.respond(asked, answer, now.ms)
            return True
        device = hub.whose(asked.client)
        if device is not None:
            hub.heard(device)
        return False


def kept_key(path: Path) -> bytes:
    """Return the key of a file, which is made when it is not there. Raises OSError, ConfigError."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(PLACES_KEY_LEN)
        unfinished = path.with_name(path.name + ".part")
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    if len(key) != PLACES_KEY_LEN:
        raise ConfigError(f"{path} is damaged: remove it, and locations that were given to clients end.")
    return key
