"""Both sides of the proxy: how an answer reaches a client, and how a request reaches a device.

A client is a tuple: its network address, where to send to, and the port of ours that it uses; FROM_DEVICE there means
that a device of the table asks, and then its name is the first item.
"""

from collections.abc import Callable, Hashable

from holdfast_core import labels as L
from holdfast_core.coap_events import OVERLOADED, TIMEOUT
from holdfast_core.coap_message import Message
from holdfast_core.coap_reliability import Exchange, Outgoing
from holdfast_hub.proxy.bounds import Bounds
from holdfast_hub.proxy.endpoint import Answered, Endpoint, Leg, Request
from holdfast_hub.proxy.options import is_suppressed
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.proxy.verified import Verified
from holdfast_hub.records import OUR_FAR, Device

Far = tuple[bytes, int]
FROM_DEVICE = "device"
_DRAWN_LEN = 4096
_CODES = {TIMEOUT: L.CODE_GATEWAY_TIMEOUT, OVERLOADED: L.CODE_SERVICE_UNAVAILABLE}


class Octets:
    """Unpredictable bytes in small pieces out of large ones, which cost one call of the system each."""

    def __init__(self, rng: Callable[[int], bytes]) -> None:
        self._rng = rng
        self._drawn = b""
        self._at = 0

    def take(self, length: int) -> bytes:
        """So many bytes, each given once."""
        at = self._at
        if at + length > len(self._drawn):
            self._drawn, at = self._rng(_DRAWN_LEN), 0
        self._at = at + length
        return self._drawn[at : at + length]


class Sides:
    """The message layers, and the calls that have been put off.

    requested(request, now_ms): a new request has come. settled: see Endpoint. name: the hub's, for 5.08.
    """

    def __init__(
        self,
        rng: Callable[[int], bytes],
        targets: Targets,
        bounds: Bounds,
        name: str,
        requested: Callable[[Request, int], None],
        settled: Callable[[object, str, int], None],
    ) -> None:
        self.bounds = bounds
        self.targets = targets
        self.deferred: list[tuple[Callable[..., None], Message | bool | None]] = []
        self.verified = Verified(rng(32), bounds.verified, bounds.verified_ms)
        self._rng = rng = Octets(rng).take
        self._name = name.encode()
        self._requested = requested
        self._settled = settled
        self.north = Endpoint(rng, bounds.toward_clients(), self._came, settled, bounds.ack_delay_ms)
        self._south: dict[int, Endpoint] = {}  # by NSTART: devices that share it share a message layer

    # --- time and the network ---

    def tick(self, now_ms: int) -> None:
        """Do what is due, and make the calls that have been put off."""
        self.north.tick(now_ms)
        for endpoint in list(self._south.values()):
            endpoint.tick(now_ms)
        if self.deferred:
            deferred, self.deferred = self.deferred, []
            for callback, message in deferred:
                callback(message)

    def next_deadline_ms(self) -> int | None:
        """See Proxy.next_deadline_ms."""
        if self.deferred:
            return 0
        earliest = self.north.next_deadline_ms()
        for endpoint in self._south.values():
            due_ms = endpoint.next_deadline_ms()
            if due_ms is not None and (earliest is None or due_ms < earliest):
                earliest = due_ms
        return earliest

    def take_for_devices(self) -> list[tuple[bytes, Device, Far]]:
        """See Proxy.take_for_devices."""
        found = []
        by_name = self.targets.by_name
        for endpoint in self._south.values():
            for datagram, peer in endpoint.take_datagrams():
                device = by_name.get(peer[0])  # type: ignore[index]  # a client
                if device is not None:  # it has not left the table meanwhile
                    found.append((datagram, device, peer[1]))  # type: ignore[index]
        return found

    def toward(self, device: Device) -> Endpoint:
        """The message layer of a device."""
        endpoint = self._south.get(device.nstart)
        if endpoint is None:
            bounds = self.bounds
            limits = bounds.toward_devices(device.nstart)
            endpoint = Endpoint(self._rng, limits, self._came, self._settled, bounds.ack_delay_ms)
            self._south[device.nstart] = endpoint
        return endpoint

    def _came(self, peer: Hashable, message: Message, exchange: Exchange, length: int, now_ms: int) -> None:
        request = Request(peer, message, exchange, length)  # type: ignore[arg-type]  # a client
        self._requested(request, now_ms)
        if not request.answered:
            self._endpoint_of(request).expect(request, now_ms)

    def _endpoint_of(self, request: Request) -> Endpoint:
        if request.client[2] != FROM_DEVICE:
            return self.north
        device = self.targets.by_name.get(str(request.client[0]))
        return self.north if device is None else self.toward(device)

    # --- requests to devices ---

    def ask(self, device: Device, message: Message, now_ms: int, answered: Answered, token: bytes = b"") -> Leg:
        """See Endpoint.ask."""
        peer = (device.name, OUR_FAR, FROM_DEVICE)
        return self.toward(device).ask(peer, device, message, now_ms, answered, token)

    def ping(self, device: Device, owner: object, now_ms: int) -> None:
        """See Endpoint.ping."""
        self.toward(device).ping((device.name, OUR_FAR, FROM_DEVICE), owner, now_ms)

    def forget(self, leg: Leg, now_ms: int) -> None:
        """See Endpoint.forget."""
        self.toward(leg.device).forget(leg, now_ms)

    def rest(self, leg: Leg, due_ms: int) -> None:
        """A leg that stays is told STALE then, unless something comes."""
        self.toward(leg.device).messages.timers.start(leg, due_ms)

    # --- answers to clients ---

    def answer(self, request: Request, message: Message, now_ms: int) -> bool:
        """Answer a request, over whatever it came by; False: the client has to show its address first."""
        request.answered = True
        if request.answer is not None:
            message.token = request.message.token
            self.deferred.append((request.answer, message))
        elif is_suppressed(message.code, request.silence):
            self._endpoint_of(request).say_nothing(request, now_ms)
        elif request.client[2] != FROM_DEVICE:
            bounded = self.verified.bounded(request.client, request.datagram_len, message, now_ms)
            self.north.answer(request, bounded, now_ms, bounded is message)
            return bounded is message
        else:
            self._endpoint_of(request).answer(request, message, now_ms)
        return True

    def refuse(self, request: Request, code: int, now_ms: int) -> None:
        """Answer with a code alone; what has to be beside it is added."""
        message = Message(code)
        if code == L.CODE_HOP_LIMIT_REACHED:
            message.payload = self._name
        elif code == L.CODE_SERVICE_UNAVAILABLE:
            message.add(L.OPT_MAX_AGE, self.bounds.retry_s)
        self.answer(request, message, now_ms)

    def fail(self, request: Request, reason: str, now_ms: int) -> None:
        """Answer a request that has come to nothing on the way to the device (RFC 7252 section 5.7.1)."""
        self.refuse(request, _CODES.get(reason, L.CODE_BAD_GATEWAY), now_ms)

    def passed_by(self, response: Message) -> Message:
        """A response on its way back; a 5.08 gets our name in front, or is none of ours (RFC 8768 section 4)."""
        if response.code != L.CODE_HOP_LIMIT_REACHED or response.get(L.OPT_OSCORE) is not None:
            return response
        if self._name in response.payload.split(b" "):
            return Message(L.CODE_BAD_GATEWAY)
        payload = self._name + b" " + response.payload if response.payload else self._name
        return Message(response.code, payload, response.options)

    def tell(
        self, request: Request, message: Message, confirmable: bool, owner: object, now_ms: int
    ) -> Outgoing | None:
        """Send a notification; None: it goes by another transport, which delivers."""
        message.token = request.message.token
        if request.answer is not None:
            self.deferred.append((request.answer, message))
            return None
        message.mtype = L.TYPE_CON if confirmable else L.TYPE_NON
        outgoing = Outgoing(request.client, message, None, owner)
        self._endpoint_of(request).messages.send(outgoing, now_ms)
        return outgoing

    def untell(self, request: Request, outgoing: Outgoing, now_ms: int) -> None:
        """Stop sending a notification."""
        self._endpoint_of(request).messages.forget(outgoing, now_ms)
