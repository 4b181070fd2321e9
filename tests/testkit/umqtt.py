"""A client with the interface of MicroPython's umqtt.simple, for CPython: MQTT 3.1.1, quality of service 0.

Tests talk to a real broker with it. A board has a client of its own and never uses this one.
"""

import select
import socket

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, PINGREQ = 0x10, 0x20, 0x30, 0x82, 0x90, 0xC0
KEEPALIVE_S = 60


class MQTTException(Exception):
    """The broker refused."""


def _text(octets):
    return len(octets).to_bytes(2, "big") + octets


class MQTTClient:
    def __init__(self, client_id, server, port):
        self.client_id, self.address = client_id, (server, port)
        self.sock = None
        self.callback = None

    def set_callback(self, callback):
        self.callback = callback

    def connect(self):
        self.sock = socket.create_connection(self.address, timeout=10)  # who uses it closes it
        self._send(CONNECT, _text(b"MQTT") + b"\x04\x02" + KEEPALIVE_S.to_bytes(2, "big") + _text(self.client_id))
        kind, body = self._packet()
        assert kind == CONNACK
        if body[1]:
            raise MQTTException(body[1])

    def subscribe(self, topic):
        self._send(SUBSCRIBE, b"\x00\x01" + _text(topic) + b"\x00")
        kind, body = self._packet()
        while kind != SUBACK:  # what was retained may come first
            self._take(kind, body)
            kind, body = self._packet()
        if body[2] == 0x80:
            raise MQTTException(body[2])

    def publish(self, topic, payload):
        self._send(PUBLISH, _text(topic) + payload)

    def ping(self):
        self._send(PINGREQ, b"")

    def check_msg(self):
        if select.select([self.sock], [], [], 0)[0]:
            self._take(*self._packet())

    def _take(self, kind, body):
        if kind & 0xF0 == PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            self.callback(body[2:end], body[end:])

    def _send(self, kind, body):
        length, left = b"", len(body)
        while left > 127:
            length += bytes([left & 127 | 128])
            left >>= 7
        length += bytes([left])
        self.sock.sendall(bytes([kind]) + length + body)

    def _packet(self):
        kind = self._read(1)[0]
        length = shift = 0
        while True:
            octet = self._read(1)[0]
            length |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return kind, self._read(length)

    def _read(self, count):
        octets = b""
        while len(octets) < count:
            piece = self.sock.recv(count - len(octets))
            if not piece:
                raise OSError(-1)
            octets += piece
        return octets
