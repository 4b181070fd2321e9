"""A world in which the tube sleeps: its RTC memory, its clock, and a watch on every nonce that OSCORE ever uses.

Between freeze() and wake the tube is off the link, as a radio in deep sleep is. Datagrams to it are lost then.
"""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core import oscore
from holdfast_core.coap_message import decode, response
from holdfast_device.client import SessionLost
from holdfast_device.hibernation import freeze, thaw, wake
from testkit import mint
from testkit.story import NOW_S, TUBE, Node, World, get, held, same_bytes


class RtcFake:
    """machine.RTC of an ESP32: memory() reads, memory(data) writes; the bytes behind a shorter write stay."""

    def __init__(self, room=2048):
        self.cells = bytearray(room)
        self.length = 0

    def memory(self, data=None):
        if data is None:
            return bytes(self.cells[: self.length])
        if len(data) > len(self.cells):
            raise ValueError("buffer too long")
        self.cells[: len(data)] = data
        self.length = len(data)
        return None

    def power_cut(self):
        self.cells = bytearray(len(self.cells))
        self.length = 0


class NonceWatch:
    """Notes every (key, nonce) that a SecurityContext seals with; a second use of a pair fails at once."""

    def __init__(self):
        self.seen = {}
        self._seal = oscore.SecurityContext._seal

    def __enter__(self):
        def seal(context, message, inner, nonce, aad):
            used = (context._sender_nonce, context.sender_id, nonce)
            if used in self.seen:
                raise AssertionError("nonce twice: " + repr(nonce))
            self.seen[used] = True
            return self._seal(context, message, inner, nonce, aad)

        oscore.SecurityContext._seal = seal
        return self

    def __exit__(self, kind, value, trace):
        oscore.SecurityContext._seal = self._seal
        return False


class SleepWorld(World):
    """rng_log: all random bytes that any life of the tube drew.  clock: whether the tube has a wall clock."""

    def __init__(self, seed=1, clock=False, **link):
        World.__init__(self, seed, **link)
        self.rtc = RtcFake()
        self.clock = clock
        self.drawn = []
        self.tube = self._join(self.boot_tube(clock))

    @property
    def seed(self):
        return self.provisionings["tube"].seed

    def sleep(self, for_s=58, late_ms=0, room=2048):
        """Freeze the tube and let time pass; the tube sends nothing meanwhile."""
        snapshot = freeze(self.tube, self.ticks_ms, self.now_ms, self.ticks_ms + for_s * 1000, self.seed, room)
        self.rtc.memory(snapshot)
        del self.link.endpoints["tube"]
        self.link.run(for_ms=for_s * 1000 + late_ms)
        return snapshot

    def wake(self, now_ms=None):
        """Wake it as sleep_shell.py does; return the device, which woke, or started as after a power cut."""
        held = self.rtc.memory()
        self.rtc.power_cut()
        frozen = thaw(held, self.now_ms if now_ms is None else now_ms, self.seed)
        if frozen is None:
            return self.restart()
        tube = wake(frozen, self.provisionings["tube"], self.flash["tube"], same_bytes)
        self._serve(tube)
        return self._join(tube, frozen.now_ms - self.now_ms)

    def restart(self):
        """Start the tube as after a power cut."""
        self.link.endpoints.pop("tube", None)
        return self._join(self.boot_tube(self.clock))

    def cycle(self, for_s=58, **more):
        """Let the tube sleep and wake."""
        self.sleep(for_s, **more)
        return self.wake()

    @property
    def ticks_ms(self):
        """Monotonic time of the tube, which is ahead of all other parties' by its slack."""
        return self.now_ms + self._ahead_ms

    def _serve(self, tube):
        tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"negative"), observable=True)
        tube.rs.resource("/calibration", put=lambda asked: response(L.CODE_CHANGED))

    def _join(self, tube, ahead_ms=0):
        self.tube = tube
        self._ahead_ms = ahead_ms
        drawn, rng = self.drawn, tube.rng

        def watched(count):
            octets = rng(count)
            if count >= 8 and octets in drawn:
                raise AssertionError("drawn twice")
            drawn.append(octets)
            return octets

        tube.rng = tube.rs.authz_info.rng = watched
        self.link.add("tube", Shifted(tube, ahead_ms))
        if self.clock:
            tube.set_time(NOW_S + self.now_ms // 1000, self.ticks_ms)
        return tube


class Shifted(Node):
    """A device whose monotonic time is ahead of the link's."""

    def __init__(self, inner, ahead_ms):
        Node.__init__(self, inner)
        self.ahead_ms = ahead_ms

    def feed(self, datagram, peer, now_ms):
        return Node.feed(self, datagram, peer, now_ms + self.ahead_ms)

    def tick(self, now_ms):
        return Node.tick(self, now_ms + self.ahead_ms)

    def next_deadline_ms(self):
        deadline_ms = self.inner.next_deadline_ms()
        return None if deadline_ms is None else deadline_ms - self.ahead_ms


def cti(sequence):
    return b"tube" + sequence.to_bytes(8, "big")


class Sleeping(TestCase):
    clock = False

    def setUp(self):
        self.watch = NonceWatch()
        self.watch.__enter__()
        self.world = self.make()
        self.doctor = self.world.client()

    def tearDown(self):
        self.watch.__exit__(None, None, None)

    def make(self):
        return SleepWorld(clock=self.clock)

    def open(self, key=b"osc-1", now_s=NOW_S, client=None, name="doctor", mint_as=mint.encrypted, **more):
        token = mint_as(mint.claims(TUBE, "read_result", now_s, key=key, **more))
        response_ = held(token, key, self.world.now_ms, 10**6)
        return self.world.run((client or self.doctor).open_session("tube", response_), name)

    def proven(self, *arguments, **more):
        """Open a session and use it, which proves its key and so the time of its token."""
        session = self.open(*arguments, **more)
        self.reads(session)
        return session

    def read(self, session, name="doctor"):
        answer = self.world.run(session.request(get("/result")), name)
        return answer.code

    def reads(self, session, name="doctor"):
        self.assertEqual(self.read(session, name), L.CODE_CONTENT)

    def lost(self, session, name="doctor"):
        with self.assertRaises(SessionLost):
            self.read(session, name)

    def again_from(self, start):
        """Send the tube again all datagrams that it was sent so far; return its answers."""
        log = self.world.link.log
        old = [entry for entry in log[start:] if entry[2] == "tube"]
        before = len(log)
        for index, (_, sender, _, datagram) in enumerate(old):
            fresh_mid = datagram[:2] + (0x4000 + index).to_bytes(2, "big") + datagram[4:]
            self.world.link.send(sender + "-replayed", "tube", fresh_mid)
        self.world.link.run(for_ms=1000)
        return [decode(entry[3]) for entry in log[before:] if entry[1] == "tube"]
