"""Every option the stack knows against a second table, typed from the RFCs: length, repeats, where, critical or not."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode, request, screen_options
from holdfast_core.coap_stack import CoapStack
from testkit.coap import Server, contexts, datagram, table
from testkit.link import Random

# number, shortest, longest, in a request, in a response ("once", "often" or "no"):
# RFC 7252 table 4 and 5.10; 7641 2; 7959 2.1, 4; 7967 2; 8613 2; 8768 3; 9175 2.2, 3.2
REGISTRY = [
    (3, 1, 255, "once", "no"),
    (4, 1, 8, "often", "once"),
    (6, 0, 3, "once", "once"),
    (7, 0, 2, "once", "no"),
    (8, 0, 255, "no", "often"),
    (9, 0, 255, "once", "once"),
    (11, 0, 255, "often", "no"),
    (12, 0, 2, "once", "once"),
    (14, 0, 4, "no", "once"),
    (15, 0, 255, "often", "no"),
    (16, 1, 1, "once", "no"),
    (17, 0, 2, "once", "no"),
    (20, 0, 255, "no", "often"),
    (23, 0, 3, "once", "once"),
    (27, 0, 3, "once", "once"),
    (28, 0, 4, "once", "once"),
    (35, 1, 1034, "once", "no"),
    (39, 1, 255, "once", "no"),
    (60, 0, 4, "once", "once"),
    (252, 1, 40, "once", "once"),
    (258, 0, 1, "once", "no"),
    (292, 0, 8, "often", "no"),
]
LATER_LOCATIONS = (128, 132, 136, 140)
REQUEST_ONLY = [number for number, _, _, _, told in REGISTRY if told == "no" and number & 1]
REQUESTS = list(range(1, 32))
RESPONSES = [code for code in range(64, 192) if code >> 5 in (2, 4, 5)]


def verdict(*options, code=L.CODE_GET):
    """What screening leaves: None when it names a critical option, else the options kept."""
    message = Message(code, options=list(options))
    return None if screen_options(message) is not None else message.options


@pytest.mark.parametrize("code", [L.CODE_GET, L.CODE_POST, L.CODE_CONTENT, L.CODE_BAD_REQUEST])
@pytest.mark.parametrize(
    ("number", "shortest", "longest", "asked", "told"), REGISTRY, ids=[str(row[0]) for row in REGISTRY]
)
def test_a_known_option(number, shortest, longest, asked, told, code):
    where = asked if code < 32 else told
    refused = None if number & 1 else []
    for length in {shortest, longest}:
        kept = refused if where == "no" else [(number, bytes(length))]
        assert verdict((number, bytes(length)), code=code) == kept
    for length in {shortest - 1, longest + 1} - {-1}:
        assert verdict((number, bytes(length)), code=code) == refused
    one = (number, bytes(shortest))
    twice = [one, one] if where == "often" else None if number & 1 else [one]
    assert verdict(one, one, code=code) == (refused if where == "no" else twice)


def test_where_an_option_may_stand_does_not_depend_on_the_method_or_the_response():
    for number, shortest, _, asked, told in REGISTRY:
        one = (number, bytes(shortest))
        for codes, where in ((REQUESTS, asked), (RESPONSES, told)):
            assert {verdict(one, code=code) == [one] for code in codes} == {where != "no"}


@pytest.mark.parametrize("number", sorted(set(range(300)) - {row[0] for row in REGISTRY}))
def test_an_unknown_option(number):
    for code in (L.CODE_GET, L.CODE_CONTENT):
        assert verdict((number, b""), code=code) == (None if number & 1 else [])


def test_what_is_dropped_takes_nothing_else_along():
    kept = [(11, b"a"), (11, b"b"), (12, b""), (60, b"\x01")]
    assert verdict((2, b""), *kept[:2], (10, b"x"), kept[2], (12, b""), (14, b""), kept[3], (300, b"")) == kept


# --- future Location-* options (RFC 7252 section 5.10.7) ---


@pytest.mark.parametrize("later", LATER_LOCATIONS)
@pytest.mark.parametrize("code", [L.CODE_PUT, L.CODE_CREATED])
def test_a_future_location_is_critical_beside_the_known_ones_only(code, later):
    assert verdict((later, b"x"), code=code) == []
    assert verdict((8, b"a"), (later - 2, b"x"), (later + 2, b"x"), code=code) in ([], [(8, b"a")])
    for known in (8, 20):
        assert verdict((known, b"a"), (later, b"x"), code=code) is None
    assert verdict((8, b"a"), (20, b"b"), (later, b""), code=code) is None


@pytest.mark.parametrize("later", LATER_LOCATIONS)
@pytest.mark.parametrize("known", [8, 20])
@pytest.mark.parametrize("secure", [False, True])
def test_a_request_with_a_future_location_gets_4_02(known, later, secure):
    client, held = contexts()
    server = Server(held=table(held))
    asked = request(L.CODE_PUT, "/a", b"x").add(known, b"a").add(later, b"b")
    asked.mtype, asked.mid, asked.token = L.TYPE_CON, 7, b"t"
    if secure:
        asked, state = client.protect_request(asked)
    (reply,) = server.feed(encode(asked))
    if secure:
        reply = client.unprotect_response(reply, state)
    assert (reply.code, server.requests) == (L.CODE_BAD_OPTION, [])
    served = datagram(L.CODE_PUT, "/a", mid=8, options=[(later, b"b")])
    assert [m.code for m in server.feed(served)] == [L.CODE_CONTENT]


# --- options of requests in responses (RFC 7252 section 5.4.1) ---


def asked(context=None):
    """A client that has asked: (stack, its datagram)."""
    stack = CoapStack(Random(8).octets)
    stack.request("peer", request(L.CODE_GET, "/a"), 0, context)
    ((raw, _),) = stack.take_datagrams()
    return stack, raw


def answered(raw, mtype, options, context=None):
    """A 2.05 with these options to a request: a piggybacked one, or one of its own with message ID 9."""
    mid, token = raw[2] << 8 | raw[3], raw[4 : 4 + (raw[0] & 15)]
    message = Message(L.CODE_CONTENT, b"said")
    for number in options:
        message.add(number, b"x")
    if context is not None:
        message = context.protect_response(message, context.unprotect_request(decode(raw)).state)
    message.mtype, message.mid, message.token = mtype, mid if mtype == L.TYPE_ACK else 9, token
    return encode(message)


@pytest.mark.parametrize("number", [*REQUEST_ONLY, 1, 5, 65001])
@pytest.mark.parametrize("mtype", [L.TYPE_CON, L.TYPE_ACK, L.TYPE_NON])
@pytest.mark.parametrize("secure", [False, True])
def test_a_critical_option_of_requests_rejects_a_response(number, mtype, secure):
    ours, theirs = contexts() if secure else (None, None)
    stack, raw = asked(ours)
    if secure and number in (3, 7, 35, 39):
        return  # OSCORE leaves these outside: see below
    events = stack.feed(answered(raw, mtype, [number], theirs), "peer", 10)
    assert [event.reason for event in events] == (["not-authentic"] if secure else [])
    assert [out[0] >> 4 & 3 for out, _ in stack.take_datagrams()] == ([L.TYPE_RST] if mtype == L.TYPE_CON else [])
    if not secure:  # the response without it is still welcome
        (event,) = stack.feed(answered(raw, mtype, [12]), "peer", 11)
        assert event.message.payload == b"said"


@pytest.mark.parametrize("number", [3, 7, 39])
@pytest.mark.parametrize("mtype", [L.TYPE_CON, L.TYPE_ACK])
def test_what_anybody_can_put_outside_a_protected_response_does_not_end_the_exchange(number, mtype):
    ours, theirs = contexts()
    stack, raw = asked(ours)
    good = answered(raw, mtype, [], theirs)
    assert stack.feed(encode(decode(good).add(number, b"x")), "peer", 10) == []
    assert [out[0] >> 4 & 3 for out, _ in stack.take_datagrams()] == ([L.TYPE_RST] if mtype == L.TYPE_CON else [])
    (event,) = stack.feed(good, "peer", 11)
    assert event.message.payload == b"said"
