"""MQTT as a link, through a real mosquitto: topics out of the table alone, bounded queues, and a broker that dies."""

import asyncio
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from holdfast_core.framing import MAX_DATAGRAM_LEN, encode_message
from holdfast_device.mqtt_shell import MqttLink as BoardLink
from holdfast_device.ticks_shell import Ticks
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.broker import Where
from holdfast_hub.links.mqtt_shell import (
    MAX_UNDER_WAY,
    MAX_WAITING,
    NO_BROKER,
    NOT_SUBSCRIBED,
    REFUSED,
    MqttLink,
)
from holdfast_hub.records import Device
from testkit.hub_links import FAR, NEEDED_S, Told, until
from testkit.mosquitto import Mosquitto
from testkit.umqtt import MQTTClient, MQTTException

TUBE, PROBE = Device("tube", "broker", "tube-7"), Device("probe", "broker", "probe")
PREFIX = "ward-2/hub"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    yield broker
    broker.stop()


def board_at(broker, topic):
    """The device's own link, and its client."""
    client = MQTTClient(topic.encode().rpartition(b"/")[2], "127.0.0.1", broker.port)
    link = BoardLink(client, topic.encode(), Ticks().now_ms, lambda ms: time.sleep(ms / 1000), refused=MQTTException)
    while not link.connected:
        link.wait(10)
    return link, client


@contextmanager
def publisher(broker, name=b"other"):
    client = MQTTClient(name, "127.0.0.1", broker.port)
    client.connect()
    yield client
    client.sock.close()


def run(broker, story, where=None, wait=True):
    async def whole():
        told = Told()
        link = MqttLink("broker", where or Where("127.0.0.1", broker.port, ""), PREFIX, told.take, told.change)
        link.use(DeviceTable([TUBE, PROBE]))
        link.start()
        try:
            if wait:
                await until(lambda: link.is_up)
            await story(link, told)
        finally:
            thread = link._client._thread
            link.close()
            await until(lambda: not thread.is_alive())

    asyncio.run(whole())


async def exchange(link, told, board, device=TUBE, datagram=b"hello\0\xff"):
    assert link.send(datagram, device, FAR)
    got = []
    await until(lambda: got, lambda: got.extend(filter(None, [board.wait(0) and board.receive()])))
    assert got == [(datagram, FAR)]
    board.send(datagram, FAR)
    await until(lambda: told.received)
    assert told.received == [(datagram, device.name, FAR)]
    told.received.clear()


def test_two_devices_hear_what_is_theirs(broker):
    async def story(link, told):
        assert told.changes == [("broker", "")]
        (tube, one), (probe, two) = board_at(broker, f"{PREFIX}/tube-7"), board_at(broker, f"{PREFIX}/probe")
        await exchange(link, told, tube)
        await exchange(link, told, probe, PROBE, bytes(MAX_DATAGRAM_LEN))
        assert link.counts == {"lost": 0, "strange": 0}
        link.use(DeviceTable([PROBE]))  # the file has been read again
        tube.send(b"x", FAR)
        await until(lambda: link.counts["strange"] == 1)
        await exchange(link, told, probe, PROBE)
        one.sock.close()
        two.sock.close()

    run(broker, story)


def test_a_broker_that_dies_loses_datagrams_and_is_found_again(tmp_path):
    broker = Mosquitto(tmp_path).start()

    async def story(link, told):
        board, client = board_at(broker, f"{PREFIX}/tube-7")
        await exchange(link, told, board)
        told.changes.clear()
        broker.kill()
        await until(lambda: not link.is_up)
        assert not link.send(b"lost", TUBE, FAR)
        assert not link.reaches(TUBE)
        assert link.counts["lost"] == 1
        client.sock.close()
        broker.start()
        await until(lambda: link.is_up)
        assert told.changes == [("broker", NO_BROKER), ("broker", "")]
        board, client = board_at(broker, f"{PREFIX}/tube-7")
        await exchange(link, told, board)
        client.sock.close()

    run(broker, story)
    broker.stop()


def test_topics_and_payloads_of_nobody_are_dropped(broker):
    """What a client of the broker may say at all; the broker itself takes no wildcard and no NUL in a topic."""
    nasty = ["", "tube-8", "TUBE-7", "tube", "$SYS", "tübe", "tube-7\u200b", "..", "%2e", "x" * 60_000, "\u202e", "a b"]
    topics = [f"{PREFIX}/{name}/up" for name in nasty]
    good = encode_message(b"good", FAR)

    async def story(link, told):
        with publisher(broker) as client:
            for topic in topics:
                client.publish(topic.encode(), good)
            for payload in (b"", b"short", bytes(MAX_DATAGRAM_LEN + 7)):
                client.publish(f"{PREFIX}/tube-7/up".encode(), payload)
            client._send(0x31, _retained(good))
            client.publish(f"{PREFIX}/tube-7/down".encode(), good)  # not for the hub
            client.publish(b"tube-7/up", good)
            client.publish(f"{PREFIX}/tube-7/up".encode(), good)
            await until(lambda: len(told.received) == 2)
        assert link.counts["strange"] == len(topics) + 3
        assert set(told.received) == {(b"good", "tube", FAR)}

        told.received.clear()

    run(broker, story)

    async def later(link, told):
        await until(lambda: link.counts["strange"] == 1)  # what the broker has kept is no datagram of now
        assert told.received == []
        with publisher(broker) as client:
            client._send(0x31, _retained(b""))

    run(broker, later)


def _retained(payload):
    topic = f"{PREFIX}/tube-7/up".encode()
    return len(topic).to_bytes(2, "big") + topic + payload


@pytest.mark.parametrize("topic", ["", "/up", "ward-2/hub//up", "ward-2/hub/up", "ward-2/hub/#/up", "ward-2/hub/+/up"])
def test_a_broker_that_sends_what_nobody_has_subscribed_to_is_not_believed(topic):
    told = Told()
    link = MqttLink("broker", Where("127.0.0.1", 1, ""), PREFIX, told.take, told.change)
    link.use(DeviceTable([TUBE]))
    for each in (topic, topic + "\0", "$SYS/" + topic, "ward-2/hub/a/b/up", "ward-2/hub/tube-7/down"):
        assert link._device_of(each) is None
    assert link._device_of("ward-2/hub/tube-7/up") == TUBE


def test_a_flood_is_cut_where_memory_would_grow(broker):
    async def story(link, told):
        with publisher(broker) as client:
            topic, octets = f"{PREFIX}/tube-7/up".encode(), encode_message(bytes(500), FAR)

            def flood():
                for _ in range(3 * MAX_WAITING):
                    client.publish(topic, octets)
                while link._overflown < 2 * MAX_WAITING:
                    time.sleep(0.001)

            # The loop does not turn meanwhile: all of it comes while the hub looks at none.
            thread = threading.Thread(target=flood, daemon=True)
            thread.start()
            thread.join(NEEDED_S)
            assert len(link._waiting) == MAX_WAITING
            await until(lambda: len(told.received) == MAX_WAITING)
        assert link.counts["lost"] == 2 * MAX_WAITING

    run(broker, story)


class Stubborn:
    """A broker in a thread that answers CONNECT and SUBSCRIBE, and then reads nothing more."""

    def __init__(self, suback=0):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._suback = suback
        self._done = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        client, _ = self._server.accept()
        client.recv(4096)
        client.sendall(b"\x20\x02\x00\x00")
        asked = client.recv(4096)
        client.sendall(b"\x90\x03" + asked[2:4] + bytes([self._suback]))
        self._done.wait()
        client.close()

    def close(self):
        self._done.set()
        self._server.close()


def test_a_broker_that_takes_nothing_makes_datagrams_lost_and_stops_nobody():
    broker = Stubborn()

    async def story(link, told):
        begun, sent = time.monotonic(), 0
        while link.send(bytes(1400), TUBE, FAR) or len(link._client._out_packet) < MAX_UNDER_WAY // 2:
            sent += 1
            await asyncio.sleep(0)
        for _ in range(100):
            link.send(bytes(1400), TUBE, FAR)
        assert len(link._client._out_packet) <= MAX_UNDER_WAY
        assert link.counts["lost"] >= 100
        assert link.is_up
        assert time.monotonic() - begun < 20
        broker.close()
        await until(lambda: not link.is_up)

    run(broker, story)


def test_a_broker_that_does_not_let_the_hub_subscribe_is_no_way_to_a_device():
    broker = Stubborn(suback=0x80)

    async def story(link, told):
        await until(lambda: told.changes)
        assert told.changes == [("broker", NOT_SUBSCRIBED)]
        assert not link.send(b"x", TUBE, FAR)
        broker.close()

    run(broker, story, wait=False)


def test_a_password_and_the_rules_of_a_broker(tmp_path):
    (tmp_path / "acl").write_text("user hub\ntopic read ward-2/hub/+/up\ntopic write ward-2/hub/+/down\n")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "hub", "good"], check=True, capture_output=True)
    broker = Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}\nacl_file {tmp_path}/acl\n").start()

    async def refused(link, told):
        await until(lambda: told.changes)
        assert told.changes == [("broker", REFUSED)]
        assert not link.is_up

    async def taken(link, told):
        assert told.changes == [("broker", "")]

    here = ("127.0.0.1", broker.port, "")
    run(broker, refused, Where(*here, "hub", "wrong"), wait=False)
    run(broker, refused, Where(*here), wait=False)
    run(broker, taken, Where(*here, "hub", "good"))
    broker.stop()
    assert "good" not in repr(Where(*here, "hub", "good"))
