"""A hub on the story's link: the real proxy and the real desk, in virtual time, over a spool that can be killed.

Clients send to "hub" and name the tube by Uri-Host. The tube is "tube" on the link, and asleep until contact().
"""

from holdfast_hub.later.desk import LaterDesk
from holdfast_hub.proxy.gateway import OUR_FAR, Proxy
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.records import Device, Duty, Now
from testkit.fake_spool import FakeSpool
from testkit.link import Random
from testkit.spool import Played
from testkit.story import NOW_S

HOST = b"tube-1"
TUBE = Device("tube-1", "udp", ("192.0.2.7", 5683), Duty(3600, 10))
PORT = 5683


class HubNode:
    """on_step: called before each step of the spool; it may raise Killed."""

    def __init__(self, link, spool=None, limits=None, long_ago=True):
        """long_ago: it has been there for a while, so that nothing of an earlier hub is repeated."""
        self.link, self.spool, self.limits = link, spool or FakeSpool(), limits
        self.awake_until_ms = -1
        self.on_step = None
        self.dead = False
        self.seed = 5
        self.start()
        if long_ago:
            self.desk._begun_ms = -(10**9)
        link.add("hub", self)

    def start(self):
        self.proxy = Proxy(Random(self.seed).octets, Targets([TUBE]), wall_s=lambda: self.now().wall_s)
        key = bytes(range(32))
        self.desk = LaterDesk(self.proxy, self.spool, self, {TUBE.name: TUBE}.get, key, self.now, self.limits)
        self.proxy.desks = [self.desk]

    def restart(self):
        """What a hub finds that starts after kill -9."""
        self.spool = self.spool.kill()
        self.dead = False
        self.seed += 1
        self.awake_until_ms = -1
        self.start()

    def now(self):
        return Now(self.link.now_ms, NOW_S + self.link.now_ms // 1000)

    def contact(self):
        """The tube is there, for ten seconds from what it said last."""
        self.awake_until_ms = self.link.now_ms + 10_000
        self.desk.contact(TUBE)
        self._turn()

    # --- Presence ---

    def is_awake(self, device, now_ms):
        return now_ms < self.awake_until_ms

    def wakes_in_s(self, device, now_ms):
        return 0 if self.is_awake(device, now_ms) else 3600

    # --- an endpoint of the link ---

    def feed(self, datagram, peer, now_ms):
        if not self.dead:
            if peer == "tube":
                self.proxy.feed_device(datagram, TUBE, OUR_FAR, now_ms)
            else:
                self.proxy.feed_client(datagram, (peer, peer, PORT), now_ms)
            self._turn()
        return ()

    def tick(self, now_ms):
        if not self.dead:
            self.desk.tick(now_ms)
            self._turn()
        return ()

    def next_deadline_ms(self):
        dues = [] if self.dead else [self.proxy.next_deadline_ms(), self.desk.next_deadline_ms()]
        return min([due for due in dues if due is not None], default=None)

    def take_datagrams(self):
        if self.dead:
            return []
        self._turn()
        found = [(datagram, client[1]) for datagram, client in self.proxy.take_for_clients()]
        return found + [(datagram, "tube") for datagram, _, _ in self.proxy.take_for_devices()]

    def _turn(self):
        now_ms = self.link.now_ms
        while not self.dead:
            self.proxy.tick(now_ms)
            if not self.spool.waiting:
                break
            if self.on_step is not None and self.on_step():
                self.dead = True
            else:
                self.spool.step()


class DiskSpool:
    """The spool of a hub that runs, stepped as FakeSpool is: a commit, or the calls that tell of it."""

    def __init__(self, directory):
        self.played = Played(directory)

    def __getattr__(self, name):
        return getattr(self.played.spool, name)

    @property
    def waiting(self):
        return self.played.spool.waiting + len(self.played.later)

    def step(self):
        if self.played.later:
            self.played.later.pop(0)()
        else:
            self.played.spool.turn()

    def kill(self):
        self.played.crash()
        return self

    def close(self):
        self.played.spool.close()
