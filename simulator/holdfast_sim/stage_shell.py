"""The stage of a story: a state directory, the AS, the tap, the devices and the clients, all real; and their end.

Everything is made in start(), in the order in which an operator would do it, and undone in close(), whatever happened.
The directory is private (0700) and removed at the end unless it shall be kept.
"""

import json
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from holdfast_core.errors import HoldfastError
from holdfast_core.kinds import ROLE_SIGN
from holdfast_core.provisioning import Provisioning, decode_provisioning
from holdfast_deploy.files_shell import examples
from holdfast_sim.app_shell import App, reason_of
from holdfast_sim.browser_shell import Web
from holdfast_sim.certificate_shell import write_certificate
from holdfast_sim.hub_shell import HUB, SLEEPER, HubPart
from holdfast_sim.ladder import Annotations, Line, ladder
from holdfast_sim.process_shell import HOLDFAST, Part, free_port, run_program
from holdfast_sim.recorder_shell import Recorder
from holdfast_sim.records import Datagram
from holdfast_sim.tap_shell import Front, Tap
from holdfast_sim.topology import (
    HOSTS,
    DevicePart,
    client_commands,
    init_command,
    operator_edits,
    rs_commands,
    sleeper_commands,
    user_command,
)
from holdfast_sim.tubes_shell import AUTO, ON_THIS_MACHINE, Tubes
from holdfast_sim.verdicts import Checks

SETTLE_S = 1.0
AT_ONCE = 3  # programs: each needs a core for a moment only
Provisioned = Callable[[str, Path], None]
Show = Callable[[list[Line]], None]


class Stuck(Exception):
    """The story cannot go on; the verdict that says why has been noted."""


def nothing(_who: str, _path: Path) -> None:
    """The run of a story in which no provisioning is tampered with."""


class Stage:
    """One run.

    show: gets the lines of a chapter when it has ended. provisioned: called with the name and the file of each device
    before it starts, for runs that shall fail. kind, core: what the tubes are (tubes_shell.py). hub: whether a hub
    stands between the devices and everybody else.
    """

    def __init__(
        self,
        story: str,
        devices: tuple[DevicePart, ...],
        show: Show,
        provisioned: Provisioned,
        kind: str = ON_THIS_MACHINE,
        core: str = AUTO,
        hub: bool = False,
    ) -> None:
        self.tubes = Tubes(kind, core)
        self.story = story
        self.recorder = Recorder()
        self.checks = Checks()
        self.lines: list[Line] = []
        self.secrets: dict[str, bytes] = {}
        self.fronts: dict[str, Front] = {}
        self.parts: dict[str, Part] = {}
        self.device_files: dict[str, Provisioning] = {}
        self.credentials: dict[str, str] = {}
        self._devices = devices
        self._show = show
        self._provisioned = provisioned
        self._apps: list[App] = []
        self._closing: list[Callable[[], None]] = []
        self._shown = 0
        self._start_s = time.monotonic()
        self.directory = Path(tempfile.mkdtemp(prefix=f"holdfast-{story}-"))
        self.state = self.directory / "as"
        self.tap = Tap(self.recorder)
        self.hub = HubPart(self.directory, self.tap) if hub else None

    # --- beginning and end ---

    def start(self) -> None:
        """Set everything up and start it. Raises PartFailed."""
        if any(device.interpreter == "micropython" for device in self._devices):
            self.tubes.check()
        self._make_server()
        for device in self._devices:
            self.fronts[device.who] = self.tap.front(device.who)
        if self.hub is not None:
            self.hub.prepare({device.who: device.rs_id for device in self._devices})
            self.fronts[SLEEPER] = self.tap.front(SLEEPER)
            self.tap.connect(self.fronts[SLEEPER], self.hub.address_of(SLEEPER))
            self.start_hub()
        self._together(self._start_server, *(partial(self._provision, device) for device in self._devices))
        self._together(*(partial(self.start_device, device) for device in self._devices))

    def close(self, *, keep: bool = False) -> None:
        """End every process and socket, and remove the directory unless it is kept."""
        for close in [*self._closing, *(app.close for app in self._apps)]:
            close()
        for part in self.parts.values():
            part.stop()
        self.tap.close()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self._start_s

    # --- the AS ---

    def admin(self, command: list[str]) -> str:
        """Run a `holdfast` command on the AS's state directory; returns what it printed."""
        return run_program([*command, "--state", str(self.state)])

    def _make_server(self) -> None:
        tubes = self.story == "tube"
        front = self.fronts["AS"] = self.tap.front("AS")
        http = f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"
        certificate, key = write_certificate(self.directory)
        made = json.loads(self.admin(init_command(http, "127.0.0.1:0", str(certificate), str(key))))
        self._keep_secret("password of the administrator", made["admin"]["password"], made["admin"]["user_id"])
        config = self.state / "server.toml"
        advertised = f"{front.address[0]}:{front.address[1]}"
        config.write_text(operator_edits(config.read_text(), advertised))
        monitor_file = self.directory / "ward_monitor.oscore"
        clients = client_commands(tubes=tubes, monitor_file=str(monitor_file))
        devices = rs_commands(tubes=tubes)
        if self.hub is not None:
            night_monitor, sleeper = sleeper_commands()
            clients.append(night_monitor)
            devices.append(sleeper)
        self._together(*(partial(self._add, command) for command in [*clients, user_command()]))
        self._together(*(partial(self.admin, command) for command in devices))
        self.issuer = f"https://{http}"
        self.as_uri = f"coap://{advertised}/token"
        self.web = Web(self.recorder, self.issuer, certificate)
        self._closing.append(self.web.close)
        if monitor_file.exists():
            self.device_files["ward_monitor"] = self._read_file(monitor_file, "ward_monitor")

    def _add(self, command: list[str]) -> None:
        """Register a client or a person, and keep the secret that is shown once."""
        made = json.loads(self.admin(command))
        owner = made.get("client_id") or made["user_id"]
        self._keep_secret(f"secret of {owner}", made.get("secret") or made.get("password"), owner)

    @staticmethod
    def _together(*deeds: Callable[[], object]) -> None:
        """Do several things at a time; raises what the first of them raised, when all have ended."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = [pool.submit(deed) for deed in deeds]
        for future in done:
            future.result()

    def _keep_secret(self, what: str, text: str | None, owner: str) -> None:
        if text is not None:
            self.credentials[owner] = text
            self.secrets[what] = text.encode()

    def _start_server(self) -> None:
        server = self.parts["AS"] = Part("AS", [*HOLDFAST, "server", "serve", "--state", str(self.state), "--trace"])
        server.start()
        self.tap.connect(self.fronts["AS"], ("127.0.0.1", server.ready["coap"]))

    # --- devices and hub ---

    def start_hub(self) -> None:
        """Start the hub, or start it again with what it has on its disk. Raises PartFailed."""
        assert self.hub is not None  # noqa: S101 - the caller has looked
        self.parts[HUB] = self.hub.start()

    def provisioned_file(self, rs_id: str, name: str) -> Provisioning:
        """Provision a device that is no process of its own. name: of its file. Raises PartFailed."""
        path = self.directory / f"{name}.prov"
        run_program(["device", "provision", rs_id, "--server", str(self.state), "--out", str(path)])
        return self._read_file(path, rs_id)

    def _provision(self, device: DevicePart) -> None:
        path = self._file_of(device)
        run_program(["device", "provision", device.rs_id, "--server", str(self.state), "--out", str(path)])
        self.device_files[device.who] = self._read_file(path, device.who)
        self._provisioned(device.who, path)

    def start_device(self, device: DevicePart) -> None:
        """Start a device, or start it again with what it has in its flash. Raises PartFailed."""
        # A device keeps its port over a restart; MicroPython cannot tell which free port it took.
        front = self.fronts[device.who] if self.hub is None else self.hub.fronts[device.who]
        known = front.far_address
        host = HOSTS[device.who]
        port = known[1] if known is not None else free_port(socket.SOCK_DGRAM, host)
        file = self._file_of(device)
        if device.interpreter == "micropython":
            command, variables = (
                self.tubes.command(device.example, file, host, port, device.options),
                self.tubes.variables(),
            )
        else:
            command, variables = self._command_here(device, file, host, port), {}
        earlier = self.parts.get(device.who)
        part = self.parts[device.who] = Part(device.who, command, variables)
        if earlier is not None:
            part.trace, part.heard = earlier.trace, earlier.heard
        part.start(self.tubes.starts_in_s)
        self.tap.name((host, port), device.who)
        self.tap.connect(front, (host, port))
        if self.hub is not None:
            self.tap.connect(self.fronts[device.who], self.hub.address_of(device.who))

    def _command_here(self, device: DevicePart, file: Path, host: str, port: int) -> list[str]:
        program = examples() / device.example
        command = [sys.executable, str(program), str(file), "--host", host, "--port", str(port), "--trace"]
        command += device.options
        for audience in device.peers:
            command += ["--peer", f"{audience}={self._peer_address(audience)}"]
        return command

    def _peer_address(self, audience: str) -> str:
        for device in self._devices:
            if device.rs_id == audience:
                host, port = self.fronts[device.who].address
                return f"{host}:{port}"
        return "127.0.0.1:9"  # nobody of that name is on this stage

    def _file_of(self, device: DevicePart) -> Path:
        return self.directory / f"{device.rs_id}.prov"

    def _read_file(self, path: Path, who: str) -> Provisioning:
        record = decode_provisioning(path.read_bytes())
        self.secrets[f"seed of {who}"] = record.seed.reveal()
        if record.as_context is not None:
            self.secrets[f"Master Secret of {who} with the AS"] = record.as_context.master_secret.reveal()
        for key in record.keys:
            if key.role != ROLE_SIGN:
                self.secrets[f"{key.role} key of {who}"] = key.material.reveal()
        return record

    # --- clients ---

    def app(self, who: str, *, from_file: str = "") -> App:
        """A client with a socket of its own; from_file: it has a context with the AS."""
        address = self.fronts["AS"].address if from_file else None
        app = App(who, HOSTS[who], self.tap, self.as_uri, address, self.device_files.get(from_file))
        self._apps.append(app)
        return app

    # --- telling ---

    def chapter(self, title: str) -> None:
        """Show what has happened since the last chapter, and begin a new one."""
        self._wait_for_silence()
        self.tell()
        self.recorder.chapter(title)

    def note(self, text: str) -> None:
        """Say something between the messages."""
        self.recorder.note(text)

    def tell(self) -> None:
        """Show the lines that have not been shown, once the parts have told of their datagrams."""
        records = self.recorder.records(self._shown)
        annotations = self._annotations(records)
        first = 1 + sum(line.number is not None for line in self.lines)
        lines = ladder(records, annotations, first)
        self._shown += len(records)
        self.lines += lines
        self._show(lines)

    def need(self, name: str, section: str, deed: Callable[[], Any]) -> Any:
        """Do what the rest of the story needs; when it is refused, that is a failed check. Raises Stuck."""
        try:
            return deed()
        except HoldfastError as error:
            self.checks.hold(name, section, "success", reason_of(error), ok=False)
            raise Stuck from None

    def wait_for(self, found: Callable[[], list[Datagram]], deadline_s: float) -> list[Datagram]:
        """Look until something is found or the time is over; returns what was found, perhaps nothing."""
        end_s = time.monotonic() + deadline_s
        while True:
            datagrams = found()
            if datagrams or time.monotonic() >= end_s:
                return datagrams
            time.sleep(0.01)

    def check_parts(self) -> None:
        """Raise PartFailed when a part has ended by itself."""
        for part in self.parts.values():
            part.check()

    def _wait_for_silence(self) -> None:
        """Let last acknowledgements pass, so that they stand in the chapter that they belong to."""
        end_s = time.monotonic() + SETTLE_S
        mark = -1
        while mark != self.recorder.mark() and time.monotonic() < end_s:
            mark = self.recorder.mark()
            time.sleep(0.03)

    def _annotations(self, records: list[Any]) -> Annotations:
        """The trace lines of all parts; waits a little for those that are on their way through a pipe."""
        datagrams = [record for record in records if isinstance(record, Datagram)]
        end_s = time.monotonic() + SETTLE_S
        while True:
            annotations = Annotations()
            for app in self._apps:
                annotations.add(json.loads(line) for line in app.trace)
            for part in self.parts.values():
                annotations.add(list(part.trace))
            unknown = [datagram for datagram in datagrams if not annotations.is_complete(datagram)]
            if not unknown or time.monotonic() >= end_s:
                return annotations
            time.sleep(0.02)
