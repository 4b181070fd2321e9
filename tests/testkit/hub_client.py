"""A client of a hub that is a UDP socket, with a request at a time."""

import socket

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request
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
