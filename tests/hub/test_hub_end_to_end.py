"""A client, `holdfast hub run`, and a device: real processes and real sockets between them."""

import signal
import socket
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, encode, request
from holdfast_sim.process_shell import free_port
from testkit.hub import NEEDED_S, HubPlace, resident_kib, stopped
from testkit.hub_client import Client, Origin, entry, named

RESIDENT_KIB = 64 * 1024


@pytest.fixture
def place(tmp_path):
    return HubPlace(tmp_path)


@pytest.fixture
def origin():
    made = Origin()
    with made.socket:
        yield made


def test_a_request_reaches_a_device_by_its_name_and_by_its_port(place, origin):
    port = free_port(socket.SOCK_DGRAM)
    place.devices.write_text(entry("tube-1", origin.port, port=port))
    with place.running() as process:
        by_name, by_port = Client(process.ready["coap"][0]), Client(port)
        with by_name.socket, by_port.socket:
            by_name.send(named("/result", b"TUBE-1"))
            assert origin.answer().path() == "/result"
            assert by_name.receive().payload == b"hello"
            by_port.send(request(L.CODE_GET, "/other"))
            assert origin.answer().path() == "/other"
            assert by_port.receive().payload == b"hello"
            by_name.send(named("/result", b"nobody"))
            assert by_name.receive().code == L.CODE_NOT_FOUND
        told = place.told("devices")
        assert [(row["name"], row["link"], row["there"]) for row in told] == [("tube-1", "udp", True)]
        assert stopped(process)[0] == 0


def test_a_response_that_comes_on_its_own_is_acknowledged_to_the_device(place, origin):
    place.devices.write_text(entry("tube-1", origin.port))
    with place.running() as process:
        client = Client(process.ready["coap"][0])
        with client.socket:
            client.send(named("/slow", b"tube-1"))
            asked, peer = origin.next()
            origin.socket.sendto(encode(Message(L.CODE_EMPTY, b"", [], L.TYPE_ACK, asked.mid, b"")), peer)
            origin.socket.sendto(encode(Message(L.CODE_CONTENT, b"late", [], L.TYPE_CON, 77, asked.token)), peer)
            ack, _ = origin.next()
            assert (ack.code, ack.mtype, ack.mid) == (L.CODE_EMPTY, L.TYPE_ACK, 77)
            assert client.receive().payload == b"late"


def test_what_is_asked_of_a_device_that_sleeps_survives_kill_9_and_arrives_at_its_contact(place, origin):
    place.devices.write_text(entry("tube-1", origin.port, every_s=3600))
    sealed = Message(L.CODE_POST, b"sealed", [(L.OPT_URI_HOST, b"tube-1"), (L.OPT_OSCORE, b"\x09\x01kid")])
    with place.running() as process:
        client = Client(process.ready["coap"][0])
        with client.socket:
            client.send(sealed)
            later = client.receive()
        assert later.code == L.CODE_SERVICE_UNAVAILABLE
        where = later.get_all(L.OPT_LOCATION_PATH)
        assert where[:2] == [b".later", b"tube-1"]
        told = place.told("devices")[0]
        assert (told["there"], told["waits"]) == (False, 1)
        process.send_signal(signal.SIGKILL)
        process.wait(NEEDED_S)
    assert place.told("spool", "list")["parcels"][0]["box"] == "tube-1"
    coap = free_port(socket.SOCK_DGRAM)
    with place.running("--set", f"coap.bind=127.0.0.1:{coap}"):
        client = Client(coap)
        with client.socket:
            wakes = request(L.CODE_GET, "/")
            wakes.mtype, wakes.mid, wakes.token = L.TYPE_NON, 7, b"w"
            origin.socket.sendto(encode(wakes), ("127.0.0.1", coap))
            assert origin.next()[0].code == L.CODE_NOT_FOUND
            asked = origin.answer(L.CODE_CHANGED, b"answer")
            assert (asked.code, asked.payload, asked.get(L.OPT_OSCORE)) == (L.CODE_POST, b"sealed", b"\x09\x01kid")
            end_s = time.monotonic() + NEEDED_S
            while True:
                client.send(Message(L.CODE_GET, b"", [(L.OPT_URI_PATH, segment) for segment in where]))
                answer = client.receive()
                if answer.code != L.CODE_SERVICE_UNAVAILABLE:
                    break
                assert time.monotonic() < end_s
        assert (answer.code, answer.payload) == (L.CODE_CHANGED, b"answer")


def test_a_hub_that_stops_finishes_what_is_under_way_and_takes_nothing_new(place, origin):
    place.devices.write_text(entry("tube-1", origin.port))
    with place.running() as process:
        client = Client(process.ready["coap"][0])
        with client.socket:
            client.send(named("/slow", b"tube-1"))
            asked, peer = origin.next()
            assert place.told("drain")["stops"]
            while place.call("status", "--health").returncode != 1:
                pass
            client.send(named("/new", b"tube-1"))
            assert client.receive().code == L.CODE_SERVICE_UNAVAILABLE
            reply = Message(L.CODE_CONTENT, b"late", [], L.TYPE_ACK, asked.mid, asked.token)
            origin.socket.sendto(encode(reply), peer)
            assert client.receive().payload == b"late"
            assert process.wait(NEEDED_S) == 0


def test_a_device_that_never_answers_does_not_keep_a_hub_from_stopping(place, origin):
    place.devices.write_text(entry("tube-1", origin.port))
    with place.running("--set", "drain_s=0") as process:
        client = Client(process.ready["coap"][0])
        with client.socket:
            client.send(named("/slow", b"tube-1"))
            origin.next()
            assert stopped(process)[0] == 0


def test_devices_are_read_again_and_what_cannot_be_used_changes_nothing(place, origin):
    place.devices.write_text("")
    with place.running() as process:
        client = Client(process.ready["coap"][0])
        with client.socket:
            client.send(named("/a", b"tube-1"))
            assert client.receive().code == L.CODE_NOT_FOUND
            for text, count in ((entry("tube-1", origin.port), 1), ("[devices.a]\n", 1), (entry("b", 9), 1)):
                place.devices.write_text(text)
                process.send_signal(signal.SIGHUP)
                while len(rows := place.told("devices")) != count or (text and rows[0]["name"] not in text + "tube-1"):
                    pass
                if text != entry("b", 9):
                    client.send(named("/a", b"tube-1"))
                    assert origin.answer().path() == "/a"
                    assert client.receive().payload == b"hello"
        code, lines = stopped(process)
    assert code == 0
    assert any("event=reload-refused" in line and "devices.a.link" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[devices."a b"]\nlink = "udp"', "is no name of a device"),
        ('[devices.a]\nlink = "tty"', "devices.a.link must be"),
        (entry("a", 5) + entry("A", 6), "differ by case alone"),
        ("device = 1", "is no key of this file"),
    ],
)
def test_what_is_wrong_with_a_device_is_one_sentence(place, text, says):
    place.devices.write_text(text)
    done = place.call("check")
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {place.devices}")
    assert says in done.stderr


def test_a_hub_does_not_start_with_devices_that_cannot_be(place):
    place.devices.write_text("[devices.a]")
    code, said = place.refused()
    assert (code, "devices.a.link must be" in said) == (2, True)
    assert place.call("status").returncode == 3


def test_a_hub_with_a_thousand_devices_is_small(place):
    place.devices.write_text("\n".join(entry(f"tube-{number}", 6000 + number) for number in range(1000)))
    everywhere = '[coap]\ntcp = "127.0.0.1:0"\nwebsocket = "127.0.0.1:0"\n'
    place.add(f'{everywhere}[broker]\nhost = "127.0.0.1"\nport = 9\n[readings.level]\n')  # nobody listens at discard
    with place.running() as process:
        clients = [Client(process.ready["coap"][0]) for _ in range(8)]
        for number in range(1000):
            client = clients[number % 8]
            client.send(named("/result", b"tube-%d" % number))
        assert len(place.told("devices")) == 1000
        assert resident_kib(process) < RESIDENT_KIB
        for client in clients:
            client.socket.close()


def test_a_reading_is_on_disk_when_the_device_hears_so_and_a_stranger_leaves_none(place, origin):
    place.devices.write_text(entry("tube-1", origin.port))
    place.add("[readings.level]\nretain = true\n")
    with place.running() as process:
        coap = ("127.0.0.1", process.ready["coap"][0])
        reading = request(L.CODE_POST, "/readings/level", b"7.4").add(L.OPT_URI_QUERY, b"id=a1")
        client = Client(coap[1])
        with client.socket:
            client.send(reading.copy())
            assert client.receive().code == L.CODE_FORBIDDEN
        reading.mtype, reading.mid, reading.token = L.TYPE_CON, 9, b"r"
        origin.socket.sendto(encode(reading), coap)
        assert origin.next()[0].code == L.CODE_CHANGED
        process.send_signal(signal.SIGKILL)
        process.wait(NEEDED_S)
    waits = place.told("spool", "list")["parcels"]
    assert [(row["box"], row["kind"], row["body_len"]) for row in waits] == [("@out", "reading", 3)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[readings.level]\ntopic = "a/#"', "the topic 'a/#' cannot be"),
        ('[readings.level]\ndevices = ["nobody"]', "which this hub does not have"),
        ("[readings.level]\nretained = true", "has no key 'retained'"),
        ('broker.topics = "a b"', "the topic 'a b' cannot be"),
        ('[broker]\nhost = "b"\nca_file = "none.pem"', "none.pem cannot be used"),
        ('[broker]\nhost = "b"\nkey_file = "k"', "go together"),
        ('as.credentials_file = "none"', "none cannot be read"),
    ],
)
def test_what_is_wrong_with_readings_broker_and_server_is_one_sentence(place, text, says):
    place.devices.write_text(entry("tube-1", 5))
    place.add(text + "\n")
    done = place.call("check")
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
