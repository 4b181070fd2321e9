"""What a peer calls a device, at every door of the hub: it names one of the table, or nobody."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.framing import encode_message
from holdfast_hub.devices.table import DeviceTable
from holdfast_hub.links.broker import Where
from holdfast_hub.links.mqtt_shell import MqttLink
from holdfast_hub.records import Device
from testkit.hub_links import FAR, Told
from testkit.hub_proxy import Bench
from testkit.nasty_names import NASTY

# Each of the table's devices looks like one of the nasty names, were it folded, cut, or taken apart.
DEVICES = [
    Device(name, "broker", name) for name in ("kelvin", "tube", "out", "a", "up", "SYS", "file", "hub", "x" * 64, "7")
]
REFUSALS = {L.CODE_BAD_REQUEST, L.CODE_BAD_OPTION, L.CODE_NOT_FOUND, L.CODE_PROXYING_NOT_SUPPORTED}
DOORS = {
    "Uri-Host": lambda name: request(L.CODE_GET, "/a").add(L.OPT_URI_HOST, name),
    "Uri-Host in front of the hub's own": lambda name: request(L.CODE_GET, "/a").add(
        L.OPT_URI_HOST, name + b".hub.example"
    ),
    "Proxy-Scheme": lambda name: request(L.CODE_GET, "/a").add(L.OPT_PROXY_SCHEME, "coap").add(L.OPT_URI_HOST, name),
    "Proxy-Uri": lambda name: request(L.CODE_GET, "/").add(L.OPT_PROXY_URI, b"coap://" + name + b"/a"),
}
OCTETS = [name.encode("utf-8", "replace") for name in NASTY] + [b"\xff", b"tube\xc0\xaf", b"\xc1\xb4ube", b"tube\x00"]


# In a Proxy-Uri a slash ends the host.
PAIRS = [(door, name) for door in DOORS for name in OCTETS if door != "Proxy-Uri" or b"/" not in name]


@pytest.mark.parametrize(("door", "name"), PAIRS)
def test_a_name_that_no_device_has_leads_to_none(door, name):
    bench = Bench(*DEVICES)
    bench.ask(DOORS[door](name))
    assert bench.at_devices() == []
    answers = bench.at_clients()
    assert all(message.code in REFUSALS and message.payload == b"" for message, _ in answers)
    # And the hub goes on: the devices are reached by their names.
    bench.ask(DOORS["Uri-Host"](b"Tube"))
    assert [device for _, device in bench.at_devices()] == ["tube"]


@pytest.mark.parametrize("name", [*NASTY, "TUBE", "Tube", "tube\0", "tube/down", "../tube", "tube/../a"])
def test_a_topic_is_looked_up_and_never_taken_apart(name):
    told = Told()
    link = MqttLink("broker", Where("127.0.0.1", 1, ""), "hub", told.take, told.change)
    link.use(DeviceTable(DEVICES))
    link._waiting.append((f"hub/{name}/up", encode_message(b"x", FAR)))
    link._take()
    assert told.received == []
    assert link.counts["strange"] == 1


def test_what_goes_out_has_a_topic_of_the_table():
    """A device that was never of the table cannot be sent to: no topic is made of its address."""
    link = MqttLink("broker", Where("127.0.0.1", 1, ""), "hub", lambda *_: None, lambda *_: None)
    link.use(DeviceTable(DEVICES))
    topics = []

    class Client:
        def publish(self, topic, _payload):
            topics.append(topic)
            return type("Sent", (), {"rc": 0})

    link._client, link.is_up = Client(), True
    for device in [*DEVICES, *(Device("evil", "broker", name) for name in NASTY)]:
        link.send(b"x", device, FAR)
    assert topics == [f"hub/{device.name}/down" for device in DEVICES]
