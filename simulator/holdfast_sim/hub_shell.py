"""The hub of a story: a real process between the devices and everybody else, with a UDP port for each device.

What the near parties are told leads through the tap to the hub's port, and from the hub through the tap again to the
device: so the ladder shows both legs, and the checks over the wire see both.
"""

import socket
from pathlib import Path

from holdfast_sim.process_shell import HOLDFAST, Part, PartFailed, free_port, run_program
from holdfast_sim.tap_shell import Address, Front, Tap
from holdfast_sim.topology import SLEEPING_TUBE

HUB = "hub"
SLEEPER = "sleeping tube"
LOOPBACK = "127.0.0.1"


class HubPart:
    """directory: of the run. fronts: by device, where the hub reaches it."""

    def __init__(self, directory: Path, tap: Tap) -> None:
        self.config = directory / "hub" / "hub.toml"
        self.state = directory / "hub" / "state"
        self.fronts: dict[str, Front] = {}
        self._tap = tap
        self._ports: dict[str, int] = {}
        self._part: Part | None = None

    def prepare(self, devices: dict[str, str]) -> None:
        """Make the hub's files, as an operator does. devices: what the AS calls each, by its name in the ladder."""
        command = ["hub", "init", "--config", str(self.config), "--state", str(self.state)]
        run_program([*command, "--coap", f"{LOOPBACK}:0", "--health", f"{LOOPBACK}:0"])
        entries = []
        for who, rs_id in devices.items():
            self.fronts[who] = self._tap.front(who, HUB)
            self._ports[who] = free_port(socket.SOCK_DGRAM, LOOPBACK)
            entries.append(_entry(rs_id, self._ports[who], self.fronts[who].address))
        # It sleeps as long as the story lasts, so its front leads nowhere.
        self.fronts[SLEEPER] = self._tap.front(SLEEPER, HUB)
        self._ports[SLEEPER] = free_port(socket.SOCK_DGRAM, LOOPBACK)
        entries.append(_entry(SLEEPING_TUBE, self._ports[SLEEPER], self.fronts[SLEEPER].address) + "every_s = 3600\n")
        (self.config.parent / "devices.toml").write_text("\n".join(entries))

    def start(self) -> Part:
        """Start it, or start it again with what it has on its disk. Raises PartFailed."""
        part = Part(HUB, [*HOLDFAST, "hub", "run", "--config", str(self.config), "--trace"])
        if self._part is not None:
            part.trace, part.heard = self._part.trace, self._part.heard
        part.start()
        self._part = part
        return part

    def address_of(self, who: str) -> Address:
        """Where the hub listens for those who want to reach a device."""
        return LOOPBACK, self._ports[who]

    def is_ready(self) -> bool:
        """Whether it says that it can do its work, as a container's health check asks it."""
        try:
            run_program(["hub", "status", "--health", "--config", str(self.config)])
        except PartFailed:
            return False
        return True


def _entry(rs_id: str, port: int, address: Address) -> str:
    return f'[devices.{rs_id}]\nlink = "udp"\naddress = "{address[0]}:{address[1]}"\nport = {port}\n'
