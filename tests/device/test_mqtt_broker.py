"""The tube behind a real broker, mosquitto: a session over it, which outlives a restart of the broker.

The client stands at the hub's side of the broker, as a hub would for its clients' datagrams.
"""

import time

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.framing import decode_message, encode_message
from holdfast_device.client import AceClient, Refused
from holdfast_device.endpoint import Endpoint
from holdfast_device.loop_shell import Loop
from holdfast_device.mqtt_shell import MqttLink
from holdfast_device.ticks_shell import Ticks
from testkit import mint
from testkit.link import Random
from testkit.mosquitto import PATIENCE_S
from testkit.story import AS_URI, NOW_S, TUBE, World, get, held
from testkit.umqtt import MQTTClient, MQTTException

TOPIC = b"hub/tube"
PEER = (b"\x0a\x00\x00\x01", 5683)


@pytest.fixture
def field(broker):
    field = Field(broker)
    field.until(lambda: field.link.connected)
    yield field
    field.client.sock.close()
    field.hub.sock.close()


def pause(ms):
    time.sleep(ms / 1000)


class Field:
    """The tube and its loop on one side of the broker, a doctor's client on the other."""

    def __init__(self, broker):
        self.ticks = Ticks()
        self.client = MQTTClient(b"tube", "127.0.0.1", broker.port)
        self.link = MqttLink(self.client, TOPIC, self.ticks.now_ms, pause, refused=MQTTException)
        self.tube = World().boot_tube()
        self.loop = Loop(self.tube, self.link, self.ticks, has_clock=False)
        random = Random(3).octets
        self.endpoint = Endpoint(random)
        self.doctor = AceClient(self.endpoint, random, AS_URI)
        self.hub = None
        self.join(broker)

    def join(self, broker):
        """Connect the hub's side."""
        self.hub = MQTTClient(b"hub", "127.0.0.1", broker.port)
        self.hub.set_callback(self._up)
        self.hub.connect()
        self.hub.subscribe(TOPIC + b"/up")

    def _up(self, topic, payload):
        assert topic == TOPIC + b"/up"
        datagram, peer = decode_message(payload)
        assert peer == PEER
        self.endpoint.feed(datagram, "tube", self.ticks.now_ms())

    def until(self, happened):
        until = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < until
            self.loop.step(10)
            self.hub.check_msg()
            self.endpoint.tick(self.ticks.now_ms())
            for datagram, _ in self.endpoint.take_datagrams():
                self.hub.publish(TOPIC + b"/down", encode_message(datagram, PEER))

    def run(self, steps):
        ended = []
        self.endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
        self.until(lambda: bool(ended))
        value, error = ended[0]
        if error is not None:
            raise error
        return value


def test_a_session_over_the_broker_outlives_its_restart(broker, field):
    token = mint.nested(mint.claims(TUBE, "read_result", NOW_S))
    session = field.run(field.doctor.open_session("tube", held(token)))
    assert field.run(session.request(get("/result"))).payload == b"negative"

    broker.stop()
    while field.link.connected:
        field.loop.step(10)
    broker.start()
    field.hub.sock.close()
    field.join(broker)
    field.until(lambda: field.link.connected)
    answer = field.run(session.request(get("/result")))
    assert (answer.code, answer.payload) == (L.CODE_CONTENT, b"negative")


def test_what_others_publish_is_dropped_and_the_thief_gets_nothing(field):
    for rubbish in (b"", b"short", bytes(4000)):
        field.hub.publish(TOPIC + b"/down", rubbish)
    field.until(lambda: field.link.dropped == 3)
    thief = mint.nested(mint.claims(TUBE, "read_result", NOW_S), d=7)
    with pytest.raises(Refused) as refused:
        field.run(field.doctor.open_session("tube", held(thief)))
    assert refused.value.code == L.CODE_UNAUTHORIZED


def test_a_command_that_anybody_may_publish_does_not_act(field):
    """Whoever may publish to the tube's topic can neither give a command nor repeat one."""
    done, sent = [], []

    def calibrate(_asked):
        done.append(1)
        return response(L.CODE_CHANGED)

    field.tube.rs.resource("/calibration", put=calibrate)
    publish = field.hub.publish
    field.hub.publish = lambda topic, payload: (sent.append(payload), publish(topic, payload))
    token = mint.nested(mint.claims(TUBE, "read_result calibrate", NOW_S))
    session = field.run(field.doctor.open_session("tube", held(token)))
    assert field.run(session.request(request(L.CODE_PUT, "/calibration"))).code == L.CODE_CHANGED
    assert done == [1]

    datagram, _ = decode_message(sent[-1])
    again, spoofed = decode(datagram), request(L.CODE_PUT, "/calibration")
    assert again.get(L.OPT_OSCORE) is not None
    again.mid, again.token = 0x1234, b"again"
    spoofed.mtype, spoofed.mid, spoofed.token = L.TYPE_CON, 0x1235, b"spoof"
    heard, up = [], field._up
    field.hub.set_callback(
        lambda topic, payload: (heard.append(decode(decode_message(payload)[0])), up(topic, payload))
    )
    for forged in (datagram, encode(again), encode(spoofed)):
        publish(TOPIC + b"/down", encode_message(forged, PEER))
    field.until(lambda: {message.token for message in heard} >= {b"again", b"spoof"})
    codes = {message.token: message.code for message in heard}
    assert codes[b"again"] == codes[b"spoof"] == L.CODE_UNAUTHORIZED
    assert done == [1]
    assert field.run(session.request(request(L.CODE_PUT, "/calibration"))).code == L.CODE_CHANGED
    assert done == [1, 1]
