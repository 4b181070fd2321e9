"""A client of a hub and a device behind it, both UDP sockets in the process of a test."""

import socket

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode, request
from testkit.hub import NEEDED_S


class Client:
    """A UDP socket that asks."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(NEEDED_S)
        self.mid = 100

    def send(self, message):
        self.mid += 1
        message.mtype, message.mid, message.token = L.TYPE_CON, self.mid, self.mid.to_bytes(2, "big")
        self.socket.send(encode(message))

    def receive(self):
        """The next answer; an empty ACK before it is passed over."""
        while True:
            message = decode(self.socket.recv(2048))
            if message.code:
                return message


def named(path, name):
    """A GET of a device by its name."""
    message = request(L.CODE_GET, path)
    return message.add(L.OPT_URI_HOST, name)


class Origin:
    """A device that is a UDP socket in this process; each request is answered by hand."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(NEEDED_S)
        self.port = self.socket.getsockname()[1]

    def next(self):
        """The next request, and where it came from."""
        octets, peer = self.socket.recvfrom(2048)
        return decode(octets), peer

    def answer(self, code=L.CODE_CONTENT, payload=b"hello"):
        """Answer the next request; return it."""
        asked, peer = self.next()
        fresh = [(L.OPT_MAX_AGE, b"")]  # so that the hub asks each time
        self.socket.sendto(encode(Message(code, payload, fresh, L.TYPE_ACK, asked.mid, asked.token)), peer)
        return asked


def entry(name, at, **more):
    """One device in devices.toml."""
    lines = [f"[devices.{name}]", 'link = "udp"', f'address = "127.0.0.1:{at}"']
    return "\n".join([*lines, *(f"{key} = {value}" for key, value in more.items()), ""])
