"""Every key of hub.toml, in one table: its kind, its default, and the comment that `init` writes above it.

What the table does not name is no key. Of links, which an operator names, links/ knows the keys.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from holdfast_hub.devices.addresses import port_number
from holdfast_hub.records import NAME

Value = str | int | bool | list[str]
MIB = 1 << 20


class ConfigError(Exception):
    """The configuration cannot be used; the text is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Where a listener binds; port 0 chooses one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind(text: str) -> Bind | None:
    """HOST:PORT, the host an address, IPv6 in brackets; None for anything else."""
    host, colon, port = text.rpartition(":")
    if in_brackets := host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    host = "127.0.0.1" if host == "localhost" else host
    if not colon or not is_address(host) or in_brackets != (":" in host) or (number := port_number(port)) is None:
        return None
    return Bind(host, number)


def is_address(host: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Key:
    """One key. name: SECTION.KEY. wants: what a value must be, in words; fits: whether one is.

    comment: for the operator. needs_restart: SIGHUP does not take it.
    """

    name: str
    default: Value
    wants: str
    fits: Callable[[Value], bool]
    comment: str
    needs_restart: bool = True

    @property
    def section(self) -> str:
        """What stands in brackets above it; "" at the top."""
        return self.name.rpartition(".")[0]


def _is_text(value: Value) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_bind(value: Value) -> bool:
    return isinstance(value, str) and parse_bind(value) is not None


def _is_bind_or_nothing(value: Value) -> bool:
    return value == "" or _is_bind(value)


def _are_binds(value: Value) -> bool:
    return isinstance(value, list) and all(map(_is_bind, value)) and len(set(value)) == len(value)


def _are_addresses(value: Value) -> bool:
    return isinstance(value, list) and all(is_address(each) for each in value)


def _is_name(value: Value) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _is_flag(value: Value) -> bool:
    return isinstance(value, bool)


_BIND_WORDS = 'an address and a port, like "127.0.0.1:5683" or "[::1]:5683"'


def _text(name: str, default: str, comment: str) -> Key:
    return Key(name, default, "text in quotes", _is_text, comment)


def _bind(name: str, default: str, comment: str) -> Key:
    return Key(name, default, f'{_BIND_WORDS}, or "" for none', _is_bind_or_nothing, comment)


def _count(name: str, default: int, least: int, most: int, comment: str) -> Key:
    def fits(value: Value) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    return Key(name, default, f"a whole number from {least} to {most}", fits, comment)


def _choice(name: str, words: tuple[str, ...], comment: str) -> Key:
    def fits(value: Value) -> bool:
        return isinstance(value, str) and value in words

    return Key(name, words[0], " or ".join(f'"{word}"' for word in words), fits, comment)


def _flag(name: str, *, default: bool, comment: str) -> Key:
    return Key(name, default, "true or false", _is_flag, comment)


KEYS = (
    Key("name", "hub", "letters, digits, - and _, 1 to 64 of them", _is_name, "What this hub calls itself."),
    _text("state", "/var/lib/holdfast-hub", "Where the spool and what else must survive a restart is kept."),
    _text("devices", "devices.toml", "The devices behind this hub, a file beside this one."),
    _count("drain_s", 10, 0, 300, "So long, in seconds, requests under way may take when the hub is told to stop."),
    Key(
        "coap.bind",
        ["127.0.0.1:5683"],
        f"a list of which each is {_BIND_WORDS}",
        _are_binds,
        "Clients, over CoAP on UDP. What they and devices say is protected end to end; the port itself may be public.",
    ),
    Key(
        "coap.device_hosts",
        ["127.0.0.1"],
        'a list of addresses, like ["127.0.0.1", "::1"]',
        _are_addresses,
        "Where the ports of devices are opened that have a port of their own.",
    ),
    _bind("coap.tcp", "", "Clients, over CoAP on TCP."),
    _bind("coap.websocket", "", "Clients, over CoAP on WebSocket, as browsers speak it."),
    _bind("health.bind", "127.0.0.1:9683", "/healthz, /readyz and /metrics, over HTTP. Keep it on loopback."),
    _choice("log.format", ("text", "json"), "Logs go to standard error."),
    _count(
        "spool.max_mib",
        256,
        1,
        1 << 20,
        "The spool holds so many MiB at most, half for one device or the broker.",
    ),
    _count("spool.max_parcels", 200_000, 10, 100_000_000, "And so many things that wait."),
    _count("spool.keep_free_mib", 16, 0, 1 << 20, "So much of the disk stays free, in MiB."),
    _flag(
        "spool.drop_oldest",
        default=False,
        comment="Without room for more readings, whether the oldest give way and are counted. Else the device is told.",
    ),
    _count("later.request_s", 86_400, 60, 31_536_000, "So long, in seconds, a request waits for a device that sleeps."),
    _count("later.answer_s", 86_400, 60, 31_536_000, "And so long its client can read the device's answer."),
    _count("later.per_client", 32, 1, 10_000, "So many requests of one network address wait at most."),
    _text(
        "as.credentials_file",
        "",
        'What `holdfast server client add HUB --oscore FILE` wrote, mode 0600, or "credential:NAME": '
        "with it, this hub completes tokens.",
    ),
    _bind("as.address", "", "The authorization server's CoAP address, when it is another one than that file says."),
    _count(
        "admission.per_s", 0, 0, 100_000, "One network address may ask so often in a second; 0: as often as it likes."
    ),
    _count("admission.at_once", 20, 1, 100_000, "And so often at once."),
    _count("admission.all_per_s", 0, 0, 1_000_000, "All together so often in a second; 0: as often as they like."),
    _count("admission.all_at_once", 1000, 1, 1_000_000, "And so often at once."),
    _count("admission.client_quota", 0, 0, 1 << 30, "One address may ask so often within quota_s; 0: no quota."),
    _count("admission.device_quota", 0, 0, 1 << 30, "One device may be asked so often within quota_s; 0: no quota."),
    _count("admission.quota_s", 3600, 1, 31_536_000, "The time for both quotas, in seconds."),
    Key(
        "admission.issuers",
        [],
        "a list of texts",
        lambda value: isinstance(value, list),
        "A token that can be read and names another issuer is refused; [] when none is.",
    ),
    _flag("admission.check_audience", default=False, comment="Refuse a readable token for another audience, too."),
    _text("broker.host", "", 'The MQTT broker that readings go to; "" when there is none.'),
    _count("broker.port", 1883, 1, 65535, "And its port; 8883 is usual with TLS."),
    _text("broker.user", "", "The user that this hub is for the broker."),
    _text(
        "broker.password_file",
        "",
        'A file with the password, mode 0600, or "credential:NAME" for one that systemd hands over.',
    ),
    _text("broker.ca_file", "", "The certificates that the broker's is checked by, PEM. With it, TLS is spoken."),
    _text("broker.certificate_file", "", "What this hub shows the broker, PEM, when the broker wants a certificate."),
    _text("broker.key_file", "", "And the key of that certificate, PEM, mode 0600."),
    _text("broker.topics", "holdfast", "What all topics of this hub begin with."),
    _flag("broker.home_assistant", default=False, comment="Whether Home Assistant is told what can be read."),
)
BY_NAME = {key.name: key for key in KEYS}
SECTIONS = frozenset(key.section for key in KEYS)
FREE_SECTIONS = ("links", "readings")
"""Sections whose parts an operator names."""
SECRET = re.compile(r"(?:.*[._])?(password|secret|key|token)")
"""How a key would be called that holds a secret. There is none: a file is named instead."""


def problem_with(key: Key, value: object) -> str:
    """What a value ought to be, or "" when it is."""
    ok = isinstance(value, str | int | bool) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )
    return "" if ok and key.fits(value) else f"must be {key.wants}"  # type: ignore[arg-type]


def not_a_key(name: str) -> str:
    """What is wrong with a name that the table does not have."""
    if SECRET.fullmatch(name):
        return f"would hold a secret, and no secret stands in this file: put it in a file and say {name}_file"
    return "is no key of this file: remove it or check its spelling"
