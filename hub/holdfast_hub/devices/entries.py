"""devices.toml: one section for each device, read strictly.

A key that is not known is a problem: a misspelt duty cycle must not be none. Every problem is one sentence that names
the key and says what would be right.
"""

import json
from collections.abc import Mapping
from typing import Any

from holdfast_hub.devices.addresses import KINDS, SERIAL, NoAddress
from holdfast_hub.devices.table import MAX_DEVICES, Ambiguous, DeviceTable
from holdfast_hub.records import NAME, PHANTOM, SPLIT, Device, Duty

MOST_EVERY_S = 366 * 86400
MOST_AWAKE_S = 86400
MOST_NSTART = 16
MAX_AUDIENCE_LEN = 255
EXAMPLE = """# The devices behind this hub. Each has a section, and the section's name is the device's in every URI.
# `holdfast hub check` says what is wrong here; SIGHUP makes the hub read it again.
#
# [devices.tube-7]
# link = "udp"                  # "udp", the network of this machine, or a link of hub.toml
# address = "192.0.2.7:5683"    # udp: where it is; mqtt: its part of the topic, when that is not its name;
#                               # ble: its radio, like "C0:FF:EE:00:00:07"; serial: none, the line leads to it
# every_s = 3600                # it sleeps, and wakes so often; 0: it comes when it comes. Without it: always awake
# awake_s = 10                  # and so long it hears after it was last heard of
# port = 5701                   # a UDP port of the hub that leads to this device alone
# nstart = 1                    # so many requests are under way to it at once (RFC 7252 section 4.7)
# tokens = "phantom"            # its clients show a reference, or with "split" a part of a token; this hub completes it
# audience = "tube-7"           # what the authorization server calls it, when that is not its name
"""


class DevicesUnusable(Exception):
    """The devices cannot be used; the text is one sentence for the operator."""


def parse(document: Mapping[str, Any], kinds: Mapping[str, str]) -> DeviceTable:
    """Read the file. document: of tomllib; kinds: the kind of each link by its name. Raises DevicesUnusable."""
    for key in document:
        if key != "devices":
            raise DevicesUnusable(
                f"{shown(key)} is no key of this file: a device is a section, like [devices.{_model(key)}]."
            )
    sections = document.get("devices", {})
    if not isinstance(sections, dict):
        raise DevicesUnusable("devices must be sections, like [devices.tube-7].")
    if len(sections) > MAX_DEVICES:
        raise DevicesUnusable(f"There are {len(sections)} devices, and one hub takes {MAX_DEVICES} at most.")
    devices = [_device(name, section, kinds) for name, section in sections.items()]
    kind_of = {device.name: kinds[device.link] for device in devices}
    try:
        return DeviceTable(devices)
    except Ambiguous as found:
        raise DevicesUnusable(_twice(found, kind_of)) from None


def shown(text: str) -> str:
    """What an operator wrote, safe to print: in quotes, ASCII alone, and not longer than a line."""
    return json.dumps(text if len(text) <= 80 else text[:80] + "...")


def _model(key: str) -> str:
    return key if NAME.fullmatch(key) else "tube-7"


def _twice(found: Ambiguous, kind_of: Mapping[str, str]) -> str:
    both = f"devices.{found.first} and devices.{found.second}"
    if found.key == "name":
        return f"{both} differ by case alone, which a URI does not tell apart: rename one."
    if found.key == "port":
        return f"{both} have the same port: a port leads to one device."
    if kind_of[found.first] == SERIAL:
        return f"{both} have the same link: a serial line leads to one device."
    return f"{both} have the same address on the same link: one of them is wrong."


def _device(name: str, section: Any, kinds: Mapping[str, str]) -> Device:
    if not NAME.fullmatch(name):
        raise DevicesUnusable(f"{shown(name)} is no name of a device: use letters, digits, - and _, 1 to 64 of them.")
    if not isinstance(section, dict):
        raise DevicesUnusable(f"devices.{name} must be a section, like [devices.{name}].")
    keys = _Keys(name, section)
    link = keys.text("link")
    if link is None or link not in kinds:
        known = ", ".join(sorted(kinds)) or "none yet"
        raise DevicesUnusable(f"devices.{name}.link must be the name of a link of hub.toml ({known}).")
    try:
        address = KINDS[kinds[link]](name, keys.text("address"))
    except NoAddress as problem:
        raise DevicesUnusable(f"devices.{name}.address {problem}.") from None
    every_s = keys.number("every_s", 0, MOST_EVERY_S)
    awake_s = keys.number("awake_s", 1, MOST_AWAKE_S)
    if every_s is None and awake_s is not None:
        raise DevicesUnusable(f"devices.{name}.awake_s says nothing without every_s: add it, or remove awake_s.")
    port = keys.number("port", 1, 65535)
    nstart = keys.number("nstart", 1, MOST_NSTART)
    tokens, audience = keys.text("tokens") or "", keys.text("audience") or ""
    if tokens not in ("", PHANTOM, SPLIT):
        raise DevicesUnusable(
            f'devices.{name}.tokens must be "{PHANTOM}" or "{SPLIT}": what its clients show in place of a token.'
        )
    if not audience.isprintable() or len(audience) > MAX_AUDIENCE_LEN:
        raise DevicesUnusable(f"devices.{name}.audience must be what the authorization server calls the device.")
    keys.finish()
    duty = Duty() if every_s is None else Duty(every_s, awake_s or Duty().awake_s)
    if every_s and duty.awake_s > every_s:
        raise DevicesUnusable(f"devices.{name}.awake_s must not be more than every_s, which is {every_s}.")
    return Device(name, link, address, duty, port, nstart or 1, tokens, audience)


class _Keys:
    """The keys of one section, taken one after the other; what is left is no key."""

    def __init__(self, name: str, section: Mapping[str, Any]) -> None:
        self._name = name
        self._left = dict(section)

    def text(self, key: str) -> str | None:
        value = self._left.pop(key, None)
        if value is not None and not isinstance(value, str):
            raise DevicesUnusable(f"devices.{self._name}.{key} must be text in quotes.")
        return value

    def number(self, key: str, least: int, most: int) -> int | None:
        value = self._left.pop(key, None)
        if value is not None and (type(value) is not int or not least <= value <= most):
            raise DevicesUnusable(f"devices.{self._name}.{key} must be a whole number from {least} to {most}.")
        return value

    def finish(self) -> None:
        for key in self._left:
            name = key if NAME.fullmatch(key) else shown(key)
            raise DevicesUnusable(
                f"devices.{self._name}.{name} is no key of a device: remove it or check its spelling."
            )
