"""What a hub tells of itself: its status for people and programs, and its numbers for Prometheus."""

import os
import resource
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from holdfast_hub.admission.desk import AdmissionDesk
from holdfast_hub.later.desk import LaterDesk
from holdfast_hub.ports import Link, Presence
from holdfast_hub.process.clock import HubClock, monotonic_ms
from holdfast_hub.process.config import Config
from holdfast_hub.process.metrics import Sample
from holdfast_hub.process.readings_out import ReadingsOut
from holdfast_hub.readings.outbox import UP
from holdfast_hub.records import Device
from holdfast_hub.spool.store import SqliteSpool
from holdfast_hub.tokens.desk import TokenDesk


class Parts(Protocol):
    """What of a hub is told about."""

    config: Config
    clock: HubClock
    spool: SqliteSpool
    later: LaterDesk
    admission: AdmissionDesk
    devices: dict[str, Device]
    out: ReadingsOut | None
    tokens: TokenDesk | None

    @property
    def links(self) -> Mapping[str, Link]:
        """By name."""

    @property
    def presence(self) -> Presence:
        """Who is there."""

    @property
    def under_way(self) -> int:
        """Requests that have not been answered."""


def status(hub: Parts) -> dict[str, Any]:
    """How everything is."""
    level, now_ms = hub.spool.level, monotonic_ms()
    return {
        "name": hub.config.text("name"),
        "clock": hub.clock.doubt or "believed",
        "links": {name: "up" if link.is_up else "down" for name, link in hub.links.items()},
        "spool": {"waits": level.count, "bytes": level.len, "set_aside": level.aside, "trouble": level.trouble},
        "broker": "none" if hub.out is None else hub.out.outbox.state,
        "broker_trouble": "" if hub.out is None else hub.out.outbox.trouble,
        "under_way": hub.under_way,
        "devices": [
            {
                "name": device.name,
                "link": device.link,
                "there": hub.presence.is_awake(device, now_ms),
                "wakes_in_s": hub.presence.wakes_in_s(device, now_ms),
            }
            for device in hub.devices.values()
        ],
    }


def facts(hub: Parts) -> dict[str, Any]:
    """What the broker's clients are told of a hub that is there."""
    level = hub.spool.level
    return {
        "devices": len(hub.devices),
        "waits": level.count,
        "set_aside": level.aside,
        "clock": hub.clock.doubt or "believed",
        "resident_bytes": resident_len(),
    }


def samples(hub: Parts) -> Iterator[Sample]:
    """The numbers now."""
    level = hub.spool.level
    yield "gauge", "devices", "Devices of this hub.", {}, len(hub.devices)
    yield "gauge", "requests_under_way", "Requests that have not been answered.", {}, hub.under_way
    for name, link in hub.links.items():
        yield "gauge", "link_up", "1 when the link is there.", {"link": name}, float(link.is_up)
    yield "gauge", "spool_parcels", "What waits.", {}, level.count
    yield "gauge", "spool_bytes", "Octets of it.", {}, level.len
    yield "gauge", "spool_set_aside", "What was tried too often.", {}, level.aside
    for name, value in sorted(level.counts.items()):
        yield "counter", "spool", "What became of parcels.", {"became": name}, value
    for name, value in sorted(hub.admission.counts.items()):
        yield "counter", "refused_early", "Requests that no device has seen.", {"why": name}, value
    for name, value in sorted(hub.later.counts.items()):
        yield "counter", "later", "What became of requests to devices that sleep.", {"became": name}, value
    if hub.tokens is not None:
        for name, value in sorted(hub.tokens.counts.items()):
            yield "counter", "tokens", "What became of tokens that the hub completes.", {"became": name}, value
    if hub.out is not None:
        outbox = hub.out.outbox
        yield "gauge", "broker_up", "1 when the broker is connected.", {}, float(outbox.state == UP)
        yield "counter", "published", "Readings that the broker has acknowledged.", {}, outbox.published
        yield "counter", "broker_refused", "Readings that the broker has refused.", {}, outbox.refused
        yield "counter", "broker_lost_connections", "Connections to the broker that ended.", {}, outbox.lost_connections
    yield "counter", "spool_failed_commits", "Commits that failed.", {}, level.failed
    yield "gauge", "clock_believed", "1 when the wall clock is believed.", {}, float(not hub.clock.doubt)
    yield "gauge", "resident_bytes", "Memory in use.", {}, resident_len()
    yield "counter", "cpu_seconds", "Processor time.", {}, sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def resident_len() -> int:
    """Octets of memory that this process has, 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
