"""Blockwise transfer: honest ones, and everything that attacks them (RFC 7959, RFC 9175)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_block import Block, block_of, slice_of
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message, decode, encode, request, response
from holdfast_core.coap_stack import CoapStack, FailureEvent, ResponseEvent
from holdfast_core.errors import LocalError, MalformedCoap
from testkit.coap import Server, block, contexts, datagram, joined, secured, table
from testkit.link import Random

SIXTEEN = b"0123456789abcdef"


def put(num, more, mid, path="/a", payload=SIXTEEN, szx=0, token=b"t", options=()):
    """One block of a PUT."""
    blocks = [(L.OPT_BLOCK1, block(num, more, szx)), *options]
    return datagram(L.CODE_PUT, path, mid, payload=payload, token=token, options=blocks)


def codes(replies):
    return [reply.code for reply in replies]


# --- the option ---


@pytest.mark.parametrize(
    ("num", "more", "szx", "encoded"),
    [(0, False, 0, ""), (0, True, 0, "08"), (0, False, 6, "06"), (1, True, 2, "1a"), (15, False, 6, "f6"),
     (16, False, 0, "0100"), (4095, True, 6, "fffe"), (4096, False, 0, "010000"), (0xFFFFF, True, 6, "fffffe")],
)  # fmt: skip
def test_block_option(num, more, szx, encoded):
    assert Block(num, more, szx).encode().hex() == encoded
    back = block_of(Message(L.CODE_GET).add(L.OPT_BLOCK2, bytes.fromhex(encoded)), L.OPT_BLOCK2)
    assert (back.num, back.more, back.szx, back.size, back.start) == (num, more, szx, 16 << szx, num * (16 << szx))


@pytest.mark.parametrize("encoded", ["07", "0f", "00000000", "01000006"])
def test_block_option_refused(encoded):
    with pytest.raises(MalformedCoap):
        block_of(Message(L.CODE_GET).add(L.OPT_BLOCK2, bytes.fromhex(encoded)), L.OPT_BLOCK2)


def test_block_number_has_20_bits():
    with pytest.raises(LocalError):
        Block(1 << 20, False, 0).encode()


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 32, 33])
def test_slices_make_the_body_again(length):
    body = bytes(range(length))
    whole = response(L.CODE_CONTENT, body)
    got, num = b"", 0
    while True:
        part = slice_of(whole, Block(num, False, 0))
        got += part.payload
        num += 1
        if not block_of(part, L.OPT_BLOCK2).more:
            break
    assert got == body
    assert num == max(1, -(-length // 16))
    with pytest.raises(MalformedCoap):
        slice_of(whole, Block(num, False, 0))


# --- uploads: bounds ---


def test_a_body_at_the_limit_passes_and_one_byte_more_does_not():
    for length, code in ((64, L.CODE_CONTENT), (65, L.CODE_REQUEST_ENTITY_TOO_LARGE)):
        link, client, server, _ = joined(client_limits=Limits(szx=0), server_limits=Limits(max_body=64), delay_ms=1)
        client.request("server", request(L.CODE_PUT, "/a", b"x" * length), 0)
        link.run(for_ms=10_000)
        assert [event.message.code for event in link.events["client"]] == [code]
        assert len(server.requests) == (length == 64)
        assert len(server.stack._server.uploads) == 0


def test_an_endless_upload_ends_with_4_13_and_keeps_nothing():
    server = Server(Limits(max_body=160))
    for num in range(10):
        assert codes(server.feed(put(num, True, num))) == [L.CODE_CONTINUE]
    (reply,) = server.feed(put(10, True, 10))
    assert (reply.code, reply.uint(L.OPT_SIZE1)) == (L.CODE_REQUEST_ENTITY_TOO_LARGE, 160)
    assert len(server.stack._server.uploads) == 0
    assert codes(server.feed(put(11, True, 11))) == [L.CODE_REQUEST_ENTITY_TOO_LARGE]
    assert codes(server.feed(put(9, True, 12))) == [L.CODE_REQUEST_ENTITY_INCOMPLETE]


def test_one_peer_has_so_many_uploads_and_its_oldest_goes():
    server = Server(Limits(max_uploads=16, max_uploads_per_peer=2))
    for number in range(3):
        assert codes(server.feed(put(0, True, number, path=f"/{number}"))) == [L.CODE_CONTINUE]
    assert len(server.stack._server.uploads) == 2
    assert codes(server.feed(put(1, False, 10, path="/0"))) == [L.CODE_REQUEST_ENTITY_INCOMPLETE]
    assert codes(server.feed(put(1, False, 11, path="/2"))) == [L.CODE_CONTENT]


def test_a_flood_of_half_open_uploads_is_bounded_and_does_not_stop_a_quick_one():
    server = Server(Limits(max_uploads=8))
    for number in range(100):
        server.feed(put(0, True, 1), f"zombie{number}")
    assert len(server.stack._server.uploads) == 8
    assert codes(server.feed(put(0, True, 1), "honest")) == [L.CODE_CONTINUE]
    for number in range(7):
        server.feed(put(0, True, 2), f"other{number}")
    assert codes(server.feed(put(1, False, 2, payload=b"end"), "honest")) == [L.CODE_CONTENT]
    assert server.requests[-1].message.payload == SIXTEEN + b"end"


def test_who_has_no_context_cannot_displace_who_has_one():
    client, held = contexts()
    server = Server(Limits(max_uploads=1), table(held))

    def protected(num, more, mid):
        message = request(L.CODE_PUT, "/a", SIXTEEN).add(L.OPT_BLOCK1, block(num, more, 0))
        return secured(message, client, mid)[0]

    server.feed(put(0, True, 1), "zombie")
    assert codes(server.feed(protected(0, True, 1))) == [L.CODE_CHANGED]
    assert codes(server.feed(put(0, True, 2), "zombie")) == [L.CODE_TOO_MANY_REQUESTS]
    assert codes(server.feed(put(0, True, 2))) == [L.CODE_TOO_MANY_REQUESTS]  # the same address, spoofed
    server.feed(protected(1, False, 3))
    assert server.requests[-1].message.payload == SIXTEEN * 2
    assert server.requests[-1].context is held


def test_half_open_uploads_expire():
    server = Server()
    server.feed(put(0, True, 1))
    server.now_ms += 247_000
    server.stack.tick(server.now_ms)
    assert len(server.stack._server.uploads) == 0
    assert codes(server.feed(put(1, False, 2))) == [L.CODE_REQUEST_ENTITY_INCOMPLETE]


def test_block_zero_begins_anew():
    server = Server()
    server.feed(put(0, True, 1, payload=b"A" * 16))
    server.feed(put(0, True, 2, payload=b"B" * 16))
    assert codes(server.feed(put(1, False, 3, payload=b"end"))) == [L.CODE_CONTENT]
    assert server.requests[-1].message.payload == b"B" * 16 + b"end"


@pytest.mark.parametrize("other", ["path", "query", "tag", "peer", "method", "context"])
def test_blocks_of_different_transfers_do_not_mix(other):
    client, held = contexts()
    server = Server(held=table(held))
    assert codes(server.feed(put(0, True, 1))) == [L.CODE_CONTINUE]
    second = put(1, False, 2)
    if other == "path":
        second = put(1, False, 2, path="/b")
    elif other == "query":
        second = put(1, False, 2, options=[(L.OPT_URI_QUERY, "q")])
    elif other == "tag":
        second = put(1, False, 2, options=[(L.OPT_REQUEST_TAG, b"\x01")])
    elif other == "method":
        blocks = [(L.OPT_BLOCK1, block(1, False, 0))]
        second = datagram(L.CODE_POST, "/a", 2, payload=SIXTEEN, options=blocks)
    elif other == "context":
        message = request(L.CODE_PUT, "/a", SIXTEEN).add(L.OPT_BLOCK1, block(1, False, 0))
        second, _ = secured(message, client, 2)
    server.feed(second, "mallory" if other == "peer" else "peer")
    assert server.requests == []


def test_options_without_a_cache_key_do_not_matter():
    server = Server()
    server.feed(put(0, True, 1, options=[(L.OPT_SIZE1, 20)]))
    assert codes(server.feed(put(1, False, 2))) == [L.CODE_CONTENT]


def test_the_server_asks_for_its_own_block_size_and_our_client_follows():
    link, client, server, _ = joined(client_limits=Limits(szx=6), server_limits=Limits(szx=2))
    client.request("server", request(L.CODE_PUT, "/a", bytes(range(250)) * 10), 0)
    link.run(for_ms=10_000)
    assert server.requests[0].message.payload == bytes(range(250)) * 10
    assert [event.message.code for event in link.events["client"]] == [L.CODE_CONTENT]
    sizes = [len(out[3]) for out in link.log if out[1] == "client"]
    assert max(sizes[1:]) < 128
    assert sizes[0] > 1024


def test_4_13_with_a_block_size_makes_our_client_begin_in_it():
    server = Server()
    stack = server.stack
    stack.request("peer", request(L.CODE_PUT, "/a", b"x" * 100), server.now_ms)
    (whole,) = [out for out, _ in stack.take_datagrams()]
    hint = [(L.OPT_BLOCK1, block(0, False, 1))]
    mid, token = whole[2] << 8 | whole[3], whole[4:12]
    again = server.feed(datagram(L.CODE_REQUEST_ENTITY_TOO_LARGE, mtype=L.TYPE_ACK, mid=mid, token=token, options=hint))
    assert len(again[0].payload) == 32
    assert again[0].get(L.OPT_BLOCK1) == block(0, True, 1)


def test_our_client_begins_anew_once_when_the_server_has_lost_the_upload():
    link, client, server, _ = joined(delay_ms=1)
    state = {"lost": 0}

    def lose(sender, receiver, raw):
        if sender == "client" and len(server.stack._server.uploads) and state["lost"] < state["times"]:
            state["lost"] += 1
            server.stack._server.uploads.clear()
        return [raw]

    link.tap = lose
    for times, code in ((1, L.CODE_CONTENT), (2, L.CODE_REQUEST_ENTITY_INCOMPLETE)):
        state.update(lost=0, times=times)
        link.events["client"].clear()
        client.request("server", request(L.CODE_PUT, "/a", b"x" * 3000), link.now_ms)
        link.run(for_ms=10_000)
        assert [event.message.code for event in link.events["client"]] == [code]
    assert len(server.requests) == 1


def test_an_early_final_answer_ends_the_upload():
    server = Server()
    stack = server.stack
    stack.request("peer", request(L.CODE_PUT, "/a", b"x" * 5000), server.now_ms)
    (first,) = [out for out, _ in stack.take_datagrams()]
    mid, token = first[2] << 8 | first[3], first[4:12]
    server.feed(datagram(L.CODE_FORBIDDEN, mtype=L.TYPE_ACK, mid=mid, token=token))
    assert [event.message.code for event in server.events] == [L.CODE_FORBIDDEN]
    assert len(stack._client) == 0


class Peer:
    """A server made by hand, in front of one client stack that uploads."""

    def __init__(self, length, szx=6, secure=False):
        self.client, self.server = contexts() if secure else (None, None)
        self.stack = CoapStack(Random(5).octets, limits=Limits(szx=szx))
        self.stack.request("peer", request(L.CODE_PUT, "/a", bytes(length)), 0, self.client)
        self.events = []

    def answer(self, code, num=None, more=False, szx=6):
        """Answer what the client has sent last; returns the Block1 of that as (num, more, szx)."""
        (raw,) = [out for out, _ in self.stack.take_datagrams()]
        sent, reply = decode(raw), Message(code)
        if num is not None:
            reply.add(L.OPT_BLOCK1, block(num, more, szx))
        if self.server is not None:
            opened = self.server.unprotect_request(sent)
            asked, reply = opened.message, self.server.protect_response(reply, opened.state)
        else:
            asked = sent
        reply.mtype, reply.mid, reply.token = L.TYPE_ACK, sent.mid, sent.token
        self.events += self.stack.feed(encode(reply), "peer", 0)
        found = block_of(asked, L.OPT_BLOCK1)
        return found.num, found.more, found.szx


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("more", [False, True])
def test_a_success_for_one_block_is_no_success_for_the_next(more, secure):
    peer = Peer(40, szx=0, secure=secure)
    for num in range(2):
        assert peer.answer(L.CODE_CHANGED, num, more, 0) == (num, True, 0)
        assert peer.events == []
    assert peer.answer(L.CODE_CHANGED, 2, False, 0) == (2, False, 0)
    assert [event.message.code for event in peer.events] == [L.CODE_CHANGED]
    assert len(peer.stack._client) == 0


@pytest.mark.parametrize("code", [L.CODE_CREATED, L.CODE_CHANGED, L.CODE_CONTENT, L.CODE_CONTINUE])
@pytest.mark.parametrize("num", [None, 1])
def test_an_upload_is_incomplete_when_a_success_does_not_name_its_block(code, num):
    peer = Peer(40, szx=0)
    peer.answer(code, num, False, 0)
    assert [event.reason for event in peer.events] == ["incomplete"]
    assert len(peer.stack._client) == 0
    assert peer.stack.take_datagrams() == []


def test_a_success_for_one_block_can_make_the_next_smaller():
    peer = Peer(100, szx=2)
    assert peer.answer(L.CODE_CHANGED, 0, False, 1) == (0, True, 2)
    assert peer.answer(L.CODE_CHANGED, 2, False, 1) == (2, True, 1)
    assert peer.answer(L.CODE_CHANGED, 3, False, 1) == (3, False, 1)
    assert [event.message.code for event in peer.events] == [L.CODE_CHANGED]


def test_the_last_success_names_no_other_block():
    peer = Peer(30, szx=0)
    peer.answer(L.CODE_CONTINUE, 0, True, 0)
    peer.answer(L.CODE_CHANGED, 0, False, 0)
    assert [event.reason for event in peer.events] == ["incomplete"]


def test_a_success_that_needs_no_block_option_ends_an_upload_with_its_last_block():
    peer = Peer(40, szx=0)
    for num in range(2):
        peer.answer(L.CODE_CONTINUE, num, True, 0)
    peer.answer(L.CODE_CHANGED)
    assert [event.message.code for event in peer.events] == [L.CODE_CHANGED]


def test_the_next_block_waits_for_at_most_one_other_request():
    link, client, server, _ = joined()
    for number in range(4):
        client.request("server", request(L.CODE_PUT, f"/{number}", b"x" * 2000), 0)
    link.run(for_ms=10_000)
    assert len(server.requests) == 4
    order = [decode(raw).path() for _, sender, _, raw in link.log if sender == "client"]
    assert order == ["/0", "/1", "/0", "/1", "/2", "/3", "/2", "/3"]


def test_the_next_block_finds_room_in_a_full_queue():
    link, client, server, _ = joined(client_limits=Limits(max_queue=1))
    for number in range(2):
        client.request("server", request(L.CODE_PUT, f"/{number}", b"x" * 2000), 0)
    link.run(for_ms=10_000)
    assert [type(event) for event in link.events["client"]] == [ResponseEvent, ResponseEvent]


@pytest.mark.parametrize("wrong", ["num", "no-block", "after-the-end"])
def test_a_wrong_2_31_fails_the_request(wrong):
    server = Server()
    stack = server.stack
    stack.request("peer", request(L.CODE_PUT, "/a", b"x" * 1030), server.now_ms)
    for step in range(2 if wrong == "after-the-end" else 1):
        (sent,) = [out for out, _ in stack.take_datagrams()]
        num = step + (wrong == "num")
        options = [] if wrong == "no-block" else [(L.OPT_BLOCK1, block(num, True, 6))]
        mid, token = sent[2] << 8 | sent[3], sent[4:12]
        for event in stack.feed(
            datagram(L.CODE_CONTINUE, mtype=L.TYPE_ACK, mid=mid, token=token, options=options), "peer", 1000
        ):
            server.take(event)
    assert [(type(event), event.reason) for event in server.events] == [(FailureEvent, "incomplete")]
