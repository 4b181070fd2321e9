"""The devices behind the hub, found by name, by where they are, or by the port that belongs to one of them.

Each look-up takes the same time, however many there are. What comes from a network is looked up here, and a topic, a
path or an address is made of what the table holds: never of what a peer said.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from holdfast_hub.records import Device

MAX_DEVICES = 20_000
Address = str | tuple[str, int] | None


class Ambiguous(Exception):
    """Two devices have the same name, place or port. key: what they share, first and second: their names."""

    def __init__(self, key: str, first: str, second: str) -> None:
        super().__init__(key)
        self.key = key
        self.first = first
        self.second = second


class DeviceTable:
    """Frozen: a file that is read again makes another one. Raises Ambiguous."""

    __slots__ = ("_by_name", "_by_place", "_by_port", "_of_link")

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._by_name: dict[str, Device] = {}
        self._by_place: dict[tuple[str, Address], Device] = {}
        self._by_port: dict[int, Device] = {}
        self._of_link: dict[str, list[Device]] = {}
        for device in devices:
            _put(self._by_name, device.name.lower(), device, "name")
            _put(self._by_place, (device.link, device.address), device, "address")
            if device.port is not None:
                _put(self._by_port, device.port, device, "port")
            self._of_link.setdefault(device.link, []).append(device)

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._by_name.values())

    def named(self, name: str) -> Device | None:
        """The device of this name; case does not count. Any text may be asked."""
        return self._by_name.get(name.lower()) if name.isascii() else None  # some letters are ASCII in lower case alone

    def at(self, link: str, address: Address) -> Device | None:
        """The device that has this address on this link."""
        return self._by_place.get((link, address))

    def behind(self, port: int) -> Device | None:
        """The device that this UDP port of the hub leads to."""
        return self._by_port.get(port)

    def of(self, link: str) -> tuple[Device, ...]:
        """All devices of a link, as they stand in the file."""
        return tuple(self._of_link.get(link, ()))


def _put(devices: dict[Any, Device], key: object, device: Device, what: str) -> None:
    first = devices.setdefault(key, device)
    if first is not device:
        raise Ambiguous(what, first.name, device.name)
