"""Readings through the real process: from a device's UDP socket to a real mosquitto, which is away at first."""

import json

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import encode, request
from testkit.hub import HubPlace, stopped
from testkit.hub_client import Origin, entry
from testkit.mosquitto import Consumer, Mosquitto


@pytest.fixture
def origin():
    made = Origin()
    with made.socket:
        yield made


def leave(origin, hub, number):
    """A device leaves a reading; the code that it is answered with."""
    reading = request(L.CODE_POST, "/readings/level", b"%d" % number).add(L.OPT_URI_QUERY, b"id=r%d" % number)
    reading.mtype, reading.mid, reading.token = L.TYPE_CON, number, b"r"
    origin.socket.sendto(encode(reading), ("127.0.0.1", hub.ready["coap"][0]))
    return origin.next()[0].code


def test_what_is_left_while_the_broker_is_away_is_published_when_it_is_there(tmp_path, origin):
    broker = Mosquitto(tmp_path)
    place = HubPlace(tmp_path / "hub")
    place.devices.write_text(entry("tube-1", origin.port))
    place.add(f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n[readings.level]\nretain = true\n')
    with place.running() as process:
        assert leave(origin, process, 1) == L.CODE_CHANGED
        assert place.told("status")["broker"] in ("resting", "connecting")
        broker.start()
        try:
            consumer = Consumer(broker.port, "holdfast/#")
            reading = consumer.until(lambda message: message.topic == "holdfast/tube-1/level")
            assert reading.payload == b"1"
            assert leave(origin, process, 2) == L.CODE_CHANGED
            assert consumer.until(lambda message: message.topic == "holdfast/tube-1/level").payload == b"2"
            assert place.told("status")["broker"] == "up"
            code, _ = stopped(process)
            health = consumer.until(lambda message: message.topic.endswith("health") and b"offline" in message.payload)
            assert json.loads(health.payload)["why"] == "stopped"
            consumer.close()
        finally:
            broker.stop()
    assert code == 0
    assert place.told("spool", "list")["parcels"] == []
