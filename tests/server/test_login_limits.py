"""Logins while somebody attacks without end, in virtual time: the limits and the queue as the server uses them."""

import heapq
import random

import pytest

from holdfast_server.web.login_limits import (
    HASHES_AT_ONCE,
    KNOWN_BROWSER,
    KNOWN_NETWORK,
    MAX_REMEMBERED,
    MAX_WAITING,
    STRANGER,
    FairQueue,
    KnownBrowser,
    Lane,
    LoginLimits,
    Waiting,
)

HASH_MS = 200
RUN_MS = 400_000
DOCTOR_AT = "192.0.2.1"


class World:
    """Attackers and people who try, and hashes that take their time. Tells who got in and who did not."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.limits = LoginLimits()
        self.queue = FairQueue()
        self.events = []
        self.order = 0
        self.got_in = {}
        self.refused = {}
        self.hashes = self.most_at_once = self.running = 0

    def at(self, when_ms, what, *args):
        self.order += 1
        heapq.heappush(self.events, (when_ms, self.order, what, args))

    def run(self, until_ms):
        while self.events and self.events[0][0] < until_ms:
            now_ms, _, what, args = heapq.heappop(self.events)
            what(now_ms, *args)

    def attack(self, every_ms, tries):
        """For ever: a try every so many milliseconds. tries() -> (name, network)."""

        def again(now_ms):
            name, network = tries()
            self.attempt(now_ms, "attacker", name, network, None)
            self.at(now_ms + every_ms, again)

        self.at(0, again)

    def person(self, who, name, network, known=None):
        """Logs in with the right password every 20 to 60 s, and stops counting nothing."""

        def again(now_ms):
            self.attempt(now_ms, who, name, network, known)
            self.at(now_ms + self.random.randrange(20_000, 60_000), again)

        self.at(60_000, again)

    def attempt(self, now_ms, who, name, network, known):
        lane = self.limits.admit(name, network, known, now_ms)
        if lane is None:
            self.refused[who] = self.refused.get(who, 0) + 1
            return
        last = self.queue.enter(Waiting(lane, (who, network)))
        if last is not None:
            lost = last.what[0]
            self.refused[lost] = self.refused.get(lost, 0) + 1
        self.start(now_ms)

    def start(self, now_ms):
        while (waiting := self.queue.start()) is not None:
            self.running += 1
            self.hashes += 1
            self.most_at_once = max(self.most_at_once, self.running)
            self.at(now_ms + HASH_MS, self.done, waiting)

    def done(self, now_ms, waiting):
        self.running -= 1
        self.queue.leave(waiting)
        who, network = waiting.what
        if who != "attacker":
            self.got_in[who] = self.got_in.get(who, 0) + 1
            self.limits.succeeded(network)
        self.start(now_ms)


def addresses(world, count, names):
    """Tries from so many addresses in turn with one of these names, or made-up ones."""
    number = [0]

    def tries():
        number[0] += 1
        name = world.random.choice(names) if names else f"made-up {number[0]}"
        return name, f"10.{number[0] % count >> 8}.0.{number[0] % count & 255}"

    return tries


@pytest.mark.parametrize("names", [["doctor"], []])
@pytest.mark.parametrize(("per_s", "count"), [(0.5, 1), (1.4, 1), (5, 5), (20, 20), (100, 500)])
def test_whoever_attacks_a_person_from_another_network_gets_in_each_time(per_s, count, names):
    world = World(1)
    world.attack(int(1000 / per_s), addresses(world, count, names))
    world.person("doctor", "doctor", DOCTOR_AT)
    world.person("nurse", "nurse", "198.51.100.7")
    world.run(RUN_MS)
    assert world.refused.keys() <= {"attacker"}
    assert world.got_in["doctor"] >= 5
    assert world.got_in["nurse"] >= 5
    assert world.most_at_once == HASHES_AT_ONCE
    assert world.hashes <= HASHES_AT_ONCE * RUN_MS / HASH_MS + HASHES_AT_ONCE


def test_in_the_attackers_own_network_and_behind_more_networks_than_are_remembered_a_known_browser_gets_in():
    world = World(2)
    fresh = iter(range(1 << 60))
    world.attack(10, lambda: ("doctor", f"2001:db8:{next(fresh):x}::/64"))
    world.attack(500, lambda: ("doctor", DOCTOR_AT))
    world.person("doctor", "doctor", DOCTOR_AT, KnownBrowser("doctor", b"cookie"))
    world.person("nurse", "nurse", DOCTOR_AT)
    world.run(RUN_MS)
    assert "doctor" not in world.refused
    assert world.got_in["doctor"] >= 5
    assert world.refused["nurse"] > 0  # a stranger's browser in that network is not told from the attacker's


def test_after_a_good_login_a_network_comes_before_strangers():
    world = World(3)
    fresh = iter(range(1 << 60))
    world.limits.succeeded("198.51.100.7")
    world.attack(10, lambda: ("nurse", f"2001:db8:{next(fresh):x}::/64"))
    world.person("nurse", "nurse", "198.51.100.7")
    world.run(RUN_MS)
    assert "nurse" not in world.refused
    assert world.got_in["nurse"] >= 5


def test_a_browser_that_is_left_alone_with_a_stranger_takes_nothing_from_its_owners_others():
    limits = LoginLimits()
    shared, own = KnownBrowser("doctor", b"ward"), KnownBrowser("doctor", b"own")
    for second in range(100):
        limits.admit("victim", "ward", shared, 1000 * second)
        limits.admit("victim", "ward", shared, 1000 * second)
    lanes = [limits.admit("doctor", "ward", own, 100_000) for _ in range(10)]
    assert [lane and lane.rank for lane in lanes] == [KNOWN_BROWSER] * 10


def test_a_known_browser_gives_no_endless_tries_and_many_of_one_person_give_no_more():
    limits = LoginLimits()
    cookie = KnownBrowser("insider", b"0")
    ranks = [limits.admit(f"victim {number}", "n", cookie, 0).rank for number in range(11)]
    assert ranks == [KNOWN_BROWSER] * 10 + [STRANGER]
    many = LoginLimits()
    lanes = [many.admit("victim", f"n{n}", KnownBrowser("insider", b"%d" % n), 0) for n in range(100)]
    assert [lane.rank for lane in lanes].count(KNOWN_BROWSER) == 30
    assert len({lane.key for lane in lanes if lane.rank == KNOWN_BROWSER}) == 1


def test_the_queue_is_bounded_and_the_worst_leaves():
    queue = FairQueue()
    for number in range(HASHES_AT_ONCE):
        queue.enter(Waiting(Lane(STRANGER, "a"), number))
        assert queue.start() is not None
    assert queue.start() is None
    greedy = [Waiting(Lane(STRANGER, "a"), number) for number in range(MAX_WAITING)]
    assert [queue.enter(waiting) for waiting in greedy] == [None] * MAX_WAITING
    extra = Waiting(Lane(STRANGER, "a"), "extra")
    assert queue.enter(extra) is extra
    known, network, other = (Waiting(Lane(rank, "b"), rank) for rank in (KNOWN_BROWSER, KNOWN_NETWORK, STRANGER))
    for waiting in (other, network, known):
        assert queue.enter(waiting) in greedy
    queue.leave(known)
    assert queue.enter(known) is None
    queue._running.clear()
    assert [queue.start(), queue.start()] == [known, network]
    queue._running.clear()
    assert queue.start() is other


def test_what_is_remembered_is_bounded_when_every_name_network_and_browser_is_new():
    limits, queue = LoginLimits(), FairQueue()
    for number in range(MAX_REMEMBERED + 100):
        lane = limits.admit(f"n{number}", f"a{number}", KnownBrowser(f"u{number}", b"%d" % number), number)
        limits.admit(f"n{number}", f"a{number}", None, number)
        limits.succeeded(f"a{number}")
        queue.enter(Waiting(lane, None))
        queue.leave(queue.start())
    for table in (limits._by_network, limits._by_name, limits._by_browser, limits._by_owner, limits._good):
        assert len(table) == MAX_REMEMBERED
    assert len(queue._served) == MAX_REMEMBERED
