"""A process with a spool and a way out to a broker, as a hub has them; a test kills it where it likes.

argv: the spool's directory, the broker's port. A line "DEVICE NUMBER" on standard input is a reading that a device
leaves; "DEVICE NUMBER kept" on standard output says that the device may forget it.
"""

import queue
import random
import sys
import threading
import time
from pathlib import Path

from holdfast_hub.links.mqtt_out_shell import MqttOut, Where
from holdfast_hub.readings.outbox import CLOSED, Outbox, Policy
from holdfast_hub.readings.publication import Health
from holdfast_hub.readings.reading import parcel_of
from holdfast_hub.readings.routes import Rule, routes_of
from holdfast_hub.records import Now
from holdfast_hub.spool.store import SqliteSpool

DEVICES = ("tube-1", "tube-2")
ROUTES = routes_of([Rule("*", "level", "ward/{device}/{resource}")], DEVICES)
HEALTH = "hub/health"
BRISK = Policy(first_ms=20, max_ms=100)


class Node:
    """Spool, outbox and connection over one queue of calls; run them with turn."""

    def __init__(self, directory, where, policy=BRISK, health=None, greet=()):
        self.closed = False
        self.calls = queue.Queue()
        self.spool = SqliteSpool(Path(directory), now(), self.calls.put)
        self.broker = MqttOut(where, self.calls.put)
        self.ended = []
        self.outbox = self.broker.news = Outbox(
            self.broker,
            self.spool,
            ROUTES,
            health or Health(HEALTH),
            now,
            random.random,
            policy=policy,
            greet=greet,
            ended=self.ended.append,
        )

    def put(self, device, number, kept=lambda _: None):
        def done(answer):
            self.outbox.kept()
            kept(answer)

        id_ = str(number).encode()
        self.spool.put(parcel_of(ROUTES[(device, "level")], id_, id_, 0, now()), now(), done)

    def turn(self):
        """Wait for what comes next, or for what is due, and do it."""
        due_ms = self.outbox.due_ms
        wait_s = 1.0 if due_ms is None else min(1.0, max(0.0, (due_ms - now().ms) / 1000))
        try:
            self.calls.get(timeout=wait_s)()
        except queue.Empty:
            self.outbox.tick()

    def until(self, happened, patience_s=60):
        until = time.monotonic() + patience_s
        while not happened():
            assert time.monotonic() < until, (self.outbox.state, self.outbox.trouble)
            self.turn()

    def close(self):
        self.outbox.stop()
        self.until(lambda: CLOSED in self.ended)
        self.spool.close()
        self.closed = True


def now():
    return Now(time.monotonic_ns() // 1_000_000, int(time.time()))


def main():
    node = Node(sys.argv[1], Where("127.0.0.1", int(sys.argv[2]), "holdfast-hub"))

    def read():
        for line in sys.stdin:
            node.calls.put(lambda line=line: take(*line.split()))

    def take(device, number):
        node.put(device, number, lambda answer: say(f"{device} {number} {answer}\n"))

    threading.Thread(target=read, daemon=True).start()
    while True:
        node.turn()


def say(line):
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
