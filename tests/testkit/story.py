"""The story's parties in memory: a fake AS, the EKG, the tube and the doctor's app, joined by a link and virtual time.

The AS here is a table of answers over the real CoAP stack and OSCORE. It does something wrong only when a test asks.
"""

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_events import RequestEvent
from holdfast_core.coap_limits import DEVICE_LIMITS
from holdfast_core.coap_message import request, response
from holdfast_core.coap_stack import CoapStack
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.provisioning import AsContext, ProvisionedKey, Provisioning, RsProvisioning
from holdfast_core.rederive import kid_context_of
from holdfast_core.rederive_server import Rederivation
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import SenderSequence
from holdfast_device.client import AceClient
from holdfast_device.device import Device
from holdfast_device.endpoint import Endpoint
from holdfast_device.token_response import token_response_from
from testkit import mint
from testkit.flash import FlashFake
from testkit.link import Link, Random

NOW_S = 1800000000
TUBE, EKG = "connected_tube_123", "ekg_device_ABC"
AS_URI = "coap://as.example/token"
EKG_SECRET, EKG_SALT = bytes(range(0x60, 0x70)), b"ekg-salt"
FORMATS = ("cwt-nested", "cwt-encrypted")


class Node:
    """A device or endpoint as the link wants it."""

    def __init__(self, inner):
        self.inner = inner

    def feed(self, datagram, peer, now_ms):
        self.inner.feed(datagram, peer, now_ms)
        return ()

    def tick(self, now_ms):
        self.inner.tick(now_ms)
        return ()

    def next_deadline_ms(self):
        return self.inner.next_deadline_ms()

    def take_datagrams(self):
        return self.inner.take_datagrams()


class OneParty(ContextTable):
    """The contexts of an AS that knows one party, which rederives (RFC 8613 appendix B.2). context: in force."""

    def __init__(self, rng, inputs):
        ContextTable.__init__(self, 1)
        self.rederivation = Rederivation(rng)
        self.inputs = inputs
        self.context = None

    def find(self, kid, kid_context=None, *sender):
        named = None if self.context is None else kid_context_of(self.context.id_context)
        if kid != self.inputs.recipient_id or kid_context in (None, named):
            return ContextTable.find(self, kid)
        in_force = b"" if self.context is None else self.context.id_context
        return self.rederivation.candidate(self.inputs, in_force, kid_context, SenderSequence(), self.take_on)

    def take_on(self, context):
        if self.context is not None:
            self.remove(self.context)
        self.context = context
        self.add(context)


class FakeAs:
    """tokens: handle -> introspection answer; answer_token: params -> (code, map); silent: the AS never answers.

    override: a message with which the AS answers every request.
    """

    def __init__(self, seed=7):
        self.contexts = OneParty(Random(seed + 1).octets, AsContext(Secret(EKG_SECRET), EKG_SALT, b"\x00", b"\x01"))
        self.stack = CoapStack(Random(seed).octets, self.contexts)
        self.tokens = {}
        self.asked = []
        self.answer_token = None
        self.silent = False
        self.override = None

    def feed(self, datagram, peer, now_ms):
        if not self.silent:
            self._answer(self.stack.feed(datagram, peer, now_ms), now_ms)
        return ()

    def tick(self, now_ms):
        self._answer(self.stack.tick(now_ms), now_ms)
        return ()

    def next_deadline_ms(self):
        return self.stack.next_deadline_ms()

    def take_datagrams(self):
        return self.stack.take_datagrams()

    def _answer(self, events, now_ms):
        for event in events:
            if isinstance(event, RequestEvent):
                code, answer = self._decide(event.incoming)
                message = response(code, cbor.encode(answer), L.CF_ACE_CBOR)
                self.stack.respond(event.incoming, self.override or message, now_ms)

    def _decide(self, incoming):
        assert incoming.context is self.contexts.context
        path, params = incoming.message.path(), cbor.decode(incoming.message.payload)
        self.asked.append((path, params))
        if path == "/introspect":
            return L.CODE_CREATED, self.tokens.get(params[L.INTRO_TOKEN], {L.INTRO_ACTIVE: False})
        return self.answer_token(params)


def keys():
    return (
        ProvisionedKey("sign", mint.SIGN_KID, L.ALG_ES256, mint.ISSUER, Secret(mint.SIGN_PUBLIC)),
        ProvisionedKey("encrypt", mint.ENCRYPT_KID, L.ALG_AES_CCM_16_64_128, mint.ISSUER, Secret(mint.ENCRYPT_KEY)),
    )


def tube_provisioning(**more):
    rs = RsProvisioning(
        b"tube",
        (TUBE,),
        {"read_result": [("/result", L.METHOD_GET)], "calibrate": [("/calibration", L.METHOD_PUT)]},
        FORMATS,
    )
    for name, value in more.items():
        setattr(rs, name, value)
    return Provisioning(mint.ISSUER, AS_URI, Secret(bytes(32)), NOW_S - 1000, keys=keys(), rs=rs)


def ekg_provisioning():
    rs = RsProvisioning(
        b"ekg",
        (EKG,),
        {"read_ekg": [("/ekg", L.METHOD_GET)], "read_result": [("/results", L.METHOD_GET)]},
        ("reference",),
        connected=True,
    )
    as_context = AsContext(Secret(EKG_SECRET), EKG_SALT, b"\x01", b"\x00")
    return Provisioning(
        mint.ISSUER, AS_URI, Secret(b"\x01" * 32), NOW_S - 1000, rs=rs, as_context=as_context, client_id=EKG
    )


def same_bytes(n):
    """A board's generator that gives the same bytes after every start: they look random and are not."""
    return Random(7).octets(n)


class World:
    """The link with `tube`, and parties that a test adds. result: what each task started here returned or raised."""

    def __init__(self, seed=1, **link):
        self.link = Link(seed, **link)
        self.flash = {}
        self.devices = {}
        self.clients = {}
        self.provisionings = {"tube": tube_provisioning(), "ekg": ekg_provisioning()}

    @property
    def now_ms(self):
        return self.link.now_ms

    def boot(self, name, clock=True, trace=None, limits=DEVICE_LIMITS):
        """Start a device, with the flash of its last life if it had one; return the device."""
        flash = self.flash.setdefault(name, FlashFake())
        device = Device(
            self.provisionings[name], flash, same_bytes, self.now_ms, as_peer="as", limits=limits, trace=trace
        )
        if clock:
            device.set_time(NOW_S + self.now_ms // 1000, self.now_ms)
        self.devices[name] = device
        self.link.add(name, Node(device))
        return device

    def boot_tube(self, clock=True, trace=None, limits=DEVICE_LIMITS):
        tube = self.boot("tube", clock, trace, limits)
        tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"negative"), observable=True)
        tube.rs.resource("/calibration", put=lambda asked: response(L.CODE_CHANGED))
        return tube

    def add_as(self):
        fake = FakeAs()
        self.link.add("as", fake)
        return fake

    def client(self, name="doctor", seed=3, limits=None):
        """Add a client application without an AS of its own."""
        random = Random(seed).octets
        endpoint = Endpoint(random, limits=limits)
        endpoint.now_ms = self.now_ms
        self.link.add(name, Node(endpoint))
        self.clients[name] = AceClient(endpoint, random, AS_URI)
        return self.clients[name]

    def run(self, steps, name="doctor"):
        """Run a task on a client or device to its end; return its value or raise its error."""
        endpoint = self.link.endpoints[name].inner
        endpoint = getattr(endpoint, "endpoint", endpoint)
        ended = []
        endpoint.now_ms = self.now_ms
        endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
        self.link.run(for_ms=400000, until=lambda: bool(ended))
        if not ended:
            raise AssertionError(f"task did not end: {self.link}")
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    def wait(self, seconds):
        self.link.run(for_ms=seconds * 1000)


def held(token, key=b"osc-1", now_ms=0, life_s=600, **osc):
    """The TokenResponse of a client that got this token and this key from the AS."""
    material = mint.osc(key)
    for name, value in osc.items():
        material[getattr(L, "OSC_" + name.upper())] = value
    members = {
        L.ACE_ACCESS_TOKEN: token,
        L.ACE_EXPIRES_IN: life_s,
        L.ACE_PROFILE: L.PROFILE_COAP_OSCORE,
        L.ACE_CNF: {L.CNF_OSC: material},
    }
    return token_response_from(members, now_ms)


def get(path):
    return request(L.CODE_GET, path)
