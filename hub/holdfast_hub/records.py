"""The frozen records that all rooms of the hub share: the time, a device, a parcel.

A record is never changed, and none of them does anything.
"""

import re
from dataclasses import dataclass, field

from holdfast_core.coap_message import Message

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a device, a link and a box may be called: nothing that means something in a topic, a path or a host name."""


@dataclass(frozen=True, slots=True)
class Now:
    """ms: monotonic, of this boot. wall_s: seconds since 1970 UTC, None while the clock is not believed."""

    ms: int
    wall_s: int | None


PHANTOM, SPLIT = "phantom", "split"
"""A client shows a reference, and the hub gets a token sealed to the device; or a part, and the hub gets the rest."""


@dataclass(frozen=True, slots=True)
class Duty:
    """When a device can be reached. every_s None: always. Else it wakes every so often, and stays for awake_s.

    A device that comes without a rule has every_s 0: it is there for awake_s after the hub has heard of it.
    """

    every_s: int | None = None
    awake_s: int = 10


@dataclass(frozen=True, slots=True)
class Device:
    """One device behind the hub. name: NAME; two names never differ by case alone, because a Uri-Host has none.

    link: the name of the link that leads to it. address: what that link needs to find it: for UDP (host, port); for
    MQTT the device's part of the topic; for BLE the radio's address; None where the line has one device only.
    port: a UDP port of the hub that leads to this device alone, None without. nstart: requests under way to it at once.
    tokens: what its clients show that the hub completes, PHANTOM or SPLIT; "": tokens pass as they are. audience: what
    the authorization server calls it, "" for its name.
    """

    name: str
    link: str
    address: str | tuple[str, int] | None = None
    duty: Duty = field(default_factory=Duty)
    port: int | None = None
    nstart: int = 1
    tokens: str = ""
    audience: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Something that waits on disk until it can be delivered.

    box: who gets it: the name of a device, OUT for the broker, or ANSWERS for whoever knows the id. number: given by
    the spool; it only grows, and a box is emptied in its order within a priority. id: the producer's, 1..64 octets; a
    second parcel of the same box and id is the first. kind: TOKEN, REQUEST, ANSWER, READING or EVENT. priority: 0
    (first) to 9. ends_s: wall time after which nobody wants it, None for never. lives_ms: monotonic milliseconds that
    it may wait, however the clock jumps; None for ever. tries: deliveries begun so far. about: small facts of the
    producer's, as CBOR; the spool does not look into it.
    """

    box: str
    id: bytes
    kind: str
    body: bytes = field(repr=False)
    priority: int = 1
    ends_s: int | None = None
    lives_ms: int | None = None
    about: bytes = field(default=b"", repr=False)
    number: int = 0
    tries: int = 0


OUR_FAR = (b"\x7f\x00\x00\x01", 5683)
"""What a device on a line sees as the other end of what the hub asks; over UDP it sees the hub's socket."""
OUT = "@out"
"""The box of what goes to the broker; no device can be called so."""
ANSWERS = "@answers"
"""The box of answers that came late: nobody takes from it, a client finds its own by an id that cannot be guessed."""
TOKENS = "@tokens"
"""The box of what the authorization server gave to complete tokens: read at the start, and swept when it is over."""
TOKEN, REQUEST, ANSWER, READING, EVENT = "token", "request", "answer", "reading", "event"


@dataclass(frozen=True, slots=True)
class Publication:
    """One PUBLISH of quality of service 1.

    topic: judged, nothing of it came over a network. expires_s: Message Expiry Interval, None for none. properties:
    User Properties of MQTT 5.
    """

    topic: str
    payload: bytes = field(repr=False)
    retain: bool = False
    content_type: str | None = None
    expires_s: int | None = None
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def most_octets(self) -> int:
        """No fewer than the packet has, for the broker's Maximum Packet Size."""
        texts = (self.topic, self.content_type or "", *(text for pair in self.properties for text in pair))
        return len(self.payload) + 32 + sum(len(text.encode()) + 3 for text in texts)


class Asked:
    """One request that has come to the hub, to be answered once (an observation: each time that there is news).

    client: who asks, hashable; its first item is the network address. message: as it came, without hop-by-hop parts;
    under OSCORE the outer one. device: whom it is for; None: for the hub itself.
    """

    __slots__ = ("client", "device", "id", "message")

    def __init__(self, id_: int, client: tuple[object, ...], message: Message, device: Device | None) -> None:
        self.id = id_
        self.client = client
        self.message = message
        self.device = device
