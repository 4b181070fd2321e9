"""The proxy: requests of clients in, requests to devices out, and the answers back (RFC 7252 section 5.7; RFC 8613).

Sans-IO.  OSCORE messages pass as they came, with no key to look into them: they are never cached, never joined, and
each answer goes to the client that asked.  No datagram makes it raise.

    proxy.feed_client(datagram, client, now_ms); proxy.feed_device(datagram, device, far, now_ms)
    proxy.take_for_clients(); proxy.take_for_devices()       # after every call that may have made some
    wake up at proxy.next_deadline_ms(), and whenever it has called wake(), and call proxy.tick(now_ms)

A client is a tuple: its network address, where to send to, and the port of ours that it uses; FROM_DEVICE there means
that a device of the table asks, and then its name is the first item.
"""

from collections.abc import Callable, Iterable, Sequence

from holdfast_core import labels as L
from holdfast_core.coap_events import RESET
from holdfast_core.coap_message import Message, screen_options
from holdfast_core.errors import LocalError
from holdfast_hub.ports import Desk
from holdfast_hub.proxy.bounds import Bounds
from holdfast_hub.proxy.cache import Cache
from holdfast_hub.proxy.endpoint import Client, Leg, Request
from holdfast_hub.proxy.forwarding import Forwarding
from holdfast_hub.proxy.observers import Observer, Observers
from holdfast_hub.proxy.options import Refused, for_ourselves, onward
from holdfast_hub.proxy.sides import FROM_DEVICE, Far, Sides
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.proxy.watches import DEREGISTER, REGISTER, Watches
from holdfast_hub.records import OUR_FAR, Asked, Device, Now

__all__ = ("FROM_DEVICE", "OUR_FAR", "Bounds", "Proxy", "Targets")


class Proxy:
    """The Gateway of ports.py.

    rng: n -> n unpredictable bytes.  desks: asked in order before the device is.  wall_s: None while the clock is not
    believed.  name: of the hub, without a space, for 5.08.  wake: called when there is something to send or to call
    that came from outside of feed and tick; it may be called often.
    """

    def __init__(
        self,
        rng: Callable[[int], bytes],
        targets: Targets,
        bounds: Bounds | None = None,
        desks: Sequence[Desk] = (),
        wall_s: Callable[[], int | None] = lambda: None,
        name: str = "hub",
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.targets = targets
        self.bounds = bounds = Bounds() if bounds is None else bounds
        self.desks: list[Desk] = list(desks)
        self.wake = wake
        self._wall_s = wall_s
        self._sides = sides = Sides(rng, targets, bounds, name, self._serve, self._settled)
        self._cache = Cache(bounds.cache_bytes, bounds.cached_body)
        self._observers = Observers(sides)
        self._watches = Watches(sides, self._observers, self._cache, rng)
        self._forwarding = Forwarding(sides, self._cache)
        self._last_id = 0

    @property
    def under_way(self) -> int:
        """Requests of clients that a device has not answered yet."""
        return len(self._forwarding)

    # --- the network ---

    def feed_client(self, datagram: bytes, client: Client, now_ms: int) -> None:
        """Take in what a client sent."""
        self._sides.north.feed(datagram, client, now_ms)

    def feed_device(self, datagram: bytes, device: Device, far: Far, now_ms: int) -> None:
        """Take in what a device sent to far."""
        self._sides.toward(device).feed(datagram, (device.name, far, FROM_DEVICE), now_ms)

    def tick(self, now_ms: int) -> None:
        """Do what is due, and make the calls that have been put off."""
        self._sides.tick(now_ms)

    def next_deadline_ms(self) -> int | None:
        """When tick wants to be called, or None; 0: at once."""
        return self._sides.next_deadline_ms()

    def take_for_clients(self) -> list[tuple[bytes, Client]]:
        """Take what is to be sent to clients."""
        return self._sides.north.take_datagrams()  # type: ignore[return-value]  # a peer there is a client

    def take_for_devices(self) -> list[tuple[bytes, Device, Far]]:
        """Take what is to be sent over the devices' links."""
        return self._sides.take_for_devices()

    # --- the Gateway of ports.py, and other transports ---

    def respond(self, asked: Asked, message: Message, now_ms: int) -> None:
        """See Gateway.respond.

        With an Observe option in the message, of any value, the client is an observer from then on, and further calls
        are notifications; one without Observe is the last.  After the client has left they do nothing.
        Raises LocalError: answered before.
        """
        if not isinstance(asked, Request):
            raise LocalError("asked")
        observer = self._observers.find(asked.client, asked.message.token)
        observes = message.get(L.OPT_OBSERVE) is not None
        if observer is not None and observer.request is asked:
            if observes:
                self._observers.notify(observer, message, now_ms)
            else:
                self._observers.finish(observer, message, now_ms)
        elif not asked.answered:
            self._first(asked, message, observes, now_ms)
        elif not observes and asked.message.get(L.OPT_OBSERVE) is None:
            raise LocalError("answered")
        self.wake()

    def recall(self, asked: Asked, now_ms: int) -> bool:
        """See Gateway.recall."""
        if not isinstance(asked, Request) or asked.device is None:
            raise LocalError("asked")
        self.wake()
        return self._forwarding.recall(asked, asked.device, now_ms)

    def _first(self, asked: Request, message: Message, observes: bool, now_ms: int) -> None:
        client, token = asked.client, asked.message.token
        observe = asked.message.uint(L.OPT_OBSERVE)
        if observe == DEREGISTER:
            self._watches.leave(client, token, now_ms)
        elif observes and observe == REGISTER:
            self._watches.leave(client, token, now_ms)
            observer = self._observers.add(asked, True, _ignore)
            if observer is not None:
                self._observers.notify(observer, message, now_ms)
                return
        self._sides.answer(asked, message.copy().remove(L.OPT_OBSERVE), now_ms)

    def ask(self, device: Device, message: Message, now_ms: int, answered: Callable[[Message | None], None]) -> None:
        """See Gateway.ask."""

        def came(_leg: Leg, response: Message | None, _reason: str, _now_ms: int) -> bool:
            self._sides.deferred.append((answered, response))
            return False

        self._sides.ask(device, message.copy(), now_ms, came)
        self.wake()

    def ping(self, device: Device, now_ms: int, answered: Callable[[bool], None]) -> None:
        """See Gateway.ping."""
        self._sides.ping(device, _Ping(answered), now_ms)
        self.wake()

    def take(self, message: Message, client: Client, now_ms: int, answer: Callable[[Message], None]) -> Request:
        """Take a request that came by TCP or WebSocket, under its token; there is no mtype and no mid.

        answer: called with each response, under the same token, from a later tick; more than once for an observation.
        A client that is gone is told of by lose.
        """
        request = Request(client, message, answer=answer)
        self._serve(request, now_ms)
        self.wake()
        return request

    def lose(self, client: Client, now_ms: int) -> None:
        """The connection of a client is gone: its observations end."""
        self._observers.lose(client, now_ms)
        self.wake()

    def replace_devices(self, devices: Iterable[Device]) -> None:
        """Make these the devices; what is under way to one that has left comes to nothing."""
        self.targets.replace(devices)

    def counts(self) -> dict[str, int]:
        """How full the tables are."""
        return {
            "requests": len(self._forwarding),
            "observers": len(self._observers),
            "watches": len(self._watches),
            "cache_bytes": self._cache.bytes,
        }

    # --- requests ---

    def _serve(self, request: Request, now_ms: int) -> None:
        message = request.message
        self._last_id = request.id = self._last_id + 1
        options = message.options
        if options and options[-1][0] >= L.OPT_ECHO and request.answer is None:
            self._sides.verified.take_echo(request.client, message, now_ms)
        try:
            request.device = device = self.targets.find(message, request.client[2])
            if device is None:
                message.options, request.silence = for_ourselves(message.options)
            else:
                found = onward(message.options, self.bounds.hop_limit)
                message.options, request.silence = found.options, found.silence
                request.observe, request.is_protected = found.observe, found.is_protected
        except Refused as refused:
            self._sides.refuse(request, refused.code, now_ms)
            return
        if device is not None and request.client[2] == FROM_DEVICE:  # no way from one device to another, by any desk
            self._sides.refuse(request, L.CODE_PROXYING_NOT_SUPPORTED, now_ms)
            return
        if self.desks:
            now = Now(now_ms, self._wall_s())
            for desk in self.desks:
                if desk.serve(request, now):
                    return
        if device is None:
            code = L.CODE_NOT_FOUND if screen_options(message) is None else L.CODE_BAD_OPTION
            self._sides.refuse(request, code, now_ms)
        else:
            self._pass(request, device, now_ms)

    def _pass(self, request: Request, device: Device, now_ms: int) -> None:
        """Send a request on its way to the device: as an observation, or for itself."""
        observe = request.observe
        if observe is not None:
            if observe == REGISTER and self._watches.register(request, device, now_ms):
                return
            if observe == DEREGISTER and self._watches.deregister(request, device, now_ms):
                return
            if observe != DEREGISTER or not request.is_protected:
                request.message.remove(L.OPT_OBSERVE)
        self._forwarding.forward(request, device, now_ms)

    def _settled(self, owner: object, reason: str, now_ms: int) -> None:
        if isinstance(owner, Observer):
            self._observers.settled(owner, reason, now_ms)
        elif isinstance(owner, _Ping):
            self._sides.deferred.append((owner.answered, reason in ("", RESET)))


class _Ping:
    """Owns an Empty message. answered: see Gateway.ping."""

    __slots__ = ("answered",)

    def __init__(self, answered: Callable[[bool], None]) -> None:
        self.answered = answered


def _ignore(_observer: Observer, _now_ms: int) -> None:
    """An observer of the hub's own has gone; the desk that tells it goes on, and nobody hears."""
