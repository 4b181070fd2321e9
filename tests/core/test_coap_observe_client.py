"""Observing, the client's side: order, freshness, cancelling, and what a server can do wrong (RFC 7641)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import request, response
from holdfast_core.coap_observe import is_newer
from holdfast_core.coap_stack import FailureEvent, ResponseEvent
from testkit.coap import Server, datagram, joined
from testkit.coap_observe import ack, notify, register, watched

DEREGISTER = [(L.OPT_OBSERVE, L.OBSERVE_DEREGISTER)]


# --- the client's side ---


@pytest.mark.parametrize(
    ("number", "later_ms", "newer"),
    [(6, 0, True), (5, 0, False), (4, 0, False), (5 + (1 << 23) - 1, 0, True), (5 + (1 << 23), 0, False),
     (5 + (1 << 23) + 1, 0, False), (4, 128_000, False), (4, 128_001, True)],
)  # fmt: skip
def test_reorder_rule(number, later_ms, newer):
    assert is_newer(number, 1000 + later_ms, 5, 1000) is newer


def test_reorder_rule_around_the_wrap():
    assert is_newer(0, 1000, (1 << 24) - 1, 1000)
    assert not is_newer((1 << 24) - 1, 1000, 0, 1000)
    assert not is_newer(0, 1000, 1 << 23, 1000)
    assert is_newer(0, 1000, (1 << 23) + 1, 1000)


def observe_from(server):
    """Make server's stack observe "peer"; returns (id, token)."""
    request_id = server.stack.request("peer", request(L.CODE_GET, "/a"), server.now_ms, observe=True)
    (sent,) = [out for out, _ in server.stack.take_datagrams()]
    token = sent[4:12]
    server.feed(
        datagram(
            L.CODE_CONTENT, mtype=L.TYPE_ACK, mid=sent[2] << 8 | sent[3], token=token, options=[(L.OPT_OBSERVE, 5)]
        )
    )
    return request_id, token


def note(token, number, mid, payload=b"", mtype=L.TYPE_NON, code=L.CODE_CONTENT):
    options = [] if number is None else [(L.OPT_OBSERVE, number)]
    return datagram(code, mtype=mtype, mid=mid, token=token, payload=payload, options=options)


def bodies(server):
    return [event.message.payload for event in server.events if isinstance(event, ResponseEvent)]


def test_an_overtaken_notification_is_dropped_and_still_acknowledged():
    server = Server()
    _, token = observe_from(server)
    server.feed(note(token, 9, 1, b"9"))
    assert [m.mtype for m in server.feed(note(token, 8, 2, b"8", L.TYPE_CON))] == [L.TYPE_ACK]
    server.feed(note(token, 10, 3, b"10"))
    assert bodies(server) == [b"", b"9", b"10"]


def test_a_notification_without_observe_is_the_last():
    server = Server()
    _, token = observe_from(server)
    server.feed(note(token, None, 1, b"last", L.TYPE_CON))
    assert [event.observing for event in server.events] == [True, False]
    assert [m.mtype for m in server.feed(note(token, 9, 2, b"9", L.TYPE_CON))] == [L.TYPE_RST]
    assert len(server.stack._client) == 0


def test_an_error_ends_the_observation():
    server = Server()
    _, token = observe_from(server)
    server.feed(note(token, 6, 1, code=L.CODE_UNAUTHORIZED))
    assert [event.observing for event in server.events] == [True, False]


def test_a_notification_that_is_reset_ends_the_observation_and_the_application_is_told():
    critical = [(L.OPT_OBSERVE, 9), (L.OPT_URI_PATH, "a")]
    for mtype, sent, reasons in ((L.TYPE_NON, [], []), (L.TYPE_CON, [L.TYPE_RST], ["reset"])):
        server = Server()
        _, token = observe_from(server)
        raw = datagram(L.CODE_CONTENT, mtype=mtype, mid=1, token=token, options=critical)
        assert [m.mtype for m in server.feed(raw)] == sent
        assert [event.reason for event in server.events if isinstance(event, FailureEvent)] == reasons
        assert len(server.stack._client) == 1 - len(sent)


def test_a_server_that_does_not_observe_gives_one_response():
    link, client, server, _ = joined()
    client.request("server", request(L.CODE_GET, "/a"), 0, observe=True)
    link.run(for_ms=1000)
    assert [event.observing for event in link.events["client"]] == [False]
    assert len(client._client) == 0


def test_cancelling_deregisters_and_crossing_notifications_are_swallowed():
    server = Server()
    request_id, token = observe_from(server)
    server.stack.cancel(request_id, server.now_ms)
    (sent,) = server.sent()
    assert sent[4:12] == token
    assert [m.mtype for m in server.feed(note(token, 9, 1, b"9", L.TYPE_CON))] == [L.TYPE_ACK]
    assert len(server.wait(5000)) == 1  # the deregistration is still retransmitted
    server.feed(datagram(L.CODE_CONTENT, mtype=L.TYPE_ACK, mid=sent[2] << 8 | sent[3], token=token, payload=b"bye"))
    assert bodies(server) == [b""]
    assert len(server.stack._client) == 0
    assert [m.mtype for m in server.feed(note(token, 10, 2, b"10", L.TYPE_CON))] == [L.TYPE_RST]


def test_cancelling_stops_the_fetching_of_blocks():
    link, client, server, _ = joined(delay_ms=20)
    server.observe = True
    request_id = client.request("server", request(L.CODE_GET, "/a"), 0, observe=True)
    link.run(for_ms=1000)
    server.stack.notify(server.requests[0], response(L.CODE_CONTENT, b"A" * 5000), link.now_ms)
    link.run(for_ms=70)
    client.cancel(request_id, link.now_ms)
    assert len(client._client._legs) == 1
    link.run(for_ms=10_000)
    assert [event.message.payload for event in link.events["client"]] == [b"ok"]
    assert client._client._legs == {}


def test_the_numbers_wrap_at_24_bits():
    server = watched(Limits(con_every=1000))
    _, incoming = register(server)
    incoming.observation.number = (1 << 24) - 2
    numbers = []
    for _ in range(3):
        _, (sent,) = notify(server, incoming)
        numbers.append(sent.uint(L.OPT_OBSERVE))
        if sent.mtype == L.TYPE_CON:
            ack(server, sent)
    assert numbers == [(1 << 24) - 1, 0, 1]


def test_a_deregistration_that_nobody_answers_is_forgotten_silently():
    server = Server()
    request_id, _ = observe_from(server)
    server.stack.cancel(request_id, server.now_ms)
    server.wait(200_000)
    assert [type(event) for event in server.events] == [ResponseEvent]
    assert len(server.stack._client) == 0


def test_a_newer_state_replaces_the_blocks_of_an_older_one():
    for secure in (False, True):
        link, client, server, context = joined(secure=secure, delay_ms=20)
        server.observe = True
        client.request("server", request(L.CODE_GET, "/a"), 0, context, observe=True)
        link.run(for_ms=1000)
        incoming = server.requests[0]
        server.stack.notify(incoming, response(L.CODE_CONTENT, b"A" * 5000), link.now_ms)
        link.run(for_ms=70)
        server.stack.notify(incoming, response(L.CODE_CONTENT, b"B" * 5000), link.now_ms)
        link.run(for_ms=10_000)
        got = [event.message.payload for event in link.events["client"]]
        assert got == [b"ok", b"B" * 5000]


def test_a_final_notification_stops_the_fetching_of_blocks():
    link, client, server, _ = joined(delay_ms=20)
    server.observe = True
    client.request("server", request(L.CODE_GET, "/a"), 0, observe=True)
    link.run(for_ms=1000)
    incoming = server.requests[0]
    server.stack.notify(incoming, response(L.CODE_CONTENT, b"A" * 5000), link.now_ms)
    link.run(for_ms=70)
    server.stack.end_observation(incoming, response(L.CODE_UNAUTHORIZED), link.now_ms)
    link.run(for_ms=10_000)
    assert [event.message.code for event in link.events["client"]] == [L.CODE_CONTENT, L.CODE_UNAUTHORIZED]
    assert [event.observing for event in link.events["client"]] == [True, False]
    assert len(client._client) == 0


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "oscore"])
@pytest.mark.parametrize("seed", range(8))
def test_on_a_lossy_link_states_arrive_in_order_and_the_last_one_arrives(secure, seed):
    link, client, server, context = joined(
        server_limits=Limits(con_every=1), secure=secure, seed=seed, loss=20, dup=20, reorder=50
    )
    server.observe = True
    client.request("server", request(L.CODE_GET, "/a"), 0, context, observe=True)
    if not link.run(for_ms=100_000, until=lambda: bool(link.events["client"])):
        pytest.fail(f"not registered: {link}")
    incoming = server.requests[0]
    for number in range(20):
        if not server.stack.notify(incoming, response(L.CODE_CONTENT, b"%03d" % number), link.now_ms):
            break
        link.run(for_ms=1500)
    link.run(for_ms=200_000)
    failed = [event for event in link.events["client"] if isinstance(event, FailureEvent)]
    assert failed == [], str(link)
    states = [event.message.payload for event in link.events["client"][1:]]
    assert states == sorted(states), str(link)
    if not server.events:
        assert states[-1] == b"019", str(link)
