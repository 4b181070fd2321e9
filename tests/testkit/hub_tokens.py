"""A real authorization server, a real hub and real devices on a link of virtual time; a nurse's app on the other side.

The hub's proxy has a port for each device. What the hub could see of the server's answers is kept in plain.
"""

from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_events import RequestEvent, ResponseEvent
from holdfast_core.coap_message import request, response
from holdfast_core.coap_stack import CoapStack
from holdfast_device.client import AceClient
from holdfast_device.device import Device as BoardDevice
from holdfast_device.endpoint import Endpoint
from holdfast_device.token_response import token_response_from
from holdfast_hub.proxy.bounds import Bounds
from holdfast_hub.proxy.gateway import OUR_FAR, Proxy
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.records import PHANTOM, SPLIT, Device, Now
from holdfast_hub.tokens.as_client import AsClient
from holdfast_hub.tokens.desk import TokenDesk
from holdfast_hub.tokens.kept import KeptTokens
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.coap.site import CoapSite
from testkit.authz import NOW_S, CountingRng
from testkit.fake_spool import FakeSpool
from testkit.flash import FlashFake
from testkit.link import Link, Random
from testkit.sealing import FRIDGE, HUB, PUMP, add_hub, nurse_token
from testkit.story import Node

DEVICES = (
    Device(FRIDGE, "udp", port=7001, tokens=PHANTOM),
    Device(PUMP, "udp", port=7002, tokens=SPLIT),
)
SEALED = b"\xd8\x3d\xd0\x83\x43\xa1\x01\x0a\xa0\x48sealed.."
SIGNED = b"\xd8\x3d\xd2\x84\x43\xa1\x01\x26\xa0\x41{\x41}"
"""What looks like tokens, sealed and readable."""
ACE_LABELS = {"access_token": L.ACE_ACCESS_TOKEN, "expires_in": L.ACE_EXPIRES_IN, "cnf": L.ACE_CNF}


def body(token, nonce=b"n" * 8):
    """What a client posts."""
    return encode_authz_info(token, nonce, b"i")


class AsNode:
    """The authorization server's CoAP side. silent: it hears nothing. override: what it says instead, in plain."""

    def __init__(self, story, world):
        self.world = world
        self.site = CoapSite(story.server)
        contexts = PartyContexts(story.store, CountingRng(b"derived"), lambda: world.now_s)
        self.stack = CoapStack(Random(5).octets, contexts)
        self.silent = False
        self.override = None
        self.asked = 0

    def feed(self, datagram, peer, now_ms):
        for event in [] if self.silent else self.stack.feed(datagram, peer, now_ms):
            if isinstance(event, RequestEvent):
                incoming = event.incoming
                self.asked += 1
                answer = self.override or self.site.answer(incoming.message, incoming.context, self.world.now_s)
                self.stack.respond(incoming, answer, now_ms)
        return ()

    def tick(self, now_ms):
        self.stack.tick(now_ms)
        return ()

    def next_deadline_ms(self):
        return self.stack.next_deadline_ms()

    def take_datagrams(self):
        return self.stack.take_datagrams()


class _Part:
    """One address of the hub on the link."""

    def __init__(self, world):
        self.world = world

    def next_deadline_ms(self):
        return self.world.next_deadline_ms()

    def tick(self, now_ms):
        self.world.tick(now_ms)
        return ()


class _Port(_Part):
    def __init__(self, world, port):
        super().__init__(world)
        self.port = port

    def feed(self, datagram, peer, now_ms):
        self.world.proxy.feed_client(datagram, (peer, peer, self.port), now_ms)
        return ()

    def take_datagrams(self):
        return [(datagram, client[1]) for datagram, client in self.world.for_clients(self.port)]


class _South(_Part):
    def feed(self, datagram, peer, now_ms):
        self.world.proxy.feed_device(datagram, self.world.proxy.targets.by_name[peer], OUR_FAR, now_ms)
        return ()

    def take_datagrams(self):
        return [(datagram, device.name) for datagram, device, far in self.world.proxy.take_for_devices()]


class _AsSide(_Part):
    def feed(self, datagram, peer, now_ms):
        self.world.server.feed(datagram, peer, now_ms)
        self.world.spool.run()
        return ()

    def take_datagrams(self):
        return self.world.server.take_datagrams()


class World:
    """story: an empty StoryAs. seen: what the hub has read of the server's answers. said: all of the last tries."""

    def __init__(self, story, devices=DEVICES, later=None, bounds=None, **rs):
        self.story = story
        self.devices = devices
        add_hub(story, **rs)
        self.link = Link(1)
        self.later, self.bounds = later, bounds
        self.seen = []
        self.wall = True
        self.spool = FakeSpool()
        self.context = story.exports.export_client(HUB, NOW_S) if story.store.oscore_party(client_id=HUB) else None
        if self.context is None:
            story.registry.add_oscore_party(NOW_S, client_id=HUB)
            self.context = story.exports.for_client(HUB, NOW_S)
        self.authz = AsNode(story, self)
        self.link.add("as", self.authz)
        self.start()
        for device in devices:
            self.link.add(f"port-{device.name}", _Port(self, device.port))
        self.link.add("south", _South(self))
        self.link.add("as-side", _AsSide(self))
        self.boards = {device.name: self.boot(device.name) for device in devices}
        self.clients = {}

    @property
    def now_s(self):
        return NOW_S + self.link.now_ms // 1000

    def now(self):
        return Now(self.link.now_ms, self.now_s if self.wall else None)

    def start(self):
        """A hub's process begins, with what is on disk."""
        self.server = AsClient(self.context.as_context, "as", Random(11 + self.link.now_ms).octets)
        feed = self.server._stack.feed

        def keep(datagram, peer, now_ms):
            events = feed(datagram, peer, now_ms)
            self.seen += [event.message.payload for event in events if isinstance(event, ResponseEvent)]
            return events

        self.server._stack.feed = keep
        self.kept = KeptTokens(self.spool, Random(12 + self.link.now_ms).octets, self.now)
        self.spool.run()
        self.proxy = Proxy(Random(13 + self.link.now_ms).octets, Targets(self.devices, ("hub",)), Bounds())
        self.desk = TokenDesk(self.proxy, self.server, self.kept, self.now, self.later, self.bounds)
        self.proxy.desks = [self.desk]
        self._for_clients = []

    def kill(self):
        """kill -9, and another hub on what the disk holds."""
        self.spool = self.spool.kill()
        self.start()

    def boot(self, name):
        """A board that is told what the server exports, with its clock right."""
        told = self.story.exports.export_rs(name, NOW_S)
        board = BoardDevice(told, FlashFake(), Random(len(name)).octets, self.link.now_ms, as_peer="as")
        if told.rs.formats and self.story.store.resource_server(name).clock:
            board.set_time(self.now_s, self.link.now_ms)
        board.rs.resource("/temperature", get=lambda asked: response(L.CODE_CONTENT, b"4.5"))
        board.rs.resource("/target", put=lambda asked: response(L.CODE_CHANGED))
        self.link.add(name, Node(board))
        return board

    # --- the hub on the link ---

    def next_deadline_ms(self):
        dues = (part.next_deadline_ms() for part in (self.proxy, self.server, self.desk))
        return min((due for due in dues if due is not None), default=None)

    def tick(self, now_ms):
        for part in (self.server, self.desk, self.proxy):
            part.tick(now_ms)
        self.spool.run()

    def for_clients(self, port):
        self._for_clients += self.proxy.take_for_clients()
        mine = [sent for sent in self._for_clients if sent[1][2] == port]
        self._for_clients = [sent for sent in self._for_clients if sent[1][2] != port]
        return mine

    # --- the client ---

    def client(self, name="nurse", seed=3):
        if name not in self.clients:
            random = Random(seed).octets
            endpoint = Endpoint(random)
            self.link.add(name, Node(endpoint))
            self.clients[name] = (endpoint, AceClient(endpoint, random, "coap://as.example/token"))
        return self.clients[name][1]

    def token(self, audience=FRIDGE, **params):
        """What the client has got from the server, over another way than the hub's."""
        answer = nurse_token(self.story, audience, self.now_s, **params)
        return answer, self.held(answer)

    def held(self, answer):
        members = {ACE_LABELS[name]: answer[name] for name in ACE_LABELS} | {L.ACE_PROFILE: L.PROFILE_COAP_OSCORE}
        return token_response_from(members, self.link.now_ms)

    def run(self, steps, name="nurse", for_ms=120_000):
        """Run a task of a client to its end; return its value or raise its error."""
        ended = []
        endpoint = self.clients[name][0]
        endpoint.now_ms = self.link.now_ms
        endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
        self.link.run(for_ms=for_ms, until=lambda: bool(ended))
        assert ended, f"task did not end: {self.link}"
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    def open(self, held, audience=FRIDGE, name="nurse"):
        """Open a session with what the client holds."""
        return self.run(self.client(name).open_session(f"port-{audience}", held), name)

    def post(self, body, audience=FRIDGE, name="nurse"):
        """POST a body to authz-info; return the answer."""
        self.client(name)
        message = request(L.CODE_POST, "/authz-info", body, L.CF_ACE_CBOR)

        def steps():
            return (yield self.clients[name][0].call(f"port-{audience}", message))

        return self.run(steps(), name)

    def read(self, session, name="nurse"):
        """GET the temperature in a session; return the payload."""
        answer = self.run(session.request(request(L.CODE_GET, "/temperature")), name)
        assert answer.code == L.CODE_CONTENT, answer
        return answer.payload

    def wait(self, seconds):
        self.link.run(for_ms=seconds * 1000)
