"""The proxy, with a line of JSON for each datagram of either side: sizes and codes, no content (`run --trace`)."""

from collections.abc import Callable

from holdfast_core.coap_message import Message, decode
from holdfast_core.errors import MalformedCoap
from holdfast_core.trace import tracer
from holdfast_hub.ports import CoapPeers
from holdfast_hub.records import Asked, Device

Client = tuple[object, ...]
Far = tuple[bytes, int]


class Traced:
    """The CoapPeers of ports.py. write: takes a line with its newline; monotonic_ms: clock.

    A peer is "client" or the name of a device: who asks is nobody's business but the client's.
    """

    def __init__(self, proxy: CoapPeers, write: Callable[[str], None], monotonic_ms: Callable[[], int]) -> None:
        self._proxy = proxy
        self._trace = tracer("hub", write, str)
        self._monotonic_ms = monotonic_ms

    def take(self, message: Message, client: Client, now_ms: int, answer: Callable[[Message], None]) -> Asked:
        """See CoapPeers; a message on a stream has no datagram."""
        return self._proxy.take(message, client, now_ms, answer)

    def lose(self, client: Client, now_ms: int) -> None:
        """See CoapPeers."""
        self._proxy.lose(client, now_ms)

    def tick(self, now_ms: int) -> None:
        """See CoapPeers."""
        self._proxy.tick(now_ms)

    def next_deadline_ms(self) -> int | None:
        """See CoapPeers."""
        return self._proxy.next_deadline_ms()

    def feed_client(self, datagram: bytes, client: Client, now_ms: int) -> None:
        """See CoapPeers."""
        self._tell("in", "client", datagram)
        self._proxy.feed_client(datagram, client, now_ms)

    def feed_device(self, datagram: bytes, device: Device, far: Far, now_ms: int) -> None:
        """See CoapPeers."""
        self._tell("in", device.name, datagram)
        self._proxy.feed_device(datagram, device, far, now_ms)

    def take_for_clients(self) -> list[tuple[bytes, Client]]:
        """See CoapPeers."""
        taken = self._proxy.take_for_clients()
        for datagram, _ in taken:
            self._tell("out", "client", datagram)
        return taken

    def take_for_devices(self) -> list[tuple[bytes, Device, Far]]:
        """See CoapPeers."""
        taken = self._proxy.take_for_devices()
        for datagram, device, _ in taken:
            self._tell("out", device.name, datagram)
        return taken

    def _tell(self, direction: str, peer: str, datagram: bytes) -> None:
        try:
            message = decode(datagram)
        except MalformedCoap:
            return
        self._trace(direction, peer, message, None, len(datagram), self._monotonic_ms())
