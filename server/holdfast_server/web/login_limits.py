"""How often a login may be tried, and whose turn it is to have a password hashed.

A try is counted against (name, network) and against the network, so nobody uses up the tries of a person whose network
they are not in, however many names they make up and wherever they come from. A browser on which somebody has logged in
well before has an allowance of its own, which nobody else can use up. There is no count for a name alone and none for
all: either would let a stranger keep others out.
Hashing is what costs: a few at a time, and a short queue. In the queue known browsers come first, then networks
where somebody has logged in well lately, then strangers; among equals the lane that was served longest ago comes
first, and makes the one that was served last leave when the queue is full.
Sans-IO. Bounded, and no work grows with what is remembered.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from holdfast_core.coap_admission import TokenBucket
from holdfast_server.records import MAX_USERNAME_LEN

HASHES_AT_ONCE = 2
"""argon2id takes 64 MiB each: this many at once, and MAX_WAITING more may wait."""
MAX_WAITING = 16
MAX_REMEMBERED = 16_384
"""Of names, networks, browsers and lanes each; the one unused for longest makes room."""
_NO_TOTAL = 1 << 40

KNOWN_BROWSER, KNOWN_NETWORK, STRANGER = range(3)

W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Lane:
    """Who waits: the rank that goes first when lower, and whom to share with."""

    rank: int
    key: str


@dataclass(frozen=True, slots=True)
class KnownBrowser:
    """A browser on which this user has logged in before, by the cookie that it showed."""

    user_id: str
    nonce: bytes


class LoginLimits:
    """The tries of one server. Buckets refill with time alone: no number of failures locks anybody out for longer."""

    def __init__(self) -> None:
        # A ward may sit behind one address, so an address may try more often than a name may be tried there.
        self._by_network = _buckets(rate=1, burst=30)
        self._by_name = _buckets(rate=1 / 10, burst=10)
        self._by_browser = _buckets(rate=1 / 10, burst=10)
        # Somebody with an account here may collect cookies by logging in often: no more tries come of that.
        self._by_owner = _buckets(rate=1, burst=30)
        self._good: OrderedDict[str, None] = OrderedDict()  # networks

    def admit(self, name: str, network: str, known: KnownBrowser | None, now_ms: int) -> Lane | None:
        """Count one try; returns the lane in which it may wait for its hash, or None: too often."""
        if (
            known is not None
            and self._by_browser.admit(known.nonce, now_ms, 0)  # first, or one browser would use up all of its owner's
            and self._by_owner.admit(known.user_id, now_ms, 0)
        ):
            return Lane(KNOWN_BROWSER, known.user_id)
        if not (
            self._by_network.admit(network, now_ms, 0)
            and self._by_name.admit(f"{network} {name[:MAX_USERNAME_LEN]}", now_ms, 0)
        ):
            return None
        return Lane(KNOWN_NETWORK if network in self._good else STRANGER, network)

    def succeeded(self, network: str) -> None:
        """Somebody logged in well from there."""
        self._good.pop(network, None)
        _bound(self._good)
        self._good[network] = None


@dataclass(eq=False, slots=True)
class Waiting(Generic[W]):
    """One try in the queue. what: the caller's own."""

    lane: Lane
    what: W
    arrived: int = field(default=0)


class FairQueue(Generic[W]):
    """Who is hashing and who waits for it."""

    def __init__(self, at_once: int = HASHES_AT_ONCE, max_waiting: int = MAX_WAITING) -> None:
        self._at_once = at_once
        self._max_waiting = max_waiting
        self._running: list[Waiting[W]] = []
        self._waiting: list[Waiting[W]] = []
        self._served: OrderedDict[Lane, int] = OrderedDict()  # lane -> when, in turns
        self._turns = 0

    def enter(self, waiting: Waiting[W]) -> Waiting[W] | None:
        """Wait; returns who must leave for it, which may be the newcomer itself, or None while there is room."""
        self._turns += 1
        waiting.arrived = self._turns
        self._waiting.append(waiting)
        if len(self._waiting) <= self._max_waiting:
            return None
        lanes = [other.lane for other in self._waiting]
        last = max(self._waiting, key=lambda other: (other.lane.rank, lanes.count(other.lane), *self._since(other)))
        self._waiting.remove(last)
        return last

    def start(self) -> Waiting[W] | None:
        """Whose turn it is now; None: nobody waits, or all places are taken."""
        if not self._waiting or len(self._running) >= self._at_once:
            return None
        first = min(self._waiting, key=lambda other: (other.lane.rank, *self._since(other)))
        self._waiting.remove(first)
        self._running.append(first)
        self._turns += 1
        self._served.pop(first.lane, None)
        _bound(self._served)
        self._served[first.lane] = self._turns
        return first

    def leave(self, waiting: Waiting[W]) -> None:
        """It is done, or does not wait any more."""
        for queue in (self._running, self._waiting):
            if waiting in queue:
                queue.remove(waiting)

    def _since(self, waiting: Waiting[W]) -> tuple[int, int]:
        return self._served.get(waiting.lane, 0), waiting.arrived


def _buckets(rate: float, burst: int) -> TokenBucket:
    return TokenBucket(rate, burst, total_rate=_NO_TOTAL, total_burst=_NO_TOTAL, max_addresses=MAX_REMEMBERED)


def _bound(remembered: OrderedDict[Any, Any]) -> None:
    if len(remembered) >= MAX_REMEMBERED:
        remembered.popitem(last=False)
