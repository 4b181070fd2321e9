"""Brings devices what waits for them, in order and one at a time, and puts their answers where clients look.

An answer is on disk before its request is forgotten. A hub that is killed in between asks the device again, unless the
answer is there; the device refuses the repeat by its own replay window.
"""

from collections.abc import Callable
from functools import partial

from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_core.errors import MalformedCoap
from holdfast_hub.later.places import pack, unpack
from holdfast_hub.ports import DUPLICATE, KEPT, MAX_TRIES, Gateway, Presence, Spool
from holdfast_hub.records import ANSWER, ANSWERS, Device, Now, Parcel

RETRY_MS = 15_000
"""After so long the hub tries again what could not be written, and a device that is there and did not answer."""


class Delivery:
    """clock: the time now. answer_s: how long an answer can be read. news: told the id of an answer that is kept.

    under_way: ids that the device is being asked at this moment.
    """

    def __init__(
        self,
        gateway: Gateway,
        spool: Spool,
        presence: Presence,
        clock: Callable[[], Now],
        answer_s: int,
        news: Callable[[bytes], None],
    ) -> None:
        self.under_way: set[bytes] = set()
        self._gateway = gateway
        self._spool = spool
        self._presence = presence
        self._clock = clock
        self._answer_s = answer_s
        self._news = news
        self._busy: set[str] = set()
        self._looking: set[str] = set()
        self._again: dict[str, tuple[int, Callable[[], None]]] = {}

    def is_busy(self, device: Device) -> bool:
        """Whether what waits for the device is being delivered, so that a new request has to wait behind it.

        For a device that is always there nothing waits as a rule: a look whether something does holds nothing up.
        """
        return device.name in self._busy and (device.duty.every_s is not None or device.name not in self._looking)

    def begin(self, device: Device) -> None:
        """The device is there: bring it all that waits."""
        if device.name not in self._busy:
            self._busy.add(device.name)
            self._looking.add(device.name)
            self._again.pop(device.name, None)
            self._next(device)

    def tick(self, now_ms: int) -> None:
        """Do again what is due."""
        for name in [name for name, (due_ms, _) in self._again.items() if due_ms <= now_ms]:
            self._again.pop(name)[1]()

    def next_deadline_ms(self) -> int | None:
        """When tick is due, None for never."""
        return min([due_ms for due_ms, _ in self._again.values()], default=None)

    def _next(self, device: Device) -> None:
        now = self._clock()
        if self._presence.is_awake(device, now.ms):
            self._spool.take(device.name, 1, now, partial(self._lent, device))
        else:
            self._looking.discard(device.name)
            self._busy.discard(device.name)

    def _lent(self, device: Device, parcels: list[Parcel]) -> None:
        self._looking.discard(device.name)
        if not parcels:
            self._busy.discard(device.name)
            return
        parcel = parcels[0]
        self.under_way.add(parcel.id)
        if parcel.tries > 1:  # the hub may have stopped between the answer and the end of its request
            self._spool.find(ANSWERS, parcel.id, self._clock(), partial(self._looked, device, parcel))
        else:
            self._ask(device, parcel)

    def _looked(self, device: Device, parcel: Parcel, answer: Parcel | None) -> None:
        if answer is None:
            self._gateway.ping(device, self._clock().ms, partial(self._pinged, device, parcel))
        else:
            self._forget(device, parcel)

    def _pinged(self, device: Device, parcel: Parcel, is_there: bool) -> None:
        """A parcel that has failed before is blamed only where the device is: anybody can forge that it has come."""
        if is_there:
            self._ask(device, parcel)
        else:
            self._failed(device, parcel, "the device was not there", blame=False)

    def _ask(self, device: Device, parcel: Parcel) -> None:
        try:
            message = unpack(parcel.body)
        except (MalformedCoap, IndexError):
            self._failed(device, parcel, "it is no request")
            return
        self._send(device, parcel, message)

    def _send(self, device: Device, parcel: Parcel, message: Message) -> None:
        self._gateway.ask(device, message, self._clock().ms, partial(self._answered, device, parcel, message))

    def _answered(self, device: Device, parcel: Parcel, asked: Message, response: Message | None) -> None:
        if response is None:
            self._failed(device, parcel, "the device did not answer")
            return
        echo = response.get(L.OPT_ECHO)
        if response.code == L.CODE_UNAUTHORIZED and echo is not None and asked.get(L.OPT_ECHO) is None:
            # It asks whether we are at our address (RFC 9175 section 2.3), which the client could say too late only.
            self._send(device, parcel, asked.copy().add(L.OPT_ECHO, echo))
        else:
            self._keep(device, parcel, pack(response))

    def _keep(self, device: Device, parcel: Parcel, body: bytes) -> None:
        now = self._clock()
        ends_s = None if now.wall_s is None else now.wall_s + self._answer_s
        answer = Parcel(ANSWERS, parcel.id, ANSWER, body, 0, ends_s, self._answer_s * 1000)
        self._spool.put(answer, now, partial(self._kept, device, parcel, body))

    def _kept(self, device: Device, parcel: Parcel, body: bytes, outcome: str) -> None:
        if outcome in (KEPT, DUPLICATE):
            self._news(parcel.id)
            self._forget(device, parcel)
        else:  # nothing more is asked of the device until its answer can be written
            self._later(device, partial(self._keep, device, parcel, body))

    def _forget(self, device: Device, parcel: Parcel) -> None:
        def forgotten(_: bool) -> None:
            self.under_way.discard(parcel.id)
            self._next(device)

        self._spool.delivered([parcel], forgotten)

    def _failed(self, device: Device, parcel: Parcel, why: str, *, blame: bool = True) -> None:
        def is_back(_: bool) -> None:
            self.under_way.discard(parcel.id)
            if blame and parcel.tries >= MAX_TRIES:  # it is set aside, and stops no other
                self._news(parcel.id)
                self._next(device)
            else:
                self._busy.discard(device.name)
                self._later(device, partial(self.begin, device))

        self._spool.give_back([parcel], is_back, why=why, blame=blame)

    def _later(self, device: Device, what: Callable[[], None]) -> None:
        self._again[device.name] = (self._clock().ms + RETRY_MS, what)
