"""OSCORE inside the stack: error codes, Echo, replays, swapped and stripped messages (RFC 8613 8.2, 8.4, B.1.2)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import decode, encode, request
from holdfast_core.coap_stack import CoapStack, ResponseEvent
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import SenderSequence, SequenceExhausted
from testkit.coap import Server, block, contexts, exhausted, joined, secured, table
from testkit.link import Random


def protected_server(replay=None, limits=None, **how):
    client, held = contexts(replay=replay)
    return client, Server(limits, table(held), **how)


# --- what a server says to what it cannot open ---


def test_a_request_inside_oscore_reaches_the_application_with_its_context():
    client, server = protected_server()
    raw, state = secured(request(L.CODE_PUT, "/a", b"body"), client)
    (reply,) = server.feed(raw)
    assert (reply.code, reply.mtype, reply.token) == (L.CODE_CHANGED, L.TYPE_ACK, b"t")
    inner = client.unprotect_response(reply, state)
    assert (inner.code, inner.payload) == (L.CODE_CONTENT, b"ok")
    (incoming,) = server.requests
    assert (incoming.message.path(), incoming.message.payload) == ("/a", b"body")
    assert incoming.context.recipient_id == client.sender_id


def tampered(raw, how):
    """An OSCORE request made wrong in one way."""
    message = decode(raw)
    value = bytearray(message.get(L.OPT_OSCORE))
    if how == "kid":
        value[-1] ^= 1
    elif how == "tag":
        message.payload = message.payload[:-1] + bytes([message.payload[-1] ^ 1])
    elif how == "piv":
        value[1] ^= 1
    elif how == "flags":
        value[0] |= 0x80
    elif how == "empty-option":
        value = bytearray()
    elif how == "no-payload":
        message.payload = b""
    message.set(L.OPT_OSCORE, bytes(value))
    if how == "two-options":
        message.add(L.OPT_OSCORE, bytes(value))
    return encode(message)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("kid", L.CODE_UNAUTHORIZED),
        ("tag", L.CODE_BAD_REQUEST),
        ("piv", L.CODE_BAD_REQUEST),
        ("flags", L.CODE_BAD_OPTION),
        ("empty-option", L.CODE_BAD_OPTION),
        ("no-payload", L.CODE_BAD_OPTION),
        ("two-options", L.CODE_BAD_OPTION),
    ],
)
def test_errors_are_plain_short_and_not_cacheable(how, code):
    client, server = protected_server()
    raw, _ = secured(request(L.CODE_GET, "/a"), client)
    (reply,) = server.feed(tampered(raw, how))
    assert (reply.code, reply.payload, reply.uint(L.OPT_MAX_AGE)) == (code, b"", 0)
    assert server.requests == []
    assert server.feed(raw)[0].get(L.OPT_OSCORE) is not None  # the honest one still passes
    assert len(server.requests) == 1


def test_a_replay_under_another_message_id_is_refused():
    client, server = protected_server()
    raw, _ = secured(request(L.CODE_GET, "/a"), client, mid=1)
    server.feed(raw)
    again = raw[:2] + b"\x00\x02" + raw[4:]
    (reply,) = server.feed(again)
    assert (reply.code, reply.uint(L.OPT_MAX_AGE), reply.payload) == (L.CODE_UNAUTHORIZED, 0, b"")
    assert len(server.requests) == 1


def test_unknown_kid_and_replay_look_alike():
    client, server = protected_server()
    raw, _ = secured(request(L.CODE_GET, "/a"), client, mid=1)
    server.feed(raw)
    (replayed,) = server.feed_raw(raw[:2] + b"\x00\x02" + raw[4:])
    (unknown,) = server.feed_raw(tampered(raw[:2] + b"\x00\x02" + raw[4:], "kid"), "other")
    assert replayed == unknown


@pytest.mark.parametrize("number", [L.OPT_BLOCK1, L.OPT_BLOCK2])
def test_outer_blocks_are_refused_as_we_are_behind_no_proxy(number):
    client, server = protected_server()
    raw, _ = secured(request(L.CODE_GET, "/a"), client)
    outer = decode(raw).add(number, block(0, True, 0))
    (reply,) = server.feed(encode(outer))
    assert reply.code == L.CODE_BAD_OPTION
    assert server.requests == []


@pytest.mark.parametrize(
    ("number", "value"),
    [(L.OPT_URI_PATH, b"evil"), (L.OPT_URI_QUERY, b"evil"), (L.OPT_OBSERVE, b""), (L.OPT_ETAG, b"evil"),
     (L.OPT_ACCEPT, b"\x32"), (L.OPT_IF_MATCH, b"evil"), (L.OPT_ECHO, b"evil"), (65001, b"critical"), (65002, b"x")],
)  # fmt: skip
def test_outer_options_of_class_e_change_nothing(number, value):
    client, server = protected_server()
    server.observe = True
    raw, state = secured(request(L.CODE_GET, "/a"), client)
    (reply,) = server.feed(encode(decode(raw).add(number, value)))
    assert server.requests[0].message.options == [(L.OPT_URI_PATH, b"a")]
    assert client.unprotect_response(reply, state).code == L.CODE_CONTENT
    assert not server.stack._server.observers


def test_the_outer_code_changes_nothing():
    client, server = protected_server()
    raw, _ = secured(request(L.CODE_GET, "/a"), client)
    server.feed(raw[:1] + bytes([L.CODE_DELETE]) + raw[2:])
    assert server.requests[0].message.code == L.CODE_GET


def test_an_unknown_critical_option_inside_is_answered_inside():
    client, server = protected_server()
    raw, state = secured(request(L.CODE_GET, "/a").add(65001, b"x"), client)
    (reply,) = server.feed(raw)
    assert reply.code == L.CODE_CHANGED
    assert client.unprotect_response(reply, state).code == L.CODE_BAD_OPTION


# --- Echo ---


def test_a_lost_window_costs_one_round_trip_and_nothing_is_acted_on_before():
    link, client, server, context = joined(secure=True, replay=ReplayWindow(initialised=False))
    for number in range(3):
        client.request("server", request(L.CODE_PUT, "/a", b"%d" % number), link.now_ms, context)
        link.run(for_ms=1000)
    assert [incoming.message.payload for incoming in server.requests] == [b"0", b"1", b"2"]
    assert [event.message.payload for event in link.events["client"]] == [b"ok"] * 3
    assert len(link.log) == 2 + 2 * 3


def test_a_lost_window_and_a_large_upload():
    link, client, server, context = joined(secure=True, replay=ReplayWindow(initialised=False))
    client.request("server", request(L.CODE_PUT, "/a", b"x" * 5000), 0, context)
    link.run(for_ms=10_000)
    assert [len(incoming.message.payload) for incoming in server.requests] == [5000]
    assert [event.message.code for event in link.events["client"]] == [L.CODE_CONTENT]


def test_old_traffic_is_never_accepted_after_a_restart():
    client, server = protected_server()
    old = [secured(request(L.CODE_PUT, "/a", b"%d" % number), client, number)[0] for number in range(5)]
    for raw in old:
        server.feed(raw)
    _, held = contexts(replay=ReplayWindow(initialised=False))
    held.sequence = SenderSequence(100)
    restarted = Server(held=table(held), seed=9)
    for raw in old:
        (reply,) = restarted.feed(raw)
        assert reply.get(L.OPT_OSCORE)  # an Echo challenge, under a Partial IV of its own
    assert restarted.requests == []
    raw, state = secured(request(L.CODE_GET, "/a"), client, 77)
    (reply,) = restarted.feed(raw)
    challenge = client.unprotect_response(reply, state)
    assert challenge.code == L.CODE_UNAUTHORIZED
    assert challenge.payload == b""
    echoed = request(L.CODE_GET, "/a").add(L.OPT_ECHO, challenge.get(L.OPT_ECHO))
    raw, state = secured(echoed, client, 78)
    restarted.feed(raw)
    assert len(restarted.requests) == 1
    for number, raw in enumerate(old):  # under other message IDs, so that it is not deduplication that helps
        (reply,) = restarted.feed(raw[:2] + (1000 + number).to_bytes(2, "big") + raw[4:])
        assert reply.code == L.CODE_UNAUTHORIZED
        assert reply.get(L.OPT_OSCORE) is None
    assert len(restarted.requests) == 1


@pytest.mark.parametrize("how", ["wrong", "short", "expired", "other-context", "earlier-run"])
def test_an_echo_value_that_is_not_ours_is_challenged_again(how):
    client, server = protected_server(ReplayWindow(initialised=False), Limits(echo_lifetime_ms=1000))
    raw, state = secured(request(L.CODE_GET, "/a"), client, 1)
    echo = client.unprotect_response(server.feed(raw)[0], state).get(L.OPT_ECHO)
    if how == "wrong":
        echo = echo[:-1] + bytes([echo[-1] ^ 1])
    elif how == "short":
        echo = echo[:8]
    elif how == "expired":
        server.now_ms += 1001
    elif how == "other-context":
        echo = server.stack._server._echo.mint(b"another/", server.now_ms)
    elif how == "earlier-run":
        echo = CoapStack(Random(99).octets)._server._echo.mint(client.sender_id + b"/", server.now_ms)
    raw, state = secured(request(L.CODE_GET, "/a").add(L.OPT_ECHO, echo), client, 2)
    reply = client.unprotect_response(server.feed(raw)[0], state)
    assert (reply.code, reply.get(L.OPT_ECHO) is not None) == (L.CODE_UNAUTHORIZED, True)
    assert server.requests == []


def test_an_echo_value_is_good_until_its_last_millisecond():
    client, server = protected_server(ReplayWindow(initialised=False), Limits(echo_lifetime_ms=1000))
    raw, state = secured(request(L.CODE_GET, "/a"), client, 1)
    echo = client.unprotect_response(server.feed(raw)[0], state).get(L.OPT_ECHO)
    server.now_ms += 1000
    raw, _ = secured(request(L.CODE_GET, "/a").add(L.OPT_ECHO, echo), client, 2)
    server.feed(raw)
    assert len(server.requests) == 1


def test_a_captured_echoed_request_is_a_replay_too():
    client, server = protected_server(ReplayWindow(initialised=False))
    raw, state = secured(request(L.CODE_GET, "/a"), client, 1)
    echo = client.unprotect_response(server.feed(raw)[0], state).get(L.OPT_ECHO)
    raw, _ = secured(request(L.CODE_GET, "/a").add(L.OPT_ECHO, echo), client, 2)
    server.feed(raw)
    (reply,) = server.feed(raw[:2] + b"\x00\x03" + raw[4:])
    assert (reply.code, reply.get(L.OPT_OSCORE)) == (L.CODE_UNAUTHORIZED, None)
    assert len(server.requests) == 1


def test_our_client_repeats_for_echo_only_once():
    client, held = contexts(replay=ReplayWindow(initialised=False))
    server = Server(Limits(echo_lifetime_ms=-1), table(held))
    stack = CoapStack(Random(4).octets)
    stack.request("server", request(L.CODE_GET, "/a"), 0, client)
    events = []
    for _ in range(5):
        for raw, _ in stack.take_datagrams():
            for reply in server.feed_raw(raw):
                events += stack.feed(reply, "server", 0)
    assert [(type(event), event.message.code) for event in events] == [(ResponseEvent, L.CODE_UNAUTHORIZED)]


def test_a_server_whose_numbers_are_used_up_stays_silent_and_upright():
    client, held = contexts(replay=ReplayWindow(initialised=False))
    held.sequence = exhausted()
    server = Server(held=table(held))
    raw, _ = secured(request(L.CODE_GET, "/a"), client)
    assert [m.get(L.OPT_OSCORE) for m in server.feed(raw)] == []
    assert server.requests == []


def test_a_client_whose_numbers_are_used_up_cannot_ask_and_keeps_nothing():
    client, _ = contexts()
    client.sequence = exhausted()
    stack = CoapStack(Random(1).octets)
    with pytest.raises(SequenceExhausted):
        stack.request("peer", request(L.CODE_GET, "/a"), 0, client)
    assert len(stack._client) == 0
    assert stack.take_datagrams() == []
