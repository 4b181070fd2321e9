"""The message layer: deduplication, retransmission, message IDs, NSTART (RFC 7252 section 4)."""

import itertools

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits, Transmission
from holdfast_core.coap_message import decode, request, response
from holdfast_core.coap_reliability import Timed, Timers, _Peer
from holdfast_core.coap_stack import CoapStack, ResponseEvent
from holdfast_core.errors import LocalError, Overloaded
from testkit.coap import Server, datagram, joined
from testkit.link import Random


def ask(stack, now_ms=1000, peer="peer", **how):
    request_id = stack.request(peer, request(L.CODE_GET, "/a"), now_ms, **how)
    return request_id, [decode(raw) for raw, _ in stack.take_datagrams()]


# --- receiving ---


def test_a_duplicate_gets_the_same_bytes_and_the_application_hears_once():
    server = Server()
    first = server.feed_raw(datagram(L.CODE_GET, "/a"))
    server.body = b"other"
    server.now_ms += 200_000
    assert server.feed_raw(datagram(L.CODE_GET, "/a")) == first
    assert len(server.requests) == 1


def test_after_exchange_lifetime_the_message_id_is_new_again():
    server = Server()
    server.feed(datagram(L.CODE_GET, "/a"))
    server.now_ms += 247_000 - 1
    server.feed(datagram(L.CODE_GET, "/a"))
    assert len(server.requests) == 1
    server.now_ms += 1
    server.feed(datagram(L.CODE_GET, "/a"))
    assert len(server.requests) == 2


def test_the_same_message_id_from_another_peer_is_another_message():
    server = Server()
    server.feed(datagram(L.CODE_GET, "/a"), "one")
    server.feed(datagram(L.CODE_GET, "/a"), "two")
    assert len(server.requests) == 2


def test_a_non_confirmable_duplicate_is_ignored():
    server = Server()
    raw = datagram(L.CODE_GET, "/a", mtype=L.TYPE_NON)
    assert [reply.mtype for reply in server.feed(raw)] == [L.TYPE_NON]
    assert server.feed(raw) == []
    assert len(server.requests) == 1


def test_a_duplicate_of_an_unanswered_request_gets_the_empty_ack_again():
    server = Server()
    raw = datagram(L.CODE_GET, "/late", mid=7)
    first = server.feed_raw(raw)
    assert [(m.code, m.mtype, m.mid) for m in map(decode, first)] == [(L.CODE_EMPTY, L.TYPE_ACK, 7)]
    assert server.feed_raw(raw) == first
    assert len(server.requests) == 1


def test_exchanges_are_bounded_and_the_oldest_goes():
    server = Server(Limits(max_exchanges=4))
    for mid in range(1, 6):
        server.feed(datagram(L.CODE_GET, "/a", mid=mid))
    server.feed(datagram(L.CODE_GET, "/a", mid=5))
    assert len(server.requests) == 5
    server.feed(datagram(L.CODE_GET, "/a", mid=1))
    assert len(server.requests) == 6


def test_a_too_long_datagram_is_not_even_decoded():
    server = Server(Limits(max_datagram=100))
    assert server.feed(datagram(L.CODE_PUT, "/a", payload=b"x" * 95)) == []
    assert server.requests == []
    assert len(server.feed(datagram(L.CODE_PUT, "/a", payload=b"x" * 95)[:100])) == 1


def test_answering_twice_is_a_bug_of_the_caller():
    server = Server()
    server.feed(datagram(L.CODE_GET, "/a"))
    with pytest.raises(LocalError):
        server.stack.respond(server.requests[0], response(L.CODE_CONTENT), server.now_ms)


def test_the_application_may_reuse_its_message():
    server = Server()
    shared = response(L.CODE_CONTENT, b"x" * 3000)
    for mid in (1, 2):
        server.feed(datagram(L.CODE_GET, "/late", mid=mid, token=bytes([mid])))
        server.stack.respond(server.requests[-1], shared, server.now_ms)
    assert (shared.options, shared.token, shared.mid, len(shared.payload)) == ([], b"", None, 3000)


# --- retransmission ---


@pytest.mark.parametrize("seed", range(5))
def test_retransmissions_double_and_then_the_request_fails(seed):
    server = Server(seed=seed)
    request_id, sent = ask(server.stack, server.now_ms)
    start_ms = server.now_ms
    out = server.wait(200_000)
    assert len(out) == 4  # MAX_RETRANSMIT
    assert all(m.mid == sent[0].mid and m.token == sent[0].token for _, m in out)
    times = [start_ms, *[at for at, _ in out]]
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert 2000 <= gaps[0] <= 3000
    assert gaps == [gaps[0], gaps[0] * 2, gaps[0] * 4, gaps[0] * 8]
    assert [(e.request_id, e.reason) for e in server.events] == [(request_id, "timeout")]


def test_parameters_are_injectable():
    times = Transmission(ack_timeout_ms=100, ack_random_percent=0, max_retransmit=1)
    server = Server(Limits(transmission=times))
    ask(server.stack, server.now_ms)
    assert [at for at, _ in server.wait(1000)] == [1100]
    assert [e.reason for e in server.events] == ["timeout"]


def test_default_exchange_lifetime_is_the_rfcs():
    assert Transmission().exchange_lifetime_ms == 247_000


def test_an_empty_ack_stops_retransmission_and_starts_the_response_timeout():
    server = Server()
    request_id, sent = ask(server.stack, server.now_ms)
    server.feed(datagram(L.CODE_EMPTY, mtype=L.TYPE_ACK, mid=sent[0].mid, token=b""))
    assert server.wait(92_999) == []
    assert server.events == []
    server.wait(1)
    assert [(e.request_id, e.reason) for e in server.events] == [(request_id, "timeout")]


def test_a_separate_response_is_acknowledged_again_when_it_comes_again():
    server = Server()
    _, sent = ask(server.stack, server.now_ms)
    raw = datagram(L.CODE_CONTENT, mid=99, token=sent[0].token, payload=b"x")
    first = server.feed_raw(raw)
    assert [(m.mtype, m.mid) for m in map(decode, first)] == [(L.TYPE_ACK, 99)]
    assert server.feed_raw(raw) == first
    assert [type(e) for e in server.events] == [ResponseEvent]
    assert server.wait(300_000) == []  # the response was also the acknowledgement of the request


def test_an_unknown_separate_response_is_reset():
    server = Server()
    _, sent = ask(server.stack, server.now_ms)
    token = bytes([sent[0].token[0] ^ 1]) + sent[0].token[1:]
    assert [m.mtype for m in server.feed(datagram(L.CODE_CONTENT, token=token))] == [L.TYPE_RST]
    assert server.events == []


def test_a_response_from_another_peer_is_not_ours():
    server = Server()
    _, sent = ask(server.stack, server.now_ms)
    ack = datagram(L.CODE_CONTENT, mtype=L.TYPE_ACK, mid=sent[0].mid, token=sent[0].token)
    server.feed(ack, "mallory")
    assert server.events == []
    server.feed(ack)
    assert [type(e) for e in server.events] == [ResponseEvent]


@pytest.mark.parametrize("wrong", ["mid", "token"])
def test_a_piggybacked_response_needs_both_message_id_and_token(wrong):
    server = Server()
    _, sent = ask(server.stack, server.now_ms)
    mid = sent[0].mid ^ (wrong == "mid")
    token = b"other" if wrong == "token" else sent[0].token
    server.feed(datagram(L.CODE_CONTENT, mtype=L.TYPE_ACK, mid=mid, token=token))
    assert server.events == []
    assert len(server.wait(10_000)) >= 1  # still retransmitting


@pytest.mark.parametrize("confirmable", [True, False])
def test_a_reset_fails_the_request(confirmable):
    server = Server()
    request_id, sent = ask(server.stack, server.now_ms, confirmable=confirmable)
    server.feed(datagram(L.CODE_EMPTY, mtype=L.TYPE_RST, mid=sent[0].mid, token=b""))
    assert [(e.request_id, e.reason) for e in server.events] == [(request_id, "reset")]
    assert server.wait(300_000) == []


def test_an_ack_for_a_non_confirmable_request_means_nothing():
    server = Server()
    _, sent = ask(server.stack, server.now_ms, confirmable=False)
    server.feed(datagram(L.CODE_EMPTY, mtype=L.TYPE_ACK, mid=sent[0].mid, token=b""))
    server.feed(datagram(L.CODE_CONTENT, mtype=L.TYPE_NON, mid=5, token=sent[0].token))
    assert [type(e) for e in server.events] == [ResponseEvent]


def test_a_non_confirmable_request_times_out_without_retransmission():
    server = Server()
    ask(server.stack, server.now_ms, confirmable=False)
    assert server.wait(93_000) == []
    assert [e.reason for e in server.events] == ["timeout"]


def test_a_critical_option_in_a_response_rejects_it():
    server = Server()
    _, sent = ask(server.stack, server.now_ms)
    strange = [(65001, b"x")]
    reply = server.feed(datagram(L.CODE_CONTENT, mid=9, token=sent[0].token, options=strange))
    assert [m.mtype for m in reply] == [L.TYPE_RST]
    server.feed(datagram(L.CODE_CONTENT, mtype=L.TYPE_ACK, mid=sent[0].mid, token=sent[0].token, options=strange))
    assert server.events == []


def test_cancel_forgets_at_once():
    server = Server()
    request_id, sent = ask(server.stack, server.now_ms)
    server.stack.cancel(request_id, server.now_ms)
    server.stack.cancel(request_id, server.now_ms)
    assert server.wait(300_000) == []
    reply = server.feed(datagram(L.CODE_CONTENT, mid=9, token=sent[0].token))
    assert [m.mtype for m in reply] == [L.TYPE_RST]
    assert server.events == []


# --- NSTART, message IDs, tables ---


def test_nstart_lets_one_confirmable_message_out_at_a_time():
    server = Server()
    sent = [ask(server.stack, server.now_ms)[1] for _ in range(3)]
    assert [len(out) for out in sent] == [1, 0, 0]
    assert len(ask(server.stack, server.now_ms, peer="other")[1]) == 1
    first = sent[0][0]
    next_ = server.feed(datagram(L.CODE_CONTENT, mtype=L.TYPE_ACK, mid=first.mid, token=first.token))
    assert len(next_) == 1
    assert next_[0].token != first.token


def test_nstart_frees_the_next_when_the_first_times_out():
    server = Server()
    ask(server.stack, server.now_ms)
    ask(server.stack, server.now_ms)
    tokens = [m.token for _, m in server.wait(100_000)]
    assert len(set(tokens)) == 2


def test_the_queue_for_a_peer_is_bounded():
    server = Server(Limits(max_queue=2))
    ids = [ask(server.stack, server.now_ms)[0] for _ in range(4)]
    assert server.stack.next_deadline_ms() <= server.now_ms
    assert [(e.request_id, e.reason) for e in server.stack.tick(server.now_ms)] == [(ids[3], "overloaded")]


def test_open_requests_are_bounded():
    stack = CoapStack(Random(1).octets, limits=Limits(max_requests=2))
    for peer in "ab":
        ask(stack, peer=peer)
    with pytest.raises(Overloaded):
        ask(stack, peer="c")


def test_a_cancelled_request_leaves_the_queue():
    server = Server()
    ask(server.stack, server.now_ms)
    waiting, _ = ask(server.stack, server.now_ms)
    server.stack.cancel(waiting, server.now_ms)
    tokens = {m.token for _, m in server.wait(300_000)}
    assert len(tokens) == 1


@pytest.mark.parametrize("first", [0, 1, 0x0FFF, 0x1000, 0xABCD, 0xFFFF])
def test_message_ids_are_not_reused_within_exchange_lifetime(first):
    peer = _Peer(first)
    used = [peer.take_mid(now_ms, 247_000) for now_ms in range(0x10000)]
    given = [mid for mid in used if mid is not None]
    assert given[:2] == [first, (first + 1) % 0x10000]
    assert len(given) == len(set(given)) > 0xF000
    assert peer.take_mid(0x10000, 247_000) is None
    assert peer.take_mid(0x0FFF + 247_000, 247_000) is not None


def test_a_request_that_gets_no_message_id_fails_and_later_ones_pass():
    server = Server()
    peer = server.stack._messages._peer("peer")
    while peer.take_mid(server.now_ms, 247_000) is not None:
        pass
    request_id, sent = ask(server.stack, server.now_ms)
    assert sent == []
    server.wait(0)
    assert [(e.request_id, e.reason) for e in server.events] == [(request_id, "overloaded")]
    server.now_ms += 247_000
    assert len(ask(server.stack, server.now_ms)[1]) == 1


def known_peers(server):
    return [peer for peers in server.stack._messages._peers for peer in peers]


def test_peers_are_bounded_and_busy_ones_stay():
    server = Server(Limits(max_peers=3))
    ask(server.stack, server.now_ms, peer="busy")
    for number in range(10):
        server.feed(datagram(L.CODE_GET, "/a", mtype=L.TYPE_NON), f"peer{number}")
    assert len(known_peers(server)) == 3
    assert "busy" in known_peers(server)


def test_when_all_peers_are_busy_the_oldest_is_forgotten_and_its_requests_fail():
    server = Server(Limits(max_peers=2))
    ids = [ask(server.stack, server.now_ms, peer=peer)[0] for peer in ("a", "a", "b", "c")]
    lost = server.stack.tick(server.now_ms)
    assert sorted((e.request_id, e.reason) for e in lost) == [(ids[0], "overloaded"), (ids[1], "overloaded")]
    server.wait(300_000)
    assert sorted(e.request_id for e in server.events) == ids[2:]
    assert len(known_peers(server)) <= 2


def test_strangers_who_are_owed_responses_do_not_push_out_whom_we_have_asked():
    server = Server(Limits(max_peers=3))
    request_id, sent = ask(server.stack, server.now_ms, peer="as")
    for number in range(20):
        peer = f"spoofed{number}"
        server.feed(datagram(L.CODE_POST, "/late", number), peer)
        server.stack.respond(server.requests[-1], response(L.CODE_CREATED), server.now_ms)
        assert len(server.sent(peer)) == 1
    assert len(server.stack._messages._live) <= 3
    server.feed(datagram(L.CODE_CONTENT, mtype=L.TYPE_ACK, mid=sent[0].mid, token=sent[0].token), "as")
    assert [(type(e), e.request_id) for e in server.events] == [(ResponseEvent, request_id)]


def test_a_flood_of_requests_costs_no_peer_entries():
    server = Server(Limits(max_exchanges=8))
    for port in range(100):
        server.feed(datagram(L.CODE_GET, "/a"), ("10.0.0.1", port))
    assert len(known_peers(server)) == 0
    assert len(server.stack._messages._exchanges) == 8


# --- timers ---


def test_timers_move_and_stop():
    timers = Timers()
    first, second = Timed(), Timed()
    timers.start(first, 10)
    timers.start(second, 20)
    timers.start(first, 30)
    assert timers.next_ms() == 20
    timers.stop(second)
    assert timers.pop_due(29) is None
    assert timers.pop_due(30) is first
    assert timers.next_ms() is None


def test_timers_do_not_keep_the_dead():
    timers = Timers()
    for _ in range(1000):
        timed = Timed()
        timers.start(timed, 10)
        timers.stop(timed)
    assert len(timers._heap) <= 66
    assert timers.next_ms() is None


# --- the lossy link ---


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "oscore"])
def test_every_request_ends_once_and_is_served_at_most_once(seed, secure):
    link, client, server, context = joined(secure=secure, seed=seed, loss=25, dup=25, reorder=40)
    ids = []
    for number in range(6):
        body = b"x" * (1500 if number % 3 == 0 else 3)
        path = f"/{number}"
        ids.append(client.request("server", request(L.CODE_PUT, path, body), 0, context, confirmable=number != 5))
    link.run(for_ms=1_000_000)
    ended = [event.request_id for event in link.events["client"]]
    assert sorted(ended) == ids, str(link)
    served = [incoming.message.path() for incoming in server.requests]
    assert len(served) == len(set(served)), str(link)
    answered = [event for event in link.events["client"] if isinstance(event, ResponseEvent)]
    assert all(event.message.payload == b"ok" for event in answered), str(link)
    assert len(client._client) == 0
    assert client._client._legs == {}
    assert client._messages._live == {}
