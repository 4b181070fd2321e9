"""Which devices can be reached now: those whose link is up, and that do not sleep as far as the hub has heard.

A device that sleeps says that it is awake with any datagram at all; a NON POST to the hub is enough. The hub cannot
check who sent it, and need not: what it then sends goes to the address in the table, never to where the datagram came
from, and only the device can open it. A forged contact costs one try at most (later/delivery.py), and what was tried
waits on.

Monotonic time alone; a clock on the wall may jump.
"""

from collections.abc import Callable, Iterable

from holdfast_hub.records import Device


class DutyPresence:
    """The Presence of ports.py. reaches: whether a datagram to a device could go out over its link now.

    Holds one entry for each device of the table that has been heard of. When a link comes back, a contact begins for
    those of its devices that are awake then.
    """

    def __init__(self, reaches: Callable[[Device], bool]) -> None:
        self._reaches = reaches
        self._heard: dict[str, tuple[int, int]] = {}  # by name: when its last contact began, when it was heard of last

    def is_awake(self, device: Device, now_ms: int) -> bool:
        """See Presence."""
        return self._reaches(device) and (device.duty.every_s is None or self._is_in_contact(device, now_ms))

    def wakes_in_s(self, device: Device, now_ms: int) -> int:
        """See Presence."""
        every_s = device.duty.every_s
        if not every_s or self.is_awake(device, now_ms):
            return 0
        heard = self._heard.get(device.name)
        if heard is None:
            return every_s  # nobody knows when in that time
        every_ms = 1000 * every_s
        return -(-(every_ms - (now_ms - heard[0]) % every_ms) // 1000)

    def heard(self, device: Device, now_ms: int) -> bool:
        """See Presence. A device that never sleeps begins one contact."""
        begins = not self._is_in_contact(device, now_ms)
        self._heard[device.name] = (now_ms if begins else self._heard[device.name][0], now_ms)
        return begins

    def last_heard_ms(self, device: Device) -> int | None:
        """When the device was heard of last, None for never; for an operator."""
        heard = self._heard.get(device.name)
        return None if heard is None else heard[1]

    def keep(self, devices: Iterable[Device]) -> None:
        """Forget all devices but these: the file has been read again."""
        names = {device.name for device in devices}
        self._heard = {name: heard for name, heard in self._heard.items() if name in names}

    def _is_in_contact(self, device: Device, now_ms: int) -> bool:
        heard = self._heard.get(device.name)
        if heard is None:
            return False
        return device.duty.every_s is None or now_ms < heard[1] + 1000 * device.duty.awake_s
