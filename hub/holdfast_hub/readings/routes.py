"""Which topic a reading goes to: a table that is made once, from the configuration.

No name that came over a network is ever part of a topic: a device and a resource are looked up, and what is not in the
table has no topic (default deny).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast_hub.records import NAME

MAX_TOPIC_LEN = 255
EVERY = "*"
"""As the device of a rule: each device of the hub that has no rule of its own for that resource."""
_LEVEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DEVICE, _RESOURCE = "{device}", "{resource}"


class BadRule(ValueError):
    """One sentence for the operator whose rule cannot be."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """How Home Assistant shows a reading; each part as its MQTT discovery calls it, None to leave it out.

    component: sensor or binary_sensor. value_template: how the value is found in the payload, which is opaque to the
    hub. expire_after: seconds after which the last value is shown as unavailable.
    """

    component: str = "sensor"
    name: str | None = None
    unit_of_measurement: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    value_template: str | None = None
    expire_after: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the mapping. device: a name or EVERY. resource: what the device posts to, a NAME.

    topic: levels of ASCII letters, digits, "_", "-" and "."; a whole level may be {device} or {resource}.
    event: it goes before readings, and has more room kept for it. retain: the broker keeps the last one.
    keep_s: seconds after which nobody wants it, None for never.
    """

    device: str
    resource: str
    topic: str
    event: bool = False
    retain: bool = False
    keep_s: int | None = None
    sensor: Sensor | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where the readings of one resource of one device go."""

    device: str
    resource: str
    topic: str
    rule: Rule


Routes = Mapping[tuple[str, str], Route]


def check_topic(topic: str) -> str:
    """Return a topic that a message may be published to as it stands. Raises BadRule: it is none."""
    if len(topic) > MAX_TOPIC_LEN or not all(_LEVEL.fullmatch(level) for level in topic.split("/")):
        raise BadRule(
            f"the topic {topic!r} cannot be: write levels of 1 to 64 ASCII letters, digits, '_', '-' and '.', "
            f"with '/' between them, {MAX_TOPIC_LEN} characters at most."
        )
    return topic


def routes_of(rules: Iterable[Rule], devices: Iterable[str], taken: Iterable[str] = ()) -> Routes:
    """Return the table for the devices of this hub. taken: topics that the hub itself publishes to.

    Raises BadRule: a name or a topic that cannot be, a device that the hub does not have, two rules for one resource,
    or one topic for two of them.
    """
    names = list(devices)
    exact: dict[tuple[str, str], Route] = {}
    common: dict[tuple[str, str], Route] = {}
    for rule in rules:
        _check(rule, names)
        for device in names if rule.device == EVERY else [rule.device]:
            found = common if rule.device == EVERY else exact
            key = device, rule.resource
            if key in found:
                raise BadRule(f"two rules say where {rule.resource!r} of {rule.device!r} goes: remove one.")
            found[key] = Route(device, rule.resource, _topic(rule, device), rule)
    routes = {**common, **exact}
    used = dict.fromkeys(taken, "the hub itself")
    for route in routes.values():
        whose = f"{route.resource!r} of {route.device!r}"
        if route.topic in used:
            raise BadRule(f"{whose} and {used[route.topic]} would share the topic {route.topic!r}: change one rule.")
        used[route.topic] = whose
    return routes


def _check(rule: Rule, devices: list[str]) -> None:
    if rule.device != EVERY and rule.device not in devices:
        raise BadRule(f"a rule of the readings names the device {rule.device!r}, which this hub does not have.")
    if not NAME.fullmatch(rule.resource):
        raise BadRule(f"the resource {rule.resource!r} cannot be: use 1 to 64 letters, digits, '_' and '-'.")
    if rule.keep_s is not None and not 1 <= rule.keep_s < 1 << 32:
        raise BadRule(f"keep_s of {rule.resource!r} is {rule.keep_s}: give seconds from 1, or leave it out.")
    if rule.sensor and rule.sensor.component not in ("sensor", "binary_sensor"):
        raise BadRule(f"Home Assistant shows {rule.resource!r} as a 'sensor' or a 'binary_sensor': write one of them.")


def _topic(rule: Rule, device: str) -> str:
    """Put the names in, which the table of devices and _check have judged, and judge the whole."""
    put = {_DEVICE: device, _RESOURCE: rule.resource}
    return check_topic("/".join(put.get(level, level) for level in rule.topic.split("/")))
