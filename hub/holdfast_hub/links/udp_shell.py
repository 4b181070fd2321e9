"""The network of this machine as a link: one UDP socket a family, from which all devices are asked.

A device counts what it grants by the address of a host, so a socket for each client would change nothing for it; the
hub itself counts clients. A datagram from an address that no device has is dropped.
"""

import asyncio
import contextlib
import socket

from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.line import Counts, Received
from holdfast_hub.records import OUR_FAR, Device

BATCH = 64
MAX_DATAGRAM_LEN = 2048
BUFFER_LEN = 1 << 20


class UdpLink:
    """The Link of ports.py. name: of the link, by which devices are looked up."""

    is_up = True

    def __init__(self, name: str, received: Received) -> None:
        self.counts: Counts = {"lost": 0, "strange": 0}
        self._name = name
        self._received = received
        self._devices = DeviceTable()
        self._sockets: dict[int, socket.socket] = {}

    def start(self) -> None:
        """Nothing: a socket is opened when it is needed."""

    def use(self, devices: DeviceTable) -> None:
        """Make these the devices, from now on."""
        self._devices = devices

    def device_at(self, address: tuple[str, int]) -> Device | None:
        """The device at an address, None for nobody's."""
        return self._devices.at(self._name, address)

    def reaches(self, _device: Device) -> bool:
        """See Line. A network does not tell."""
        return True

    def send(self, datagram: bytes, device: Device, _far: tuple[bytes, int]) -> bool:
        """See Link. The device sees the hub's own address."""
        if not isinstance(device.address, tuple):
            return False
        try:
            self._socket_for(device.address[0]).sendto(datagram, device.address)
        except OSError:  # a full buffer, no network, no such family
            self.counts["lost"] += 1
            return False
        return True

    def close(self) -> None:
        """Close the sockets."""
        for bound in self._sockets.values():
            asyncio.get_running_loop().remove_reader(bound)
            bound.close()
        self._sockets = {}

    def _socket_for(self, host: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = self._sockets.get(family)
        if bound is None:
            bound = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_LEN)
            asyncio.get_running_loop().add_reader(bound, self._readable, bound)
        return bound

    def _readable(self, bound: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                datagram, address = bound.recvfrom(MAX_DATAGRAM_LEN)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier send
                continue
            device = self._devices.at(self._name, place_of(address))
            if device is None:
                self.counts["strange"] += 1
            else:
                self._received(datagram, device, OUR_FAR)


def place_of(address: tuple[str | int, ...]) -> tuple[str, int]:
    """A socket's address as Device.address says it: with the interface where the address means one (RFC 4007)."""
    host, port = str(address[0]), int(address[1])
    if len(address) == 4 and address[3] and "%" not in host:
        with contextlib.suppress(OSError):  # the interface has just gone: nobody's address
            host = f"{host}%{socket.if_indextoname(int(address[3]))}"
    return host, port
