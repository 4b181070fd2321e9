"""A hub between real clients and a real device that does what it likes with every datagram, by a seed.

It stands on a testkit link as "hub". Each client has a leg of its own toward the device, as a hub has an address for
each. It holds no key: all that it knows is what passed. used: how often each trick was played.
"""

import heapq
from collections import Counter

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode
from holdfast_core.errors import PeerError
from testkit.hostile_tricks import LATER, TO_CLIENT, TO_DEVICE, TRICKS
from testkit.link import Random

MEMORY = 400


class Leg:
    """Where the device sees one client."""

    def __init__(self, hub, client):
        self.hub, self.client = hub, client
        self.out = []

    def feed(self, datagram, _peer, now_ms):
        self.hub.passes(self.client, TO_CLIENT, datagram, now_ms)
        return ()

    def tick(self, now_ms):
        return ()

    def next_deadline_ms(self):
        return None

    def take_datagrams(self):
        out, self.out = self.out, []
        return [(datagram, self.hub.device) for datagram in out]


class HostileHub:
    """tricks: names of TRICKS; percent: of the datagrams that one is played on."""

    def __init__(self, link, clients, seed, tricks, percent=30, device="tube"):
        self.device, self.percent, self.tricks = device, percent, tuple(tricks)
        self.random = Random(seed)
        self.used = Counter()
        self.legs = {client: link.add(f"hub for {client}", Leg(self, client)) for client in clients}
        self.out = []
        self.seen = {TO_DEVICE: [], TO_CLIENT: []}  # (client, message, datagram)
        self.stored = []  # answers that it has taken for itself
        self.awaited = set()  # tokens of requests whose answers it takes for itself
        self._flying = []
        self._serial = 0
        self._mid = 0x7000
        self.now_ms = 0
        link.add("hub", self)

    # --- an endpoint of the link ---

    def feed(self, datagram, client, now_ms):
        self.passes(client, TO_DEVICE, datagram, now_ms)
        return ()

    def tick(self, now_ms):
        while self._flying and self._flying[0][0] <= now_ms:
            _, _, client, way, datagram = heapq.heappop(self._flying)
            self.send(client, way, datagram)
        return ()

    def next_deadline_ms(self):
        return self._flying[0][0] if self._flying else None

    def take_datagrams(self):
        out, self.out = self.out, []
        return out

    # --- what it does ---

    def passes(self, client, way, datagram, now_ms):
        """Take one datagram, and send what it likes in its place."""
        self.now_ms = now_ms
        try:
            message = decode(datagram)
        except PeerError:
            return self.send(client, way, datagram)
        if self._is_its_own(client, way, message):
            return None
        played = False
        if self.tricks and self.random.below(100) < self.percent:
            name = self.tricks[self.random.below(len(self.tricks))]
            played = TRICKS[name](self, client, way, message)
            self.used[name] += played
        if not played:
            self.send(client, way, datagram)
        if message.code != L.CODE_EMPTY:
            self.seen[way] = [*self.seen[way], (client, message, datagram)][-MEMORY:]
        return None

    def _is_its_own(self, client, way, message):
        """Whether an answer is one that the hub has asked for, or a client asks where the hub has told it to."""
        if way == TO_CLIENT and message.token in self.awaited and message.code != L.CODE_EMPTY:
            self.stored.append(message)
            if message.mtype == L.TYPE_CON:
                self.send(client, TO_DEVICE, encode(Message(0, mtype=L.TYPE_ACK, mid=message.mid)))
            return True
        if way == TO_DEVICE and message.get_all(L.OPT_URI_PATH)[:1] == [LATER]:
            answer = self.some(self.stored)
            self.answer(client, message, self.come_later() if answer is None else answer)
            return True
        return False

    def send(self, client, way, datagram, after_ms=0):
        """Send a datagram to the client, or as that client to the device."""
        if after_ms:
            self._serial += 1
            heapq.heappush(self._flying, (self.now_ms + after_ms, self._serial, client, way, datagram))
        elif way == TO_CLIENT:
            self.out.append((datagram, client))
        else:
            self.legs[client].out.append(datagram)

    def answer(self, client, message, answer):
        """Answer a client's request with code, options and payload of answer."""
        acks = message.mtype == L.TYPE_CON
        out = answer.copy()
        out.mtype = L.TYPE_ACK if acks else L.TYPE_NON
        out.mid = message.mid if acks else self.mid()
        out.token = message.token
        self.send(client, TO_CLIENT, encode(out))

    def mid(self):
        self._mid = (self._mid + 1) & 0xFFFF
        return self._mid

    def come_later(self):
        return Message(L.CODE_SERVICE_UNAVAILABLE).add(L.OPT_MAX_AGE, 1).add(L.OPT_LOCATION_PATH, LATER)

    def some(self, things):
        return things[self.random.below(len(things))] if things else None

    def seen_as(self, way, protected=None):
        """The messages that have passed, or those of them that have or have not an OSCORE option."""
        return [
            (client, message)
            for client, message, _ in self.seen[way]
            if protected is None or (message.get(L.OPT_OSCORE) is not None) == protected
        ]
