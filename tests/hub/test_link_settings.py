"""The links of hub.toml: what each kind takes, in which words the rest is refused, and what is made of it."""

import sys
import tomllib
from types import ModuleType

import pytest

from holdfast_hub.links.ble_shell import BleLink
from holdfast_hub.links.mqtt_shell import MqttLink
from holdfast_hub.links.opening import make_links
from holdfast_hub.links.serial_shell import SerialLink
from holdfast_hub.links.settings import EXAMPLE, LinksUnusable, MqttSettings, SerialSettings, kinds, parse

SERIAL = {"kind": "serial", "path": "/dev/ttyUSB0"}
MQTT = {"kind": "mqtt", "host": "broker.example"}


def problem(**section):
    with pytest.raises(LinksUnusable) as found:
        parse({"a": section})
    said = str(found.value)
    assert said.endswith(".")
    assert said.isprintable()
    assert said.isascii()
    return said


def test_each_kind_has_its_keys_and_defaults():
    found = parse({"a": SERIAL, "b": MQTT, "c": {"kind": "ble"}})
    assert found["a"] == SerialSettings("/dev/ttyUSB0", 115200)
    assert found["b"] == MqttSettings("broker.example", 1883, "hub", "", "", "", "", "", "")
    assert kinds(found) == {"udp": "udp", "a": "serial", "b": "mqtt", "c": "ble"}
    assert parse({"b": {**MQTT, "ca_file": "ca.pem"}})["b"].port == 8883


def test_the_example_is_what_it_says():
    lines = [line[4:] for line in EXAMPLE.splitlines() if line.startswith("#   ")]
    found = parse(tomllib.loads("\n".join(lines))["links"])
    assert list(kinds(found).values()) == ["udp", "serial", "mqtt", "ble"]


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({}, 'links.a.kind must be "serial", "mqtt" or "ble".'),
        ({"kind": "udp"}, "links.a.kind must be"),
        ({"kind": 3}, "links.a.kind must be text in quotes."),
        ({"kind": "serial"}, "links.a.path must be a serial line of this machine"),
        ({**SERIAL, "path": "ttyUSB0"}, "links.a.path must be a serial line of this machine"),
        ({**SERIAL, "path": "/dev/../etc/passwd"}, "links.a.path must be a serial line of this machine"),
        ({**SERIAL, "path": "/dev/tty\0"}, "links.a.path must be text in quotes."),
        ({**SERIAL, "baud": 115201}, "links.a.baud must be one of 1200, 2400"),
        ({**SERIAL, "baud": True}, "links.a.baud must be one of"),
        ({**SERIAL, "buad": 9600}, 'links.a.buad is no key of a link of kind "serial": remove it or check'),
        ({**SERIAL, "host": "x"}, 'links.a.host is no key of a link of kind "serial"'),
        ({**SERIAL, "a\0\u202e": 1}, r"links.a.'a\x00\u202e' is no key"),
        ({"kind": "mqtt"}, "links.a.host must be the name or the address of a broker."),
        ({**MQTT, "host": "a..b"}, "links.a.host must be"),
        ({**MQTT, "host": "x" * 64}, "links.a.host must be"),
        ({**MQTT, "host": "brøker"}, "links.a.host must be"),
        ({**MQTT, "port": 0}, "links.a.port must be a whole number from 1 to 65535."),
        ({**MQTT, "password": "x"}, "links.a.password would hold a secret, and none stands in this file"),
        ({**MQTT, "password_file": "x"}, "links.a.user must be said where there is a password_file."),
        ({**MQTT, "key_file": "x"}, "links.a.ca_file must be said"),
        ({**MQTT, "ca_file": "x", "key_file": "x"}, "links.a.certificate_file must be said"),
        ({**MQTT, "client_id": "#"}, "links.a.client_id must be letters"),
        ({"kind": "ble", "adapter": "hci 0"}, "links.a.adapter must be a radio of this machine"),
    ],
)
def test_each_problem_is_one_sentence_that_names_its_key(section, says):
    assert problem(**section).startswith(says)


@pytest.mark.parametrize("prefix", ["", "/", "a/", "/a", "a//b", "#", "a/#", "+", "$SYS", "a\0", "ä", "a b", "x" * 65])
def test_a_prefix_that_means_something_to_a_broker_is_refused(prefix):
    assert problem(**{**MQTT, "prefix": prefix}).startswith("links.a.prefix must be")


def test_the_network_of_this_machine_is_there_already():
    with pytest.raises(LinksUnusable, match=r'links\.udp must have another name: "udp" is the network'):
        parse({"udp": SERIAL})


class Files:
    """Those beside hub.toml, none of which is there but a password."""

    def __init__(self, folder):
        self.folder = folder

    def file(self, said):
        return self.folder / said

    def secret_file(self, key, said):
        return self.folder / said

    def secret(self, key, said):
        assert (key, said) == ("links.b.password_file", "pw")
        return "hidden"


def made(tmp_path, **sections):
    nobody = lambda *_: None  # noqa: E731
    return make_links(parse(sections), Files(tmp_path), nobody, nobody, nobody)


def test_links_are_made_and_not_opened(tmp_path):
    links = made(tmp_path, a=SERIAL, b={**MQTT, "user": "hub", "password_file": "pw"})
    assert isinstance(links["a"], SerialLink)
    assert isinstance(links["b"], MqttLink)
    assert links["b"]._where.password == "hidden"
    assert "hidden" not in repr(links["b"]._where)
    assert not links["a"].is_up
    assert not links["b"].is_up


def test_what_a_link_needs_and_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(LinksUnusable, match=r"^links\.b: .*ca\.pem cannot be used: no such file"):
        made(tmp_path, b={**MQTT, "ca_file": "ca.pem"})
    monkeypatch.setitem(sys.modules, "bleak", None)
    with pytest.raises(LinksUnusable, match=r'^A link of kind "ble" needs the Python package bleak: install it\.$'):
        made(tmp_path, c={"kind": "ble"})


def test_a_radio_through_bleak_is_taken_as_it_documents_itself(tmp_path, monkeypatch):
    """bleak is not installed here: what stands for it has the names of its documentation."""
    bleak, exc = ModuleType("bleak"), ModuleType("bleak.exc")
    bleak.BleakClient, exc.BleakError, bleak.exc = object, type("BleakError", (Exception,), {}), exc
    monkeypatch.setitem(sys.modules, "bleak", bleak)
    monkeypatch.setitem(sys.modules, "bleak.exc", exc)
    assert isinstance(made(tmp_path, c={"kind": "ble"})["c"], BleLink)
