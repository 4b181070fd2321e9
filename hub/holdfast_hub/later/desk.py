"""The desk of answers that come later (RFC 7252 section 5.9.3.4; hub/README.md has the exchange).

What is asked of a device that sleeps is on disk before the client hears 5.03 with a location. A GET there says 5.03
while it waits, and the device's own response once that has come. Whether a late request is still good is decided by
the device alone. Nothing here can open what passes.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, response
from holdfast_core.errors import MalformedCoap
from holdfast_hub.later.delivery import Delivery
from holdfast_hub.later.places import PLACE, Places, kind_of, pack, unpack
from holdfast_hub.ports import DUPLICATE, KEPT, MAX_TRIES, Gateway, Presence, Spool
from holdfast_hub.records import ANSWERS, TOKEN, Asked, Device, Now, Parcel

REPEATS_MS = 93_000
"""So long a client may repeat what it has sent before: MAX_TRANSMIT_WAIT (RFC 7252 section 4.8.2)."""
MARGIN_S = 1
UNKNOWN_S = 60
"""Max-Age when nobody knows when the device comes."""
SWEEP_MS = 60_000
"""So often the hub looks for observers of what has expired."""
RECENT = 1024
"""Ids of requests kept last: a repeat of one goes to its place, not to the device."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may set.

    request_s: how long a request or a token waits for its device; answer_s: how long an answer can be read then.
    waiting: requests that wait, in all; per_client, per_device: of them, of one network address and for one device.
    watchers: observers of places, in all.
    """

    request_s: int = 86_400
    answer_s: int = 86_400
    waiting: int = 10_000
    per_client: int = 32
    per_device: int = 256
    watchers: int = 256


class LaterDesk:
    """A Desk. device_of: a device by its name; key: see Places; clock: the time now.

    counts: what has happened since the start, by name; refused: with any code, full among them; answered: answers that
    were fetched.
    Call contact when a device begins to be there, also for those that are there when the hub starts, and tick when
    next_deadline_ms has come.
    """

    def __init__(
        self,
        gateway: Gateway,
        spool: Spool,
        presence: Presence,
        device_of: Callable[[str], Device | None],
        key: bytes,
        clock: Callable[[], Now],
        limits: Limits | None = None,
    ) -> None:
        self.counts = dict.fromkeys(("kept", "repeated", "full", "refused", "answered"), 0)
        self._gateway = gateway
        self._spool = spool
        self._presence = presence
        self._device_of = device_of
        self._places = Places(key)
        self._clock = clock
        self._limits = limits or Limits()
        self._delivery = Delivery(gateway, spool, presence, clock, self._limits.answer_s, self._news)
        self._waiting: OrderedDict[bytes, tuple[Hashable, Device, int]] = OrderedDict()
        self._of: Counter[Hashable] = Counter()  # how many of those an address has asked, and wait for a device
        self._recent: OrderedDict[bytes, None] = OrderedDict()
        self._watchers: dict[bytes, tuple[int, list[Asked]]] = {}
        self._watching = 0
        self._begun_ms = self._sweep_ms = clock().ms

    def contact(self, device: Device) -> None:
        """The device is there: bring it what waits."""
        self._delivery.begin(device)

    def tick(self, now_ms: int) -> None:
        """Do what is due: tries that were put off, and forgetting what is over."""
        while self._waiting and self._first_ends_ms() <= now_ms:
            self._news(next(iter(self._waiting)))
        if now_ms >= self._sweep_ms:
            self._sweep_ms = now_ms + SWEEP_MS
            for id_ in [id_ for id_, (ends_ms, _) in self._watchers.items() if ends_ms <= now_ms]:
                self._news(id_)
        self._delivery.tick(now_ms)

    def next_deadline_ms(self) -> int | None:
        """When tick is due, None for never."""
        due = [self._delivery.next_deadline_ms()]
        due.append(self._first_ends_ms() if self._waiting else None)
        due.append(self._sweep_ms if self._watchers else None)
        return min((due_ms for due_ms in due if due_ms is not None), default=None)

    def serve(self, asked: Asked, now: Now) -> bool:
        """See Desk."""
        message, device = asked.message, asked.device
        if message.get(L.OPT_URI_PATH) == PLACE and message.get(L.OPT_OSCORE) is None:
            self._visit(asked, message.get_all(L.OPT_URI_PATH), now)
            return True
        if device is None:
            return False
        is_awake = self._presence.is_awake(device, now.ms)
        is_busy = self._delivery.is_busy(device)
        if is_awake and not is_busy and device.duty.every_s is None:
            return False
        kind = kind_of(message)
        if kind is None:
            if is_awake:
                return False
            if not self._gateway.recall(asked, now.ms):
                self._refuse(asked, L.CODE_SERVICE_UNAVAILABLE, self._age(device, now))
            return True
        body = pack(message)
        id_ = self._places.id_of(asked.client, device, body)
        # Right after a start nobody knows what the last hub has kept, and this may be a repeat of it.
        is_new = id_ not in self._recent and now.ms - self._begun_ms >= REPEATS_MS
        if is_awake and is_new and not is_busy:
            return False
        self._keep(asked, device, Parcel(device.name, id_, kind, body, 0 if kind == TOKEN else 1), now)
        return True

    # --- what is asked of a device ---

    def _keep(self, asked: Asked, device: Device, parcel: Parcel, now: Now) -> None:
        limits = self._limits
        if parcel.id not in self._waiting and parcel.id not in self._recent:
            if self._of[asked.client[0]] >= limits.per_client:
                self._refuse(asked, L.CODE_TOO_MANY_REQUESTS, self._age(device, now))
                return
            if len(self._waiting) >= limits.waiting or self._of[device] >= limits.per_device:
                self._full(asked, device, now)
                return
            self._waiting[parcel.id] = (asked.client[0], device, now.ms + limits.request_s * 1000)
            self._of.update((asked.client[0], device))
        ends_s = None if now.wall_s is None else now.wall_s + limits.request_s
        kept = replace(parcel, ends_s=ends_s, lives_ms=limits.request_s * 1000)
        self._spool.put(kept, now, partial(self._kept, asked, device, parcel.id))

    def _kept(self, asked: Asked, device: Device, id_: bytes, outcome: str) -> None:
        now = self._clock()
        if outcome not in (KEPT, DUPLICATE):
            self._done_waiting(id_)
            self._full(asked, device, now)
            return
        if outcome == DUPLICATE and id_ not in self._recent:
            self._done_waiting(id_)  # of an earlier hub: it may have been answered long ago
        self.counts["kept" if outcome == KEPT else "repeated"] += 1
        self._recent[id_] = None
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        answer = response(L.CODE_SERVICE_UNAVAILABLE)
        for segment in self._places.path(device, id_):
            answer.add(L.OPT_LOCATION_PATH, segment)
        self._gateway.respond(asked, answer.add(L.OPT_MAX_AGE, self._age(device, now)), now.ms)
        if self._presence.is_awake(device, now.ms):
            self._delivery.begin(device)

    def _done_waiting(self, id_: bytes) -> None:
        for counted in self._waiting.pop(id_, ())[:2]:
            self._of[counted] -= 1
            if not self._of[counted]:
                del self._of[counted]

    def _first_ends_ms(self) -> int:
        return next(iter(self._waiting.values()))[2]

    def _full(self, asked: Asked, device: Device, now: Now) -> None:
        self.counts["full"] += 1
        self._refuse(asked, L.CODE_SERVICE_UNAVAILABLE, self._age(device, now))

    def _refuse(self, asked: Asked, code: int, age_s: int | None = None) -> None:
        self.counts["refused"] += 1
        answer = response(code)
        if age_s is not None:
            answer.add(L.OPT_MAX_AGE, age_s)
        self._gateway.respond(asked, answer, self._clock().ms)

    def _age(self, device: Device, now: Now) -> int:
        """Seconds after which asking again is likely to bring something."""
        if self._presence.is_awake(device, now.ms):
            return MARGIN_S
        return (self._presence.wakes_in_s(device, now.ms) or UNKNOWN_S) + MARGIN_S

    # --- what is asked about an answer ---

    def _visit(self, asked: Asked, path: list[bytes], now: Now) -> None:
        if asked.message.code != L.CODE_GET:
            self._refuse(asked, L.CODE_METHOD_NOT_ALLOWED)
            return
        place = self._places.read(path)
        device = None if place is None else self._device_of(place[0])
        if place is None or device is None or (asked.device is not None and asked.device.name != device.name):
            self._refuse(asked, L.CODE_NOT_FOUND)
            return
        id_ = place[1]
        if asked.message.uint(L.OPT_OBSERVE) == L.OBSERVE_DEREGISTER:
            self._unwatch(asked, id_)

        def found(parcel: Parcel | None) -> None:
            # In this order: the answer is there before the request goes, so that one of both is seen.
            self._spool.find(ANSWERS, id_, self._clock(), partial(self._tell, asked, device, id_, parcel))

        self._spool.find(device.name, id_, now, found)

    def _tell(self, asked: Asked, device: Device, id_: bytes, parcel: Parcel | None, answer: Parcel | None) -> None:
        now = self._clock()
        is_over = parcel is not None and parcel.tries >= MAX_TRIES and id_ not in self._delivery.under_way
        if asked.message.uint(L.OPT_OBSERVE) == L.OBSERVE_REGISTER and (parcel is not None or answer is not None):
            self._watch(asked, device, id_, None if answer is not None or is_over else parcel)
        elif answer is not None:
            self.counts["answered"] += 1
            self._gateway.respond(asked, _message_of(answer), now.ms)
        elif parcel is None:
            self._refuse(asked, L.CODE_NOT_FOUND)
        elif is_over:
            self._gateway.respond(asked, response(L.CODE_GATEWAY_TIMEOUT), now.ms)
        else:
            waits = response(L.CODE_SERVICE_UNAVAILABLE).add(L.OPT_MAX_AGE, self._age(device, now))
            self._gateway.respond(asked, waits, now.ms)

    # --- observers of a place ---

    def _watch(self, asked: Asked, device: Device, id_: bytes, parcel: Parcel | None) -> None:
        """An empty 2.05 with Observe while it waits; without: there is something to fetch, or no room to watch."""
        now = self._clock()
        message = response(L.CODE_CONTENT)
        if parcel is None or self._watching >= self._limits.watchers:
            message.add(L.OPT_MAX_AGE, 0)
        else:
            message.add(L.OPT_OBSERVE, 0).add(L.OPT_MAX_AGE, self._age(device, now))
            lives_ms = self._limits.request_s * 1000 if parcel.lives_ms is None else parcel.lives_ms
            self._watchers.setdefault(id_, (now.ms + lives_ms, []))[1].append(asked)
            self._watching += 1
        self._gateway.respond(asked, message, now.ms)

    def _unwatch(self, asked: Asked, id_: bytes) -> None:
        ends_ms, watchers = self._watchers.get(id_, (0, []))
        who = (asked.client, asked.message.token)
        left = [other for other in watchers if (other.client, other.message.token) != who]
        if len(left) < len(watchers):
            self._watching -= len(watchers) - len(left)
            self._watchers[id_] = (ends_ms, left)

    def _news(self, id_: bytes) -> None:
        """Something is at a place now, or nothing will be: whoever observes it hears so, and fetches it with a GET."""
        self._done_waiting(id_)
        _, watchers = self._watchers.pop(id_, (0, []))
        self._watching -= len(watchers)
        now_ms = self._clock().ms
        for asked in watchers:
            self._gateway.respond(asked, response(L.CODE_CONTENT).add(L.OPT_MAX_AGE, 0), now_ms)


def _message_of(answer: Parcel) -> Message:
    try:
        return unpack(answer.body)
    except (MalformedCoap, IndexError):
        return response(L.CODE_INTERNAL_SERVER_ERROR)
