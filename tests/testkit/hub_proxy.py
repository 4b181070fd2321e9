"""A proxy in virtual time: clients and devices are the stacks of the core on a fake link, or hand-made datagrams."""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode, request, response
from holdfast_core.coap_stack import CoapStack, RequestEvent, ResponseEvent
from holdfast_hub.proxy.bounds import Bounds
from holdfast_hub.proxy.gateway import Proxy
from holdfast_hub.proxy.targets import Targets
from holdfast_hub.records import OUR_FAR, Device
from testkit.coap import Server
from testkit.link import Link, Random

TUBE = Device("tube-7", "udp", ("192.0.2.7", 5683))
CLIENT = ("198.51.100.1", ("198.51.100.1", 40000), 0)


def named(name, message):
    """The request, for a device by its name (reverse)."""
    return message.add(L.OPT_URI_HOST, name)


class Bench:
    """One proxy whose datagrams are looked at by hand. now_ms is virtual time."""

    def __init__(self, *devices, desks=(), own_names=("hub.example",), seed=1, wall_s=lambda: None, **bounds):
        self.devices = devices or (TUBE,)
        self.proxy = Proxy(
            Random(seed).octets, Targets(self.devices, own_names), Bounds(**bounds), desks, wall_s, name="hub-1"
        )
        self.now_ms = 1000
        self.mid = 0

    def ask(self, message, client=CLIENT, mtype=L.TYPE_CON, mid=None, token=b"tk"):
        """Feed a request of a client; returns its Message ID."""
        if mid is None:
            self.mid = mid = self.mid + 1
        message.mtype, message.mid, message.token = mtype, mid, token
        self.proxy.feed_client(encode(message), client, self.now_ms)
        return mid

    def at_devices(self):
        """What went to devices since: [(message, device name)]."""
        return [(decode(datagram), device.name) for datagram, device, far in self.proxy.take_for_devices()]

    def at_device(self):
        """The one message that went to a device."""
        ((message, _),) = self.at_devices()
        return message

    def at_clients(self):
        """What went to clients since: [(message, client)]."""
        return [(decode(datagram), client) for datagram, client in self.proxy.take_for_clients()]

    def at_client(self):
        """The one message that went to a client."""
        ((message, _),) = self.at_clients()
        return message

    def answer(self, asked, message, device=None, mtype=L.TYPE_ACK, mid=None):
        """A device answers what it was asked, piggybacked or as a message of its own."""
        message.mtype, message.token = mtype, asked.token
        message.mid = asked.mid if mid is None else mid
        self.proxy.feed_device(encode(message), device or self.devices[0], OUR_FAR, self.now_ms)

    def empty_from_device(self, mtype, mid, device=None):
        """A device sends an empty ACK or a Reset."""
        datagram = encode(Message(L.CODE_EMPTY, mtype=mtype, mid=mid))
        self.proxy.feed_device(datagram, device or self.devices[0], OUR_FAR, self.now_ms)

    def empty_from_client(self, mtype, mid, client=CLIENT):
        """A client sends an empty ACK or a Reset."""
        self.proxy.feed_client(encode(Message(L.CODE_EMPTY, mtype=mtype, mid=mid)), client, self.now_ms)

    def pass_ms(self, ms):
        """Let time pass, with all that is due in it."""
        end_ms = self.now_ms + ms
        while True:
            due_ms = self.proxy.next_deadline_ms()
            if due_ms is None or due_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            self.proxy.tick(self.now_ms)
        self.now_ms = end_ms


class _Side:
    """One side of a proxy as an endpoint of a testkit.link.Link. port: of ours that clients send to."""

    def __init__(self, net, port=0):
        self.net = net
        self.port = port

    def next_deadline_ms(self):
        return self.net.proxy.next_deadline_ms()

    def tick(self, now_ms):
        self.net.proxy.tick(now_ms)
        return []


class _North(_Side):
    def feed(self, datagram, peer, now_ms):
        self.net.proxy.feed_client(datagram, (peer, peer, self.port), now_ms)
        return []

    def take_datagrams(self):
        return [(datagram, client[1]) for datagram, client in self.net.proxy.take_for_clients()]


class _South(_Side):
    def feed(self, datagram, peer, now_ms):
        self.net.proxy.feed_device(datagram, self.net.proxy.targets.by_name[peer], OUR_FAR, now_ms)
        return []

    def take_datagrams(self):
        return [(datagram, device.name) for datagram, device, far in self.net.proxy.take_for_devices()]


class Net:
    """A proxy on a link: clients send to "hub", devices hear from "south"; devices are added under their names."""

    def __init__(self, devices, seed=1, link=None, port=0, **bounds):
        self.link = link or Link(seed)
        self.random = Random(seed + 1)
        self.targets = Targets(devices, ("hub",))
        self.bounds = Bounds(**bounds)
        self.restart()
        self.link.add("hub", _North(self, port))
        self.link.add("south", _South(self))

    def restart(self):
        """The hub's process begins anew, with nothing of what it remembered."""
        self.proxy = Proxy(self.random.octets, self.targets, self.bounds)


class Origin(Server):
    """A device on a net: a stack of ours that answers GET with body, lets it be observed, and tells its observers."""

    def __init__(self, net, name="tube-7", held=None, limits=None, seed=2, max_age_s=None):
        super().__init__(limits, held, seed=seed)
        self.observe = True
        self.name = name
        self.net = net
        self.max_age_s = max_age_s
        net.link.add(name, self)

    # As an endpoint of the link, which gives the time.

    def feed(self, raw, peer, now_ms):
        self.now_ms = now_ms
        for event in self.stack.feed(raw, peer, now_ms):
            self.take(event)
        return []

    def tick(self, now_ms):
        self.now_ms = now_ms
        for event in self.stack.tick(now_ms):
            self.take(event)
        return []

    def next_deadline_ms(self):
        return self.stack.next_deadline_ms()

    def take_datagrams(self):
        return self.stack.take_datagrams()

    def content(self):
        message = response(L.CODE_CONTENT, self.body)
        return message if self.max_age_s is None else message.add(L.OPT_MAX_AGE, self.max_age_s)

    def take(self, event):
        if isinstance(event, RequestEvent):
            self.requests.append(event.incoming)
            self.stack.respond(event.incoming, self.content(), self.now_ms, observe=self.observe)

    def watched_by(self):
        """The registrations that are in force."""
        return [incoming for incoming in self.requests if incoming.observation is not None]

    def change(self, body):
        """A new state, and everybody who watches is told."""
        self.body = body
        self.now_ms = self.net.link.now_ms
        for incoming in self.watched_by():
            self.stack.notify(incoming, self.content(), self.now_ms)


def watcher(net, name, seed=9, context=None, path="/a", device="tube-7", code=L.CODE_GET):
    """A client that observes through the hub: (stack, request id); its events are in net.link.events[name]."""
    stack = net.link.endpoints.get(name) or net.link.add(name, CoapStack(Random(seed).octets))
    asked = named(device, request(code, path))
    return stack, stack.request("hub", asked, net.link.now_ms, context=context, observe=True)


def states(net, name):
    """What a client has been told: the payloads, in order."""
    return [event.message.payload for event in net.link.events[name] if isinstance(event, ResponseEvent)]
