"""A reading as a parcel of the spool, and what of it a consumer is told.

The payload stays what the device sent: the hub neither reads nor changes it, and it may be a COSE object that only the
consumer can open.
"""

from dataclasses import dataclass

from holdfast_core import cbor
from holdfast_core.crypto import sha256
from holdfast_core.errors import MalformedCbor
from holdfast_hub.readings.routes import Route
from holdfast_hub.records import EVENT, OUT, READING, Now, Parcel

_ID_LEN = 16
_EVENT_PRIORITY, _READING_PRIORITY = 1, 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parcel says of itself. at_s: when the hub took it, None when its clock was not believed then."""

    device: str
    resource: str
    content_format: int | None
    at_s: int | None


def parcel_of(route: Route, producer_id: bytes, body: bytes, content_format: int | None, now: Now) -> Parcel:
    """Return the parcel of a reading. Its id is made of device, resource and the producer's: a repeat has the same.

    producer_id: NAME characters, as the names are, so that NUL parts them.
    """
    named = b"\0".join((route.device.encode(), route.resource.encode(), producer_id))
    rule = route.rule
    return Parcel(
        OUT,
        sha256(named)[:_ID_LEN],
        EVENT if rule.event else READING,
        body,
        _EVENT_PRIORITY if rule.event else _READING_PRIORITY,
        None if rule.keep_s is None or now.wall_s is None else now.wall_s + rule.keep_s,
        None if rule.keep_s is None else rule.keep_s * 1000,
        cbor.encode([route.device, route.resource, content_format, now.wall_s]),
    )


def reading_of(parcel: Parcel) -> Reading | None:
    """Return what a parcel says of itself, None when that cannot be read."""
    try:
        about = cbor.decode(parcel.about)
    except MalformedCbor:
        return None
    match about:
        case [str(device), str(resource), int() | None as content_format, int() | None as at_s]:
            return Reading(device, resource, content_format, at_s)
    return None
