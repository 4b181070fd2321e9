"""A tube in a heap that is full when a datagram comes, in virtual time, and what must hold wherever memory runs out.

For MicroPython: what it needs of the heap is what its gc can say.  tests/tools/starve_main.py does things to it.
"""

import gc

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_core.oscore import SecurityContext
from holdfast_device import exi, token_checker
from holdfast_device.client import Refused, SessionLost
from holdfast_device.endpoint import RequestFailed
from holdfast_device.loop_shell import Loop
from holdfast_device.sessions import BOUND
from testkit import mint
from testkit.story import NOW_S, TUBE, World, get, held

BALLAST = [None] * 6000
SEALED = [None] * 64  # (context, nonce) of what was sealed, in order
SCOPE = "read_result calibrate"
GIVEN_UP = (L.CODE_INTERNAL_SERVER_ERROR, L.CODE_SERVICE_UNAVAILABLE, L.CODE_REQUEST_ENTITY_TOO_LARGE)


def starve(room):
    """Take all of the heap but room bytes in one piece; there is no collection until relieve()."""
    reserved = bytearray(room)
    gc.collect()
    gc.disable()
    taken, size = 0, 1 << 20
    while size >= 64:
        try:
            BALLAST[taken] = bytearray(size)
            taken += 1
        except MemoryError:
            size >>= 1
    gc.collect()
    blocks = None
    try:
        while True:
            blocks = (blocks,)
    except MemoryError:
        BALLAST[-1] = blocks
    reserved = None  # noqa: F841 - that is what frees it
    gc.collect()


def relieve():
    """Give the heap back."""
    for index in range(len(BALLAST)):
        BALLAST[index] = None
    gc.enable()
    gc.collect()


class Tube:
    """A device behind the loop that boards run. It has the story's link, and the link's time."""

    def __init__(self, device, patience):
        self.device = device
        self.patience = patience
        self.at_work = False
        self.room = self.room_later = None
        self.failed = self.failures = self.lost_all = 0
        self.ms = 0
        self.came, self.out = [], []
        self.loop = Loop(device, self, self, False, self.lost)

    def now_ms(self):
        return self.ms

    def wait(self, timeout_ms):
        return bool(self.came)

    def receive(self):
        return self.came.pop(0) if self.came else None

    def send(self, datagram, peer):
        self.out.append((datagram, peer))

    def lost(self):
        self.lost_all += 1
        self.failed += 1
        if self.failed == self.patience:
            relieve()

    def feed(self, datagram, peer, now_ms):
        self.came.append((datagram, peer))
        return self.tick(now_ms)

    def tick(self, now_ms):
        self.ms = now_ms
        room, self.room = self.room, None
        later = self.room_later
        self.failed = 0
        if room is not None:
            starve(room)
        self.at_work = True
        self.loop.step(0)
        while self.device.endpoint.torn:
            self.loop.step(0)
        self.at_work = False
        if room is not None or self.room_later is not later:
            relieve()
            self.failures += self.failed
        return ()

    def verified(self):
        """The token is good: from now on memory is short."""
        room, self.room_later = self.room_later, None
        if room is not None:
            starve(room)

    def next_deadline_ms(self):
        return self.device.next_deadline_ms()

    def take_datagrams(self):
        out, self.out = self.out, []
        return out


class Story:
    """The tube, a doctor with a session for each of two keys, and the faults that were found."""

    def __init__(self, patience):
        self.world = World()
        device = self.world.boot_tube()
        self.rs = device.rs
        self.tube = self.world.link.add("tube", Tube(device, patience))
        self.doctor = self.world.client()
        self.sessions = {}
        self.served = 0
        self.sequence = 0
        self.wrong = []
        self.nonces = {}
        for path in ("/result", "/calibration"):
            self.rs.resource(path, get=self.serve, put=self.serve, observable=True)

    def serve(self, asked):
        self.served += 1
        return response(L.CODE_CONTENT, b"negative")

    def starved(self, room):
        """Make memory short in the next step."""
        self.tube.room = room

    def starved_later(self, room):
        """Do so in the next step with a token, once it is verified: cryptography in Python leaves much behind."""
        self.tube.room_later = room

    def claims(self, key, scope=SCOPE, **more):
        return mint.claims(TUBE, scope, NOW_S + self.world.now_ms // 1000, key=key, **more)

    def post(self, key, **more):
        """Try once to open a session; return None when that failed."""
        token = mint.encrypted(self.claims(key, **more))
        self.sessions.pop(key, None)
        try:
            self.sessions[key] = self.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms, 10**6)))
        except (Refused, RequestFailed) as error:
            if isinstance(error, Refused) and error.code not in GIVEN_UP:
                self.wrong.append(f"a post was refused with {error.code}")
        return self.sessions.get(key)

    def run(self, steps):
        return self.world.run(steps)

    def ask(self, key, message=None):
        """Send one request; return whether it was answered.  The tube carries it out once at most."""
        before = self.served
        try:
            answer = self.run(self.sessions[key].request(message or get("/result")))
        except (SessionLost, RequestFailed):
            del self.sessions[key]
            return False
        finally:
            if self.served > before + 1:
                self.wrong.append(f"carried out {self.served - before} times")
        if answer.code >> 5 != 2 and answer.code not in GIVEN_UP:
            self.wrong.append(f"answered with {answer.code}")
        return answer.code >> 5 == 2

    def goes_on(self, key):
        """Return whether the doctor gets their result, with a new session when that is needed."""
        for _ in range(3):
            if key in self.sessions and self.ask(key):
                return
            if key not in self.sessions:
                self.world.wait(5)
                self.post(key)
        self.wrong.append("the service did not go on")

    def check(self):
        """Check what must hold at any time."""
        device, table = self.tube.device, self.rs.rights.sessions.contexts.contexts()
        alive = self.rs.rights.sessions.all()
        if len(table) != len(alive) or [one for one in alive if one.context not in table]:
            self.wrong.append("contexts and sessions differ")
        bound = [one.osc.id for one in alive if one.state == BOUND]
        if len(bound) != len(set(bound)):
            self.wrong.append("two bound sessions of one key")
        stack = device.endpoint._stack
        left = [device.endpoint._calls, device.endpoint.torn, stack._server.events, stack._messages._live]
        left += [peer.outstanding + peer.queue for peers in stack._messages._peers for peer in peers.values()]
        if [one for one in left if one] or [task for task in device.endpoint._tasks._running if not task.ended]:
            self.wrong.append("something is left undone")
        if len(self.rs.answers.observers) != len(stack._server.observers or ()):
            self.wrong.append("observers differ")
        for one in alive:
            if not one.token.reveal() or (one.ends_ms is None) != (one.grant.exi is None):
                self.wrong.append("half of a token")
        self.check_countdowns()
        for index, entry in enumerate(SEALED):
            if entry is not None:
                self.fresh(*entry)
                SEALED[index] = None

    def check_countdowns(self):
        """The countdown on the flash is shorter than the time that is left, as exi.py promises."""
        device = self.tube.device
        times, saved = device.times._exi, dict(device.state.exi)
        if times._charge_due_ms > device.endpoint.now_ms + exi.CHARGE_S * 1000:
            self.wrong.append("charged beyond the future")
        for sequence in times._ends_ms:
            if sequence not in saved:
                self.wrong.append("a countdown that is not saved")
            elif saved[sequence] * 1000 > max(0, times._ends_ms[sequence] - times._charge_due_ms):
                self.wrong.append("a countdown that is not charged")

    def fresh(self, context, nonce):
        """No nonce comes twice under one key: the tube's own nonces grow, and so do those of requests."""
        own = nonce[:-5] == context._sender_nonce[0]
        base = context._sender_nonce if own else context._peer_nonce
        number = int.from_bytes(nonce[-5:], "big") ^ base[1]
        kept = self.nonces.setdefault(context._sender_nonce[0] + bytes((own,)), set())
        if number in kept:
            self.wrong.append("a nonce twice")
        kept.add(number)
        while len(self.nonces) > 16:
            del self.nonces[next(iter(self.nonces))]


def watch_over(story):
    """Note what is sealed, and when a token of this story is good."""
    seal, verify, at = SecurityContext._seal, token_checker.verify_token, [0]

    def noted(self, message, inner, nonce, aad):
        if self.recipient_id in story.rs.rights.sessions.contexts:
            SEALED[at[0] % len(SEALED)] = (self, nonce)
            at[0] += 1
        return seal(self, message, inner, nonce, aad)

    def verified(*arguments):
        grant = verify(*arguments)
        story.tube.verified()
        return grant

    SecurityContext._seal, token_checker.verify_token = noted, verified
