"""The network of this machine as a link: one UDP socket a family, from which all devices are asked."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from holdfast_hub.records import Device

Far = tuple[bytes, int]
BATCH = 64
MAX_DATAGRAM_LEN = 2048
BUFFER_LEN = 1 << 20


class UdpLink:
    """The Link of ports.py. A device sees the hub's own address, and never another far one.

    received: called with what a device of the table has sent. What comes from elsewhere is dropped.
    """

    is_up = True

    def __init__(self, received: Callable[[bytes, Device, Far], None]) -> None:
        self._received = received
        self._by_address: dict[tuple[str, int], Device] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._far: dict[str, Far] = {}

    def use(self, devices: list[Device]) -> None:
        """Make these the devices, from now on."""
        self._by_address = {device.address: device for device in devices if isinstance(device.address, tuple)}
        self._far = {name: far for name, far in self._far.items() if any(device.name == name for device in devices)}

    def device_at(self, address: tuple[str, int]) -> Device | None:
        """The device at an address, None for nobody's."""
        return self._by_address.get(address)

    def send(self, datagram: bytes, device: Device, far: Far) -> bool:
        """See Link."""
        if not isinstance(device.address, tuple):
            return False
        self._far[device.name] = far
        with contextlib.suppress(OSError):  # a full buffer or an unreachable device: CoAP retransmits
            self._socket_for(device.address[0]).sendto(datagram, device.address)
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
            device = self._by_address.get(address[:2])
            if device is not None and device.name in self._far:
                self._received(datagram, device, self._far[device.name])
