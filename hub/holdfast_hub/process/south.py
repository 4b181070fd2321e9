"""The devices and the links of a configuration, as the rooms read them that know them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from holdfast_hub.devices.entries import DevicesUnusable
from holdfast_hub.devices.entries import parse as parse_devices
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.line import Changed, Line, Received
from holdfast_hub.links.opening import make_links
from holdfast_hub.links.settings import LinksUnusable, Settings, kinds
from holdfast_hub.links.settings import parse as parse_links
from holdfast_hub.process.as_link import KEY as AS_KEY
from holdfast_hub.process.config import Config, read_secret, read_toml, secret_file
from holdfast_hub.process.settings import ConfigError
from holdfast_hub.records import Device

MAX_FILE_LEN = 1 << 23


def links_in(config: Config) -> dict[str, Settings]:
    """Return the links of hub.toml, by name. Raises ConfigError."""
    try:
        return parse_links(config.links)
    except LinksUnusable as problem:
        raise ConfigError(f"{config.path}: {problem}") from None


def load_devices(config: Config) -> DeviceTable:
    """Read devices.toml. Raises ConfigError."""
    document = read_toml(config.devices_file, ": `holdfast hub init` makes one", MAX_FILE_LEN)
    try:
        table = parse_devices(document, kinds(links_in(config)))
    except DevicesUnusable as problem:
        raise ConfigError(f"{config.devices_file}: {problem}") from None
    translated = next((device.name for device in table if device.tokens), None)
    if translated is not None and not config.text(AS_KEY):
        raise ConfigError(
            f"{config.devices_file}: devices.{translated}.tokens wants a server to ask: say {AS_KEY} in hub.toml."
        )
    return table


def open_links(
    config: Config, received: Received, changed: Changed, arrived: Callable[[Device], None]
) -> dict[str, Line]:
    """Return the links of hub.toml, by name, not started. Raises ConfigError."""
    try:
        return make_links(links_in(config), _Beside(config.path.parent), received, changed, arrived)
    except LinksUnusable as problem:
        raise ConfigError(f"{config.path}: {problem}") from None


@dataclass(frozen=True, slots=True)
class _Beside:
    """The Files of links/opening.py, beside hub.toml."""

    folder: Path

    def file(self, said: str) -> Path:
        """See Files."""
        return self.folder / said

    def secret_file(self, key: str, said: str) -> Path:
        """See Files. Raises ConfigError."""
        return secret_file(key, said, self.folder)

    def secret(self, key: str, said: str) -> str:
        """See Files. Raises ConfigError."""
        return read_secret(key, said, self.folder)
