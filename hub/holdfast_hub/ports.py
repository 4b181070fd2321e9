"""What the rooms of the hub ask of each other; each protocol has one implementation, and tests have others.

Callbacks come later and in the same thread: never from inside the call that was given them.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from holdfast_core.coap_message import Message
from holdfast_hub.records import Asked, Device, Now, Parcel, Publication


class Desk(Protocol):
    """One place to which a request may go. The hub asks its desks in order; the last one is the way to the device."""

    def serve(self, asked: Asked, now: Now) -> bool:
        """Whether this desk answers: it has called Gateway.respond, or will. False: the next desk is asked."""


class Gateway(Protocol):
    """The proxy, as desks see it."""

    def respond(self, asked: Asked, message: Message, now_ms: int) -> None:
        """Answer a request, of any client over any transport."""

    def recall(self, asked: Asked, now_ms: int) -> bool:
        """Answer a request for a device with an unprotected response that is kept and fresh; False: there is none."""

    def ask(self, device: Device, message: Message, now_ms: int, answered: Callable[[Message | None], None]) -> None:
        """Send a request to a device as its client. answered: the response as it came, None when none came."""

    def ping(self, device: Device, now_ms: int, answered: Callable[[bool], None]) -> None:
        """Ask a device for a sign of life (RFC 7252 section 4.3). answered: whether one came."""


class CoapPeers(Protocol):
    """The proxy, as the shells see it that carry its datagrams."""

    def feed_client(self, datagram: bytes, client: tuple[object, ...], now_ms: int) -> None:
        """Take in what a client sent: (network address, socket address, port of ours that belongs to a device or 0)."""

    def feed_device(self, datagram: bytes, device: Device, far: tuple[bytes, int], now_ms: int) -> None:
        """Take in what a device sent to far."""

    def take(
        self, message: Message, client: tuple[object, ...], now_ms: int, answer: Callable[[Message], None]
    ) -> Asked:
        """Take a request that came by TCP or WebSocket; its token names it, and there is no mtype and no mid.

        client: (network address, connection, 0). answer: called with each response, from a later tick; again for each
        notification.
        """

    def lose(self, client: tuple[object, ...], now_ms: int) -> None:
        """The connection of a client is gone: its requests and observations end."""

    def tick(self, now_ms: int) -> None:
        """Do what is due, and make the calls that have been put off."""

    def next_deadline_ms(self) -> int | None:
        """When tick wants to be called, or None; 0: at once."""

    def take_for_clients(self) -> list[tuple[bytes, tuple[object, ...]]]:
        """Take what is to be sent to clients, after every call that may have made some."""

    def take_for_devices(self) -> list[tuple[bytes, Device, tuple[bytes, int]]]:
        """Take what is to be sent over the devices' links."""


class Spool(Protocol):
    """What waits on disk. done is called after the commit: what it reports is kept, whatever happens then.

    A taker that wants strict order settles what it has been lent before it takes again from that box.
    """

    def put(self, parcel: Parcel, now: Now, done: Callable[[str], None]) -> None:
        """Keep a parcel. done(KEPT, DUPLICATE, FULL or FAILED).

        DUPLICATE: the box has, or has had not long ago, a parcel of this id; the first one counts.
        """

    def take(self, box: str, limit: int, now: Now, done: Callable[[list[Parcel]], None]) -> None:
        """Lend the first parcels of a box, in order; nobody else is lent them until they come back or LEASE_MS pass.

        lives_ms of a lent parcel is what is left of it. A parcel that has come back twice is lent alone.
        """

    def find(self, box: str, id_: bytes, now: Now, done: Callable[[Parcel | None], None]) -> None:
        """Look at one parcel of a box, without lending it; None when it is not there, is over or has been delivered."""

    def delivered(self, parcels: Sequence[Parcel], done: Callable[[bool], None]) -> None:
        """Forget what has arrived, lent or only found. done(whether that is kept; the spool tries again if not)."""

    def give_back(
        self, parcels: Sequence[Parcel], done: Callable[[bool], None], *, why: str = "", blame: bool = True
    ) -> None:
        """They have not arrived: they are first again; after MAX_TRIES one is set aside and stops no other.

        why: constant text for an operator. blame=False: they were not tried after all, because a link went down.
        """


KEPT, DUPLICATE, FULL, FAILED = "kept", "duplicate", "full", "failed"
MAX_TRIES = 5
"""What was given back so often is set aside; find still finds it, and its tries say so."""


class Presence(Protocol):
    """Which devices can be reached now."""

    def is_awake(self, device: Device, now_ms: int) -> bool:
        """Whether a datagram to the device would be heard, as far as the hub knows."""

    def wakes_in_s(self, device: Device, now_ms: int) -> int:
        """Seconds until it is likely to be, for Max-Age; 0 when it is, and when nobody knows."""

    def heard(self, device: Device, now_ms: int) -> bool:
        """The device has been heard of; whether that begins a contact."""


class Link(Protocol):
    """A way to devices.

    It calls what it was given with (datagram, device, far). far, 4 + 2 octets, is the address that the device was told
    to answer, so that a device sees many clients behind one line.
    """

    def send(self, datagram: bytes, device: Device, far: tuple[bytes, int]) -> bool:
        """Send or queue; False when the link is down: the datagram is lost."""

    @property
    def is_up(self) -> bool:
        """Whether the line, the port or the connection is there."""


class Broker(Protocol):
    """A connection to an MQTT broker that others decide over.

    attempt: counts the connections; it comes back with all that is told of one.
    """

    def connect(self, attempt: int, will: Publication) -> None:
        """Begin to connect; BrokerNews.accepted or .lost comes later."""

    def publish(self, key: int, publication: Publication) -> None:
        """Send; BrokerNews.acked comes later with the key, unless the connection is lost."""

    def close(self) -> None:
        """Say good-bye if that is possible, and forget the connection."""


class BrokerNews(Protocol):
    """Who is told how it goes with a Broker, in the thread of those who ask."""

    def accepted(self, attempt: int, receive_max: int, max_packet: int) -> None:
        """CONNACK has come. receive_max: its Receive Maximum; max_packet: its Maximum Packet Size, 0 for none."""

    def acked(self, attempt: int, key: int, code: int) -> None:
        """PUBACK has come, with its Reason Code."""

    def lost(self, attempt: int, why: str, code: int = 0) -> None:
        """The connection has ended, or none came about. why: a sentence; code: of the broker's DISCONNECT, else 0."""
