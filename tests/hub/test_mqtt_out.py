"""Readings to a real mosquitto, with TLS too; broker and hub are killed, and a second client looks on."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from holdfast_hub.links.broker import BrokerFilesUnusable, Where, tls_of
from holdfast_hub.readings.outbox import GIVEN_UP, UP, Policy
from holdfast_hub.readings.publication import HOME_ASSISTANT, Health, discovery_of
from holdfast_hub.readings.routes import Rule, Sensor, routes_of
from testkit.hub_out_node import BRISK, HEALTH, Node
from testkit.mosquitto import PATIENCE_S, Consumer, Mosquitto, user_properties

TESTS = Path(__file__).parents[1]


def where(broker, **more):
    return Where("127.0.0.1", broker.port, "holdfast-hub", **more)


@pytest.fixture
def spool(tmp_path, monkeypatch):
    """A directory; a spool that a failed test leaves open is closed, so that its thread ends."""
    directory = tmp_path / "spool"
    directory.mkdir(mode=0o700)
    made = []
    begin = Node.__init__

    def note(node, *values, **named):
        begin(node, *values, **named)
        made.append(node)

    monkeypatch.setattr(Node, "__init__", note)
    yield directory
    for node in made:
        if not node.closed:
            node.broker.close()
            node.spool.close()


def state_of(message):
    return json.loads(message.payload)["state"]


def test_readings_arrive_in_order_with_what_a_consumer_needs(broker, spool):
    consumer = Consumer(broker.port, "ward/#")
    node = Node(spool, where(broker))
    for number in range(200):
        node.put("tube-1", number)
    node.until(lambda: node.outbox.published == 200)
    messages = [consumer.next() for _ in range(200)]
    assert [int(message.payload) for message in messages] == list(range(200))
    first = messages[0]
    assert (first.topic, first.qos, first.retain) == ("ward/tube-1/level", 1, False)
    assert first.properties.ContentType == "text/plain;charset=utf-8"
    properties = user_properties(first)
    assert (properties["device"], properties["resource"]) == ("tube-1", "level")
    assert len({user_properties(message)["id"] for message in messages}) == 200
    node.until(lambda: node.spool.level.count == 0)
    node.close()
    consumer.close()


def test_a_second_client_sees_the_hub_come_leave_and_die(broker, spool):
    consumer = Consumer(broker.port, HEALTH)
    node = Node(spool, where(broker), health=Health(HEALTH, lambda: {"waits": 3}))
    node.until(lambda: node.outbox.state == UP)
    assert json.loads(consumer.next().payload) == {"state": "online", "waits": 3}
    late = Consumer(broker.port, HEALTH)
    assert late.next().retain
    late.close()
    node.close()
    assert json.loads(consumer.next().payload) == {"state": "offline", "why": "stopped"}

    hub = Hub(spool, broker)
    assert state_of(consumer.next()) == "online"
    hub.kill()
    assert json.loads(consumer.next().payload) == {"state": "offline", "why": "lost"}
    late = Consumer(broker.port, HEALTH)
    message = late.next()
    assert (message.retain, state_of(message)) == (True, "offline")
    late.close()
    consumer.close()


class Hub:
    """A process of testkit/hub_out_node.py. kept: what it has said that it keeps."""

    def __init__(self, spool, broker):
        self.kept = []
        self._seen = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "testkit.hub_out_node", str(spool), str(broker.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            device, number, answer = line.split()
            with self._seen:
                self.kept.append((device, int(number), answer))
                self._seen.notify_all()

    def put(self, *readings):
        self.process.stdin.write("".join(f"{device} {number}\n" for device, number in readings))
        self.process.stdin.flush()

    def until_kept(self, count):
        with self._seen:
            assert self._seen.wait_for(lambda: len(self.kept) >= count, PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


def test_killed_brokers_and_killed_hubs_lose_nothing_and_keep_the_order(broker, spool):
    acknowledged, got, next_number = set(), [], 0
    for round_ in range(4):
        consumer = Consumer(broker.port, "ward/#")
        hub = Hub(spool, broker)
        batch = [(f"tube-{1 + number % 2}", number) for number in range(next_number, next_number + 120)]
        hub.put(*batch)
        hub.until_kept(40 + 20 * round_)
        if round_ % 2:
            broker.kill()  # while readings go on to come
            hub.until_kept(110)
        hub.kill()
        consumer.close()
        got += _drain(consumer)
        acknowledged |= {(device, number) for device, number, answer in hub.kept if answer in ("kept", "duplicate")}
        next_number = max(number for _, number in acknowledged) + 1
        if round_ % 2:
            broker.start()
    consumer = Consumer(broker.port, "ward/#")
    node = Node(spool, where(broker))
    node.put("tube-1", 999_999)

    def last_has_come():
        got.extend(_drain(consumer))
        return got[-1:] and got[-1][1] == 999_999

    node.until(last_has_come)
    node.close()
    consumer.close()
    assert acknowledged <= {(device, number) for device, number, _ in got}
    by_id = dict.fromkeys(got)  # a consumer that drops repeats
    assert len({id_ for _, _, id_ in by_id}) == len(by_id)
    for device in ("tube-1", "tube-2"):
        numbers = [number for whose, number, _ in by_id if whose == device]
        assert numbers == sorted(numbers)


def _drain(consumer):
    got = []
    while not consumer.messages.empty():
        message = consumer.messages.get()
        got.append((message.topic.split("/")[1], int(message.payload), user_properties(message)["id"]))
    return got


def test_a_broker_that_comes_back_gets_the_rest(broker, spool):
    node = Node(spool, where(broker))
    node.put("tube-1", 1)
    node.until(lambda: node.outbox.published == 1)
    broker.kill()
    node.put("tube-1", 2)
    node.until(lambda: node.outbox.trouble)
    assert node.outbox.trouble in ("the connection to the broker was lost", _refused(broker))
    broker.start()
    consumer = Consumer(broker.port, "ward/#")
    node.until(lambda: node.outbox.published == 2)
    assert consumer.next().payload == b"2"
    assert node.outbox.trouble == ""
    node.close()
    consumer.close()


def _refused(broker):
    return f"127.0.0.1:{broker.port} cannot be reached: connection refused"


def test_nobody_listens_and_it_gives_up(spool):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    node = Node(spool, Where("127.0.0.1", port, "hub"), Policy(first_ms=1, max_ms=2, give_up_ms=10))
    node.until(lambda: node.ended)
    assert node.ended == [GIVEN_UP]
    assert node.outbox.trouble == f"127.0.0.1:{port} cannot be reached: connection refused"
    node.close()


def test_what_the_broker_refuses_is_set_aside_and_the_rest_arrives(tmp_path, spool):
    rules = tmp_path / "acl"
    rules.write_text(f"topic read #\ntopic write {HEALTH}\ntopic write ward/tube-2/level\n")
    broker = Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {rules}\n").start()
    consumer = Consumer(broker.port, "ward/#")
    node = Node(spool, where(broker))
    for number in range(3):
        node.put("tube-1", number)
        node.put("tube-2", number)
    node.until(lambda: node.spool.level.aside == 3)
    node.until(lambda: node.outbox.published == 3)
    assert [int(consumer.next().payload) for _ in range(3)] == [0, 1, 2]
    assert node.outbox.trouble == "the broker does not let this hub publish to the topic"
    node.close()
    consumer.close()
    broker.stop()


@pytest.mark.parametrize("setting", ["message_size_limit 100", "max_packet_size 200"])
def test_what_is_too_large_for_the_broker_is_set_aside(tmp_path, spool, setting):
    broker = Mosquitto(tmp_path, f"allow_anonymous true\n{setting}\n").start()
    node = Node(spool, where(broker), health=Health("h", dict))
    node.put("tube-1", "1" * 150)
    node.put("tube-1", 7)
    node.until(lambda: node.outbox.published == 1)
    node.until(lambda: node.spool.level.aside == 1)
    node.close()
    broker.stop()


# --- TLS ---

# paho leaves a socket to the collector whose handshake has failed.
paho_leaves_a_socket = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certification authority with a broker, a hub and a stranger's authority."""
    made = tmp_path_factory.mktemp("tls")

    def run(*words):
        subprocess.run(["openssl", *words], cwd=made, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "stranger"):
        run("req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    for name in ("broker", "hub"):
        (made / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        run("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        run("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
    return made


def tls_settings(authority, more):
    files = f"cafile {authority}/ca.crt\ncertfile {authority}/broker.crt\nkeyfile {authority}/broker.key\n"
    return files + more


@paho_leaves_a_socket
def test_tls_with_a_client_certificate(tmp_path, spool, authority):
    broker = Mosquitto(
        tmp_path, tls_settings(authority, "require_certificate true\nuse_identity_as_username true\n")
    ).start()
    tls = tls_of(authority / "ca.crt", authority / "hub.crt", authority / "hub.key")
    consumer = Consumer(broker.port, "ward/#", tls=tls)
    node = Node(spool, where(broker, tls=tls))
    node.put("tube-1", 1)
    node.until(lambda: node.outbox.published == 1)
    assert consumer.next().payload == b"1"
    node.close()
    consumer.close()

    for other, trouble in (
        (tls_of(authority / "ca.crt"), "TLS failed"),
        (tls_of(authority / "stranger.crt", authority / "hub.crt", authority / "hub.key"), "is not accepted"),
    ):
        node = Node(spool, where(broker, tls=other))
        node.put("tube-1", f"2{trouble[0]}")
        node.until(lambda node=node: node.outbox.trouble)
        assert trouble in node.outbox.trouble or node.outbox.trouble == "the connection to the broker was lost"
        assert node.outbox.published == 0
        node.close()
    broker.stop()


@paho_leaves_a_socket
def test_tls_with_a_password_and_a_name_that_the_certificate_does_not_have(tmp_path, spool, authority):
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "hub", "secret-word"], check=True, capture_output=True)
    broker = Mosquitto(tmp_path, tls_settings(authority, f"allow_anonymous false\npassword_file {passwords}\n")).start()
    tls = tls_of(authority / "ca.crt")
    node = Node(spool, where(broker, tls=tls, user="hub", password="secret-word"))
    assert "secret-word" not in repr(where(broker, user="hub", password="secret-word"))
    node.put("tube-1", 1)
    node.until(lambda: node.outbox.published == 1)
    node.close()
    for host, password, trouble in (
        ("127.0.0.1", "wrong", "the broker refused the connection: Not authorized"),
        ("localhost", "secret-word", f"localhost:{broker.port} cannot be reached: the certificate is not accepted"),
    ):
        node = Node(spool, Where(host, broker.port, "hub", "hub", password, tls))
        node.until(lambda node=node: node.outbox.trouble)
        assert node.outbox.trouble.startswith(trouble)
        assert "secret" not in node.outbox.trouble
        node.close()
    broker.stop()


def test_certificates_that_cannot_be_used_are_one_sentence(tmp_path, authority):
    none, rubbish = tmp_path / "none.pem", tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    for files in (
        (none,),
        (rubbish,),
        (authority / "ca.crt", none),
        (authority / "ca.crt", authority / "hub.crt", authority / "broker.key"),
    ):
        with pytest.raises(BrokerFilesUnusable, match=r"cannot be used: .*; it must hold"):
            tls_of(*files)
    locked = tmp_path / "locked.key"
    words = f"pkey -in {authority}/hub.key -aes128 -passout pass:word -out {locked}"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    with pytest.raises(BrokerFilesUnusable, match="without a password"):
        tls_of(authority / "ca.crt", authority / "hub.crt", locked)
    assert isinstance(tls_of(authority / "ca.crt"), ssl.SSLContext)


# --- Home Assistant ---


def test_home_assistant_finds_the_sensors_and_the_hub(broker, spool):
    routes = routes_of(
        [
            Rule(
                "*",
                "level",
                "ward/{device}/{resource}",
                sensor=Sensor(unit_of_measurement="mL", device_class="volume", state_class="measurement"),
            ),
            Rule("tube-1", "alarm", "ward/alarm"),
        ],
        ["tube-1", "tube-2"],
    )
    health = Health(HEALTH)
    node = Node(spool, where(broker), greet=discovery_of(routes, health, "cellar", "1.0", HOME_ASSISTANT))
    node.put("tube-1", 5)
    node.until(lambda: node.outbox.published == 1)
    node.until(lambda: not node.outbox.under_way)
    late = Consumer(broker.port, "homeassistant/#")
    found = {message.topic: json.loads(message.payload) for message in (late.next() for _ in range(3))}
    assert late.messages.empty()
    level = found["homeassistant/sensor/holdfast_cellar_tube-1/level/config"]
    assert level == {
        "name": "level",
        "unique_id": "holdfast_cellar_tube-1_level",
        "state_topic": "ward/tube-1/level",
        "availability": [{"topic": HEALTH, "value_template": "{{ value_json.state }}"}],
        "device": {"identifiers": ["holdfast_cellar_tube-1"], "name": "tube-1", "via_device": "holdfast_cellar"},
        "origin": {"name": "holdfast", "sw_version": "1.0"},
        "unit_of_measurement": "mL",
        "device_class": "volume",
        "state_class": "measurement",
    }
    assert "homeassistant/sensor/holdfast_cellar_tube-2/level/config" in found
    hub = found["homeassistant/binary_sensor/holdfast_cellar/connected/config"]
    assert (hub["state_topic"], hub["payload_on"], hub["payload_off"]) == (HEALTH, "online", "offline")
    late.close()
    node.close()


def test_an_acknowledgement_is_not_delayed(broker, spool):
    """TCP_NODELAY at both ends: one reading after the other, each with its own PUBACK, takes no 40 ms each."""
    node = Node(spool, where(broker), BRISK)
    node.until(lambda: node.outbox.state == UP)
    sock = node.broker._connection._client.socket()
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    node.close()
