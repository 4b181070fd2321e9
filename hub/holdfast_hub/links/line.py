"""What all links of the hub have in common beside ports.Link, and what is told of them."""

from collections.abc import Callable
from typing import Protocol

from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.ports import Link
from holdfast_hub.records import Device

Received = Callable[[bytes, Device, tuple[bytes, int]], None]
"""Called with (datagram, device, far) of what a device has sent, in the thread of the event loop."""
Changed = Callable[[str, str], None]
"""Called with the name of a link, and with why it is down or "" when it has come up."""
Counts = dict[str, int]
"""What has happened since the start, by constant words. lost: datagrams that could not go out; strange: what came in
that nobody of the table can have sent; damaged: frames that noise has changed."""


class Line(Link, Protocol):
    """A link that the process opens and closes, in a running event loop."""

    counts: Counts

    def start(self) -> None:
        """Begin; when the line is not there, it is tried again until it is."""

    def use(self, devices: DeviceTable) -> None:
        """Make these the devices, from now on."""

    def reaches(self, device: Device) -> bool:
        """Whether a datagram to this device could go out now."""

    def close(self) -> None:
        """End, and forget what has not gone out."""
