"""What a proxy must do with one request and its response (RFC 7252 section 5.7, RFC 8768, RFC 7967)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request, response
from testkit.hub_proxy import CLIENT, TUBE, Bench, named


def by_host(name):
    return lambda message: message.add(L.OPT_URI_HOST, name)


def by_scheme(name):
    return lambda message: message.add(L.OPT_PROXY_SCHEME, "coap").add(L.OPT_URI_HOST, name)


def by_uri(uri):
    return lambda message: message.remove(L.OPT_URI_PATH).add(L.OPT_PROXY_URI, uri)


@pytest.mark.parametrize(
    "aim",
    [
        by_host("tube-7"),
        by_host("TUBE-7"),
        by_host("tube-7.hub.example"),
        by_scheme("tube-7"),
        by_scheme("Tube-7"),
        by_uri("coap://tube-7/a/b"),
        by_uri("COAP://tube-7:5683/a/b"),
    ],
)
def test_device_is_found_by_name_and_answers(aim):
    bench = Bench()
    mid = bench.ask(aim(request(L.CODE_GET, "/a/b")))
    asked = bench.at_device()
    assert asked.path() == "/a/b"
    assert asked.uint(L.OPT_HOP_LIMIT) == 16
    assert [number for number, _ in asked.options] == [L.OPT_URI_PATH, L.OPT_URI_PATH, L.OPT_HOP_LIMIT]
    bench.answer(asked, response(L.CODE_CONTENT, b"22.5"))
    told = bench.at_client()
    assert (told.mtype, told.mid, told.token, told.payload) == (L.TYPE_ACK, mid, b"tk", b"22.5")


@pytest.mark.parametrize(
    ("aim", "code"),
    [
        (by_host("tube-8"), L.CODE_NOT_FOUND),
        (by_host("tube-7.elsewhere.example"), L.CODE_NOT_FOUND),
        (by_scheme("tube-8"), L.CODE_PROXYING_NOT_SUPPORTED),
        (by_scheme("192.0.2.7"), L.CODE_PROXYING_NOT_SUPPORTED),
        (by_scheme("127.0.0.1"), L.CODE_PROXYING_NOT_SUPPORTED),
        (lambda m: m.add(L.OPT_PROXY_SCHEME, "http").add(L.OPT_URI_HOST, "tube-7"), L.CODE_PROXYING_NOT_SUPPORTED),
        (lambda m: m.add(L.OPT_PROXY_SCHEME, "coap"), L.CODE_PROXYING_NOT_SUPPORTED),
        (lambda m: by_scheme("tube-7")(m).add(L.OPT_URI_PORT, 22), L.CODE_PROXYING_NOT_SUPPORTED),
        (by_uri("coap://192.0.2.7/a"), L.CODE_PROXYING_NOT_SUPPORTED),
        (by_uri("coap://tube-7:22/a"), L.CODE_PROXYING_NOT_SUPPORTED),
        (by_uri("http://tube-7/a"), L.CODE_PROXYING_NOT_SUPPORTED),
        (by_uri("coaps://tube-7/a"), L.CODE_PROXYING_NOT_SUPPORTED),
        (by_uri("tube-7"), L.CODE_BAD_REQUEST),
        (by_uri("coap://"), L.CODE_BAD_REQUEST),
        (by_uri("coap://a:b:c/"), L.CODE_BAD_REQUEST),
        (by_uri("coap://tube-7/#x"), L.CODE_BAD_REQUEST),
        (by_uri("coap://root@tube-7/"), L.CODE_BAD_REQUEST),
        (by_uri(b"coap://\xff/"), L.CODE_BAD_REQUEST),
        (by_uri("coap://tube-7/" + "x" * 256), L.CODE_BAD_REQUEST),
    ],
)
def test_nobody_else_is_a_target(aim, code):
    bench = Bench()
    bench.ask(aim(request(L.CODE_GET, "/a")))
    assert not bench.at_devices()
    assert bench.at_client().code == code


def test_a_proxy_uri_is_taken_apart():
    bench = Bench()
    bench.ask(by_uri("coap://tube-7/a%2Fb/?x=1&y=%20")(request(L.CODE_GET, "/ignored")))
    asked = bench.at_device()
    assert asked.get_all(L.OPT_URI_PATH) == [b"a/b", b""]
    assert asked.get_all(L.OPT_URI_QUERY) == [b"x=1", b"y= "]


def test_port_of_a_device_leads_to_it_and_to_no_other():
    bench = Bench(TUBE, type(TUBE)("ekg-1", "serial", port=6001))
    bench.ask(request(L.CODE_GET, "/a"), (*CLIENT[:2], 6001))
    ((_, name),) = bench.at_devices()
    assert name == "ekg-1"
    bench.ask(request(L.CODE_GET, "/a"))
    assert not bench.at_devices()
    assert bench.at_client().code == L.CODE_NOT_FOUND  # the hub itself has no /a


@pytest.mark.parametrize("host", ["hub.example", "HUB.example", "198.51.100.9", "2001:db8::1"])
def test_hub_itself_is_asked_by_its_own_name_or_address(host):
    bench = Bench()
    bench.ask(named(host, request(L.CODE_GET, "/a")))
    assert not bench.at_devices()
    assert bench.at_client().code == L.CODE_NOT_FOUND


# A number that is critical and unsafe, elective and unsafe, critical and safe, elective and safe.
@pytest.mark.parametrize(("number", "passes"), [(2051, False), (2050, False), (2049, True), (2048, True), (21, True)])
def test_unsafe_unknown_options_stop_and_safe_ones_pass(number, passes):
    bench = Bench()
    bench.ask(named("tube-7", request(L.CODE_GET, "/a").add(number, b"v")))
    if passes:
        asked = bench.at_device()
        assert asked.get(number) == b"v"
        bench.answer(asked, response(L.CODE_CONTENT, b"x").add(2048, b"w"))
        assert bench.at_client().get(2048) == b"w"
    else:
        assert not bench.at_devices()
        assert bench.at_client().code == L.CODE_BAD_OPTION


@pytest.mark.parametrize("number", [2050, 2051])
def test_unsafe_unknown_option_of_a_response_is_a_bad_gateway(number):
    bench = Bench()
    bench.ask(named("tube-7", request(L.CODE_GET, "/a")))
    bench.answer(bench.at_device(), response(L.CODE_CONTENT, b"x").add(number, b"w"))
    told = bench.at_client()
    assert (told.code, told.payload) == (L.CODE_BAD_GATEWAY, b"")


@pytest.mark.parametrize(
    ("value", "code", "left"),
    [
        (b"\x02", None, 1),
        (b"\x10", None, 15),
        (b"\xff", None, 254),
        (b"\x01", L.CODE_HOP_LIMIT_REACHED, None),
        (b"", L.CODE_BAD_REQUEST, None),
        (b"\x00", L.CODE_BAD_REQUEST, None),
        (b"\x01\x00", L.CODE_BAD_REQUEST, None),
    ],
)
def test_hop_limit(value, code, left):
    bench = Bench()
    bench.ask(named("tube-7", request(L.CODE_GET, "/a").add(L.OPT_HOP_LIMIT, value)))
    if code is None:
        assert bench.at_device().uint(L.OPT_HOP_LIMIT) == left
    else:
        assert not bench.at_devices()
        told = bench.at_client()
        assert told.code == code
        assert told.payload == (b"hub-1" if code == L.CODE_HOP_LIMIT_REACHED else b"")


@pytest.mark.parametrize(
    ("payload", "code", "told"),
    [
        (b"", L.CODE_HOP_LIMIT_REACHED, b"hub-1"),
        (b"other", L.CODE_HOP_LIMIT_REACHED, b"hub-1 other"),
        (b"other hub-1", L.CODE_BAD_GATEWAY, b""),
    ],
)
def test_hop_limit_reached_behind_us_names_us_once(payload, code, told):
    bench = Bench()
    bench.ask(named("tube-7", request(L.CODE_GET, "/a")))
    bench.answer(bench.at_device(), response(L.CODE_HOP_LIMIT_REACHED, payload))
    answer = bench.at_client()
    assert (answer.code, answer.payload) == (code, told)
