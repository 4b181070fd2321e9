"""CoAP over TCP and WebSocket, octet by octet: what is taken, what ends a connection, and what goes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, encode_options, request, response
from holdfast_hub.links.rfc8323 import ABORT, CSM, MOST_LEN, PING, PONG, RELEASE, SAID_MAX_LEN, Conversation

HELLO = bytes([0x00, CSM])
OUR_CSM = bytes([0x40, CSM, 0x22]) + SAID_MAX_LEN.to_bytes(2, "big") + b"\x20"


def made(message, token=b"tk"):
    """Octets of a request in a stream; an independent writer of RFC 8323 section 3.2."""
    rest = encode_options(message.options, message.payload)
    length = len(rest)
    if length < 13:
        head = bytes([length << 4 | len(token)])
    elif length < 269:
        head = bytes([0xD0 | len(token), length - 13])
    elif length < 65805:
        head = bytes([0xE0 | len(token)]) + (length - 269).to_bytes(2, "big")
    else:
        head = bytes([0xF0 | len(token)]) + (length - 65805).to_bytes(4, "big")
    return head + bytes([message.code]) + token + rest


def stream(*pieces, hello=True):
    conversation = Conversation(is_framed=False)
    assert conversation.outgoing == [OUR_CSM]
    conversation.outgoing.clear()
    found = []
    for piece in ((HELLO,) if hello else ()) + pieces:
        found += conversation.feed(piece, 1000)
    return conversation, found


def aborted(conversation):
    """Whether the last message is an Abort, and what it says."""
    octets = conversation.outgoing[-1]
    start = {13: 2, 14: 3, 15: 5}.get(octets[0] >> 4, 1)
    return octets[start] == ABORT and conversation.ended != "" and conversation.ended.encode() in octets


@pytest.mark.parametrize("length", [0, 1, 5, 12, 13, 14, 200, 268, 269, 270, 1024, 1152])
def test_messages_of_each_length_pass_whole_and_octet_by_octet(length):
    asked = request(L.CODE_PUT, "/a/b", bytes(length)) if length else Message(L.CODE_GET)
    octets = made(asked) + made(asked, b"") + made(asked, b"12345678")
    for pieces in ([octets], [bytes([octet]) for octet in octets], [octets[:7], octets[7:]]):
        conversation, found = stream(*pieces)
        assert [(each.token, each.payload, each.options) for each in found] == [
            (token, asked.payload, asked.options) for token in (b"tk", b"", b"12345678")
        ]
        assert found[0].mtype is found[0].mid is None
        assert not conversation.ended
        assert not conversation.has_more


@pytest.mark.parametrize("length", [0, 3, 13, 14, 268, 269, 1100])
def test_answers_of_each_length_go_out(length):
    conversation, _ = stream()
    answer = response(L.CODE_CONTENT, bytes(length))
    answer.token = b"tk"
    conversation.answer(answer)
    assert conversation.outgoing == [made(answer)]
    framed = Conversation(is_framed=True)
    framed.answer(answer)
    assert framed.outgoing[1] == bytes([2, answer.code]) + b"tk" + encode_options(answer.options, answer.payload)


def test_an_answer_that_the_client_cannot_take_is_a_bad_gateway():
    answer = Message(L.CODE_CONTENT, bytes(1200), token=b"tk")
    conversation, _ = stream()
    conversation.answer(answer)
    assert conversation.outgoing == [bytes([0x02, L.CODE_BAD_GATEWAY]) + b"tk"]
    conversation, _ = stream(bytes([0x30, CSM, 0x22]) + (2000).to_bytes(2, "big"))
    conversation.answer(answer)
    assert conversation.outgoing == [made(answer)]


def test_signals():
    conversation, found = stream(bytes([0x01, PING]) + b"p", bytes([0x01, PONG]) + b"p", made(Message(L.CODE_GET)))
    assert conversation.outgoing == [bytes([0x01, PONG]) + b"p"]
    assert len(found) == 1
    conversation.ping()
    assert conversation.outgoing[1] == bytes([0x00, PING])
    for signal in (RELEASE, ABORT):
        conversation, found = stream(bytes([0x00, signal]) + made(Message(L.CODE_GET)))
        assert (conversation.ended, conversation.outgoing, found) == ("the client has ended it", [], [])


def test_an_empty_message_and_a_response_of_nobody_are_passed_over():
    answer = response(L.CODE_CONTENT, b"x")
    conversation, found = stream(bytes([0, 0]), bytes([0x01, 0]) + b"t", made(answer), made(Message(L.CODE_GET)))
    assert (len(found), conversation.outgoing, conversation.ended) == (1, [], "")


@pytest.mark.parametrize(
    ("octets", "hello"),
    [
        (made(Message(L.CODE_GET)), False),  # a CSM comes first (RFC 8323 section 5.3)
        (bytes([0x00, PING]), False),
        (bytes([0x00, RELEASE]), False),
        (bytes([0x09, L.CODE_GET]), True),  # a token of nine octets
        (bytes([0x0F, L.CODE_GET]), True),
        (b"\xe0" + (MOST_LEN - 268).to_bytes(2, "big"), True),  # announced alone: nothing is kept for it
        (b"\xf0\xff\xff\xff\xff", True),
        (bytes([0x00, 0x20]), True),  # classes 1 and 6 are reserved
        (bytes([0x00, 0xC0]), True),
        (bytes([0x10, L.CODE_GET, 0xFF]), True),  # a marker without a payload
        (bytes([0x10, L.CODE_GET, 0xF0]), True),
        (bytes([0x10, L.CODE_GET, 0xB5]), True),  # an option beyond the end
        (bytes([0x00, 0xE6]), True),  # a signal that is none
        (bytes([0x10, PING, 0x10]), True),  # a critical option of a signal
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600), False),  # TLS
    ],
)
def test_what_should_not_come_ends_the_connection(octets, hello):
    for pieces in ([octets], [bytes([octet]) for octet in octets]):
        conversation, found = stream(*pieces, hello=hello)
        assert found == []
        assert aborted(conversation), octets
        assert conversation.feed(made(Message(L.CODE_GET)), 10) == []
        assert len(conversation._held) < 4096


def test_a_csm_with_an_option_that_is_not_known_is_told_which():
    conversation, _ = stream(bytes([0x10, CSM, 0x30]))
    assert conversation.outgoing == [bytes([0x90, ABORT, 0x21, 3, 0xFF]) + b"option"]
    conversation, _ = stream(bytes([0x10, CSM, 0x60]))  # an elective one
    assert conversation.ended == ""


def test_no_more_requests_are_returned_than_were_asked_for():
    conversation = Conversation(is_framed=False)
    octets = HELLO + made(Message(L.CODE_GET)) * 5
    assert len(conversation.feed(octets, 2)) == 2
    assert conversation.has_more
    assert [len(conversation.feed(b"", 2)) for _ in range(3)] == [2, 1, 0]
    assert not conversation.has_more


@pytest.mark.parametrize(
    "frame", [b"\x00", b"\x01\x01", b"\x10\x01", b"\x09\x01123456789", b"\x00\x01\xff", bytes(MOST_LEN + 1)]
)
def test_a_frame_that_is_no_message_ends_a_websocket(frame):
    conversation = Conversation(is_framed=True)
    conversation.feed(HELLO, 1)
    assert conversation.feed(frame, 1) == []
    assert aborted(conversation)


def test_a_frame_is_one_message():
    conversation = Conversation(is_framed=True)
    assert conversation.feed(HELLO, 1) == []
    asked = request(L.CODE_GET, "/a")
    (found,) = conversation.feed(bytes([1, L.CODE_GET]) + b"t" + encode_options(asked.options), 1)
    assert (found.token, found.path()) == (b"t", "/a")
    assert conversation.feed(b"", 1) == []  # an empty frame is none


@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans(), st.booleans())
def test_any_octets_are_requests_or_the_end(pieces, is_framed, hello):
    conversation = Conversation(is_framed=is_framed)
    if hello:
        conversation.feed(HELLO, 9)
    for piece in pieces:
        for found in conversation.feed(piece, 9):
            assert 0 < found.code < 32
            assert len(found.token) <= 8
    assert len(conversation._held) <= MOST_LEN + 700
    if conversation.ended:
        assert conversation.feed(HELLO, 9) == []
