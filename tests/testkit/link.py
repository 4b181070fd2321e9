"""Endpoints joined by a fake link: virtual milliseconds, seeded loss, duplication, delay and reordering.

An endpoint is anything with feed(datagram, peer, now_ms), tick(now_ms), next_deadline_ms() and take_datagrams().  Its
address on the link is the name it was added under.  Everything is a function of the seed; str(link) names it, so put
the link into the message of an assertion.  Runs on CPython and MicroPython.
"""

import heapq


class Random:
    """A small seeded generator (xorshift), the same on both interpreters; never for anything but tests."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 0x9E3779B9) & 0xFFFFFFFF or 1

    def below(self, limit):
        """Integer of 0..limit-1."""
        state = self.state
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        self.state = state
        return state % limit

    def octets(self, count):
        """Bytes, usable as the rng port of a stack."""
        return bytes([self.below(256) for _ in range(count)])


class Link:
    """Carries datagrams between endpoints; loss, dup and reorder are per cent, delay_ms is one way.

    mtu: a longer datagram is lost; None: none is too long.

    on_event(name, event): called for each event that an endpoint returns; without it they gather in events[name].
    tap(sender, receiver, datagram) -> list of datagrams to deliver instead, for tests that attack the link.
    """

    def __init__(self, seed=1, loss=0, dup=0, reorder=0, delay_ms=10, on_event=None, tap=None, mtu=None):
        self.seed = seed
        self.random = Random(seed)
        self.loss = loss
        self.dup = dup
        self.reorder = reorder
        self.delay_ms = delay_ms
        self.mtu = mtu
        self.on_event = on_event
        self.tap = tap
        self.now_ms = 0
        self.endpoints = {}
        self.events = {}
        self.log = []  # every datagram sent, lost or not: (now_ms, sender, receiver, datagram)
        self._flying = []
        self._serial = 0

    def __str__(self):
        return f"Link(seed={self.seed}, loss={self.loss}, dup={self.dup}, reorder={self.reorder}) at {self.now_ms} ms"

    def add(self, name, endpoint):
        """Join an endpoint, or replace the endpoint of that name (a restart)."""
        self.endpoints[name] = endpoint
        self.events.setdefault(name, [])
        return endpoint

    def send(self, sender, receiver, datagram):
        """Put a datagram on the link as if sender had sent it."""
        self.log.append((self.now_ms, sender, receiver, datagram))
        for out in [datagram] if self.tap is None else self.tap(sender, receiver, datagram):
            if self.random.below(100) < self.loss or (self.mtu is not None and len(out) > self.mtu):
                continue
            self._fly(sender, receiver, out)
            if self.random.below(100) < self.dup:
                self._fly(sender, receiver, out)

    def collect(self):
        """Take what every endpoint wants to send."""
        for name in sorted(self.endpoints):
            for datagram, receiver in self.endpoints[name].take_datagrams():
                self.send(name, receiver, datagram)

    def run(self, for_ms=0, until=None, max_steps=100000):
        """Let time pass: for so long, or until until() is true, or nothing is left to happen; return until()."""
        end_ms = self.now_ms + for_ms if for_ms else None
        for _ in range(max_steps):
            self.collect()
            if until is not None and until():
                return True
            next_ms = self._next_ms()
            if next_ms is None or (end_ms is not None and next_ms > end_ms):
                break
            self.now_ms = max(self.now_ms, next_ms)
            self._step()
        else:
            raise AssertionError(f"no end in sight: {self}")
        if end_ms is not None:
            self.now_ms = end_ms
        return until is not None and bool(until())

    def _fly(self, sender, receiver, datagram):
        delay_ms = self.delay_ms
        if self.random.below(100) < self.reorder:
            delay_ms += 1 + self.random.below(5 * self.delay_ms + 1)
        self._serial += 1
        heapq.heappush(self._flying, (self.now_ms + delay_ms, self._serial, sender, receiver, datagram))

    def _next_ms(self):
        times = [self._flying[0][0]] if self._flying else []
        for name in self.endpoints:
            deadline_ms = self.endpoints[name].next_deadline_ms()
            if deadline_ms is not None:
                times.append(deadline_ms)
        return min(times) if times else None

    def _step(self):
        while self._flying and self._flying[0][0] <= self.now_ms:
            _, _, sender, receiver, datagram = heapq.heappop(self._flying)
            if receiver in self.endpoints:
                self._hand_over(receiver, self.endpoints[receiver].feed(datagram, sender, self.now_ms))
                self.collect()
        for name in sorted(self.endpoints):
            deadline_ms = self.endpoints[name].next_deadline_ms()
            if deadline_ms is not None and deadline_ms <= self.now_ms:
                self._hand_over(name, self.endpoints[name].tick(self.now_ms))

    def _hand_over(self, name, events):
        for event in events:
            if self.on_event is None:
                self.events[name].append(event)
            else:
                self.on_event(name, event)
