"""What a client inside OSCORE makes of answers that are not what they should be (RFC 8613 section 8.4)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.coap_stack import CoapStack, FailureEvent, RequestEvent, ResponseEvent
from holdfast_core.replay_window import ReplayWindow
from testkit.coap import Server, contexts, datagram, joined, table
from testkit.link import Random

# --- what a client makes of answers that are not what they should be ---


def ask(context, observe=False):
    """A client stack that has asked under a context: (stack, datagram sent)."""
    stack = CoapStack(Random(8).octets)
    stack.request("peer", request(L.CODE_GET, "/a"), 0, context, observe=observe)
    ((raw, _),) = stack.take_datagrams()
    return stack, raw


def answer_plain(sent, code, mtype=L.TYPE_ACK, mid=None, payload=b""):
    token = sent[4 : 4 + (sent[0] & 15)]
    return datagram(code, mtype=mtype, mid=sent[2] << 8 | sent[3] if mid is None else mid, token=token, payload=payload)


def test_an_unprotected_answer_is_reported_with_what_it_says():
    client, _ = contexts()
    stack, sent = ask(client)
    (event,) = stack.feed(answer_plain(sent, L.CODE_UNAUTHORIZED, payload=b"hints"), "peer", 10)
    assert (type(event), event.reason, event.message.payload) == (FailureEvent, "unprotected", b"hints")


def test_a_forged_answer_is_not_authentic():
    client, held = contexts()
    stack, sent = ask(client)
    server = Server(held=table(held))
    (good,) = server.feed_raw(sent)
    (event,) = stack.feed(good[:-1] + bytes([good[-1] ^ 1]), "peer", 10)
    assert (type(event), event.reason, event.message) == (FailureEvent, "not-authentic", None)


def test_answers_swapped_between_two_requests_are_both_refused():
    client, held = contexts()
    server = Server(held=table(held))
    first_stack, first = ask(client)
    second_stack, second = ask(client)
    (one,) = server.feed_raw(first, "one")
    (two,) = server.feed_raw(second, "two")
    swapped_one = one[:8] + two[8:]  # the header and token of one, the OSCORE message of the other
    swapped_two = two[:8] + one[8:]
    for stack, raw in ((first_stack, swapped_one), (second_stack, swapped_two)):
        (event,) = stack.feed(raw, "peer", 10)
        assert event.reason == "not-authentic"


def test_the_servers_own_request_reflected_is_no_answer():
    client, _ = contexts()
    stack, sent = ask(client)
    mirrored = decode(sent)
    mirrored.code, mirrored.mtype = L.CODE_CHANGED, L.TYPE_ACK
    (event,) = stack.feed(encode(mirrored), "peer", 10)
    assert event.reason == "not-authentic"


def test_a_protected_answer_to_a_plain_request_is_rejected():
    client, held = contexts()
    stack = CoapStack(Random(8).octets)
    stack.request("peer", request(L.CODE_GET, "/a"), 0)
    ((sent, _),) = stack.take_datagrams()
    message = decode(answer_plain(sent, L.CODE_CHANGED, payload=b"cipher")).add(L.OPT_OSCORE)
    assert stack.feed(encode(message), "peer", 10) == []
    message.mtype = L.TYPE_CON
    assert stack.feed(encode(message), "peer", 10) == []
    assert [decode(raw).mtype for raw, _ in stack.take_datagrams()] == [L.TYPE_RST]


def test_an_established_observation_survives_what_does_not_verify():
    client, held = contexts()
    server = Server(held=table(held))
    server.observe = True
    stack, sent = ask(client, observe=True)
    (reply,) = server.feed_raw(sent)
    assert [event.observing for event in stack.feed(reply, "peer", 10)] == [True]
    server.stack.notify(server.requests[0], response(L.CODE_CONTENT, b"1"), 20)
    (note,) = server.sent()
    forged = note[:3] + b"\x77" + note[4:-1] + bytes([note[-1] ^ 1])
    assert stack.feed(forged, "peer", 30) == []
    assert stack.feed(answer_plain(sent, L.CODE_UNAUTHORIZED, L.TYPE_NON, mid=500), "peer", 40) == []
    (event,) = stack.feed(note, "peer", 50)
    assert (event.message.payload, event.observing) == (b"1", True)
    replayed = note[:2] + b"\x00\x99" + note[4:]
    assert stack.feed(replayed, "peer", 60) == []


def test_retransmissions_are_the_same_bytes():
    client, _ = contexts()
    stack, sent = ask(client)
    for now_ms in (3000, 9100, 21_200):
        stack.tick(now_ms)
        assert [raw for raw, _ in stack.take_datagrams()] == [sent]


@pytest.mark.parametrize("seed", range(6))
def test_no_partial_iv_is_ever_used_for_two_different_datagrams(seed):
    """On a bad link with blocks, notifications and an Echo recovery (RFC 8613 sections 5.2 and 7.2)."""
    link, client, server, context = joined(
        secure=True, replay=ReplayWindow(initialised=False), seed=seed, loss=20, dup=20, reorder=40
    )
    server.observe = True
    client.request("server", request(L.CODE_GET, "/watch"), 0, context, observe=True)
    link.run(for_ms=150_000)
    for number in range(5):
        client.request("server", request(L.CODE_PUT, "/a", b"x" * (1500 * (number % 2) + 1)), link.now_ms, context)
        if server.requests:
            note = response(L.CODE_CONTENT, b"n" * (1200 * (number % 2) + 1))
            server.stack.notify(server.requests[0], note, link.now_ms)
        link.run(for_ms=100_000)
    used = {}
    for _, sender, _, raw in link.log:
        message = decode(raw)
        value = message.get(L.OPT_OSCORE)
        if value is None:
            continue
        piv = value[1 : 1 + (value[0] & 7)] if value else b""
        nonce = ("client", piv) if sender == "client" else ("server", piv) if piv else ("of-request", message.token)
        assert used.setdefault(nonce, message.payload) == message.payload, str(link)
    assert len(used) > 10


# --- several roles on one stack ---


def test_one_stack_is_client_and_server_at_once():
    to_server, held = contexts()
    server = Server(held=table(held))
    middle = CoapStack(Random(5).octets)
    waiting = []
    got = []

    def pump():
        for _ in range(10):
            for raw, peer in middle.take_datagrams():
                if peer == "server":
                    for reply in server.feed_raw(raw, "middle"):
                        got.extend(middle.feed(reply, "server", 0))
            for event in [*got]:
                if isinstance(event, ResponseEvent) and waiting:
                    middle.respond(waiting.pop(), response(L.CODE_CONTENT, event.message.payload), 0)

    for event in middle.feed(datagram(L.CODE_GET, "/relay"), "asker", 0):
        assert isinstance(event, RequestEvent)
        waiting.append(event.incoming)
        middle.request("server", request(L.CODE_GET, "/a"), 0, to_server)
    pump()
    assert waiting == []
    assert server.requests[0].context is held
