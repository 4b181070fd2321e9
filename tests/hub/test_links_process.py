"""`holdfast hub run` with links: a broker that dies and comes back, a device behind it, and clients by UDP and TCP."""

import socket
import threading
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode, encode_options, request
from holdfast_core.framing import decode_message, encode_message
from holdfast_hub.links.rfc8323 import CSM
from testkit.hub import NEEDED_S, HubPlace, stopped
from testkit.hub_client import Client, named
from testkit.umqtt import MQTTClient


class Tube:
    """A device at the broker, in a thread: it answers everything with what it was asked, turned round."""

    def __init__(self, broker):
        self.client = MQTTClient(b"tube", "127.0.0.1", broker.port)
        self.client.set_callback(self._take)
        self.client.connect()
        self.client.subscribe(b"ward/tube-7/down")
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ends.is_set():
            try:
                self.client.check_msg()
            except (OSError, AssertionError):  # the broker has died
                break
            time.sleep(0.001)
        self.client.sock.close()

    def _take(self, _topic, payload):
        datagram, far = decode_message(payload)
        asked = decode(datagram)
        code, options = (L.CODE_EMPTY, []) if not asked.code else (L.CODE_CHANGED, [(L.OPT_OSCORE, b"")])
        mtype = L.TYPE_ACK if asked.code else L.TYPE_RST
        answer = Message(code, asked.payload[::-1], options, mtype, asked.mid, asked.token)
        self.client.publish(b"ward/tube-7/up", encode_message(encode(answer), far))

    def close(self):
        self._ends.set()
        self._thread.join(NEEDED_S)


@pytest.fixture
def place(tmp_path, broker):
    place = HubPlace(tmp_path / "hub")
    place.add(
        f'[links.ward]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {broker.port}\nprefix = "ward"\n'
        '[coap]\ntcp = "127.0.0.1:0"\nwebsocket = "127.0.0.1:0"\n'
    )
    place.devices.write_text('[devices.tube]\nlink = "ward"\naddress = "tube-7"\n')
    return place


def sealed(payload):
    """What an OSCORE request looks like from outside."""
    message = Message(L.CODE_POST, payload, [(L.OPT_URI_HOST, b"tube")])
    return message.add(L.OPT_OSCORE, b"\x09\x01kid")


def link_of(place):
    return place.told("status")["links"]["ward"]


def until(happened):
    end_s = time.monotonic() + NEEDED_S
    while not happened():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def by_tcp(port, message):
    """Ask by TCP; return the octets of the answer, behind the hub's CSM."""
    rest = encode_options(message.options, message.payload)
    head = bytes([len(rest) << 4 | 1]) if len(rest) < 13 else bytes([0xD1, len(rest) - 13])
    with socket.create_connection(("127.0.0.1", port), timeout=NEEDED_S) as asked:
        asked.sendall(bytes([0, CSM]) + head + bytes([message.code]) + b"t" + rest)
        found = b""
        while b"t" not in found[6:]:
            found += asked.recv(4096)
    return found[6:]


def test_what_is_asked_while_the_broker_is_away_arrives_when_it_is_back(place, broker):
    with place.running() as process:
        until(lambda: link_of(place) == "up")
        tube = Tube(broker)
        client = Client(process.ready["coap"][0])
        with client.socket:
            client.send(sealed(b"now"))
            assert client.receive().payload == b"won"
            assert b"won" in by_tcp(process.ready["tcp"], sealed(b"now"))
            broker.kill()
            tube.close()
            until(lambda: link_of(place) == "down")
            client.send(sealed(b"later"))
            answer = client.receive()
            assert answer.code == L.CODE_SERVICE_UNAVAILABLE
            place_of_it = answer.get_all(L.OPT_LOCATION_PATH)
            assert place_of_it
            client.send(named("/plain", b"tube"))  # what could not be kept is refused at once: no wait for a timeout
            assert client.receive().code == L.CODE_SERVICE_UNAVAILABLE
            broker.start()
            tube = Tube(broker)
            while answer.code != L.CODE_CHANGED:
                asked = Message(L.CODE_GET, b"", [(L.OPT_URI_PATH, segment) for segment in place_of_it])
                client.send(asked)
                answer = client.receive()
                assert answer.code in (L.CODE_SERVICE_UNAVAILABLE, L.CODE_CHANGED)
            assert answer.payload == b"retal"
            tube.close()
        code, lines = stopped(process)
    assert code == 0
    told = [line for line in lines if "link=ward" in line]
    assert ["event=link-up" in line for line in told] == [True, False, True]
    assert "event=link-down" in told[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[links.udp]\nkind = "serial"\npath = "/dev/ttyUSB0"\n', 'links.udp must have another name: "udp" is'),
        ('[links.a]\nkind = "serial"\n', "links.a.path must be a serial line of this machine"),
        ('[links.a]\nkind = "mqtt"\nhost = "b"\nca_file = "nowhere.pem"\n', "links.a: "),
        ('[links.a]\nkind = "mqtt"\nhost = "b"\nuser = "u"\npassword_file = "pw"\n', "links.a.password_file: "),
        ('[links.a]\nkind = "mqtt"\nhost = "b"\npassword = "hunter2"\n', "links.a.password would hold a secret"),
    ],
)
def test_a_link_that_cannot_be_is_one_sentence_of_check_and_of_run(place, text, says):
    place.add(text, "zz.toml")
    checked = place.call("check")
    code, said = place.refused()
    assert (checked.returncode, code) == (2, 2)
    for told in (checked.stderr, said):
        assert told.startswith("Error: ")
        assert says in told
        assert told.count("\n") == 1
        assert "hunter2" not in told


def test_a_port_that_is_taken_is_one_sentence(place):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        for key in ("tcp", "websocket"):
            place.add(f'[coap]\n{key} = "{bind}"\n', "zz.toml")
            code, said = place.refused()
            assert (code, said) == (2, f"Error: coap.{key} {bind} cannot be served: Address already in use.\n")


def test_requests_by_tcp_find_the_hub_itself(place):
    with place.running() as process:
        assert by_tcp(process.ready["tcp"], request(L.CODE_GET, "/nothing-here"))[1] == L.CODE_NOT_FOUND
