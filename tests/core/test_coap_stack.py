"""The stack as a whole: its trace, its events, sequence numbers that run out, and small promises of its parts."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message, decode, encode, is_request, is_response, request, response
from holdfast_core.coap_stack import CoapStack, FailureEvent, ObservationEnded, ResponseEvent
from testkit.coap import Server, block, contexts, datagram, exhausted, joined, secured, table
from testkit.link import Random


def traced():
    """A protected server and the rows its trace writes."""
    rows = []

    def trace(direction, peer, outer, inner, length, now_ms):
        rows.append((direction, peer, outer.code, inner and inner.code, length, now_ms))

    client, held = contexts()
    return client, Server(held=table(held), trace=trace), rows


# --- the trace ---


def test_the_trace_sees_every_datagram_once_with_what_is_inside():
    client, server, rows = traced()
    raw, _ = secured(request(L.CODE_PUT, "/a", b"x"), client)
    (reply,) = server.feed_raw(raw)
    assert rows == [
        ("in", "peer", L.CODE_POST, L.CODE_PUT, len(raw), 1000),
        ("out", "peer", L.CODE_CHANGED, L.CODE_CONTENT, len(reply), 1000),
    ]
    rows.clear()
    server.feed(raw)  # a duplicate is not opened again
    assert rows == [
        ("in", "peer", L.CODE_POST, None, len(raw), 1000),
        ("out", "peer", L.CODE_CHANGED, None, len(reply), 1000),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        datagram(L.CODE_GET, "/a"),
        datagram(L.CODE_GET, "/a", mtype=L.TYPE_NON),
        datagram(L.CODE_EMPTY, token=b""),
        datagram(L.CODE_EMPTY, mtype=L.TYPE_ACK, token=b""),
        datagram(L.CODE_EMPTY, mtype=L.TYPE_RST, token=b""),
        datagram(L.CODE_CONTENT),
        datagram(L.CODE_CONTENT, mtype=L.TYPE_NON),
        datagram(L.CODE_CONTENT, mtype=L.TYPE_ACK),
        datagram(L.CODE_POST, options=[(L.OPT_OSCORE, b"\x09\x00x")], payload=b"cipher"),
        datagram(L.CODE_GET, options=[(65001, b"")]),
    ],
    ids=["con", "non", "ping", "ack", "rst", "con-response", "non-response", "ack-response", "unknown-kid", "critical"],
)
def test_the_trace_sees_each_kind_of_message_exactly_once(raw):
    _, server, rows = traced()
    server.feed(raw)
    assert [row[0] for row in rows].count("in") == 1
    assert rows[0][0] == "in"


def test_the_trace_sees_retransmissions_and_notifications():
    client, server, rows = traced()
    server.observe = True
    raw, _ = secured(request(L.CODE_GET, "/a").add(L.OPT_OBSERVE, 0), client)
    server.feed(raw)
    server.stack.notify(server.requests[0], response(L.CODE_CONTENT), server.now_ms)
    server.wait(4000)
    notes = [row for row in rows if row[0] == "out"][1:]
    assert [(row[2], row[3]) for row in notes] == [(L.CODE_CONTENT, L.CODE_CONTENT)] * 2


# --- sequence numbers that run out ---


def observing(secure_limits=None):
    client, held = contexts()
    server = Server(secure_limits, table(held))
    server.observe = True
    raw, _ = secured(request(L.CODE_GET, "/a").add(L.OPT_OBSERVE, 0), client)
    server.feed(raw)
    return server, held, server.requests[0]


def test_a_notification_without_a_number_ends_the_observation():
    server, held, incoming = observing()
    held.sequence = exhausted()
    assert server.stack.notify(incoming, response(L.CODE_CONTENT), server.now_ms) is False
    server.wait(0)
    assert [(type(event), event.reason) for event in server.events] == [(ObservationEnded, "overloaded")]
    assert server.sent() == []


def test_an_end_without_a_number_is_silent():
    server, held, incoming = observing()
    held.sequence = exhausted()
    server.stack.end_observation(incoming, response(L.CODE_UNAUTHORIZED), server.now_ms)
    assert server.sent() == []
    assert not server.stack._server.observers


def test_a_transfer_without_a_number_fails():
    link, client, server, context = joined(secure=True)
    server.body = b"x" * 5000
    client.request("server", request(L.CODE_GET, "/a"), 0, context)
    link.run(for_ms=15)
    context.sequence = exhausted()
    link.run(for_ms=1000)
    assert [(type(event), event.reason) for event in link.events["client"]] == [(FailureEvent, "overloaded")]


def test_a_cancellation_without_a_number_only_forgets():
    link, client, server, context = joined(secure=True)
    server.observe = True
    request_id = client.request("server", request(L.CODE_GET, "/a"), 0, context, observe=True)
    link.run(for_ms=100)
    context.sequence = exhausted()
    client.cancel(request_id, link.now_ms)
    assert len(client._client) == 0
    assert client.take_datagrams() == []


# --- small promises ---


def test_stray_responses_displace_no_exchange():
    server = Server(Limits(max_exchanges=4))
    raw = datagram(L.CODE_GET, "/a")
    first = server.feed_raw(raw)
    for mid in range(2, 50):
        stray = datagram(L.CODE_CONTENT, mid=mid)
        assert [m.mtype for m in server.feed(stray)] == [L.TYPE_RST]
        assert [m.mtype for m in server.feed(stray)] == [L.TYPE_RST]
    assert server.feed_raw(raw) == first
    assert len(server.requests) == 1


def test_a_critical_option_inside_a_protected_response_fails_the_request():
    client, held = contexts()
    stack = CoapStack(Random(1).octets)
    stack.request("peer", request(L.CODE_GET, "/a"), 0, client)
    ((raw, _),) = stack.take_datagrams()
    opened = held.unprotect_request(decode(raw))
    answer = held.protect_response(response(L.CODE_CONTENT).add(65001, b"x"), opened.state)
    answer.mtype, answer.mid, answer.token = L.TYPE_ACK, decode(raw).mid, decode(raw).token
    (event,) = stack.feed(encode(answer), "peer", 1)
    assert (type(event), event.reason) == (FailureEvent, "not-authentic")


def test_an_old_registration_that_times_out_does_not_end_the_new_one():
    server = Server(Limits(con_every=1))
    server.observe = True
    register = [(L.OPT_OBSERVE, 0)]
    server.feed(datagram(L.CODE_GET, "/a", 1, options=register))
    server.stack.notify(server.requests[0], response(L.CODE_CONTENT), server.now_ms)
    server.feed(datagram(L.CODE_GET, "/a", 2, options=register))
    server.wait(200_000)
    assert [event.reason for event in server.events] == ["replaced"]
    assert server.stack.notify(server.requests[1], response(L.CODE_CONTENT), server.now_ms)


def test_tokens_of_open_requests_differ_even_when_randomness_repeats():
    octets = iter([b"\x00" * 32, b"tag0", b"\x07" * 8, b"mm", b"rr", b"\x07" * 8, b"\x07" * 8, b"\x09" * 8])
    stack = CoapStack(lambda _: next(octets), limits=Limits())
    for _ in range(2):
        stack.request("peer", request(L.CODE_GET, "/a"), 0, confirmable=True)
    assert {token for _, token in stack._client._legs} == {b"\x07" * 8, b"\x09" * 8}


def test_a_response_that_has_an_etag_keeps_it():
    server = Server()
    server.feed(datagram(L.CODE_GET, "/late"))
    answer = response(L.CODE_CONTENT, b"x" * 2000, L.CF_OCTET_STREAM).add(L.OPT_ETAG, b"mine")
    server.stack.respond(server.requests[0], answer, server.now_ms)
    (reply,) = [decode(raw) for raw in server.sent()]
    assert reply.get_all(L.OPT_ETAG) == [b"mine"]
    assert reply.content_format == L.CF_OCTET_STREAM


def test_a_client_that_asks_for_small_blocks_gets_them():
    server = Server()
    server.body = b"x" * 100
    (reply,) = server.feed(datagram(L.CODE_GET, "/a", options=[(L.OPT_BLOCK2, block(0, False, 1))]))
    assert (len(reply.payload), reply.get(L.OPT_BLOCK2)) == (32, block(0, True, 1))


def test_nothing_printed_shows_a_payload_or_an_option():
    server = Server()
    server.feed(datagram(L.CODE_PUT, "/secret", payload=b"secret"))
    shown = repr(server.requests) + repr(server.requests[0].message)
    assert "secret" not in shown
    assert "0.03" in shown


def test_codes_know_their_kind():
    assert [code for code in range(256) if is_request(code)] == list(range(1, 32))
    assert {code >> 5 for code in range(256) if is_response(code)} == {2, 4, 5}


def test_requests_carry_what_they_are_given():
    message = request(L.CODE_POST, "/a/b", b"x", L.CF_CBOR, L.CF_JSON)
    assert (message.content_format, message.uint(L.OPT_ACCEPT), message.path()) == (L.CF_CBOR, L.CF_JSON, "/a/b")
    assert Message(L.CODE_GET).content_format is None
    message.add(L.OPT_URI_QUERY, "q=1").add(L.OPT_URI_QUERY, "r")
    assert message.queries() == ["q=1", "r"]


def test_events_that_come_up_between_calls_are_announced():
    server = Server(Limits(max_queue=0))
    first = server.stack.request("peer", request(L.CODE_GET, "/a"), 1000)
    second = server.stack.request("peer", request(L.CODE_GET, "/a"), 1000)
    assert server.stack.next_deadline_ms() == 1000
    (event,) = server.stack.feed(b"", "anybody", 1001)
    assert (event.request_id, event.reason) == (second, "overloaded")
    assert server.stack.next_deadline_ms() > 1001
    assert first != second


def test_two_requests_at_once_to_one_peer_with_a_larger_nstart():
    from holdfast_core.coap_limits import Transmission

    limits = Limits(transmission=Transmission(nstart=4))
    link, client, server, _ = joined(client_limits=limits)
    for _ in range(4):
        client.request("server", request(L.CODE_GET, "/a"), 0)
    assert len(client.take_datagrams()) == 4
    assert [event for event in link.events["client"] if isinstance(event, ResponseEvent)] == []
