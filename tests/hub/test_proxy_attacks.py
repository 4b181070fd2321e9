"""A proxy under attack: floods of one host, false addresses, datagrams that are no messages."""

import random
import sys

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, encode, request, response
from holdfast_hub.records import OUR_FAR, Device
from testkit.hub_proxy import CLIENT, TUBE, Bench, named

STRANGER = ("198.51.100.2", ("198.51.100.2", 40000), 0)


def get(path="/a"):
    return named("tube-7", request(L.CODE_GET, path))


def codes(bench):
    """The codes of what went to clients since, empty messages aside."""
    return [message.code for message, _ in bench.at_clients() if message.code]


def test_one_host_that_floods_a_device_leaves_places_for_others():
    bench = Bench()
    places = 1 + bench.proxy.bounds.waiting // 2
    for number in range(2 * places):
        bench.ask(get(f"/{number}"), mtype=L.TYPE_NON)
    assert codes(bench) == [L.CODE_SERVICE_UNAVAILABLE] * places
    bench.ask(get("/mine"), client=STRANGER)
    assert codes(bench) == []
    for _ in range(places):
        bench.answer(bench.at_device(), response(L.CODE_CONTENT, b"1"))
    assert bench.at_device().path() == "/mine"
    assert codes(bench) == [L.CODE_CONTENT] * places
    bench.ask(get("/again"), mtype=L.TYPE_NON)
    assert codes(bench) == []


def test_a_flood_of_one_device_takes_nothing_at_another():
    bench = Bench(TUBE, Device("tube-8", "udp", ("192.0.2.8", 5683)))
    for number in range(40):
        bench.ask(get(f"/{number}"), mtype=L.TYPE_NON)
    bench.at_clients()
    bench.at_devices()
    bench.ask(named("tube-8", request(L.CODE_GET, "/a")))
    assert [name for _, name in bench.at_devices()] == ["tube-8"]


@pytest.mark.parametrize(("length", "passes"), [(100, True), (1000, False)])
def test_an_address_that_may_be_false_gets_no_long_answer(length, passes):
    bench = Bench()
    bench.ask(get())
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, bytes(length)))
    answer = bench.at_client()
    assert (answer.code == L.CODE_CONTENT) is passes
    if passes:
        return
    assert (answer.code, answer.payload) == (L.CODE_UNAUTHORIZED, b"")
    echo = answer.get(L.OPT_ECHO)
    bench.ask(get("/b").add(L.OPT_ECHO, echo), client=STRANGER)  # another's shows nothing
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, bytes(length)))
    assert bench.at_client().code == L.CODE_UNAUTHORIZED
    bench.ask(get("/c").add(L.OPT_ECHO, echo))
    asked = bench.at_device()
    assert asked.get(L.OPT_ECHO) is None  # it was for the hub
    bench.answer(asked, response(L.CODE_CONTENT, bytes(length)))
    assert (bench.at_client().code, len(bench.proxy._sides.verified)) == (L.CODE_CONTENT, 1)
    bench.pass_ms(bench.proxy.bounds.verified_ms)
    bench.ask(get("/d"))
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, bytes(length)))
    assert bench.at_client().code == L.CODE_UNAUTHORIZED


def test_addresses_that_were_shown_are_bounded():
    bench = Bench(verified=3)
    for number in range(5):
        client = (f"198.51.100.{number}", (f"198.51.100.{number}", 40000), 0)
        bench.ask(get(f"/{number}"), client=client)
        bench.answer(bench.at_device(), response(L.CODE_CONTENT, bytes(1000)).add(L.OPT_MAX_AGE, 0))
        bench.ask(get(f"/{number}").add(L.OPT_ECHO, bench.at_client().get(L.OPT_ECHO)), client=client)
        bench.answer(bench.at_device(), response(L.CODE_CONTENT, bytes(1000)).add(L.OPT_MAX_AGE, 0))
        assert bench.at_client().code == L.CODE_CONTENT
        assert len(bench.proxy._sides.verified) == min(number + 1, 3)


def test_a_device_that_answers_twice_is_heard_once_and_nothing_is_left():
    bench = Bench()
    bench.ask(get())
    asked = bench.at_device()
    for mid in (900, 901):
        bench.answer(asked, response(L.CODE_CONTENT, b"1"), mtype=L.TYPE_CON, mid=mid)
    assert [message.mtype for message, _ in bench.at_devices()] == [L.TYPE_ACK, L.TYPE_RST]
    assert codes(bench) == [L.CODE_CONTENT]
    assert (bench.proxy.under_way, bench.proxy._sides.toward(TUBE)._legs) == (0, {})


def mutated(rng, datagram):
    """A datagram with some of its octets changed, left out, or put in twice."""
    octets = bytearray(datagram)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(octets)) if octets else 0
        deed = rng.randrange(4)
        if deed == 0 and octets:
            octets[at] = rng.randrange(256)
        elif deed == 1 and octets:
            octets[at] ^= 1 << rng.randrange(8)
        elif deed == 2:
            del octets[at : at + rng.randint(1, 4)]
        else:
            octets[at:at] = rng.randbytes(rng.randint(1, 4))
    return bytes(octets)


def seeds():
    """Messages of each kind that a client or a device may send."""
    asked = [
        get().add(L.OPT_ETAG, b"e"),
        get().add(L.OPT_OBSERVE, 0),
        named("tube-7", Message(L.CODE_POST, bytes(30))).add(L.OPT_OSCORE, b"\x09\x01\x01"),
        named("tube-7", Message(L.CODE_FETCH, bytes(30))).add(L.OPT_OSCORE, b"\x09\x02\x01").add(L.OPT_OBSERVE, 0),
        Message(L.CODE_GET).add(L.OPT_PROXY_URI, "coap://tube-7/a?b=1"),
        named("tube-7", request(L.CODE_PUT, "/a", bytes(16))).add(L.OPT_BLOCK1, b"\x08").add(L.OPT_HOP_LIMIT, 2),
        request(L.CODE_GET, "/.well-known/core"),
    ]
    told = [
        response(L.CODE_CONTENT, b"1").add(L.OPT_OBSERVE, 5).add(L.OPT_MAX_AGE, 9),
        response(L.CODE_CHANGED, bytes(20)).add(L.OPT_OSCORE, b""),
        response(L.CODE_VALID).add(L.OPT_ETAG, b"e"),
        response(L.CODE_CONTENT, bytes(16)).add(L.OPT_BLOCK2, b"\x08"),
        Message(L.CODE_EMPTY),
    ]
    return asked, told


def test_no_datagram_ends_a_proxy_or_reaches_anybody_else():
    rng = random.Random(20261201)
    bench = Bench()
    asked, told = seeds()
    hosts = [(f"203.0.113.{number}", (f"203.0.113.{number}", 1000), 0) for number in range(20)]
    tokens = [b""]
    for number in range(3000):
        is_client = rng.random() < 0.6
        message = rng.choice(asked if is_client else told).copy()
        message.mtype, message.mid = rng.randrange(4), rng.randrange(0x10000)
        message.token = b"" if not message.code else rng.randbytes(2) if is_client else rng.choice(tokens)
        datagram = mutated(rng, encode(message))
        if is_client:
            bench.proxy.feed_client(datagram, rng.choice(hosts), bench.now_ms)
        else:
            bench.proxy.feed_device(datagram, TUBE, OUR_FAR, bench.now_ms)
        if number % 3 == 0:
            bench.pass_ms(rng.randrange(2000))
        assert {client for _, client in bench.at_clients()} <= set(hosts)
        sent = bench.at_devices()
        assert {name for _, name in sent} <= {"tube-7"}
        tokens = [message.token for message, _ in sent if message.code] or tokens
    bench.pass_ms(40 * 93_000)  # whatever waits for a device that is silent has come to nothing
    bench.at_clients()
    bench.at_devices()
    bench.ask(get("/good"), client=CLIENT)
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, b"still here"))
    assert bench.at_client().payload == b"still here"


def calls_of(work):
    """How many functions, of Python and of C, one piece of work calls."""
    count = 0

    def called(_frame, event, _arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def one_more(bench):
    """One request of a client that is new, to the device and back."""
    bench.ask(get("/one-more"), client=STRANGER)
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, b"1").add(L.OPT_MAX_AGE, 0))
    assert bench.at_client().payload == b"1"


def test_a_request_costs_no_more_when_all_tables_are_full():
    empty, full = Bench(), Bench(exchanges=3000, clients=1000, verified=500, cache_bytes=100_000)
    for number in range(4000):
        host = f"10.0.{number >> 8}.{number & 255}"
        full.ask(get(f"/{number}").add(L.OPT_ETAG, b"e"), client=(host, (host, 40000), 0))
        full.answer(full.at_device(), response(L.CODE_CONTENT, bytes(40)).add(L.OPT_ETAG, b"e"))
        assert full.at_client().code
    assert full.proxy.counts()["cache_bytes"] > 90_000
    for bench in (empty, full):
        one_more(bench)
        bench.pass_ms(1)
    assert calls_of(lambda: one_more(full)) <= 1.2 * calls_of(lambda: one_more(empty))
