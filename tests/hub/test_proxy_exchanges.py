"""The exchanges of a proxy on both sides: acknowledgements, repetitions, errors, bounds (RFC 7252 section 4)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, encode, request, response
from holdfast_hub.records import Device
from testkit.hub_proxy import CLIENT, TUBE, Bench, named


def other(number):
    """Another client, at a host of its own."""
    host = f"198.51.{number // 250}.{number % 250 + 1}"
    return (host, (host, 40000), 0)


def get(path="/a"):
    return named("tube-7", request(L.CODE_GET, path))


def test_a_request_that_comes_again_is_sent_on_once_and_answered_twice():
    bench = Bench()
    mid = bench.ask(get())
    asked = bench.at_device()
    bench.ask(get(), mid=mid)
    assert not bench.at_devices()
    bench.answer(asked, response(L.CODE_CONTENT, b"1"))
    first = bench.proxy.take_for_clients()
    bench.ask(get(), mid=mid)
    assert bench.proxy.take_for_clients() == first
    assert not bench.at_devices()


def test_same_mid_of_another_client_or_after_its_lifetime_is_another_request():
    bench = Bench()
    bench.ask(request(L.CODE_PUT, "/a").add(L.OPT_URI_HOST, "tube-7"), mid=7)
    bench.answer(bench.at_device(), response(L.CODE_CHANGED))
    bench.ask(request(L.CODE_PUT, "/a").add(L.OPT_URI_HOST, "tube-7"), mid=7, client=other(1))
    bench.answer(bench.at_device(), response(L.CODE_CHANGED))
    bench.pass_ms(250_000)
    bench.ask(request(L.CODE_PUT, "/a").add(L.OPT_URI_HOST, "tube-7"), mid=7)
    assert bench.at_device().code == L.CODE_PUT


def test_a_slow_device_makes_an_ack_and_a_separate_response_that_is_repeated():
    bench = Bench()
    mid = bench.ask(get())
    asked = bench.at_device()
    bench.empty_from_device(L.TYPE_ACK, asked.mid)
    bench.pass_ms(1000)
    ack = bench.at_client()
    assert (ack.mtype, ack.code, ack.mid) == (L.TYPE_ACK, L.CODE_EMPTY, mid)
    bench.ask(get(), mid=mid)
    assert bench.at_client().mtype == L.TYPE_ACK  # again
    bench.answer(asked, response(L.CODE_CONTENT, b"late"), mtype=L.TYPE_CON, mid=900)
    assert bench.at_device().mtype == L.TYPE_ACK
    told = bench.at_client()
    assert (told.mtype, told.token, told.payload) == (L.TYPE_CON, b"tk", b"late")
    bench.pass_ms(3000)
    assert bench.at_client().mid == told.mid
    bench.empty_from_client(L.TYPE_ACK, told.mid)
    bench.pass_ms(60_000)
    assert not bench.at_clients()


def test_a_separate_response_that_comes_again_is_acknowledged_and_not_reset():
    bench = Bench()
    bench.ask(get())
    asked = bench.at_device()
    for _ in range(2):
        bench.answer(asked, response(L.CODE_CONTENT, b"late"), mtype=L.TYPE_CON, mid=900)
        assert bench.at_device().mtype == L.TYPE_ACK
    assert len(bench.at_clients()) == 1


def test_a_non_confirmable_request_gets_a_non_confirmable_response():
    bench = Bench()
    bench.ask(get(), mtype=L.TYPE_NON)
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, b"1"))
    assert bench.at_client().mtype == L.TYPE_NON


def test_a_device_that_does_not_answer_is_a_gateway_timeout():
    bench = Bench()
    bench.ask(get(), mtype=L.TYPE_NON)
    bench.pass_ms(100_000)
    assert len(bench.at_devices()) == 5  # MAX_RETRANSMIT
    assert bench.at_client().code == L.CODE_GATEWAY_TIMEOUT


def test_a_device_that_acknowledges_and_stays_silent_is_a_gateway_timeout():
    bench = Bench()
    bench.ask(get(), mtype=L.TYPE_NON)
    bench.empty_from_device(L.TYPE_ACK, bench.at_device().mid)
    bench.pass_ms(100_000)
    assert bench.at_client().code == L.CODE_GATEWAY_TIMEOUT


def test_a_device_that_resets_is_a_bad_gateway():
    bench = Bench()
    bench.ask(get())
    bench.empty_from_device(L.TYPE_RST, bench.at_device().mid)
    assert bench.at_client().code == L.CODE_BAD_GATEWAY


def test_nobody_but_the_device_that_was_asked_can_answer():
    ekg = Device("ekg-1", "udp", ("192.0.2.8", 5683))
    bench = Bench(TUBE, ekg)
    bench.ask(get())
    asked = bench.at_device()
    bench.answer(asked, response(L.CODE_CONTENT, b"forged"), ekg)
    bench.answer(asked, response(L.CODE_CONTENT, b"forged"), mid=asked.mid ^ 1)
    wrong = Message(L.CODE_CONTENT, b"forged", token=asked.token)
    wrong.token = bytes(len(asked.token))
    bench.answer(wrong, response(L.CODE_CONTENT, b"forged"), mid=asked.mid)
    assert not bench.at_clients()
    bench.answer(asked, response(L.CODE_CONTENT, b"real"))
    assert bench.at_client().payload == b"real"


def test_requests_to_one_device_wait_for_each_other_and_to_two_do_not():
    ekg = Device("ekg-1", "udp", ("192.0.2.8", 5683), nstart=2)
    bench = Bench(TUBE, ekg)
    for name in ("tube-7", "tube-7", "ekg-1", "ekg-1", "ekg-1"):
        bench.ask(named(name, request(L.CODE_POST, "/a")))
    sent = bench.at_devices()
    assert sorted(name for _, name in sent) == ["ekg-1", "ekg-1", "tube-7"]
    bench.answer(next(m for m, name in sent if name == "tube-7"), response(L.CODE_CHANGED))
    ((_, name),) = bench.at_devices()
    assert name == "tube-7"


def test_what_waits_for_a_device_is_bounded_and_the_rest_is_told_when_to_ask_again():
    bench = Bench(waiting=3)
    for number in range(6):
        bench.ask(named("tube-7", request(L.CODE_POST, "/a")), other(number))
    bench.pass_ms(0)
    refused = bench.at_clients()
    assert [m.code for m, _ in refused] == [L.CODE_SERVICE_UNAVAILABLE] * 2
    assert all(m.uint(L.OPT_MAX_AGE) == 5 for m, _ in refused)
    answered = 0
    while sent := bench.at_devices():
        bench.answer(sent[0][0], response(L.CODE_CHANGED))
        answered += len(bench.at_clients())
    assert answered == 4


@pytest.mark.parametrize(
    ("bounds", "asks"),
    [
        ({"requests": 4, "waiting": 99}, [other(n) for n in range(6)]),
        ({"requests_per_client": 4, "waiting": 99}, [CLIENT] * 6),
    ],
)
def test_requests_under_way_are_bounded_for_all_and_for_one_client(bounds, asks):
    bench = Bench(**bounds)
    for client in asks:
        bench.ask(named("tube-7", request(L.CODE_POST, "/a")), client)
    assert [m.code for m, _ in bench.at_clients()] == [L.CODE_SERVICE_UNAVAILABLE] * 2
    while sent := bench.at_devices():
        bench.answer(sent[0][0], response(L.CODE_CHANGED))
    assert len(bench.at_clients()) == 4
    assert bench.proxy.counts()["requests"] == 0
    bench.ask(named("tube-7", request(L.CODE_POST, "/a")), asks[0])
    assert bench.at_device().code == L.CODE_POST


def test_exchanges_are_bounded_and_the_oldest_is_forgotten():
    bench = Bench(exchanges=8)
    for number in range(20):
        bench.ask(named("nobody", request(L.CODE_GET, "/a")), other(number), mid=1)
    assert len(bench.at_clients()) == 20
    bench.ask(named("nobody", request(L.CODE_GET, "/a")), other(19), mid=1)
    assert len(bench.at_clients()) == 1


@pytest.mark.parametrize(
    ("silence", "code", "is_told"),
    [
        (26, L.CODE_CONTENT, False),
        (2, L.CODE_CONTENT, False),
        (24, L.CODE_CONTENT, True),
        (2, L.CODE_NOT_FOUND, True),
        (0, L.CODE_CONTENT, True),
    ],
)
@pytest.mark.parametrize("mtype", [L.TYPE_CON, L.TYPE_NON])
def test_no_response_is_kept_by_the_hub(silence, code, is_told, mtype):
    bench = Bench()
    bench.ask(get().add(L.OPT_NO_RESPONSE, silence), mtype=mtype)
    asked = bench.at_device()
    assert asked.get(L.OPT_NO_RESPONSE) is None
    bench.answer(asked, response(code, b"x"))
    told = bench.at_clients()
    if is_told:
        assert told[0][0].code == code
    else:
        assert [m.code for m, _ in told] == ([L.CODE_EMPTY] if mtype == L.TYPE_CON else [])


def test_a_ping_is_reset_and_garbage_is_not_answered():
    bench = Bench()
    bench.empty_from_client(L.TYPE_CON, 77)
    assert (bench.at_client().mtype) == L.TYPE_RST
    for garbage in (b"", b"\x40", b"\x00" * 20, b"\xff" * 20, b"\x50\x01\x00\x01\xff"):
        bench.proxy.feed_client(garbage, CLIENT, bench.now_ms)
        assert not bench.at_clients()


def test_a_device_asks_the_hub_but_not_another_device():
    ekg = Device("ekg-1", "udp", ("192.0.2.8", 5683))
    bench = Bench(TUBE, ekg)
    for message in (request(L.CODE_GET, "/a"), named("ekg-1", request(L.CODE_GET, "/a"))):
        message.mid = bench.mid = bench.mid + 1
        message.mtype, message.token = L.TYPE_CON, b"d"
        bench.proxy.feed_device(encode(message), TUBE, (b"\x7f\x00\x00\x01", 5683), bench.now_ms)
    assert [(m.code, name) for m, name in bench.at_devices()] == [
        (L.CODE_NOT_FOUND, "tube-7"),
        (L.CODE_PROXYING_NOT_SUPPORTED, "tube-7"),
    ]


def test_block1_passes_block_by_block_with_one_exchange_each():
    bench = Bench()
    for number, code in ((0x0E, L.CODE_CONTINUE), (0x16, L.CODE_CHANGED)):
        bench.ask(named("tube-7", request(L.CODE_PUT, "/a", b"x" * 1024)).add(L.OPT_BLOCK1, number))
        asked = bench.at_device()
        assert asked.uint(L.OPT_BLOCK1) == number
        bench.answer(asked, response(code).add(L.OPT_BLOCK1, number))
        told = bench.at_client()
        assert (told.code, told.uint(L.OPT_BLOCK1)) == (code, number)


def test_a_device_is_asked_for_a_sign_of_life():
    bench, told = Bench(), []
    for there in ((L.TYPE_RST, True), (L.TYPE_ACK, True), (None, False)):
        told.clear()
        bench.proxy.ping(TUBE, bench.now_ms, told.append)
        asked = bench.at_device()
        assert (asked.mtype, asked.code, asked.token, asked.options) == (L.TYPE_CON, L.CODE_EMPTY, b"", [])
        if there[0] is None:
            bench.pass_ms(200_000)
        else:
            bench.empty_from_device(there[0], (asked.mid + 1) & 0xFFFF)  # of another message
            bench.proxy.tick(bench.now_ms)
            assert told == []
            bench.empty_from_device(there[0], asked.mid)
        bench.proxy.tick(bench.now_ms)
        assert told == [there[1]]
    assert bench.proxy.under_way == 0
