"""The proxy: requests of clients in, requests to devices out, and the answers back (RFC 7252 section 5.7; RFC 8613).

Sans-IO.  OSCORE messages pass as they came, with no key to look into them: they are never cached, never joined, and
each answer goes to the client that asked.  No datagram makes it raise.

    proxy.feed_client(datagram, client, now_ms); proxy.feed_device(datagram, device, far, now_ms)
    proxy.take_for_clients(); proxy.take_for_devices()       # after every call that may have made some
    wake up at proxy.next_deadline_ms(), and whenever it has called wake(), and call proxy.tick(now_ms)

A client is a tuple: its network address, where to send to, and the port of ours that it uses; FROM_DEVICE there means
that a device of the table asks, and then its name is the first item.
"""

from collections.abc import Callable, Hashable, Sequence

from holdfast_core import labels as L
from holdfast_core.coap_events import OVERLOADED, TIMEOUT
from holdfast_core.coap_message import Message, screen_options
from holdfast_core.coap_reliability import Exchange
from holdfast_core.errors import LocalError
from holdfast_hub.ports import Desk
from holdfast_hub.proxy.bounds import Bounds
from holdfast_hub.proxy.endpoint import Client, Endpoint, Leg, Request
from holdfast_hub.proxy.options import Refused, for_ourselves, is_suppressed, onward, passes_back
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.records import OUR_FAR, Asked, Device, Now

FROM_DEVICE = "device"
Far = tuple[bytes, int]


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
        self._rng = rng
        self._wall_s = wall_s
        self._name = name.encode()
        self._north = Endpoint(rng, bounds.toward_clients(), self._from_client, self._settled, bounds.ack_delay_ms)
        self._south: dict[int, Endpoint] = {}  # by NSTART: devices that share it share a message layer
        self._open = 0
        self._open_of: dict[Hashable, int] = {}
        self._last_id = 0
        self._deferred: list[tuple[Callable[..., None], Message | None]] = []

    @property
    def under_way(self) -> int:
        """Requests of clients that a device has not answered yet."""
        return self._open

    # --- the network ---

    def feed_client(self, datagram: bytes, client: Client, now_ms: int) -> None:
        """Take in what a client sent."""
        self._north.feed(datagram, client, now_ms)

    def feed_device(self, datagram: bytes, device: Device, far: Far, now_ms: int) -> None:
        """Take in what a device sent to far."""
        self._toward(device).feed(datagram, (device.name, far, FROM_DEVICE), now_ms)

    def tick(self, now_ms: int) -> None:
        """Do what is due, and make the calls that have been put off."""
        self._north.tick(now_ms)
        for endpoint in list(self._south.values()):
            endpoint.tick(now_ms)
        deferred, self._deferred = self._deferred, []
        for callback, message in deferred:
            callback(message)

    def next_deadline_ms(self) -> int | None:
        """When tick wants to be called, or None; 0: at once."""
        if self._deferred:
            return 0
        dues = [endpoint.next_deadline_ms() for endpoint in (self._north, *self._south.values())]
        return min([due for due in dues if due is not None], default=None)

    def take_for_clients(self) -> list[tuple[bytes, Client]]:
        """Take what is to be sent to clients."""
        return self._north.take_datagrams()  # type: ignore[return-value]  # a peer there is a client

    def take_for_devices(self) -> list[tuple[bytes, Device, Far]]:
        """Take what is to be sent over the devices' links."""
        found = []
        for endpoint in self._south.values():
            for datagram, (name, far, _) in endpoint.take_datagrams():  # type: ignore[misc]
                device = self.targets.by_name.get(name)  # type: ignore[has-type]
                if device is not None:
                    found.append((datagram, device, far))  # type: ignore[has-type]
        return found

    # --- the Gateway of ports.py, and other transports ---

    def respond(self, asked: Asked, message: Message, now_ms: int) -> None:
        """See Gateway.respond. Raises LocalError: answered before."""
        if not isinstance(asked, Request) or asked.answered:
            raise LocalError("answered")
        self._answer(asked, message.copy(), now_ms)
        self.wake()

    def ask(self, device: Device, message: Message, now_ms: int, answered: Callable[[Message | None], None]) -> None:
        """See Gateway.ask."""

        def came(_leg: Leg, response: Message | None, _reason: str, _now_ms: int) -> bool:
            self._deferred.append((answered, response))
            return False

        self._toward(device).ask(_route(device), device, message.copy(), now_ms, came)
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
        """The connection of a client is gone: its requests and observations end."""

    # --- requests ---

    def _from_client(self, peer: Hashable, message: Message, exchange: Exchange, length: int, now_ms: int) -> None:
        request = Request(peer, message, exchange, length)  # type: ignore[arg-type]
        self._serve(request, now_ms)
        if not request.answered:
            self._north.expect(request, now_ms)

    def _from_device(self, peer: Hashable, message: Message, exchange: Exchange, length: int, now_ms: int) -> None:
        request = Request(peer, message, exchange, length)  # type: ignore[arg-type]
        self._serve(request, now_ms)
        if not request.answered:
            self._endpoint_of(request).expect(request, now_ms)

    def _serve(self, request: Request, now_ms: int) -> None:
        message = request.message
        self._last_id = request.id = self._last_id + 1
        try:
            request.device = device = self.targets.find(message, request.client[2])
            if device is None:
                message.options, request.silence = for_ourselves(message.options)
            else:
                message.options, request.silence = onward(message.options, self.bounds.hop_limit)
        except Refused as refused:
            self._refuse(request, refused.code, now_ms)
            return
        if self.desks:
            now = Now(now_ms, self._wall_s())
            for desk in self.desks:
                if desk.serve(request, now):
                    return
        if device is None:
            code = L.CODE_NOT_FOUND if screen_options(message) is None else L.CODE_BAD_OPTION
            self._refuse(request, code, now_ms)
        elif request.client[2] == FROM_DEVICE:  # no way from one device to another
            self._refuse(request, L.CODE_PROXYING_NOT_SUPPORTED, now_ms)
        else:
            self._forward(request, device, now_ms)

    def _forward(self, request: Request, device: Device, now_ms: int) -> None:
        host = request.client[0]
        mine = self._open_of.get(host, 0)
        if self._open >= self.bounds.requests or mine >= self.bounds.requests_per_client:
            self._refuse(request, L.CODE_SERVICE_UNAVAILABLE, now_ms)
            return
        self._open += 1
        self._open_of[host] = mine + 1
        message = request.message
        out = Message(message.code, message.payload, message.options)

        def came(_leg: Leg, response: Message | None, reason: str, now_ms: int) -> bool:
            self._close(request)
            self._pass_back(request, response, reason, now_ms)
            return False

        self._toward(device).ask(_route(device), device, out, now_ms, came)

    def _close(self, request: Request) -> None:
        host = request.client[0]
        self._open -= 1
        left = self._open_of[host] - 1
        if left:
            self._open_of[host] = left
        else:
            del self._open_of[host]

    # --- responses ---

    def _pass_back(self, request: Request, response: Message | None, reason: str, now_ms: int) -> None:
        if response is None:
            self._refuse(request, _CODES.get(reason, L.CODE_BAD_GATEWAY), now_ms)
        elif not passes_back(response.options):
            self._refuse(request, L.CODE_BAD_GATEWAY, now_ms)
        elif response.code == L.CODE_HOP_LIMIT_REACHED:
            self._answer(request, self._passed_by(response), now_ms)
        else:
            self._answer(request, response, now_ms)

    def _passed_by(self, response: Message) -> Message:
        """A 5.08 with our name in front, or 5.02 when it is in it already (RFC 8768 section 4)."""
        if self._name in response.payload.split(b" "):
            return Message(L.CODE_BAD_GATEWAY)
        payload = self._name + b" " + response.payload if response.payload else self._name
        return Message(response.code, payload, response.options)

    def _refuse(self, request: Request, code: int, now_ms: int) -> None:
        message = Message(code)
        if code == L.CODE_HOP_LIMIT_REACHED:
            message.payload = self._name
        elif code == L.CODE_SERVICE_UNAVAILABLE:
            message.add(L.OPT_MAX_AGE, self.bounds.retry_s)
        self._answer(request, message, now_ms)

    def _answer(self, request: Request, message: Message, now_ms: int) -> None:
        """Answer a request, over whatever it came by."""
        request.answered = True
        if request.answer is not None:
            message.token = request.message.token
            self._deferred.append((request.answer, message))
        elif is_suppressed(message.code, request.silence):
            self._endpoint_of(request).say_nothing(request, now_ms)
        else:
            self._endpoint_of(request).answer(request, message, now_ms)

    # --- the parts ---

    def _endpoint_of(self, request: Request) -> Endpoint:
        if request.client[2] != FROM_DEVICE:
            return self._north
        device = self.targets.by_name.get(request.client[0])  # type: ignore[call-overload]
        return self._north if device is None else self._toward(device)

    def _toward(self, device: Device) -> Endpoint:
        endpoint = self._south.get(device.nstart)
        if endpoint is None:
            bounds = self.bounds
            limits = bounds.toward_devices(device.nstart)
            endpoint = Endpoint(self._rng, limits, self._from_device, self._settled, bounds.ack_delay_ms)
            self._south[device.nstart] = endpoint
        return endpoint

    def _settled(self, owner: object, reason: str, now_ms: int) -> None:
        """A notification has arrived, or not."""


def _route(device: Device) -> Client:
    return (device.name, OUR_FAR, FROM_DEVICE)


_CODES = {TIMEOUT: L.CODE_GATEWAY_TIMEOUT, OVERLOADED: L.CODE_SERVICE_UNAVAILABLE}
