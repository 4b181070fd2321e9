"""An observed resource, and raw datagrams that register, acknowledge and reset: for tests of Observe on either side."""

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, response
from testkit.coap import Server, datagram

REGISTER = [(L.OPT_OBSERVE, L.OBSERVE_REGISTER)]


def watched(limits=None, held=None):
    server = Server(limits, held)
    server.observe = True
    return server


def register(server, peer="peer", mid=1, token=b"t", options=REGISTER, code=L.CODE_GET, path="/a"):
    """Register and return (reply, incoming)."""
    (reply,) = server.feed(datagram(code, path, mid, token=token, options=options), peer)
    return reply, server.requests[-1]


def notify(server, incoming, body=b"new", peer="peer"):
    """Notify and return (still observing, the decoded datagrams)."""
    alive = server.stack.notify(incoming, response(L.CODE_CONTENT, body), server.now_ms)
    return alive, [decode(out) for out in server.sent(peer)]


def ack(server, message, peer="peer", mtype=L.TYPE_ACK):
    return server.feed(datagram(L.CODE_EMPTY, mtype=mtype, mid=message.mid, token=b""), peer)
