"""What is said to a broker: readings out of parcels, the hub's health, and how Home Assistant finds both.

Everything is published with quality of service 1. Texts are JSON.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from holdfast_core import labels as L
from holdfast_hub.readings.reading import Reading
from holdfast_hub.readings.routes import Route, Routes
from holdfast_hub.records import Parcel, Publication

ONLINE, OFFLINE = "online", "offline"
HOME_ASSISTANT = "homeassistant"
"""The prefix that Home Assistant looks for discovery under, unless its owner has changed it."""
_MAX_EXPIRY_S = 0xFFFFFFFF
_CONTENT_TYPES = {
    L.CF_TEXT_PLAIN: "text/plain;charset=utf-8",
    L.CF_OCTET_STREAM: "application/octet-stream",
    L.CF_JSON: "application/json",
    L.CF_CBOR: "application/cbor",
    L.CF_COSE_ENCRYPT0: 'application/cose; cose-type="cose-encrypt0"',
    L.CF_COSE_MAC0: 'application/cose; cose-type="cose-mac0"',
    L.CF_COSE_SIGN1: 'application/cose; cose-type="cose-sign1"',
}


@dataclass(frozen=True, slots=True)
class Health:
    """The hub as a broker's clients see it: a retained message that the broker itself replaces when the hub is lost.

    topic: checked by routes.check_topic. facts: what else a hub says of itself, JSON; asked for each time.
    """

    topic: str
    facts: Callable[[], Mapping[str, object]] = dict

    def now(self) -> Publication:
        """Return what a hub says while it is connected."""
        return self._of({"state": ONLINE, **self.facts()})

    def stopped(self) -> Publication:
        """Return what a hub says before it leaves."""
        return self._of({"state": OFFLINE, "why": "stopped"})

    def lost(self) -> Publication:
        """Return the will."""
        return self._of({"state": OFFLINE, "why": "lost"})

    def _of(self, facts: Mapping[str, object]) -> Publication:
        return Publication(self.topic, _json(facts), retain=True, content_type=_CONTENT_TYPES[L.CF_JSON])


def publication_of(route: Route, reading: Reading, parcel: Parcel) -> Publication:
    """Return the message of a reading. A consumer drops a second message of the same property id."""
    properties = [("id", parcel.id.hex()), ("device", reading.device), ("resource", reading.resource)]
    if reading.at_s is not None:
        properties.append(("taken", str(reading.at_s)))
    return Publication(
        route.topic,
        parcel.body,
        route.rule.retain,
        None if reading.content_format is None else _CONTENT_TYPES.get(reading.content_format),
        None if parcel.lives_ms is None else min(-(-parcel.lives_ms // 1000), _MAX_EXPIRY_S),
        tuple(properties),
    )


def discovery_of(routes: Routes, health: Health, hub: str, version: str, prefix: str) -> Iterator[Publication]:
    """Yield what makes Home Assistant show each route that has a sensor, and whether the hub is there.

    hub: the hub's name, a NAME. prefix: HOME_ASSISTANT, or a topic that routes.check_topic has judged.
    """
    origin = {"name": "holdfast", "sw_version": version}
    hub_id = f"holdfast_{hub}"
    available = [{"topic": health.topic, "value_template": "{{ value_json.state }}"}]
    yield _discovery(
        f"{prefix}/binary_sensor/{hub_id}/connected/config",
        {
            "name": "Connected",
            "unique_id": f"{hub_id}_connected",
            "state_topic": health.topic,
            "value_template": "{{ value_json.state }}",
            "payload_on": ONLINE,
            "payload_off": OFFLINE,
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "device": {"identifiers": [hub_id], "name": hub, "model": "Holdfast hub"},
            "origin": origin,
        },
    )
    for route in routes.values():
        sensor = route.rule.sensor
        if sensor is None:
            continue
        shown = {
            name: value
            for name in ("unit_of_measurement", "device_class", "state_class", "value_template", "expire_after")
            if (value := getattr(sensor, name)) is not None
        }
        device_id = f"{hub_id}_{route.device}"
        yield _discovery(
            f"{prefix}/{sensor.component}/{device_id}/{route.resource}/config",
            {
                "name": sensor.name or route.resource,
                "unique_id": f"{device_id}_{route.resource}",
                "state_topic": route.topic,
                "availability": available,
                "device": {"identifiers": [device_id], "name": route.device, "via_device": hub_id},
                "origin": origin,
                **shown,
            },
        )


def _discovery(topic: str, content: Mapping[str, object]) -> Publication:
    return Publication(topic, _json(content), retain=True, content_type=_CONTENT_TYPES[L.CF_JSON])


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
