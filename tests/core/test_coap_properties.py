"""CoAP for any input: decoding is total and unique, and no datagrams make a live stack raise or grow."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from holdfast_core import labels as L
from holdfast_core.coap_block import block_of
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message, decode, encode, request, response, screen_options
from holdfast_core.coap_stack import RequestEvent
from holdfast_core.errors import MalformedCoap
from testkit.coap import Server, contexts, datagram, secured, table

OPTION_NUMBERS = st.one_of(
    st.sampled_from([1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 17, 20, 23, 27, 28, 35, 39, 60, 252, 258, 292]),
    st.integers(0, 0xFFFF),
)
OPTION_VALUES = st.one_of(st.binary(max_size=4), st.binary(max_size=300))
OPTIONS = st.lists(st.tuples(OPTION_NUMBERS, OPTION_VALUES), max_size=6).map(
    lambda pairs: sorted(pairs, key=lambda p: p[0])
)
CODES = st.sampled_from([1, 2, 3, 4, 5, 0x41, 0x44, 0x45, 0x5F, 0x80, 0x81, 0x88, 0x8D, 0xA0])
MESSAGES = st.builds(
    Message,
    code=CODES,
    payload=st.binary(max_size=80),
    options=OPTIONS,
    mtype=st.integers(0, 3),
    mid=st.integers(0, 0xFFFF),
    token=st.binary(max_size=8),
)


@given(st.binary(max_size=64) | MESSAGES.map(encode))
def test_decoding_is_total_and_a_datagram_has_one_meaning(raw):
    try:
        message = decode(raw)
    except MalformedCoap as error:
        assert error.detail
        return
    assert encode(message) == raw


@given(MESSAGES)
def test_encoding_is_undone_by_decoding(message):
    back = decode(encode(message))
    assert (back.code, back.payload, back.options) == (message.code, message.payload, message.options)
    assert (back.mtype, back.mid, back.token) == (message.mtype, message.mid, message.token)


@given(MESSAGES)
def test_screened_messages_are_sound(message):
    if screen_options(message) is None:
        assert screen_options(message) is None
        kept = list(message.options)
        assert all(option in kept for option in message.options if option[0] & 1)
        block_options = [n for n, _ in message.options if n in (L.OPT_BLOCK1, L.OPT_BLOCK2)]
        assert len(block_options) == len(set(block_options))
        for number in block_options:
            try:
                assert block_of(message, number).szx < 7
            except MalformedCoap as error:
                assert error.detail == "block"


@given(st.binary(max_size=12))
def test_paths_are_text_or_refused(segment):
    message = Message(L.CODE_GET, options=[(L.OPT_URI_PATH, segment)])
    try:
        path = message.path()
    except MalformedCoap:
        with pytest.raises(UnicodeDecodeError):
            segment.decode()
        return
    assert path == "/" + segment.decode().replace("%", "%25").replace("/", "%2F")


class Live:
    """A stack in the middle of everything: an upload, a rendering, two observers, requests of its own, OSCORE."""

    def __init__(self):
        limits = Limits(max_exchanges=20, max_peers=5, max_uploads=3, max_renderings=3, max_observers=4)
        self.client, held = contexts()
        self.limits = limits
        self.server = server = Server(limits, table(held))
        server.observe = True
        server.body = b"x" * 2000
        self.known = [
            datagram(L.CODE_PUT, "/a", 1, payload=b"x" * 16, options=[(L.OPT_BLOCK1, b"\x08")]),
            datagram(L.CODE_GET, "/a", 2, token=b"w", options=[(L.OPT_OBSERVE, 0)]),
            datagram(L.CODE_GET, "/late", 3, token=b"l"),
            secured(request(L.CODE_GET, "/a").add(L.OPT_OBSERVE, 0), self.client, 4, token=b"o")[0],
        ]
        for raw in self.known:
            server.feed(raw)
        for incoming in server.requests:
            server.stack.notify(incoming, response(L.CODE_CONTENT, b"note"), server.now_ms)
        stack = server.stack
        stack.request("peer", request(L.CODE_PUT, "/b", b"x" * 3000), server.now_ms)
        stack.request("peer", request(L.CODE_GET, "/b"), server.now_ms, observe=True, confirmable=False)
        stack.request("other", request(L.CODE_GET, "/b"), server.now_ms, contexts()[0], observe=True)
        self.known += [raw for raw, _ in stack.take_datagrams()]
        self.known += [self.reply(raw) for raw in self.known[-4:]]

    def reply(self, raw):
        """Something like the answer to a datagram."""
        message = decode(raw)
        code = L.CODE_CONTENT if message.code else L.CODE_EMPTY
        answer = Message(code, b"x" * 16 if code else b"", mtype=L.TYPE_ACK, mid=message.mid, token=message.token)
        if not code:
            answer.token = b""
        return encode(answer)

    def check(self):
        """Nothing has grown beyond its limit."""
        stack, limits = self.server.stack, self.limits
        assert len(stack._messages._exchanges) <= limits.max_exchanges
        assert len(stack._messages._peers) <= limits.max_peers
        assert len(stack._server.uploads) <= limits.max_uploads
        assert len(stack._server.renderings) <= limits.max_renderings
        assert len(stack._server.observers or ()) <= limits.max_observers
        assert len(stack._messages._live) <= 20
        assert len(stack._client) <= 3


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 30),  # which known datagram
        st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=3),  # bytes to overwrite
        st.integers(0, 12),  # bytes to cut
        st.sampled_from(["peer", "other", "stranger"]),
        st.sampled_from([0, 1, 2500, 100_000]),  # time that passes before
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(MUTATIONS)
def test_no_mutated_datagram_makes_a_live_stack_raise_or_grow(steps):
    live = Live()
    server = live.server
    for which, overwrites, cut, peer, pause_ms in steps:
        raw = bytearray(live.known[which % len(live.known)])
        for at, value in overwrites:
            raw[at % len(raw)] = value
        server.now_ms += pause_ms
        server.wait(0)
        for event in server.stack.feed(bytes(raw[: len(raw) - cut]), peer, server.now_ms):
            server.take(event)
        for out, _ in server.stack.take_datagrams():
            decode(out)
        live.check()


@settings(max_examples=150)
@given(st.lists(st.tuples(MESSAGES, st.sampled_from(["peer", "other"])), max_size=12))
def test_no_well_formed_message_makes_a_live_stack_raise_or_grow(steps):
    live = Live()
    server = live.server
    for message, peer in steps:
        for event in server.stack.feed(encode(message), peer, server.now_ms):
            if isinstance(event, RequestEvent):
                event.incoming.message.path()
                event.incoming.message.queries()
            server.take(event)
        for out, _ in server.stack.take_datagrams():
            decode(out)
        live.check()


@settings(max_examples=150)
@given(st.lists(MESSAGES, max_size=6))
def test_no_inner_message_makes_a_live_stack_raise(steps):
    live = Live()
    server = live.server
    for number, message in enumerate(steps):
        if message.code > 31 or any(n in (L.OPT_OSCORE, L.OPT_PROXY_URI) for n, _ in message.options):
            continue
        raw, state = secured(message, live.client, 100 + number, token=b"i%d" % number)
        for reply in server.feed(raw):
            if reply.get(L.OPT_OSCORE) is not None:
                live.client.unprotect_response(reply, state)
        live.check()
