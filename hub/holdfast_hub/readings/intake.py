"""Where devices leave readings and events: POST /readings/RESOURCE?id=ID at the hub itself.

A device may forget a reading once it is answered with 2.04: it is on the hub's disk then, and not before. A repeat,
also after a restart of either side, has the same id and is one reading. The hub takes a reading for that device whose
link or address it came over, whatever it says; whoever must be sure of the author lets the device protect the payload.
"""

import re
from collections.abc import Callable

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, screen_options
from holdfast_hub.ports import DUPLICATE, FULL, KEPT, Gateway, Spool
from holdfast_hub.readings.reading import parcel_of
from holdfast_hub.readings.routes import Routes
from holdfast_hub.records import Asked, Device, Now

PATH = b"readings"
MAX_READING_LEN = 1024
"""What one datagram of every link carries; a reading comes in one message."""
RETRY_FULL_S, RETRY_FAILED_S = 60, 10
_ID = re.compile(rb"id=([A-Za-z0-9_-]{1,32})")


class Intake:
    """The hub's own resource for readings; a Desk of ports.py.

    whose: the device that is at an Asked.client's address or link, None for nobody's. kept: called when something new
    waits for the broker. now_ms: the monotonic clock, for answers that come after a commit.
    """

    __slots__ = ("_gateway", "_kept", "_now_ms", "_routes", "_spool", "_whose")

    def __init__(
        self,
        gateway: Gateway,
        spool: Spool,
        routes: Routes,
        whose: Callable[[tuple[object, ...]], Device | None],
        kept: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._gateway = gateway
        self._spool = spool
        self._routes = routes
        self._whose = whose
        self._kept = kept
        self._now_ms = now_ms

    def serve(self, asked: Asked, now: Now) -> bool:
        """Take a reading, or say why not."""
        path = asked.message.get_all(L.OPT_URI_PATH)
        if asked.device is not None or path[:1] != [PATH]:
            return False
        refusal = self._take(asked, path[1:], now)
        if refusal is not None:
            self._gateway.respond(asked, refusal, now.ms)
        return True

    def _take(self, asked: Asked, rest: list[bytes], now: Now) -> Message | None:
        """Give the reading to the spool and return None; else what to answer at once."""
        message = asked.message
        device = self._whose(asked.client)
        if device is None:
            return Message(L.CODE_FORBIDDEN)
        if message.get(L.OPT_OSCORE) is not None or screen_options(message) is not None:
            return Message(L.CODE_BAD_OPTION)
        if message.code != L.CODE_POST:
            return Message(L.CODE_METHOD_NOT_ALLOWED)
        resource = rest[0].decode("ascii", "replace") if len(rest) == 1 else ""
        route = self._routes.get((device.name, resource))
        if route is None:
            return Message(L.CODE_NOT_FOUND)
        # 4.13 also for a part of a larger body: of several blocks none would be a reading (RFC 7959 section 2.9.3).
        is_part = (message.uint(L.OPT_BLOCK1) or 0) >> 3  # NUM and M
        if len(message.payload) > MAX_READING_LEN or is_part:
            return Message(L.CODE_REQUEST_ENTITY_TOO_LARGE).add(L.OPT_SIZE1, MAX_READING_LEN)
        queries = message.get_all(L.OPT_URI_QUERY)
        found = _ID.fullmatch(queries[0]) if len(queries) == 1 else None
        if found is None:
            return Message(L.CODE_BAD_REQUEST)
        parcel = parcel_of(route, found[1], message.payload, message.content_format, now)
        self._spool.put(parcel, now, lambda answer: self._answer(asked, answer))
        return None

    def _answer(self, asked: Asked, answer: str) -> None:
        if answer in (KEPT, DUPLICATE):
            response = Message(L.CODE_CHANGED)
        else:
            response = Message(L.CODE_SERVICE_UNAVAILABLE)
            response.add(L.OPT_MAX_AGE, RETRY_FULL_S if answer == FULL else RETRY_FAILED_S)
        self._gateway.respond(asked, response, self._now_ms())
        if answer == KEPT:
            self._kept()
