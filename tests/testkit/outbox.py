"""An outbox over a real spool, in virtual time, with a broker that does what a test says."""

from holdfast_hub.readings.outbox import CONNECTING, Outbox, Policy
from holdfast_hub.readings.publication import Health
from holdfast_hub.readings.reading import parcel_of
from holdfast_hub.readings.routes import Rule, routes_of
from testkit.spool import Played

HEALTH = Health("hub/health", lambda: {"waits": 1})
ROUTES = routes_of([Rule("*", "level", "ward/{device}/{resource}")], ["tube-1", "tube-2"])
SUCCESS, NOT_AUTHORIZED, TOO_LARGE, QUOTA = 0, 0x87, 0x95, 0x97


class FakeBroker:
    """Keeps what it is told; the test acknowledges."""

    def __init__(self):
        self.attempts, self.sent, self.closed = [], [], 0

    def connect(self, attempt, will):
        self.attempts.append((attempt, will))

    def publish(self, key, publication):
        self.sent.append((key, publication))

    def close(self):
        self.closed += 1


class Field:
    def __init__(self, directory, policy=None, routes=ROUTES, jitter=0.0):
        self.played = Played(directory)
        self.ended = []
        self.policy = policy or Policy()
        self.routes, self.jitter = routes, jitter
        self.start()

    def start(self):
        self.broker = FakeBroker()
        self.outbox = Outbox(
            self.broker,
            self.played.spool,
            self.routes,
            HEALTH,
            lambda: self.played.now,
            lambda: self.jitter,
            policy=self.policy,
            ended=self.ended.append,
        )

    def leave(self, *numbers, device="tube-1"):
        """Readings that the spool has kept."""
        for number in numbers:
            parcel = parcel_of(self.routes[(device, "level")], b"%d" % number, b"%d" % number, None, self.played.now)
            assert self.played._asked(self.played.spool.put, parcel, self.played.now) == "kept"
            self.outbox.kept()

    def turn(self):
        """Let the spool do all that it was asked."""
        while self.played.spool.waiting or self.played.later:
            self.played._turn()

    def wait(self, seconds):
        self.played.wait(seconds)
        self.outbox.tick()
        self.turn()

    def connect(self, receive_max=65535, max_packet=0):
        self.until(CONNECTING)
        self.outbox.accepted(self.attempt, receive_max, max_packet)
        self.turn()

    def until(self, state):
        while self.outbox.state != state:
            assert self.outbox.due_ms is not None
            self.wait(max(0, self.outbox.due_ms - self.played.ms) / 1000)

    @property
    def attempt(self):
        return self.broker.attempts[-1][0]

    def take(self):
        """What was published since the last time: (key, publication)."""
        sent, self.broker.sent = self.broker.sent, []
        return sent

    def ack(self, key, code=SUCCESS):
        self.outbox.acked(self.attempt, key, code)
        self.turn()

    def ack_all(self):
        """Acknowledge until nothing more comes; returns the payloads of readings, in their order."""
        payloads = []
        while sent := self.take():
            for key, publication in sent:
                if key > 0:
                    payloads.append(int(publication.payload))
                self.ack(key)
        return payloads

    def lose(self, code=0):
        self.outbox.lost(self.attempt, "gone", code)
        self.turn()

    @property
    def level(self):
        self.played.wait(0)
        return self.played.spool.level


def numbers_of(sent):
    return [int(publication.payload) for key, publication in sent if key > 0]
