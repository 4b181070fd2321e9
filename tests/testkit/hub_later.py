"""A desk for answers that come later; its gateway and its presence are driven by hand, and its spool can be killed."""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, request
from holdfast_hub.later.desk import LaterDesk
from holdfast_hub.records import Asked, Device, Duty, Now
from testkit.fake_spool import FakeSpool

TUBE = Device("tube-1", "mqtt", duty=Duty(3600, 10))
MAINS = Device("mains", "udp")
WALL_S = 1_800_000_000


class Hand:
    """Gateway and Presence. said: (Asked, response) of each; open: what devices have been asked, with its callback."""

    def __init__(self):
        self.said = []
        self.open = []
        self.asked = []
        self.awake = set()
        self.pinged = 0
        self.answers_ping = True

    def respond(self, asked, message, now_ms):
        self.said.append((asked, message))

    def recall(self, asked, now_ms):
        return False

    def ask(self, device, message, now_ms, answered):
        self.asked.append((device.name, message))
        self.open.append(answered)

    def ping(self, device, now_ms, answered):
        self.pinged += 1
        answered(self.answers_ping)

    def is_awake(self, device, now_ms):
        return device.name in self.awake

    def wakes_in_s(self, device, now_ms):
        return 0 if device.name in self.awake else 3000

    def heard(self, device, now_ms):
        return device.name not in self.awake


class Bench:
    """A hub's desk over a spool. Time stands still until a test moves it."""

    def __init__(self, limits=None, spool=None, fresh=False):
        """fresh: it has begun just now, else long ago."""
        self.limits = limits
        self.now = Now(1_000_000, WALL_S)
        self.spool = spool or FakeSpool()
        self.start()
        if not fresh:
            self.wait(1000)

    def start(self):
        self.hand = Hand()
        devices = {device.name: device for device in (TUBE, MAINS)}
        key = bytes(range(32))
        self.desk = LaterDesk(self.hand, self.spool, self.hand, devices.get, key, lambda: self.now, self.limits)

    def kill(self):
        """kill -9, and a hub on what the disk holds."""
        self.spool = self.spool.kill()
        self.start()

    def wait(self, seconds, *, wall=True):
        wall_s = self.now.wall_s
        self.now = Now(self.now.ms + seconds * 1000, wall_s + seconds if wall and wall_s is not None else wall_s)
        self.desk.tick(self.now.ms)
        self.spool.run()

    def serve(self, message, client="app", device=TUBE, *, run=True):
        """Put a request to the desk; returns the answer of now, None when there is none yet, False when it passes."""
        asked = Asked(0, (client, (client, 40000), 5683), message, device)
        if not self.desk.serve(asked, self.now):
            return False
        if run:
            self.spool.run()
        answers = [answer for to, answer in self.hand.said if to is asked]
        return answers[-1] if answers else None

    def wake(self, device=TUBE):
        self.hand.awake.add(device.name)
        self.desk.contact(device)
        self.spool.run()

    def sleep(self, device=TUBE):
        self.hand.awake.discard(device.name)

    def answer(self, message):
        """The device answers what it was asked first, None: it does not."""
        self.hand.open.pop(0)(message)
        self.spool.run()

    def visit(self, location, client="app", device=TUBE, observe=None):
        """GET a location; returns the answer."""
        message = Message(L.CODE_GET, b"", [(L.OPT_URI_PATH, segment) for segment in location])
        if observe is not None:
            message.add(L.OPT_OBSERVE, observe)
        return self.serve(message, client, device)


def oscore(number=1, payload=b"sealed", code=L.CODE_POST):
    """What an OSCORE request looks like from outside."""
    return Message(code, payload, [(L.OPT_OSCORE, b"\x09" + bytes((number,)) + b"kid")])


def token(body=b"token"):
    return request(L.CODE_POST, "/authz-info", body, L.CF_ACE_CBOR)


def protected(payload=b"secret"):
    """What an OSCORE response looks like from outside."""
    return Message(L.CODE_CHANGED, payload, [(L.OPT_OSCORE, b"")])


def location(answer):
    return answer.get_all(L.OPT_LOCATION_PATH)
