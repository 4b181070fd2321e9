"""devices.toml: who is behind this hub, an entry for each; read strictly, and read again on SIGHUP."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from holdfast_hub.process.config import read_toml
from holdfast_hub.process.settings import ConfigError, parse_bind
from holdfast_hub.records import NAME, PHANTOM, SPLIT, Device, Duty

UDP = "udp"
"""The link that is always there: the network of this machine."""
MAX_DEVICES = 10_000
MAX_S = 366 * 86400
MAX_AUDIENCE_LEN = 255
_KEYS = frozenset(["link", "address", "every_s", "awake_s", "port", "nstart", "tokens", "audience"])


def load_devices(path: Path, links: Collection[str]) -> dict[str, Device]:
    """Read the devices, by name. links: the names of the links that there are beside UDP. Raises ConfigError."""
    document = read_toml(path, ": `holdfast hub init` makes one")
    entries = document.pop("devices", {})
    if document:
        raise ConfigError(
            f"{path}: {min(document)} is no key of this file: a device is a section like [devices.tube-1]."
        )
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise ConfigError(f"{path}: a device is a section like [devices.tube-1].")
    if len(entries) > MAX_DEVICES:
        raise ConfigError(f"{path}: {len(entries)} devices are more than the {MAX_DEVICES} that one hub has.")
    devices = {name: _device(path, name, entry, links) for name, entry in entries.items()}
    _check_unique(path, devices)
    return devices


def _device(path: Path, name: str, entry: dict[str, Any], links: Collection[str]) -> Device:
    where = f"{path}: devices.{name}"
    if not NAME.fullmatch(name):
        raise ConfigError(f"{where}: a name has 1 to 64 letters, digits, - and _.")
    unknown = sorted(entry.keys() - _KEYS)
    if unknown:
        raise ConfigError(f"{where}.{unknown[0]} is no key of a device: remove it or check its spelling.")
    link = entry.get("link")
    if link != UDP and link not in links:
        raise ConfigError(f'{where}.link must be "{UDP}" or a link of hub.toml, like [links.tty0].')
    numbers = {
        key: _number(where, key, entry[key], least, most)
        for key, least, most in (
            ("every_s", 0, MAX_S),
            ("awake_s", 1, MAX_S),
            ("port", 1, 65535),
            ("nstart", 1, 16),
        )
        if key in entry
    }
    duty = Duty(numbers.get("every_s"), numbers.get("awake_s", Duty().awake_s))
    address = _address(where, str(link), entry.get("address"))
    tokens, audience = entry.get("tokens", ""), entry.get("audience", "")
    if tokens not in ("", PHANTOM, SPLIT):
        raise ConfigError(
            f'{where}.tokens must be "{PHANTOM}" or "{SPLIT}": what its clients show in place of a token.'
        )
    if not isinstance(audience, str) or not audience.isprintable() or len(audience) > MAX_AUDIENCE_LEN:
        raise ConfigError(f"{where}.audience must be what the authorization server calls the device.")
    return Device(name, str(link), address, duty, numbers.get("port"), numbers.get("nstart", 1), tokens, audience)


def _address(where: str, link: str, address: Any) -> str | tuple[str, int] | None:
    if link == UDP:
        bind = parse_bind(address) if isinstance(address, str) else None
        if bind is None or not bind.port:
            raise ConfigError(f'{where}.address must be an address and a port, like "192.0.2.7:5683".')
        return bind.host, bind.port
    if address is not None and not (isinstance(address, str) and NAME.fullmatch(address.replace(":", ""))):
        raise ConfigError(f"{where}.address must be what the link finds it by: letters, digits, -, _ and :.")
    return address


def _number(where: str, key: str, value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigError(f"{where}.{key} must be a whole number from {least} to {most}.")
    return value


def _check_unique(path: Path, devices: dict[str, Device]) -> None:
    """Two devices never share a name but for case, a port of the hub, or a place on a link."""
    seen: dict[object, str] = {}
    for device in devices.values():
        taken: list[tuple[str, object]] = [("a name but for case", device.name.lower())]
        taken.append(("an address", (device.link, device.address)))
        if device.port is not None:
            taken.append(("a port of the hub", device.port))
        for what, key in taken:
            other = seen.setdefault((what, key), device.name)
            if other != device.name:
                raise ConfigError(f"{path}: devices.{other} and devices.{device.name} share {what}.")
