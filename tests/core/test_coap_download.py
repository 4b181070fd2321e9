"""Blockwise downloads: one rendering for all blocks, bounds, and servers that lie (RFC 7959)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import decode, request
from holdfast_core.coap_stack import FailureEvent, ResponseEvent
from testkit.coap import Server, block, contexts, datagram, joined, secured, table

SIXTEEN = b"0123456789abcdef"


def codes(replies):
    return [reply.code for reply in replies]


# --- downloads ---


def get(num, mid, szx=0, path="/a", token=b"t"):
    return datagram(L.CODE_GET, path, mid, token=token, options=[(L.OPT_BLOCK2, block(num, False, szx))])


def test_later_blocks_come_from_the_same_rendering():
    server = Server()
    server.body = b"A" * 40
    (first,) = server.feed(get(0, 1))
    server.body = b"B" * 40
    (second,) = server.feed(get(1, 2))
    (third,) = server.feed(get(2, 3))
    assert first.payload + second.payload + third.payload == b"A" * 40
    assert len({reply.get(L.OPT_ETAG) for reply in (first, second, third)}) == 1
    assert (first.uint(L.OPT_SIZE2), second.uint(L.OPT_SIZE2)) == (40, None)
    assert len(server.requests) == 1


def test_a_forgotten_rendering_is_made_again_and_its_etag_tells():
    server = Server(Limits(max_renderings=1))
    server.body = b"A" * 40
    (first,) = server.feed(get(0, 1))
    server.feed(get(0, 2, path="/other"))
    (same,) = server.feed(get(1, 3))
    assert same.get(L.OPT_ETAG) == first.get(L.OPT_ETAG)
    server.feed(get(0, 4, path="/other"))
    server.body = b"B" * 40
    (changed,) = server.feed(get(1, 5))
    assert changed.payload == b"B" * 16
    assert changed.get(L.OPT_ETAG) != first.get(L.OPT_ETAG)


def test_a_rendering_is_too_old_even_when_nobody_has_swept():
    server = Server()
    server.body = b"A" * 40
    server.feed(get(0, 1))
    server.now_ms += 247_000 - 1
    server.feed(get(1, 2))
    assert len(server.requests) == 1
    server.now_ms += 1
    server.feed(get(1, 3))
    assert len(server.requests) == 2


@pytest.mark.parametrize(("length", "blocks"), [(0, 1), (1023, 1), (1024, 1), (1025, 2), (2048, 2), (2049, 3)])
def test_a_body_goes_in_as_few_messages_as_it_can(length, blocks):
    link, client, server, _ = joined()
    client.request("server", request(L.CODE_PUT, "/a", b"x" * length), 0)
    link.run(for_ms=10_000)
    sent = [decode(raw) for _, sender, _, raw in link.log if sender == "client"]
    assert len(sent) == blocks
    assert (sent[0].get(L.OPT_BLOCK1) is None) == (blocks == 1)
    assert len(server.requests[0].message.payload) == length


@pytest.mark.parametrize("szx", [5, 6])
def test_4_13_with_a_size_that_helps_nothing_is_the_answer(szx):
    server = Server()
    server.stack.request("peer", request(L.CODE_PUT, "/a", b"x" * 512), server.now_ms)
    reply_to(server, L.CODE_REQUEST_ENTITY_TOO_LARGE, b"", [(L.OPT_BLOCK1, block(0, False, szx))])
    assert [event.message.code for event in server.events] == [L.CODE_REQUEST_ENTITY_TOO_LARGE]
    assert server.sent() == []


def test_renderings_are_bounded_and_expire():
    server = Server(Limits(max_renderings=3))
    server.body = b"A" * 40
    for number in range(10):
        server.feed(get(0, number, path=f"/{number}"))
    assert len(server.stack._server.renderings) == 3
    server.stack.tick(server.now_ms + 247_000)
    assert len(server.stack._server.renderings) == 0


def test_one_peer_does_not_get_another_peers_rendering():
    server = Server()
    server.body = b"A" * 40
    server.feed(get(0, 1), "alice")
    server.body = b"B" * 40
    (reply,) = server.feed(get(1, 1), "mallory")
    assert reply.payload == b"B" * 16
    assert len(server.requests) == 2


def test_a_rendering_made_inside_oscore_is_not_served_outside():
    client, held = contexts()
    server = Server(held=table(held))
    server.body = b"A" * 40
    raw, _ = secured(request(L.CODE_GET, "/a").add(L.OPT_BLOCK2, block(0, False, 0)), client)
    server.feed(raw)
    server.body = b"public"
    (reply,) = server.feed(get(1, 2))
    assert b"A" not in reply.payload
    assert server.requests[-1].context is None


def test_a_later_block_of_an_unsafe_method_is_never_rendered_again():
    server = Server()
    options = [(L.OPT_BLOCK2, block(1, False, 0))]
    assert codes(server.feed(datagram(L.CODE_POST, "/a", options=options))) == [L.CODE_REQUEST_ENTITY_INCOMPLETE]
    assert server.requests == []


def test_a_post_with_a_large_answer():
    for secure in (False, True):
        link, client, server, context = joined(secure=secure)
        server.body = b"A" * 3000
        client.request("server", request(L.CODE_POST, "/a", b"x" * 2000), 0, context)
        link.run(for_ms=10_000)
        assert [event.message.payload for event in link.events["client"]] == [b"A" * 3000]
        assert [incoming.message.payload for incoming in server.requests] == [b"x" * 2000]


def test_the_block_size_for_strangers_has_its_own_limit():
    client, held = contexts()
    server = Server(Limits(szx=5, nosec_szx=1), table(held))
    server.body = b"A" * 2000
    (plain,) = server.feed(datagram(L.CODE_GET, "/a"))
    assert len(plain.payload) == 32
    (asked,) = server.feed(get(0, 2, szx=6, token=b"u"))
    assert len(asked.payload) == 32
    raw, _ = secured(request(L.CODE_GET, "/a"), client, 3)
    (protected,) = server.feed(raw)
    assert 512 < len(protected.payload) < 560


def test_a_later_block_asked_in_a_larger_size_than_ours_comes_in_ours():
    server = Server(Limits(nosec_szx=0))
    server.body = bytes(range(100))
    (reply,) = server.feed(get(1, 1, szx=1))
    assert (reply.payload, reply.get(L.OPT_BLOCK2)) == (bytes(range(32, 48)), block(2, True, 0))


def test_our_client_begins_anew_once_when_the_body_changes():
    link, client, server, _ = joined(server_limits=Limits(max_renderings=1))
    state = {"changes": 0, "most": 1}

    def change(sender, receiver, raw):
        if sender == "client" and len(server.stack._server.renderings) and state["changes"] < state["most"]:
            state["changes"] += 1
            server.body = bytes([65 + state["changes"]]) * 3000
            server.stack._server.renderings.clear()
        return [raw]

    link.tap = change
    server.body = b"A" * 3000
    client.request("server", request(L.CODE_GET, "/a"), 0)
    link.run(for_ms=10_000)
    (event,) = link.events["client"]
    assert event.message.payload == b"B" * 3000
    link.events["client"].clear()
    state.update(changes=0, most=100)
    client.request("server", request(L.CODE_GET, "/b"), link.now_ms)
    link.run(for_ms=10_000)
    (event,) = link.events["client"]
    assert (type(event), event.reason) == (FailureEvent, "incomplete")


def test_our_client_takes_no_body_beyond_its_limit():
    for length, kind in ((2048, ResponseEvent), (2049, FailureEvent)):
        link, client, server, _ = joined(client_limits=Limits(max_body=2048))
        server.body = b"A" * length
        client.request("server", request(L.CODE_GET, "/a"), 0)
        link.run(for_ms=10_000)
        (event,) = link.events["client"]
        assert type(event) is kind
        assert len(link.log) == (4 if kind is ResponseEvent else 2)  # Size2 says at once that it is too much
        if kind is FailureEvent:
            assert event.reason == "too-large"


def reply_to(server, code, payload, options):
    """Answer the one request our client has sent, and return what it sends next."""
    (sent,) = [out for out, _ in server.stack.take_datagrams()]
    mid, token = sent[2] << 8 | sent[3], sent[4:12]
    raw = datagram(code, mtype=L.TYPE_ACK, mid=mid, token=token, payload=payload, options=options)
    for event in server.stack.feed(raw, "peer", server.now_ms):
        server.take(event)


def test_a_lying_server_without_size2_is_cut_off():
    server = Server(Limits(max_body=100))
    server.stack.request("peer", request(L.CODE_GET, "/a"), server.now_ms)
    num = 0
    while not server.events:
        reply_to(server, L.CODE_CONTENT, SIXTEEN, [(L.OPT_BLOCK2, block(num, True, 0))])
        num += 1
    assert server.events[0].reason == "too-large"
    assert num == 7


def test_a_changed_answer_to_a_post_is_not_asked_for_again():
    server = Server()
    server.stack.request("peer", request(L.CODE_POST, "/a"), server.now_ms)
    etag = [(L.OPT_ETAG, b"1"), (L.OPT_BLOCK2, block(0, True, 0))]
    reply_to(server, L.CODE_CONTENT, SIXTEEN, etag)
    reply_to(server, L.CODE_CONTENT, SIXTEEN, [(L.OPT_ETAG, b"2"), (L.OPT_BLOCK2, block(1, True, 0))])
    assert [event.reason for event in server.events] == ["incomplete"]
    assert server.sent() == []


@pytest.mark.parametrize("method", [L.CODE_POST, L.CODE_PUT])
@pytest.mark.parametrize("length", [10, 1500])
@pytest.mark.parametrize(
    ("code", "options"),
    [(L.CODE_REQUEST_ENTITY_INCOMPLETE, []), (L.CODE_UNAUTHORIZED, [(L.OPT_ECHO, b"echo")]), (L.CODE_NOT_FOUND, [])],
)
def test_what_has_been_done_is_not_asked_for_again_when_its_answer_is_lost(method, length, code, options):
    server = Server()
    server.stack.request("peer", request(method, "/a", bytes(length)), server.now_ms)
    if length > 1024:
        reply_to(server, L.CODE_CONTINUE, b"", [(L.OPT_BLOCK1, block(0, True, 6))])
    head = [(L.OPT_ETAG, b"1"), (L.OPT_BLOCK2, block(0, True, 0)), (L.OPT_BLOCK1, block(1, False, 6))]
    reply_to(server, L.CODE_CHANGED, SIXTEEN, head[: 3 if length > 1024 else 2])
    reply_to(server, code, b"", options)
    assert [event.reason for event in server.events] == ["incomplete"]
    assert server.sent() == []


def test_a_get_begins_anew_with_the_echo_that_a_later_block_asks_for():
    server = Server()
    server.stack.request("peer", request(L.CODE_GET, "/a"), server.now_ms)
    reply_to(server, L.CODE_CONTENT, SIXTEEN, [(L.OPT_ETAG, b"1"), (L.OPT_BLOCK2, block(0, True, 0))])
    reply_to(server, L.CODE_UNAUTHORIZED, b"", [(L.OPT_ECHO, b"echo")])
    (again,) = map(decode, server.sent())
    assert (again.get(L.OPT_ECHO), again.get(L.OPT_BLOCK2)) == (b"echo", None)


@pytest.mark.parametrize(
    ("second", "payload"),
    [((2, True, 0), SIXTEEN), ((0, True, 0), SIXTEEN), ((1, True, 0), b"short"), ((1, True, 1), SIXTEEN * 2),
     ((1, False, 0), SIXTEEN + b"x")],
    ids=["gap", "again", "not-full", "larger", "last-too-long"],
)  # fmt: skip
def test_blocks_that_do_not_fit_fail_the_request(second, payload):
    server = Server()
    server.stack.request("peer", request(L.CODE_GET, "/a"), server.now_ms)
    reply_to(server, L.CODE_CONTENT, SIXTEEN, [(L.OPT_BLOCK2, block(0, True, 0))])
    reply_to(server, L.CODE_CONTENT, payload, [(L.OPT_BLOCK2, block(*second))])
    assert [event.reason for event in server.events] == ["incomplete"]


@pytest.mark.parametrize("method", [L.CODE_GET, L.CODE_POST])
@pytest.mark.parametrize(
    ("code", "options"),
    [(L.CODE_CONTENT, []), (L.CODE_VALID, [(L.OPT_BLOCK2, block(1, False, 0))])],
    ids=["no-block", "other-code"],
)
def test_what_is_no_later_block_is_never_the_end_of_a_body(method, code, options):
    server = Server()
    server.stack.request("peer", request(method, "/a"), server.now_ms)
    reply_to(server, L.CODE_CONTENT, SIXTEEN, [(L.OPT_BLOCK2, block(0, True, 0))])
    reply_to(server, code, b"tail", options)
    if method == L.CODE_POST:
        assert [event.reason for event in server.events] == ["incomplete"]
        return
    assert server.events == []
    reply_to(server, L.CODE_CONTENT, b"short now", [(L.OPT_BLOCK2, block(0, False, 0))])
    assert [event.message.payload for event in server.events] == [b"short now"]


def test_a_server_may_make_its_blocks_smaller_on_the_way():
    server = Server()
    server.stack.request("peer", request(L.CODE_GET, "/a"), server.now_ms)
    reply_to(server, L.CODE_CONTENT, SIXTEEN * 2, [(L.OPT_BLOCK2, block(0, True, 1))])
    reply_to(server, L.CODE_CONTENT, SIXTEEN, [(L.OPT_BLOCK2, block(2, True, 0))])
    reply_to(server, L.CODE_CONTENT, b"end", [(L.OPT_BLOCK2, block(3, False, 0))])
    assert [event.message.payload for event in server.events] == [SIXTEEN * 3 + b"end"]
    assert server.events[0].message.get(L.OPT_BLOCK2) is None
