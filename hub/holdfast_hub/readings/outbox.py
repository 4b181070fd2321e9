"""The way out to a broker: what is lent from the spool, what is under way, and when to connect again. Sans-IO.

    RESTING     not connected; waits for the next attempt
    CONNECTING  an attempt is under way
    UP          connected; parcels go out in the spool's order
    LEAVING     takes no more, and waits for what is under way
    GIVEN_UP    has not got anything out for too long: an operator or the service manager has to act
    CLOSED      has left the broker

A parcel leaves the spool after the broker's PUBACK and not before, so a broker that is away, a hub that is killed and a
connection that is lost make repeats and never losses; a repeat has the same property id. The order of a box holds
within its priority. What the broker refuses is given back with blame, until the spool sets it aside.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from holdfast_hub.ports import Broker, Spool
from holdfast_hub.readings.publication import Health, publication_of
from holdfast_hub.readings.reading import reading_of
from holdfast_hub.readings.routes import Routes
from holdfast_hub.records import OUT, Now, Parcel, Publication

RESTING, CONNECTING, UP, LEAVING, GIVEN_UP, CLOSED = "resting", "connecting", "up", "leaving", "given-up", "closed"
DUE, ACCEPTED, LOST, HOPELESS, STOP, DRAINED = "due", "accepted", "lost", "hopeless", "stop", "drained"
TABLE = {
    RESTING: {DUE: CONNECTING, HOPELESS: GIVEN_UP, STOP: CLOSED},
    CONNECTING: {ACCEPTED: UP, LOST: RESTING, STOP: CLOSED},
    UP: {LOST: RESTING, STOP: LEAVING},
    LEAVING: {LOST: CLOSED, DRAINED: CLOSED, STOP: CLOSED},
    GIVEN_UP: {STOP: CLOSED},
    CLOSED: {STOP: CLOSED},
}

_REFUSED = 0x80  # MQTT 5 section 2.4: from here on a Reason Code is a failure
_QUOTA_EXCEEDED = 0x97
# Reason Codes of a DISCONNECT that is a message's own fault: malformed, protocol error, topic, too large, format.
_CONTENT = frozenset([0x81, 0x82, 0x90, 0x95, 0x99])
_REASONS = {
    0x80: "the broker refused it",
    0x83: "the broker refused it for a reason of its own",
    0x87: "the broker does not let this hub publish to the topic",
    0x90: "the broker does not take the topic",
    0x95: "it is larger than the broker takes",
    0x97: "the broker's quota is used up",
    0x99: "the broker does not take the payload",
}
_NO_TOPIC = "no topic is configured for it any more"
_CUT_OFF = "the broker ended the connection over it"


@dataclass(frozen=True, slots=True)
class Policy:
    """How often, how much, how long; all in milliseconds unless it says otherwise.

    window: PUBLISH packets under way at once. batch: parcels lent at once. give_up_ms: so long without getting
    anything out ends it. steady_ms: a connection that has held so long counts as success. ack_ms: a broker that does
    not answer for so long is lost. hold_ms: what has not been sent by then goes back, well before the lease ends.
    barren: after so many connections in a row that were lost before one parcel arrived, those under way are blamed.
    """

    first_ms: int = 1000
    max_ms: int = 60_000
    give_up_ms: int = 2 * 3_600_000
    steady_ms: int = 10_000
    connect_ms: int = 30_000
    ack_ms: int = 30_000
    hold_ms: int = 60_000
    poll_ms: int = 30_000
    health_ms: int = 60_000
    drain_ms: int = 5_000
    window: int = 64
    batch: int = 256
    barren: int = 3


class Outbox:
    """One broker. Call tick at due_ms, and kept when a parcel waits; the shell reports accepted, acked and lost.

    uniform: a random number in [0, 1), for jitter. greet: what is published after each connect, beside health.
    ended: called with GIVEN_UP or CLOSED.
    trouble: the sentence of what went wrong last, "" while all is well.
    """

    def __init__(
        self,
        broker: Broker,
        spool: Spool,
        routes: Routes,
        health: Health,
        clock: Callable[[], Now],
        uniform: Callable[[], float],
        *,
        policy: Policy | None = None,
        greet: Iterable[Publication] = (),
        ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.state = RESTING
        self.trouble = ""
        self.published = self.refused = self.lost_connections = 0
        self._broker = broker
        self._spool = spool
        self._routes = routes
        self._health = health
        self._clock = clock
        self._uniform = uniform
        self._policy = policy or Policy()
        self._greet = tuple(greet)
        self._ended = ended
        self._attempt = self._failures = self._barren = 0
        self._due_ms = self._down_ms = self._changed_ms = self._heard_ms = clock().ms
        self._lent_ms = self._pause_ms = self._polled_ms = self._health_ms = 0
        self._window, self._max_packet = self._policy.window, 0
        self._ready: deque[Parcel] = deque()
        self._notices: deque[Publication] = deque()
        self._flying: dict[int, Parcel] = {}
        self._noticed: set[int] = set()  # keys of notices that have not been acknowledged
        self._arrived: list[Parcel] = []
        self._notice_key = 0  # of parcels it is their number, from 1
        self._owed = 0  # calls of the spool that have not been answered
        self._some_wait = True
        self._got_one_out = False

    @property
    def under_way(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return len(self._flying) + len(self._noticed)

    @property
    def due_ms(self) -> int | None:
        """When tick has something to do at the latest; None when only a report can change anything."""
        policy = self._policy
        if self.state in (GIVEN_UP, CLOSED):
            return None
        if self.state == RESTING:
            return self._due_ms
        if self.state == CONNECTING:
            return self._changed_ms + policy.connect_ms
        if self.state == LEAVING:
            return self._changed_ms + policy.drain_ms
        dues = [self._health_ms + policy.health_ms]
        if self.under_way:
            dues.append(self._heard_ms + policy.ack_ms)
        if self._ready:
            dues.append(self._lent_ms + policy.hold_ms)
        elif not (self._flying or self._owed):
            dues.append(self._pause_ms if self._some_wait else self._polled_ms + policy.poll_ms)
        return min(dues)

    def tick(self) -> None:
        """Do what is due."""
        now_ms, policy = self._clock().ms, self._policy
        if self.state == RESTING and now_ms >= self._due_ms:
            if now_ms - self._down_ms >= policy.give_up_ms:
                self._step(HOPELESS)
                self._ended(GIVEN_UP)
                return
            self._step(DUE)
            self._attempt += 1
            self._broker.connect(self._attempt, self._health.lost())
        elif self.state == CONNECTING and now_ms - self._changed_ms >= policy.connect_ms:
            self._lose("the broker does not answer")
        elif self.state == LEAVING and now_ms - self._changed_ms >= policy.drain_ms:
            self._leave()
        elif self.state == UP:
            self._tick_up(now_ms)

    def kept(self) -> None:
        """A parcel waits for the broker that was not there before."""
        self._some_wait = True
        self._pump()

    def accepted(self, attempt: int, receive_max: int, max_packet: int) -> None:
        """CONNACK has come. receive_max: its Receive Maximum; max_packet: its Maximum Packet Size, 0 for none."""
        if attempt != self._attempt or self.state != CONNECTING:
            return
        self._step(ACCEPTED)
        self.trouble = ""
        self._window, self._max_packet = min(self._policy.window, receive_max), max_packet
        self._heard_ms = self._clock().ms
        self._got_one_out = False
        self._some_wait = True
        self._say_health()
        self._notices.extend(self._greet)
        self._pump()

    def acked(self, attempt: int, key: int, code: int) -> None:
        """PUBACK has come, with its Reason Code."""
        if attempt != self._attempt or not (key in self._flying or key in self._noticed):
            return
        self._heard_ms = self._clock().ms
        if code >= _REFUSED:
            self.trouble = _REASONS.get(code, _REASONS[_REFUSED])
        self._noticed.discard(key)
        parcel = self._flying.pop(key, None)
        if parcel is not None:
            self._settle(parcel, code)
        self._pump()

    def lost(self, attempt: int, why: str, code: int = 0) -> None:
        """The connection has ended, or none came about. why: a sentence; code: of the broker's DISCONNECT, else 0."""
        if attempt == self._attempt and self.state in (CONNECTING, UP, LEAVING):
            self._lose(why, code)

    def stop(self) -> None:
        """Leave: what is under way may still arrive, for drain_ms; called again, at once. ended(CLOSED) is called."""
        if self.state == CLOSED:
            return
        was_up = self.state == UP
        self._step(STOP)
        if was_up:
            self._return(self._take_ready(), blame=False)
            self._notices = deque([self._health.stopped()])
            self._pump()
        else:
            self._leave()

    # --- connections ---

    def _step(self, event: str) -> None:
        self.state = TABLE[self.state][event]
        self._changed_ms = self._clock().ms

    def _lose(self, why: str, code: int = 0) -> None:
        now_ms, policy = self._clock().ms, self._policy
        self._broker.close()
        self.trouble = why
        self.lost_connections += 1
        if self.state == UP and now_ms - self._changed_ms >= policy.steady_ms:
            self._succeed()
        was_leaving = self.state == LEAVING
        self._step(LOST)
        flying = self._take_flying()
        self._notices.clear()
        self._barren = self._barren + 1 if flying and not self._got_one_out else 0
        self._return(self._take_ready(), blame=False)
        self._return(flying, blame=code in _CONTENT or self._barren > policy.barren, why=_REASONS.get(code, _CUT_OFF))
        wait_ms = min(policy.max_ms, policy.first_ms << min(self._failures, 30))
        self._failures += 1
        self._due_ms = now_ms + int(wait_ms * (1 + self._uniform()) / 2)
        if was_leaving:
            self._leave()

    def _succeed(self) -> None:
        self._failures = 0
        self._down_ms = self._clock().ms

    def _leave(self) -> None:
        if self.state == LEAVING:
            self._step(DRAINED)
        self._broker.close()
        self._return(self._take_flying(), blame=False)
        self._ended(CLOSED)

    def _tick_up(self, now_ms: int) -> None:
        policy = self._policy
        if self.under_way and now_ms - self._heard_ms >= policy.ack_ms:
            self._lose("the broker does not acknowledge")
            return
        if now_ms - self._changed_ms >= policy.steady_ms:
            self._succeed()
        if self._ready and now_ms - self._lent_ms >= policy.hold_ms:
            self._return(self._take_ready(), blame=False)
        if now_ms - self._polled_ms >= policy.poll_ms:
            self._some_wait = True
        if now_ms - self._health_ms >= policy.health_ms:
            self._say_health()
        self._pump()

    def _say_health(self) -> None:
        self._health_ms = self._clock().ms
        self._notices.append(self._health.now())

    # --- parcels ---

    def _pump(self) -> None:
        """Send what may go now, and borrow more when all that was lent is settled: so the order holds."""
        if self.state not in (UP, LEAVING):
            return
        if not self.under_way:
            self._heard_ms = self._clock().ms
        while self._notices and self.under_way < self._window:
            self._notice_key -= 1
            self._noticed.add(self._notice_key)
            self._broker.publish(self._notice_key, self._notices.popleft())
        if self.state == LEAVING:
            if not self.under_way and not self._notices:
                self._leave()
            return
        while self._ready and self.under_way < self._window:
            self._send(self._ready.popleft())
        if self._some_wait and not (self._ready or self._flying or self._arrived or self._owed):
            now = self._clock()
            if now.ms >= self._pause_ms:
                self._some_wait = False
                self._polled_ms = now.ms
                self._owed += 1
                self._spool.take(OUT, self._policy.batch, now, partial(self._lent, self._attempt))

    def _lent(self, attempt: int, parcels: list[Parcel]) -> None:
        self._owed -= 1
        if attempt != self._attempt or self.state != UP:
            self._return(parcels, blame=False)
            return
        self._lent_ms = self._clock().ms
        self._ready.extend(parcels)
        self._some_wait = self._some_wait or bool(parcels)
        self._pump()

    def _send(self, parcel: Parcel) -> None:
        reading = reading_of(parcel)
        route = None if reading is None else self._routes.get((reading.device, reading.resource))
        if reading is None or route is None:
            self._return([parcel], blame=True, why=_NO_TOPIC)
            return
        publication = publication_of(route, reading, parcel)
        if self._max_packet and publication.most_octets > self._max_packet:
            self._return([parcel], blame=True, why=_REASONS[0x95])
            return
        self._flying[parcel.number] = parcel
        self._broker.publish(parcel.number, publication)

    def _settle(self, parcel: Parcel, code: int) -> None:
        if code < _REFUSED:
            self.published += 1
            self._got_one_out = True
            self._succeed()
            self._arrived.append(parcel)
            self._tell()
            return
        self.refused += 1
        if code == _QUOTA_EXCEEDED:
            self._pause_ms = self._clock().ms + self._policy.first_ms
        self._return([parcel], blame=code != _QUOTA_EXCEEDED, why=_REASONS.get(code, _REASONS[_REFUSED]))

    def _tell(self) -> None:
        """Report what has arrived, all that there is in one call: one commit of the spool is for many."""
        if not self._owed:
            arrived, self._arrived = self._arrived, []
            self._owed += 1
            self._spool.delivered(arrived, self._settled)

    def _return(self, parcels: list[Parcel], *, blame: bool, why: str = "") -> None:
        if parcels:
            self._owed += 1
            self._some_wait = True
            self._spool.give_back(parcels, self._settled, why=why, blame=blame)

    def _settled(self, _kept: bool) -> None:
        self._owed -= 1
        if self._arrived:
            self._tell()
        self._pump()

    def _take_flying(self) -> list[Parcel]:
        flying = list(self._flying.values())
        self._flying.clear()
        self._noticed.clear()
        return flying

    def _take_ready(self) -> list[Parcel]:
        ready, self._ready = list(self._ready), deque()
        return ready
