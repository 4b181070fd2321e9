"""Observing: registration, order, confirmation, every way it ends, and what abuses it (RFC 7641)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import decode, request, response
from holdfast_core.coap_stack import ObservationEnded
from testkit.coap import Server, contexts, datagram, secured, table
from testkit.coap_observe import REGISTER, ack, notify, register, watched

DEREGISTER = [(L.OPT_OBSERVE, L.OBSERVE_DEREGISTER)]


def reasons(server):
    return [event.reason for event in server.events if isinstance(event, ObservationEnded)]


# --- the server's side ---


def test_registration_is_answered_with_observe_and_notifications_count_up():
    server = watched()
    reply, incoming = register(server)
    numbers = [reply.uint(L.OPT_OBSERVE)]
    for _ in range(7):
        alive, (note,) = notify(server, incoming)
        assert alive
        assert (note.token, note.payload) == (b"t", b"new")
        numbers.append(note.uint(L.OPT_OBSERVE))
        if note.mtype == L.TYPE_CON:
            ack(server, note)
    assert numbers == list(range(8))


def test_every_kth_notification_is_confirmable_beginning_with_the_first():
    server = watched(Limits(con_every=3))
    _, incoming = register(server)
    types = []
    for _ in range(7):
        _, (note,) = notify(server, incoming)
        types.append(note.mtype)
        if note.mtype == L.TYPE_CON:
            ack(server, note)
    con, non = L.TYPE_CON, L.TYPE_NON
    assert types == [con, non, non, con, non, non, con]


def test_a_day_without_confirmation_makes_the_next_one_confirmable():
    server = watched(Limits(con_every=1000))
    _, incoming = register(server)
    _, (note,) = notify(server, incoming)
    ack(server, note)
    server.wait(24 * 3600 * 1000 - 1)
    assert notify(server, incoming)[1][0].mtype == L.TYPE_NON
    server.wait(1)
    assert notify(server, incoming)[1][0].mtype == L.TYPE_CON


@pytest.mark.parametrize("how", ["declined", "no-option", "error", "post", "later-block"])
def test_what_is_no_registration(how):
    server = watched()
    server.observe = how != "declined"
    code = L.CODE_POST if how == "post" else L.CODE_GET
    options = [] if how == "no-option" else [*REGISTER]
    if how == "later-block":
        options.append((L.OPT_BLOCK2, b"\x10"))
        server.body = b"x" * 40
    path = "/late" if how == "error" else "/a"
    replies = server.feed(datagram(code, path, options=options))
    incoming = server.requests[-1]
    if how == "error":
        server.stack.respond(incoming, response(L.CODE_NOT_FOUND), server.now_ms, observe=True)
        replies = [m for m in replies if m.code]
    assert all(reply.get(L.OPT_OBSERVE) is None for reply in replies)
    assert server.stack.notify(incoming, response(L.CODE_CONTENT), server.now_ms) is False
    assert not server.stack._server.observers


def test_nobody_observes_unless_told_to():
    server = Server()
    server.feed(datagram(L.CODE_GET, "/late", options=REGISTER))
    assert server.requests[0].observe
    assert server.stack.respond(server.requests[0], response(L.CODE_CONTENT), server.now_ms) is False
    assert [m.get(L.OPT_OBSERVE) for m in map(decode, server.sent())] == [None]
    server.stack.request("other", request(L.CODE_GET, "/a"), server.now_ms)
    assert [m.get(L.OPT_OBSERVE) for m in map(decode, server.sent("other"))] == [None]


def test_fetch_can_observe():
    server = watched()
    reply, incoming = register(server, code=L.CODE_FETCH)
    assert reply.get(L.OPT_OBSERVE) is not None
    assert notify(server, incoming)[0]


def test_deregistration_by_observe_1():
    server = watched()
    _, incoming = register(server)
    (reply,) = server.feed(datagram(L.CODE_GET, "/a", 2, options=DEREGISTER))
    assert (reply.code, reply.get(L.OPT_OBSERVE)) == (L.CODE_CONTENT, None)
    assert reasons(server) == ["cancelled"]
    assert notify(server, incoming) == (False, [])


@pytest.mark.parametrize(("peer", "token"), [("mallory", b"t"), ("peer", b"u")])
def test_deregistration_by_another_peer_or_token_does_nothing(peer, token):
    server = watched()
    _, incoming = register(server)
    server.feed(datagram(L.CODE_GET, "/a", 2, token=token, options=DEREGISTER), peer)
    assert reasons(server) == []
    assert notify(server, incoming)[0]


def test_registering_again_replaces_and_the_numbers_go_on():
    server = watched()
    _, first = register(server)
    for _ in range(3):
        _, (note,) = notify(server, first)
        ack(server, note)
    reply, second = register(server, mid=2)
    assert reply.uint(L.OPT_OBSERVE) == 4
    assert server.stack.next_deadline_ms() <= server.now_ms  # the event waits for the next feed or tick
    server.wait(0)
    assert reasons(server) == ["replaced"]
    assert server.events[0].incoming is first
    assert notify(server, first) == (False, [])
    assert notify(server, second)[0]
    assert len(server.stack._server.observers) == 1


@pytest.mark.parametrize("con_every", [1, 1000])
def test_a_reset_ends_it(con_every):
    server = watched(Limits(con_every=con_every))
    _, incoming = register(server)
    _, (note,) = notify(server, incoming)
    if con_every > 1:
        ack(server, note)
        _, (note,) = notify(server, incoming)
        assert note.mtype == L.TYPE_NON
    ack(server, note, mtype=L.TYPE_RST)
    assert reasons(server) == ["reset"]
    assert notify(server, incoming) == (False, [])


def test_a_reset_from_somebody_else_does_not():
    server = watched()
    _, incoming = register(server)
    _, (note,) = notify(server, incoming)
    ack(server, note, "mallory", L.TYPE_RST)
    assert reasons(server) == []


def test_an_observer_that_never_acknowledges_is_dropped():
    server = watched()
    _, incoming = register(server)
    notify(server, incoming)
    server.wait(100_000)
    assert reasons(server) == ["timeout"]
    assert notify(server, incoming) == (False, [])
    assert not server.stack._server.observers


def test_while_one_is_unacknowledged_only_the_latest_state_waits():
    server = watched()
    _, incoming = register(server)
    _, (first,) = notify(server, incoming, b"1")
    for body in (b"2", b"3", b"4"):
        assert notify(server, incoming, body) == (True, [])
    (latest,) = ack(server, first)
    assert latest.payload == b"4"
    assert server.wait(300_000) == []


def test_an_error_notification_ends_it():
    server = watched()
    _, incoming = register(server)
    gone = response(L.CODE_NOT_FOUND)
    assert server.stack.notify(incoming, gone, server.now_ms) is False
    (last,) = [decode(out) for out in server.sent()]
    assert (last.code, last.mtype, last.get(L.OPT_OBSERVE)) == (L.CODE_NOT_FOUND, L.TYPE_CON, None)
    assert notify(server, incoming)[0] is False


def test_end_observation_says_so_and_replaces_what_is_on_its_way():
    server = watched()
    _, incoming = register(server)
    notify(server, incoming, b"1")
    server.stack.end_observation(incoming, response(L.CODE_UNAUTHORIZED), server.now_ms)
    out = [message for _, message in server.wait(100_000)]
    assert {message.code for message in out} == {L.CODE_UNAUTHORIZED}
    assert all(message.get(L.OPT_OBSERVE) is None for message in out)
    assert reasons(server) == []
    server.stack.end_observation(incoming, response(L.CODE_UNAUTHORIZED), server.now_ms)
    assert server.wait(100_000) == []


def test_caps_per_peer_and_in_all():
    server = watched(Limits(max_observers=4, max_observers_per_peer=2))
    granted = {}
    for peer in "abc":
        granted[peer] = [
            register(server, peer, mid, bytes([mid]))[0].get(L.OPT_OBSERVE) is not None for mid in range(3)
        ]
    assert granted == {"a": [True, True, False], "b": [True, True, False], "c": [False, False, False]}
    assert len(server.stack._server.observers) == 4
    server.feed(datagram(L.CODE_GET, "/a", 9, token=b"\x00", options=DEREGISTER), "a")
    assert register(server, "c", 9, b"\x09")[0].get(L.OPT_OBSERVE) is not None


def test_a_flood_of_registrations_that_nobody_confirms_dies_out():
    server = watched(Limits(max_observers=50))
    incoming = [register(server, f"victim{number}")[1] for number in range(60)]
    sent = 0
    for one in incoming:
        server.stack.notify(one, response(L.CODE_CONTENT, b"x"), server.now_ms)
    sent += len(server.stack.take_datagrams())
    out = server.wait(200_000)
    assert not server.stack._server.observers
    assert sent + len(out) == 50 * 5  # each victim gets what one message and its retransmissions are, and no more
    assert reasons(server) == ["timeout"] * 50


def test_observations_of_one_peer_under_nstart_all_get_through():
    server = watched()
    incoming = [register(server, mid=mid, token=bytes([mid]))[1] for mid in range(4)]
    for one in incoming:
        server.stack.notify(one, response(L.CODE_CONTENT, b"x"), server.now_ms)
    tokens = []
    out = server.sent()
    while out:
        (raw,) = out
        tokens.append(raw[4:5])
        out = server.feed_raw(datagram(L.CODE_EMPTY, mtype=L.TYPE_ACK, mid=raw[2] << 8 | raw[3], token=b""))
    assert tokens == [bytes([mid]) for mid in range(4)]


def test_a_plain_request_cannot_cancel_or_replace_a_protected_observation():
    client, held = contexts()
    server = watched(held=table(held))
    raw, _ = secured(request(L.CODE_GET, "/a").add(L.OPT_OBSERVE, 0), client)
    server.feed(raw)
    incoming = server.requests[-1]
    server.feed(datagram(L.CODE_GET, "/a", 2, options=DEREGISTER))
    (reply,) = server.feed(datagram(L.CODE_GET, "/a", 3, options=REGISTER))
    assert reply.get(L.OPT_OBSERVE) is None
    assert reasons(server) == []
    assert notify(server, incoming)[0]
