"""Observations of devices: one upstream for all clients of a plain resource, one each under OSCORE (RFC 7641, 8613).

A plain resource is observed by the hub, which gives each state to all of its observers.  When no notification comes
while the last one is good, the hub registers again, so that a device that has restarted, or whose notification was
lost, is not missed (RFC 7641 section 3.3.1).  The last observer that leaves ends the upstream.

What OSCORE protects belongs to one client: its registrations and their end pass under the same token, and the device's
notifications pass with their own Observe numbers (RFC 8613 section 4.1.3.5).  The hub cannot deregister there, so it
resets the next notification.
"""

from collections.abc import Callable

from holdfast_core import labels as L
from holdfast_core.coap_events import OVERLOADED, TIMEOUT
from holdfast_core.coap_message import Message
from holdfast_core.coap_observe import is_newer
from holdfast_hub.proxy.cache import Cache, Query, max_age_of, served
from holdfast_hub.proxy.endpoint import STALE, Client, Leg, Request
from holdfast_hub.proxy.observers import Observer, Observers
from holdfast_hub.proxy.options import passes_back
from holdfast_hub.proxy.sides import Sides
from holdfast_hub.records import Device

REGISTER, DEREGISTER = 0, 1
_PATIENCE_MS, _SPREAD_MS = 5000, 10_000  # after Max-Age, before the hub registers again (RFC 7641 section 3.3.1)
_MAX_FAILURES = 3  # registrations of a device that was there, a minute and more each
_CODES = {TIMEOUT: L.CODE_GATEWAY_TIMEOUT, OVERLOADED: L.CODE_SERVICE_UNAVAILABLE}


class Watch:
    """One upstream observation. asked: the registration as it is sent; query: None under OSCORE.

    number, number_ms: the last Observe value of the device, and when it came; 0: none has.  failures: registrations
    in a row that nobody has answered.
    """

    __slots__ = ("asked", "device", "failures", "key", "leg", "number", "number_ms", "observers", "query")

    def __init__(self, key: object, device: Device, asked: Message, query: Query | None) -> None:
        self.key = key
        self.device = device
        self.asked = asked
        self.query = query
        self.observers: dict[tuple[Client, bytes], Observer] = {}
        self.leg: Leg | None = None
        self.number = 0
        self.failures = 0
        self.number_ms = 0


class Watches:
    """All upstream observations. rng: as of the proxy."""

    def __init__(self, sides: Sides, observers: Observers, cache: Cache, rng: Callable[[int], bytes]) -> None:
        self._sides = sides
        self._observers = observers
        self._cache = cache
        self._rng = rng
        self._watches: dict[object, Watch] = {}
        self._watch_of: dict[Observer, Watch] = {}

    def __len__(self) -> int:
        return len(self._watches)

    # --- what clients ask ---

    def register(self, request: Request, device: Device, now_ms: int) -> bool:
        """Take a request with Observe 0 in; False: there is no room, so it is a request like any other."""
        message = request.message
        name = (request.client, message.token)
        query = None if request.is_protected else self._cache.query(device.name, message)
        key: object = (device.name, *name) if query is None else (query.resource, query.key)
        watch = self._watches.get(key)
        observer = self._observers.find(*name)
        if observer is not None and (watch is None or self._watch_of.get(observer) is not watch):
            self.leave(request.client, message.token, now_ms)  # the token names something else now
            observer = None
        if observer is None:
            observer = self._observers.add(request, query is not None, self._ended)
            if observer is None:
                return False
        observer.request = request
        if watch is None:
            watch = self._watches[key] = Watch(key, device, _without_etag(message), query)
        watch.observers[name] = observer
        self._watch_of[observer] = watch
        if query is None or watch.leg is None:
            watch.asked = _without_etag(message) if query is not None else message
            self._ask(watch, now_ms)
        else:
            stored = self._cache.find(query)
            if watch.leg.stays and stored is not None and stored.until_ms > now_ms:
                self._observers.notify(observer, served(stored, message, [], now_ms), now_ms)
        return True

    def deregister(self, request: Request, device: Device, now_ms: int) -> bool:
        """Take a request with Observe 1 in; False: it goes on like any other, without Observe if it is plain."""
        message = request.message
        observer = self._observers.find(request.client, message.token)
        watch = None if observer is None else self._watch_of.get(observer)
        if observer is None or watch is None or watch.leg is None or watch.device.name != device.name:
            return False
        if watch.query is not None:
            self.leave(request.client, message.token, now_ms)
            return False
        token = watch.leg.token
        self._observers.remove(observer, now_ms)
        self._forget(watch, observer)

        def came(_leg: Leg, response: Message | None, reason: str, now_ms: int) -> bool:
            if response is None:
                self._sides.fail(request, reason, now_ms)
            elif not passes_back(response.options):
                self._sides.fail(request, "", now_ms)
            else:
                self._sides.answer(request, response, now_ms)
            return False

        self._sides.ask(device, message.copy(), now_ms, came, token)  # the client's keeps its token
        return True

    def leave(self, client: Client, token: bytes, now_ms: int) -> None:
        """A client watches no more under a token."""
        observer = self._observers.find(client, token)
        if observer is not None and self._observers.remove(observer, now_ms):
            observer.ended(observer, now_ms)

    def _ended(self, observer: Observer, now_ms: int) -> None:
        """An observer has gone; the last one ends the upstream."""
        watch = self._watch_of.get(observer)
        if watch is None:
            return
        leg = watch.leg
        if not self._forget(watch, observer) or leg is None:
            return
        self._sides.forget(leg, now_ms)
        if watch.query is not None:
            last = watch.asked.copy().set(L.OPT_OBSERVE, DEREGISTER)
            self._sides.ask(watch.device, last, now_ms, _ignore, leg.token)

    def _forget(self, watch: Watch, observer: Observer) -> bool:
        """Take an observer off a watch; whether it was the last one."""
        self._watch_of.pop(observer, None)
        watch.observers.pop((observer.request.client, observer.request.message.token), None)
        if watch.observers:
            return False
        return self._watches.pop(watch.key, None) is watch

    # --- what devices say ---

    def _ask(self, watch: Watch, now_ms: int) -> None:
        token = b"" if watch.leg is None else watch.leg.token
        asked = Message(watch.asked.code, watch.asked.payload, list(watch.asked.options))

        def came(leg: Leg, response: Message | None, reason: str, now_ms: int) -> bool:
            return self._news(watch, leg, response, reason, now_ms)

        watch.leg = self._sides.ask(watch.device, asked, now_ms, came, token)

    def _news(self, watch: Watch, leg: Leg, response: Message | None, reason: str, now_ms: int) -> bool:
        if response is None:
            watch.failures += reason != STALE
            if reason == STALE or (reason == TIMEOUT and watch.number_ms and watch.failures < _MAX_FAILURES):
                self._ask(watch, now_ms)
            else:
                self._finish(watch, self._failure(reason), now_ms)
            return False
        if not passes_back(response.options):
            self._finish(watch, self._failure(""), now_ms)
            return False
        number = response.uint(L.OPT_OBSERVE)
        if number is None or response.code >> 5 != 2:
            self._finish(watch, self._sides.passed_by(response), now_ms)
            return False
        is_first, leg.stays = not leg.stays, True  # a device that has restarted begins its numbers anew
        if watch.query is not None:
            self._rest(leg, response, now_ms)
            if not is_first and not is_newer(number, now_ms, watch.number, watch.number_ms):
                return True
            watch.query.epoch = self._cache.query(watch.device.name, watch.asked).epoch  # it is the newest state
            self._cache.store(watch.query, response, now_ms)
        watch.number, watch.number_ms, watch.failures = number, now_ms, 0
        confirmable = response.mtype == L.TYPE_CON
        for observer in list(watch.observers.values()):
            self._observers.notify(observer, response, now_ms, confirmable)
        return bool(watch.observers)

    def _rest(self, leg: Leg, response: Message, now_ms: int) -> None:
        spread_ms = _SPREAD_MS * int.from_bytes(self._rng(2), "big") // 0xFFFF
        self._sides.rest(leg, now_ms + 1000 * max_age_of(response) + _PATIENCE_MS + spread_ms)

    def _finish(self, watch: Watch, last: Message, now_ms: int) -> None:
        """No observation, or none any more: all of its observers hear the same last word."""
        self._watches.pop(watch.key, None)
        for observer in list(watch.observers.values()):
            self._watch_of.pop(observer, None)
            self._observers.finish(observer, last, now_ms)
        watch.observers.clear()

    def _failure(self, reason: str) -> Message:
        message = Message(_CODES.get(reason, L.CODE_BAD_GATEWAY))
        if message.code == L.CODE_SERVICE_UNAVAILABLE:
            message.add(L.OPT_MAX_AGE, self._sides.bounds.retry_s)
        return message


def _without_etag(message: Message) -> Message:
    """The registration for all: what one client has is no news, but the others need the whole."""
    return Message(message.code, message.payload, [o for o in message.options if o[0] != L.OPT_ETAG])


def _ignore(_leg: Leg, _response: Message | None, _reason: str, _now_ms: int) -> bool:
    return False
