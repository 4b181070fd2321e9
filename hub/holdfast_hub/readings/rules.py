"""The rules of the mapping as an operator writes them: a section of hub.toml for each kind of reading.

[readings.level]                  # the resource that devices post to, unless `resource` says otherwise
devices = ["tube-7"]              # all that the hub has, when it is left out
topic = "ward-3/{device}/level"   # PREFIX/{device}/{resource}, when it is left out
event = false
retain = true
keep_s = 86400
sensor = { unit_of_measurement = "mL", device_class = "volume", state_class = "measurement" }
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from holdfast_hub.readings.routes import EVERY, BadRule, Rule, Sensor

_KINDS: dict[str, tuple[type, str]] = {
    "resource": (str, "text"),
    "topic": (str, "text"),
    "devices": (list, "a list of names"),
    "event": (bool, "true or false"),
    "retain": (bool, "true or false"),
    "keep_s": (int, "a whole number"),
    "sensor": (dict, 'a table like { unit_of_measurement = "mL" }'),
}


def rules_of(sections: Mapping[str, Any], prefix: str) -> list[Rule]:
    """Return the rules of the sections [readings.NAME]. prefix: what the topics begin with that none gives.

    Raises BadRule: a key that is not known, or a value of the wrong kind. routes.routes_of judges the names.
    """
    rules: list[Rule] = []
    for name, section in sections.items():
        where = f"[readings.{name}]"
        if not isinstance(section, Mapping):
            raise BadRule(f"readings.{name} must be a section: write {where} and its keys below it.")
        for key, value in section.items():
            _check(where, key, value)
        common = {key: section[key] for key in ("event", "retain", "keep_s") if key in section}
        if "sensor" in section:
            common["sensor"] = _sensor(where, section["sensor"])
        topic = section.get("topic", f"{prefix}/{{device}}/{{resource}}")
        resource = section.get("resource", name)
        rules += [Rule(device, resource, topic, **common) for device in section.get("devices", [EVERY])]
    return rules


def _check(where: str, key: str, value: object) -> None:
    if key not in _KINDS:
        raise BadRule(f"{where} has no key {key!r}: it may have {', '.join(_KINDS)}.")
    kind, words = _KINDS[key]
    ok = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    if isinstance(value, list):
        ok = all(isinstance(each, str) for each in value)
    if not ok:
        raise BadRule(f"{where}: {key} must be {words}.")


def _sensor(where: str, sensor: Mapping[str, object]) -> Sensor:
    known = [field.name for field in fields(Sensor)]
    for key, value in sensor.items():
        if key not in known:
            raise BadRule(f"{where}: a sensor has no {key!r}: it may have {', '.join(known)}.")
        kind = int if key == "expire_after" else str
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BadRule(f"{where}: {key} of a sensor must be {'a whole number' if kind is int else 'text'}.")
    return Sensor(**sensor)  # type: ignore[arg-type]
