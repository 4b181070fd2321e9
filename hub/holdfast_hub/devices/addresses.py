"""What the address of a device is on each kind of link, as an operator writes it and as the link finds it."""

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from holdfast_hub.devices.table import Address
from holdfast_hub.records import NAME

UDP, SERIAL, MQTT, BLE = "udp", "serial", "mqtt", "ble"
COAP_PORT = 5683
MAX_PORT = 65535
MAX_PORT_DIGITS = 5  # int refuses thousands of them with an exception
_RADIO = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")


class NoAddress(Exception):
    """The text says what is right: "must be ..."."""


def _udp(_name: str, said: str | None) -> Address:
    host, port = split_host(said or "")
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address is None or address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
        port = 0
    if port == 0:
        raise NoAddress('must be the address of one device, like "192.0.2.7", "192.0.2.7:5683" or "[2001:db8::7]:5683"')
    return str(address), port


def split_host(text: str) -> tuple[str, int]:
    """Return host and port of HOST, HOST:PORT, [HOST] or [HOST]:PORT; port 0 for what is none of them."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not text.startswith("[")):
        host, port = text, str(COAP_PORT)
    if host.startswith("[") != host.endswith("]"):
        return "", 0
    return host.removeprefix("[").removesuffix("]"), port_number(port) or 0


def port_number(text: str) -> int | None:
    """Return the port that digits say, 0 to 65535; None for anything else."""
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_PORT_DIGITS or int(text) > MAX_PORT:
        return None
    return int(text)


def _serial(_name: str, said: str | None) -> Address:
    if said is not None:
        raise NoAddress("must not be said: the line itself leads to the device")
    return None


def _mqtt(name: str, said: str | None) -> Address:
    address = name if said is None else said
    if not NAME.fullmatch(address):
        raise NoAddress("must be the device's part of the topic: letters, digits, - and _, 1 to 64 of them")
    return address


def _ble(_name: str, said: str | None) -> Address:
    address = "" if said is None else said.upper()
    if not _RADIO.fullmatch(address):
        raise NoAddress('must be the address of the device\'s radio, like "C0:FF:EE:00:00:07"')
    return address


KINDS: dict[str, Callable[[str, str | None], Address]] = {UDP: _udp, SERIAL: _serial, MQTT: _mqtt, BLE: _ble}
"""By kind of link: the device's name and what its entry says as address (None: nothing) -> what Device.address is."""
