"""Which devices can be reached, from their duty cycle and from when they were heard of last."""

from holdfast_hub.records import Device


class Heard:
    """The Presence of ports.py. A device that is always on is there; another one for awake_s after it was heard."""

    def __init__(self) -> None:
        self._heard_ms: dict[str, int] = {}

    def is_awake(self, device: Device, now_ms: int) -> bool:
        """See Presence."""
        if device.duty.every_s is None:
            return True
        heard_ms = self._heard_ms.get(device.name)
        return heard_ms is not None and now_ms - heard_ms < device.duty.awake_s * 1000

    def wakes_in_s(self, device: Device, now_ms: int) -> int:
        """See Presence."""
        every_s, heard_ms = device.duty.every_s, self._heard_ms.get(device.name)
        if self.is_awake(device, now_ms) or not every_s or heard_ms is None:
            return 0
        return every_s - (now_ms - heard_ms) // 1000 % every_s

    def heard(self, device: Device, now_ms: int) -> bool:
        """See Presence."""
        is_new = not self.is_awake(device, now_ms) or device.name not in self._heard_ms
        self._heard_ms[device.name] = now_ms
        return is_new

    def keep(self, names: set[str]) -> None:
        """Forget devices that are gone."""
        self._heard_ms = {name: at_ms for name, at_ms in self._heard_ms.items() if name in names}
