"""The table of devices and its file: what is found, what is refused in which words, and how many there may be."""

import tomllib
from time import perf_counter

import pytest

from holdfast_hub.devices.entries import EXAMPLE, DevicesUnusable, parse
from holdfast_hub.devices.table import MAX_DEVICES, Ambiguous, DeviceTable
from holdfast_hub.records import NAME, Device, Duty
from testkit.nasty_names import NASTY

KINDS = {"udp": "udp", "lan": "udp", "tty0": "serial", "tty1": "serial", "broker": "mqtt", "air": "ble"}


def table(text):
    return parse(tomllib.loads(text), KINDS)


def problem(text):
    with pytest.raises(DevicesUnusable) as found:
        table(text)
    return str(found.value)


def section(**keys):
    return "[devices.tube-7]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items())


LAN = {"link": '"lan"', "address": '"192.0.2.7:5700"'}


def test_a_device_is_found_by_name_place_and_port():
    found = table(
        section(**LAN, every_s=3600, awake_s=20, port=5701, nstart=2)
        + '[devices.ekg]\nlink = "tty0"\n[devices.Probe_1]\nlink = "broker"\n'
        + '[devices.probe-2]\nlink = "broker"\naddress = "old"\n'
        + '[devices.pen]\nlink = "air"\naddress = "c0:ff:ee:00:00:07"\n'
    )
    tube = Device("tube-7", "lan", ("192.0.2.7", 5700), Duty(3600, 20), 5701, 2)
    assert found.named("tube-7") == found.named("TUBE-7") == found.at("lan", ("192.0.2.7", 5700)) == tube
    assert found.behind(5701) == tube
    assert found.at("tty0", None) == Device("ekg", "tty0")
    assert [device.address for device in found.of("broker")] == ["Probe_1", "old"]
    assert found.at("broker", "probe-2") is None  # its address is another one
    assert found.at("air", "C0:FF:EE:00:00:07").name == "pen"
    assert (len(found), len(list(found))) == (5, 5)
    assert found.named("tube-8") is found.behind(1) is found.at("lan", ("192.0.2.7", 5683)) is None
    assert found.at("tty1", None) is None
    assert found.of("tty1") == ()


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("192.0.2.7", ("192.0.2.7", 5683)),
        ("2001:DB8::07", ("2001:db8::7", 5683)),
        ("[2001:db8::7]", ("2001:db8::7", 5683)),
        ("[2001:db8::7]:99", ("2001:db8::7", 99)),
        ("[fe80::7%wlan0]:99", ("fe80::7%wlan0", 99)),
        ("::ffff:192.0.2.7", ("192.0.2.7", 5683)),
    ],
)
def test_one_place_has_one_spelling(said, address):
    assert table(section(link='"lan"', address=f'"{said}"')).at("lan", address)


@pytest.mark.parametrize(
    "said",
    [
        *("", "tube.example", "192.0.2.7:0", "192.0.2.7:65536", "192.0.2.7:x", "192.0.2.7:٣", "192.0.2.300", "[::1"),
        *("::1]", "224.0.1.187", "[ff02::fd]:5683", "0.0.0.0", "::", "255.255.255.255", "192.0.2.7:-1", ":5683"),
        "192.0.2.7:" + "9" * 5000,
    ],
)
def test_what_is_no_place_of_one_device_is_refused(said):
    assert problem(section(link='"lan"', address=f'"{said}"')).startswith("devices.tube-7.address must be the address")


@pytest.mark.parametrize("name", NASTY)
def test_a_name_that_means_something_elsewhere_is_refused(name):
    with pytest.raises(DevicesUnusable, match="is no name of a device") as found:
        parse({"devices": {name: {"link": "tty0"}}}, KINDS)
    assert str(found.value).isascii()
    assert str(found.value).isprintable()
    with pytest.raises(DevicesUnusable, match="address must be the device's part of the topic"):
        parse({"devices": {"tube": {"link": "broker", "address": name}}}, KINDS)
    found = DeviceTable([Device("kelvin", "tty0"), Device("tube", "broker", "tube"), Device("out", "lan", ("::1", 1))])
    assert found.named(name) is None
    assert found.at("broker", name) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (section(**LAN, evry_s=1), "devices.tube-7.evry_s is no key of a device: remove it or check"),
        (section(**LAN, **{'"a\\u0000b"': 1}), 'devices.tube-7."a\\u0000b" is no key of a device'),
        ("[device.tube-7]\n", '"device" is no key of this file: a device is a section, like [devices.device].'),
        ("devices = 3\n", "devices must be sections, like [devices.tube-7]."),
        ("devices.tube-7 = 3\n", "devices.tube-7 must be a section, like [devices.tube-7]."),
        (section(), "devices.tube-7.link must be the name of a link of hub.toml (air, broker, lan, tty0, tty1, udp)."),
        (section(link='"wan"'), "devices.tube-7.link must be the name of a link of hub.toml"),
        (section(link="3"), "devices.tube-7.link must be text in quotes."),
        (section(link='"lan"', address="5683"), "devices.tube-7.address must be text in quotes."),
        (section(link='"tty0"', address='"x"'), "devices.tube-7.address must not be said: the line itself leads"),
        (section(link='"air"', address='"x"'), "devices.tube-7.address must be the address of the device's radio"),
        (section(link='"air"'), "devices.tube-7.address must be the address of the device's radio"),
        (section(**LAN, every_s=-1), "devices.tube-7.every_s must be a whole number from 0 to 31622400."),
        (section(**LAN, every_s="true"), "devices.tube-7.every_s must be a whole number from 0 to"),
        (section(**LAN, every_s=9.5), "devices.tube-7.every_s must be a whole number from 0 to"),
        (section(**LAN, awake_s=5), "devices.tube-7.awake_s says nothing without every_s"),
        (section(**LAN, every_s=9, awake_s=0), "devices.tube-7.awake_s must be a whole number from 1 to 86400."),
        (section(**LAN, every_s=9), "devices.tube-7.awake_s must not be more than every_s, which is 9."),
        (section(**LAN, port=0), "devices.tube-7.port must be a whole number from 1 to 65535."),
        (section(**LAN, tokens='"whole"'), 'devices.tube-7.tokens must be "phantom" or "split"'),
        (section(**LAN, audience='"a\\u0000"'), "devices.tube-7.audience must be what the authorization server calls"),
        (section(**LAN, audience=f'"{"a" * 256}"'), "devices.tube-7.audience must be what the authorization server"),
        (section(**LAN, nstart=17), "devices.tube-7.nstart must be a whole number from 1 to 16."),
        (
            section(**LAN) + '[devices.TUBE-7]\nlink = "tty0"\n',
            "devices.tube-7 and devices.TUBE-7 differ by case alone, which a URI does not tell apart: rename one.",
        ),
        (
            section(**LAN) + '[devices.b]\nlink = "lan"\naddress = "::ffff:192.0.2.7:5700"\n',
            "devices.b.address must be the address of one device",
        ),
        (
            section(**LAN) + '[devices.b]\nlink = "lan"\naddress = "[::ffff:192.0.2.7]:5700"\n',
            "devices.tube-7 and devices.b have the same address on the same link: one of them is wrong.",
        ),
        (
            '[devices.a]\nlink = "tty0"\n[devices.b]\nlink = "tty0"\n',
            "devices.a and devices.b have the same link: a serial line leads to one device.",
        ),
        (
            '[devices.a]\nlink = "tty0"\nport = 5701\n[devices.b]\nlink = "tty1"\nport = 5701\n',
            "devices.a and devices.b have the same port: a port leads to one device.",
        ),
    ],
)
def test_each_problem_is_one_sentence_that_names_its_key(text, says):
    said = problem(text)
    assert said.startswith(says)
    assert said.endswith(".")
    assert said.isprintable()
    assert said.isascii()


def test_the_example_is_a_file_and_its_keys_are_keys():
    assert len(table(EXAMPLE)) == 0
    lines = [line.removeprefix("# ") for line in EXAMPLE.splitlines() if "=" in line or "[devices" in line]
    assert table("\n".join(line for line in lines if not line.startswith("Each"))).named("tube-7").port == 5701


def test_as_many_as_a_hub_takes_and_one_more():
    sections = {f"tube-{number}": {"link": "broker"} for number in range(MAX_DEVICES)}
    full = parse({"devices": sections}, KINDS)
    assert len(full) == MAX_DEVICES >= 10_000
    sections["tube"] = {"link": "broker"}
    with pytest.raises(DevicesUnusable, match="one hub takes 20000 at most"):
        parse({"devices": sections}, KINDS)

    few = parse({"devices": {f"tube-{number}": {"link": "broker"} for number in range(10)}}, KINDS)
    assert cost(full) < 5 * cost(few)  # a search in 20,000 would be 2,000 times as long


def cost(found):
    """The shortest of some measurements of a thousand look-ups of each kind."""

    def once():
        begun = perf_counter()
        for _ in range(1000):
            found.named("TUBE-7")
            found.at("broker", "tube-8")
            found.behind(5)
        return perf_counter() - begun

    return min(once() for _ in range(7))


def test_two_devices_of_one_table_are_never_one():
    for second in (Device("A", "x", "2"), Device("b", "l", "1"), Device("c", "l", "3", port=5)):
        with pytest.raises(Ambiguous):
            DeviceTable([Device("a", "l", "1", port=5), second])


def test_all_names_that_a_device_may_have_are_found():
    for name in ("a", "A-_9", "-", "_", "x" * 64):
        assert NAME.fullmatch(name)
        assert parse({"devices": {name: {"link": "tty0"}}}, KINDS).named(name).name == name
