"""The links of hub.toml, [links.NAME]: which kinds there are, and which keys each has; read strictly.

Every problem is one sentence that names the key and says what would be right. A password stands in a file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_hub.devices.addresses import BLE, MQTT, SERIAL, UDP
from holdfast_hub.records import NAME

SPEEDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")
EXAMPLE = """
# Links to devices, beside "udp", which is always there. Each has a name, which devices.toml says.
#
#   [links.tty0]
#   kind = "serial"
#   path = "/dev/serial/by-id/usb-..."  # a name that stays with the adapter
#   baud = 115200
#
#   [links.broker]
#   kind = "mqtt"
#   host = "127.0.0.1"
#   port = 1883                         # 8883 is usual with TLS
#   prefix = "hub"                      # a device hears PREFIX/DEVICE/down, and speaks on PREFIX/DEVICE/up
#   user = "hub"
#   password_file = "broker.password"   # mode 0600, or "credential:NAME" for one that systemd hands over
#   ca_file = "broker-ca.pem"           # with it, TLS is spoken
#
#   [links.air]
#   kind = "ble"                        # needs the Python package bleak
"""


class LinksUnusable(Exception):
    """The links cannot be used; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """path: of the tty. baud: its speed."""

    path: str
    baud: int


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is and as whom this hub comes; files are named as they are in hub.toml, "" for none."""

    host: str
    port: int
    prefix: str
    client_id: str
    user: str
    password_file: str
    ca_file: str
    certificate_file: str
    key_file: str


@dataclass(frozen=True, slots=True)
class BleSettings:
    """adapter: of the radio, "" for the first."""

    adapter: str


Settings = SerialSettings | MqttSettings | BleSettings
_KINDS: dict[type[Settings], str] = {SerialSettings: SERIAL, MqttSettings: MQTT, BleSettings: BLE}


def parse(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Settings]:
    """Read all links, by name. Raises LinksUnusable."""
    return {name: _link(name, section) for name, section in sections.items()}


def kinds(links: Mapping[str, Settings]) -> dict[str, str]:
    """The kind of each link by its name, with the one that is always there."""
    return {UDP: UDP, **{name: _KINDS[type(settings)] for name, settings in links.items()}}


def _link(name: str, section: Mapping[str, Any]) -> Settings:
    if name == UDP:
        raise LinksUnusable(f'links.{UDP} must have another name: "{UDP}" is the network of this machine.')
    keys = _Keys(name, section)
    kind = keys.text("kind", "")
    readers: dict[str, Callable[[_Keys], Settings]] = {SERIAL: _serial, MQTT: _mqtt, BLE: _ble}
    if kind not in readers:
        raise LinksUnusable(f'links.{name}.kind must be "{SERIAL}", "{MQTT}" or "{BLE}".')
    settings = readers[kind](keys)
    keys.finish(kind)
    return settings


def _serial(keys: "_Keys") -> SerialSettings:
    path = keys.text("path", "")
    if not path.startswith("/dev/") or ".." in path.split("/"):
        raise keys.wrong("path", 'must be a serial line of this machine, like "/dev/ttyUSB0"')
    return SerialSettings(path, keys.one_of("baud", 115200, SPEEDS))


def _mqtt(keys: "_Keys") -> MqttSettings:
    host = keys.text("host", "")
    if not _HOST.fullmatch(host) or not all(0 < len(label) < 64 for label in host.split(".")):
        raise keys.wrong("host", "must be the name or the address of a broker")
    prefix = keys.text("prefix", "hub")
    if len(prefix) > 200 or not all(NAME.fullmatch(level) for level in prefix.split("/")):
        raise keys.wrong("prefix", 'must be levels of letters, digits, - and _, like "ward-2/hub"')
    client_id = keys.text("client_id", "")
    if client_id and not NAME.fullmatch(client_id):
        raise keys.wrong("client_id", "must be letters, digits, - and _, 1 to 64 of them")
    files = [keys.text(key, "") for key in ("user", "password_file", "ca_file", "certificate_file", "key_file")]
    user, password_file, ca_file, certificate_file, key_file = files
    if password_file and not user:
        raise keys.wrong("user", "must be said where there is a password_file")
    if (certificate_file or key_file) and not ca_file:
        raise keys.wrong("ca_file", "must be said where there is a certificate_file or a key_file")
    if key_file and not certificate_file:
        raise keys.wrong("certificate_file", "must be said where there is a key_file")
    port = keys.number("port", 8883 if ca_file else 1883, 65535)
    return MqttSettings(host, port, prefix, client_id, *files)


def _ble(keys: "_Keys") -> BleSettings:
    adapter = keys.text("adapter", "")
    if adapter and not NAME.fullmatch(adapter):
        raise keys.wrong("adapter", 'must be a radio of this machine, like "hci0"')
    return BleSettings(adapter)


class _Keys:
    """The keys of one link, taken one after the other; what is left is no key."""

    def __init__(self, name: str, section: Mapping[str, Any]) -> None:
        self._name = name
        self._left = dict(section)

    def wrong(self, key: str, why: str) -> LinksUnusable:
        return LinksUnusable(f"links.{self._name}.{key} {why}.")

    def text(self, key: str, default: str) -> str:
        value = self._left.pop(key, default)
        if not isinstance(value, str) or not value.isprintable():
            raise self.wrong(key, "must be text in quotes")
        return value

    def number(self, key: str, default: int, most: int) -> int:
        value = self._left.pop(key, default)
        if type(value) is not int or not 1 <= value <= most:
            raise self.wrong(key, f"must be a whole number from 1 to {most}")
        return value

    def one_of(self, key: str, default: int, values: tuple[int, ...]) -> int:
        value = self._left.pop(key, default)
        if type(value) is not int or value not in values:
            raise self.wrong(key, f"must be one of {', '.join(map(str, values))}")
        return value

    def finish(self, kind: str) -> None:
        for key in self._left:
            if key == "password":
                raise self.wrong(key, "would hold a secret, and none stands in this file: say password_file")
            shown = key if NAME.fullmatch(key) else ascii(key[:80])
            raise self.wrong(shown, f'is no key of a link of kind "{kind}": remove it or check its spelling')
