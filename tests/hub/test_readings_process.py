"""A device leaves readings at `holdfast hub run`, and a broker gets them: real processes, one of them killed."""

import json
import signal
import socket
from contextlib import contextmanager

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from testkit.hub import HubPlace, stopped
from testkit.hub_client import Client
from testkit.mosquitto import Consumer, Mosquitto, user_properties

HEALTH = "holdfast/hub/hub/health"


@contextmanager
def device_of(port, at):
    """A device at one address, which stays the same over the hub's restarts."""
    client = Client(port)
    client.socket.close()
    client.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.socket.bind(("127.0.0.1", at))
    client.socket.connect(("127.0.0.1", port))
    client.socket.settimeout(30)
    with client.socket:
        yield client


def leave(client, number):
    """Leave a reading; return the code of the answer."""
    client.send(request(L.CODE_POST, "/readings/level", b"%d" % number).add(L.OPT_URI_QUERY, f"id={number}"))
    return client.receive().code


@pytest.fixture
def broker(tmp_path):
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def place(tmp_path, broker):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        at = free.getsockname()[1]
    place = HubPlace(tmp_path / "hub")
    place.at = at
    place.devices.write_text(f'[devices.tube-1]\nlink = "udp"\naddress = "127.0.0.1:{at}"\n')
    place.add(
        f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\nhome_assistant = true\n'
        '[readings.level]\nsensor = { unit_of_measurement = "mL" }\n'
    )
    return place


def test_what_a_device_was_promised_reaches_a_broker_that_comes_late(place, broker):
    with place.running() as process:
        with device_of(process.ready["coap"][0], place.at) as device:
            assert [leave(device, number) for number in (1, 2, 2)] == [L.CODE_CHANGED] * 3
        stranger = Client(process.ready["coap"][0])
        with stranger.socket:
            assert leave(stranger, 3) == L.CODE_FORBIDDEN
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    broker.start()
    consumer = Consumer(broker.port, "holdfast/tube-1/level", HEALTH, "homeassistant/#")
    with place.running() as process:
        with device_of(process.ready["coap"][0], place.at) as device:
            assert leave(device, 2) == L.CODE_CHANGED  # once more, after the hub was killed
            assert leave(device, 3) == L.CODE_CHANGED
        got, found = [], set()
        while len(got) < 3 or len(found) < 3:
            message = consumer.next()
            found.add(message.topic)
            if message.topic == "holdfast/tube-1/level":
                got.append((message.payload, user_properties(message)["device"]))
        assert got == [(b"1", "tube-1"), (b"2", "tube-1"), (b"3", "tube-1")]
        assert "homeassistant/sensor/holdfast_hub_tube-1/level/config" in found
        health = Consumer(broker.port, HEALTH)
        told = json.loads(health.next().payload)
        assert (told["state"], told["devices"], told["set_aside"]) == ("online", 1, 0)
        code, _ = stopped(process)
        assert code == 0
        assert json.loads(health.next().payload) == {"state": "offline", "why": "stopped"}
    health.close()
    consumer.close()
