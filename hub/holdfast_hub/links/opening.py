"""Makes the links that hub.toml describes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from holdfast_hub.links.ble_shell import BleLink
from holdfast_hub.links.broker import BrokerFilesUnusable, Where, tls_of
from holdfast_hub.links.line import Changed, Line, Received
from holdfast_hub.links.mqtt_shell import MqttLink
from holdfast_hub.links.serial_shell import SerialLink
from holdfast_hub.links.settings import BleSettings, LinksUnusable, MqttSettings, SerialSettings, Settings
from holdfast_hub.records import Device


class Files(Protocol):
    """The files that hub.toml names. key: what named one; the methods raise what the reader of hub.toml raises."""

    def file(self, said: str) -> Path:
        """Where a file is that anybody may read."""

    def secret_file(self, key: str, said: str) -> Path:
        """Where a file is that nobody else may read."""

    def secret(self, key: str, said: str) -> str:
        """The first line of such a file."""


def make_links(
    links: Mapping[str, Settings], files: Files, received: Received, changed: Changed, arrived: Callable[[Device], None]
) -> dict[str, Line]:
    """Return the links by name; start() opens them.

    received, changed, arrived: what the links call, see line.py and BleLink. Raises LinksUnusable, and what files does.
    """
    made: dict[str, Line] = {}
    for name, settings in links.items():
        match settings:
            case SerialSettings():
                made[name] = SerialLink(name, settings.path, settings.baud, received, changed)
            case MqttSettings():
                made[name] = MqttLink(name, _where(name, settings, files), settings.prefix, received, changed)
            case BleSettings():
                from holdfast_hub.links.bleak_shell import BleakRadio  # noqa: PLC0415 - an optional package

                made[name] = BleLink(name, BleakRadio(settings.adapter), received, changed, arrived)
    return made


def _where(name: str, settings: MqttSettings, files: Files) -> Where:
    password = tls = None
    if settings.password_file:
        password = files.secret(f"links.{name}.password_file", settings.password_file)
    if settings.ca_file:
        key = files.secret_file(f"links.{name}.key_file", settings.key_file) if settings.key_file else None
        certificate = files.file(settings.certificate_file) if settings.certificate_file else None
        try:
            tls = tls_of(files.file(settings.ca_file), certificate, key)
        except BrokerFilesUnusable as problem:
            raise LinksUnusable(f"links.{name}: {problem}") from None
    return Where(settings.host, settings.port, settings.client_id, settings.user or None, password, tls)
