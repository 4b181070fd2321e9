"""A hub's MQTT as a link: each datagram is the payload of one message of framing.py, on PREFIX/DEVICE/up and /down.

The broker sees what a network sees: CoAP under OSCORE.  The client is MicroPython's umqtt.simple, or what has its
methods; main.py makes it, with a keepalive of a minute or more, and knows server, name and password.  Quality of
service is 0, as a network's is: a connection that ends loses datagrams, CoAP sends again, and wait() connects anew.
"""

import select

from holdfast_core.framing import DOWN, MAX_DATAGRAM_LEN, UP, decode_message, encode_message, peer_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast_core.framing import Peer

FIRST_RETRY_MS = 1000
MAX_RETRY_MS = 60000  # doubled up to here; a broker that comes back is not stormed
PING_MS = 20000
SILENCE_MS = 50000  # two pings and no answer: the connection is gone, whatever TCP says
MAX_WAITING = 16
# What umqtt.simple raises when a connection ends: in the middle of a packet it looks into bytes that are not there.
_GONE = (OSError, IndexError, TypeError, AssertionError)


def poll_of(sock: "Any") -> "Any":
    """Return what has poll(timeout_ms) for a socket."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll


class MqttLink:
    """client: set_callback, connect, subscribe, publish, check_msg, ping, sock; topic: bytes, PREFIX/DEVICE.

    now_ms: monotonic, as Ticks.now_ms; sleep_ms: time.sleep_ms; refused: what client.connect raises when the broker
    says no (umqtt.simple.MQTTException); poll: poll_of, or what does the same for the client's sock.
    """

    __slots__ = (
        "_client",
        "_down",
        "_due_ms",
        "_errors",
        "_heard_ms",
        "_make_poll",
        "_now_ms",
        "_pinged_ms",
        "_poll",
        "_retry_ms",
        "_sleep_ms",
        "_up",
        "_waiting",
        "dropped",
    )

    mtu = MAX_DATAGRAM_LEN

    def __init__(
        self,
        client: "Any",
        topic: bytes,
        now_ms: "Callable[[], int]",
        sleep_ms: "Callable[[int], object]",
        refused: "type[Exception]" = OSError,
        poll: "Callable[[Any], Any]" = poll_of,
    ) -> None:
        self._client = client
        self._up, self._down = topic + UP, topic + DOWN
        self._now_ms, self._sleep_ms = now_ms, sleep_ms
        self._errors = (refused,) + _GONE
        self._make_poll = poll
        self._poll: Any = None  # None: not connected
        self._due_ms, self._retry_ms = now_ms(), FIRST_RETRY_MS
        self._heard_ms = self._pinged_ms = 0
        self._waiting: list[tuple[bytes, Peer]] = []
        self.dropped = 0
        client.set_callback(self._take)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as this end knows."""
        return self._poll is not None

    def wait(self, timeout_ms: int) -> bool:
        """Return whether something came, after timeout_ms at the latest; connects when that is due, and pings."""
        if self._waiting:
            return True
        now_ms = self._now_ms()
        if not self.connected and now_ms >= self._due_ms:
            self._connect(now_ms)
        if not self.connected:
            self._sleep_ms(max(0, min(timeout_ms, self._due_ms - now_ms)))
            return False
        self._keep_alive(now_ms)
        return self._ready(timeout_ms)

    def receive(self) -> "tuple[bytes, Peer] | None":
        """Return the next (datagram, peer), None when there is none now."""
        while not self._waiting and self._ready(0):
            self._heard_ms = self._now_ms()
            self._attempt(self._client.check_msg)
        return self._waiting.pop(0) if self._waiting else None

    def send(self, datagram: bytes, peer: "Peer") -> None:
        """Publish; without a connection the datagram is lost."""
        if self.connected:
            self._attempt(self._client.publish, self._up, encode_message(datagram, peer))

    def resolve(self, host: str, port: int) -> "list[Peer]":
        """Return the peer at an address.  ValueError for a name."""
        return [peer_of(host, port)]

    def _connect(self, now_ms: int) -> None:
        self._due_ms = now_ms + self._retry_ms
        self._retry_ms = min(MAX_RETRY_MS, 2 * self._retry_ms)
        self._heard_ms = self._pinged_ms = now_ms
        if self._attempt(self._client.connect) and self._attempt(self._client.subscribe, self._down):
            self._attempt(self._begin)

    def _begin(self) -> None:
        self._poll = self._make_poll(self._client.sock)
        self._retry_ms = FIRST_RETRY_MS

    def _keep_alive(self, now_ms: int) -> None:
        if now_ms - self._heard_ms >= SILENCE_MS:
            self._lose()
        elif now_ms - self._pinged_ms >= PING_MS:
            self._pinged_ms = now_ms
            self._attempt(self._client.ping)

    def _ready(self, timeout_ms: int) -> bool:
        try:
            return self.connected and bool(self._poll.poll(timeout_ms))
        except OSError:
            self._lose()
            return False

    def _attempt(self, action: "Callable[..., object]", *args: bytes) -> bool:
        """Do it; whatever ends it ends the connection."""
        try:
            action(*args)
        except self._errors:
            self._lose()
            return False
        return True

    def _lose(self) -> None:
        """Forget the connection, and close it: half of a packet may lie in it."""
        self._poll = None
        self._due_ms = self._now_ms() + self._retry_ms
        try:
            self._client.sock.close()
        except (OSError, AttributeError):
            return

    def _take(self, topic: bytes, payload: bytes) -> None:
        """Callback of umqtt: one message came whole."""
        received = decode_message(bytes(payload)) if topic == self._down else None
        if received is None or len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(received)
