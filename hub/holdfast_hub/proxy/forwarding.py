"""Single requests on their way to a device and back: out of the cache, joined with another, or sent (RFC 7252 5.7)."""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_hub.proxy.cache import Cache, Query, Stored, served
from holdfast_hub.proxy.endpoint import Leg, Request
from holdfast_hub.proxy.options import passes_back
from holdfast_hub.proxy.sides import Sides
from holdfast_hub.records import Device

_CACHEABLE = (L.CODE_GET, L.CODE_FETCH)


class _Flight:
    """Requests that one response may answer: the first of them is under way. validates: what is kept, but not fresh."""

    __slots__ = ("others", "query", "validates")

    def __init__(self, query: Query, validates: Stored | None) -> None:
        self.query = query
        self.validates = validates
        self.others: list[Request] = []


class Forwarding:
    """Requests under way, bounded for all, for each host, and for each host at one device."""

    def __init__(self, sides: Sides, cache: Cache) -> None:
        self._sides = sides
        self._cache = cache
        self._bounds = sides.bounds
        self._open = 0
        self._open_of: dict[object, int] = {}  # by host, and by host and device
        self._flights: dict[object, _Flight] = {}

    def __len__(self) -> int:
        """Requests under way."""
        return self._open

    def recall(self, request: Request, device: Device, now_ms: int) -> bool:
        """Answer out of the cache; False: nothing fresh is there."""
        query = self._query_of(request, device)
        return query is not None and self._recalled(request, query, self._cache.find(query), now_ms)

    def forward(self, request: Request, device: Device, now_ms: int) -> None:
        """Answer out of the cache, or send on."""
        query = self._query_of(request, device)
        if query is None:
            if self._enter(request, device, now_ms):
                self._send(request, device, None, now_ms)
            return
        stored = self._cache.find(query)
        if self._recalled(request, query, stored, now_ms):
            return
        if self._enter(request, device, now_ms):
            request.etags = query.etags
            key = (query.resource, query.key)
            flight = self._flights.get(key)
            if flight is not None and flight.query.epoch == query.epoch:
                flight.others.append(request)  # its own ETags do not matter: it is answered from what is kept
                return
            flight = self._flights[key] = _Flight(query, stored if stored is not None and stored.etag else None)
            self._send(request, device, flight, now_ms)

    def _query_of(self, request: Request, device: Device) -> Query | None:
        """What the cache is asked; None: for something that is never kept."""
        message = request.message
        if message.code not in _CACHEABLE or request.is_protected or message.get(L.OPT_BLOCK1) is not None:
            return None
        return self._cache.query(device.name, message)

    def _recalled(self, request: Request, query: Query, stored: Stored | None, now_ms: int) -> bool:
        if stored is None or stored.until_ms <= now_ms:
            return False
        self._sides.answer(request, served(stored, request.message, query.etags, now_ms), now_ms)
        return True

    def _enter(self, request: Request, device: Device, now_ms: int) -> bool:
        """Count a request; False: refused, because too many are under way.

        One host leaves half of the places at which others wait for the device.
        """
        bounds, host = self._bounds, request.client[0]
        here = (host, device.name)
        mine, mine_here = self._open_of.get(host, 0), self._open_of.get(here, 0)
        if (
            self._open >= bounds.requests
            or mine >= bounds.requests_per_client
            or mine_here >= device.nstart + bounds.waiting // 2
        ):
            self._sides.refuse(request, L.CODE_SERVICE_UNAVAILABLE, now_ms)
            return False
        self._open += 1
        self._open_of[host] = mine + 1
        self._open_of[here] = mine_here + 1
        return True

    def _leave(self, request: Request, device: Device) -> None:
        host = request.client[0]
        self._open -= 1
        for counted in (host, (host, device.name)):
            left = self._open_of[counted] - 1
            if left:
                self._open_of[counted] = left
            else:
                del self._open_of[counted]

    def _send(self, request: Request, device: Device, flight: _Flight | None, now_ms: int) -> None:
        message = request.message
        asked = Message(message.code, message.payload, message.options)
        if flight is not None and flight.validates is not None and flight.validates.etag not in request.etags:
            asked.options = list(asked.options)
            asked.add(L.OPT_ETAG, flight.validates.etag or b"")

        def came(_leg: Leg, response: Message | None, reason: str, now_ms: int) -> bool:
            self._leave(request, device)
            if response is not None:
                if not passes_back(response.options):
                    response, reason = None, ""
                elif response.options and response.options[0][0] <= L.OPT_OBSERVE:
                    response.remove(L.OPT_OBSERVE)  # nobody has asked for it
            if flight is not None:
                self._landed(flight, request, device, response, reason, now_ms)
                return False
            if message.code not in _CACHEABLE and not request.is_protected:
                self._cache.invalidate(device.name, message, response)
            if response is None:
                self._sides.fail(request, reason, now_ms)
            else:
                self._sides.answer(request, self._sides.passed_by(response), now_ms)
            return False

        self._sides.ask(device, asked, now_ms, came)

    def _landed(
        self, flight: _Flight, first: Request, device: Device, response: Message | None, reason: str, now_ms: int
    ) -> None:
        """A response for all that have joined, if it may be kept; else for the first, and the others are sent, too."""
        query = flight.query
        key = (query.resource, query.key)
        if self._flights.get(key) is flight:
            del self._flights[key]
        stored: Stored | None = None
        if response is None:
            self._sides.fail(first, reason, now_ms)
        else:
            stored = self._taken(flight, response, now_ms)
            self._sides.answer(first, self._answer_of(first, response, stored, now_ms), now_ms)
        for request in flight.others:
            if stored is not None:
                self._leave(request, device)
                self._sides.answer(request, served(stored, request.message, request.etags, now_ms), now_ms)
            elif response is None:
                self._leave(request, device)
                self._sides.fail(request, reason, now_ms)
            else:
                self._send(request, device, None, now_ms)

    def _taken(self, flight: _Flight, response: Message, now_ms: int) -> Stored | None:
        """What the cache holds now that a response has come; None: nothing that others may have."""
        validates = flight.validates
        if response.code != L.CODE_VALID:
            return self._cache.store(flight.query, response, now_ms)
        if validates is None or validates.etag != response.get(L.OPT_ETAG):
            return None
        self._cache.freshen(validates, response, now_ms)
        return validates

    def _answer_of(self, request: Request, response: Message, stored: Stored | None, now_ms: int) -> Message:
        if response.code != L.CODE_VALID:
            return self._sides.passed_by(response)
        etag = response.get(L.OPT_ETAG)
        if etag is not None and etag in request.etags:
            return response
        if stored is not None:
            return served(stored, request.message, request.etags, now_ms)
        return Message(L.CODE_BAD_GATEWAY)  # it has confirmed what nobody has asked about
