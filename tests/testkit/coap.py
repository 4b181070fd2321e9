"""Hand-made CoAP peers: one stack under test, and raw datagrams for it, made from the names of their fields."""

from holdfast_core import labels as L
from holdfast_core.coap_block import Block
from holdfast_core.coap_message import Message, decode, encode, request, response
from holdfast_core.coap_stack import CoapStack, RequestEvent
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.sender_sequence import SenderSequence, SequenceExhausted
from testkit.link import Link, Random


def datagram(code, path=None, mid=1, mtype=L.TYPE_CON, token=b"t", payload=b"", options=()):
    """One datagram; options are (number, value) with bytes, str or int values."""
    message = Message(code, payload) if path is None else request(code, path, payload)
    for number, value in options:
        message.add(number, value)
    message.mtype, message.mid, message.token = mtype, mid, token
    return encode(message)


def block(num, more, szx):
    """Value of a Block option."""
    return Block(num, more, szx).encode()


def secured(message, context, mid=1, mtype=L.TYPE_CON, token=b"t"):
    """Protect a request: (datagram, state)."""
    outer, state = context.protect_request(message)
    outer.mtype, outer.mid, outer.token = mtype, mid, token
    return encode(outer), state


def contexts(alg=L.ALG_AES_CCM_16_64_128, replay=None, client_id=b"c", server_id=b"s"):
    """(client's context, server's context) of one session, with fresh keys at each call."""
    client = SecurityContext(b"m" * 16, b"salt", client_id, server_id, alg=alg)
    return client, SecurityContext(b"m" * 16, b"salt", server_id, client_id, alg=alg, replay=replay)


def exhausted():
    """A sender sequence that has no number left."""
    sequence = SenderSequence((1 << 40) - 1)
    try:
        while True:
            sequence.take()
    except SequenceExhausted:
        return sequence


def table(*held):
    """A context table that holds these contexts."""
    made = ContextTable(len(held))
    for context in held:
        made.add(context)
    return made


class Server:
    """A stack with an application that answers with self.body, and does not answer /late. now_ms is virtual time.

    requests: every Incoming the application saw.  events: every other event.
    """

    def __init__(self, limits=None, held=None, admission=None, seed=1, trace=None):
        self.stack = CoapStack(Random(seed).octets, held, limits, trace, admission)
        self.now_ms = 1000
        self.body = b"ok"
        self.requests = []
        self.events = []
        self.observe = False

    def feed(self, raw, peer="peer"):
        """Feed one datagram, let the application answer, and return the decoded datagrams that go back to that peer."""
        return [decode(out) for out in self.feed_raw(raw, peer)]

    def feed_raw(self, raw, peer="peer"):
        for event in self.stack.feed(raw, peer, self.now_ms):
            self.take(event)
        return self.sent(peer)

    def take(self, event):
        if not isinstance(event, RequestEvent):
            self.events.append(event)
            return
        self.requests.append(event.incoming)
        if event.incoming.message.path() != "/late":
            answer = response(L.CODE_CONTENT, self.body)
            self.stack.respond(event.incoming, answer, self.now_ms, observe=self.observe)

    def sent(self, peer="peer"):
        return [out for out, to in self.stack.take_datagrams() if to == peer]

    def wait(self, for_ms):
        """Let time pass, ticking at every deadline; returns (time, decoded datagram) of all that was sent."""
        end_ms = self.now_ms + for_ms
        out = []
        while True:
            due_ms = self.stack.next_deadline_ms()
            if due_ms is None or due_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, due_ms)
            for event in self.stack.tick(self.now_ms):
                self.take(event)
            out += [(self.now_ms, decode(raw)) for raw, _ in self.stack.take_datagrams()]
        self.now_ms = end_ms
        return out


def joined(client_limits=None, server_limits=None, secure=False, replay=None, **link):
    """(link, client stack, Server, client's context or None) on a fake link; the Server answers as above."""
    client_context = server_context = None
    if secure:
        client_context, server_context = contexts(replay=replay)
    server = Server(server_limits, table(server_context) if secure else None, seed=2)

    def on_event(name, event):
        if name == "server":
            server.now_ms = wire.now_ms
            server.take(event)
        else:
            wire.events["client"].append(event)

    wire = Link(on_event=on_event, **link)
    client = wire.add("client", CoapStack(Random(3).octets, limits=client_limits))
    wire.add("server", server.stack)
    return wire, client, server, client_context
