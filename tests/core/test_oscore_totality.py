"""Any bytes at OSCORE's doors: a value or the documented refusal, and one encoding for each value."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info, decode_authz_info_answer
from holdfast_core.coap_message import Message
from holdfast_core.errors import DecryptionFailed, MalformedOscore, MalformedRequest, UnknownContext
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_option import decode_option, encode_option

SECRET = bytes(16)
REFUSALS = (MalformedOscore, UnknownContext, DecryptionFailed)
option_values = st.one_of(
    st.binary(max_size=20),
    st.builds(
        lambda flags, rest: bytes((flags,)) + rest, st.integers(0, 31), st.binary(max_size=12) | st.just(b"\x05\x0c")
    ),
)
labels = st.sampled_from([1, 40, 42, 43, 44]) | st.integers(-5, 300) | st.text(max_size=3)
values = st.binary(max_size=70) | st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)


@given(option_values)
def test_an_option_has_one_encoding(value):
    try:
        option = decode_option(value)
    except MalformedOscore:
        return
    assert encode_option(option.piv, option.kid, option.kid_context) == value
    assert len(option.piv) <= 5


@given(option_values, st.binary(max_size=40), st.integers(0, 255))
def test_strangers_open_nothing(value, payload, code):
    peer = SecurityContext(SECRET, b"", b"\x05", b"\x0c")
    message = Message(code, payload).add(L.OPT_OSCORE, value)
    _, state = peer.protect_request(Message(L.CODE_GET))
    for attempt in (lambda: peer.unprotect_request(message), lambda: peer.unprotect_response(message, state)):
        try:
            attempt()
        except REFUSALS:
            continue
        raise AssertionError("accepted")
    peer.replay.check(0)
    assert (state.last, state.done) == (None, False)


@given(st.binary(max_size=60))
def test_what_the_other_end_puts_inside_is_parsed_or_refused(plaintext):
    mine, peer = SecurityContext(SECRET, b"", b"\x0c", b"\x05"), SecurityContext(SECRET, b"", b"\x05", b"\x0c")
    real = mine._sealer

    class Replaced:
        def seal(self, nonce, aad, _plaintext):
            return real.seal(nonce, aad, plaintext)

    mine._sealer = Replaced()
    outer, _ = mine.protect_request(Message(L.CODE_GET))
    try:
        opened = peer.unprotect_request(outer)
    except MalformedOscore:
        return
    assert 0 < opened.message.code < 32


@given(st.binary(max_size=60) | st.dictionaries(labels, values, max_size=5).map(cbor.encode))
def test_bodies_at_authz_info(payload):
    for decoder in (decode_authz_info, decode_authz_info_answer):
        try:
            decoder(payload)
        except MalformedRequest:
            continue
        members = cbor.decode(payload)
        assert isinstance(members, dict)
        needed = (1, 40, 43) if decoder is decode_authz_info else (42, 44)
        assert all(isinstance(members[label], bytes) for label in needed)
