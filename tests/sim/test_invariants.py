"""The checks over a capture see each planted fault, and nothing in a capture without one."""

from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info, encode_authz_info_answer
from holdfast_core.coap_message import Message, encode, request, response
from holdfast_core.oscore_option import encode_option
from holdfast_sim.invariants import amplification, leaks, repeated_nonces, unasked
from holdfast_sim.records import Datagram

KID = b"\x05"


class Wire:
    """Makes a capture message by message."""

    def __init__(self):
        self.datagrams = []

    def send(self, src, dst, message, token=b"\x01", mid=1):
        message.mtype, message.mid, message.token = L.TYPE_CON, mid, token
        self.datagrams.append(Datagram(len(self.datagrams), 0, src, dst, encode(message)))
        return self

    def asks(self, piv, ciphertext, token=b"\x01", mid=1):
        option = encode_option(piv, KID)
        return self.send("app", "EKG", Message(L.CODE_POST, ciphertext, [(L.OPT_OSCORE, option)]), token, mid)

    def answers(self, ciphertext, piv=b"", token=b"\x01"):
        option = encode_option(piv)
        return self.send("EKG", "app", Message(L.CODE_CHANGED, ciphertext, [(L.OPT_OSCORE, option)]), token)

    def opens_session(self):
        body = encode_authz_info_answer(b"12345678", KID)
        return self.send("EKG", "app", response(L.CODE_CREATED, body, L.CF_ACE_CBOR), b"\x77")


def test_a_session_without_repeats_has_no_finding():
    wire = Wire().opens_session().asks(b"\x00", b"first").answers(b"one").asks(b"\x01", b"second", b"\x02")
    findings, seen = repeated_nonces(wire.datagrams)
    assert (findings, seen) == ([], 3)


def test_a_partial_iv_under_two_ciphertexts_is_found():
    wire = Wire().asks(b"\x00", b"first").asks(b"\x00", b"second", b"\x02")
    assert len(repeated_nonces(wire.datagrams)[0]) == 1


def test_a_retransmission_and_a_replay_are_no_repeat():
    wire = Wire().asks(b"\x00", b"first").asks(b"\x00", b"first").asks(b"\x00", b"first", b"\x09", mid=99)
    assert repeated_nonces(wire.datagrams)[0] == []


def test_two_answers_under_the_nonce_of_one_request_are_found():
    wire = Wire().asks(b"\x00", b"first").answers(b"one").answers(b"two")
    assert len(repeated_nonces(wire.datagrams)[0]) == 1


def test_notifications_with_their_own_partial_iv_are_no_repeat_and_with_one_twice_are():
    wire = Wire().asks(b"\x00", b"first").answers(b"one").answers(b"two", b"\x00").answers(b"three", b"\x01")
    assert repeated_nonces(wire.datagrams)[0] == []
    assert len(repeated_nonces(wire.answers(b"four", b"\x01").datagrams)[0]) == 1


def test_a_kid_that_is_given_out_again_is_another_context():
    wire = Wire().opens_session().asks(b"\x00", b"first").opens_session().asks(b"\x00", b"other", b"\x02")
    assert repeated_nonces(wire.datagrams)[0] == []


def test_a_secret_is_found_in_each_of_its_shapes():
    secret = bytes(range(0x40, 0x50))
    for shape in (secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode()):
        wire = Wire().send("app", "EKG", request(L.CODE_POST, "/x", b"--" + shape + b"--"))
        assert leaks(wire.datagrams, {"the key": secret}) == ["the key in a datagram of app to EKG"]


def test_nothing_is_found_where_nothing_is_and_short_words_are_left_to_chance():
    wire = Wire().send("app", "EKG", request(L.CODE_POST, "/x", b"abc"))
    assert leaks(wire.datagrams, {"the key": bytes(range(16)), "short": b"abc"}) == []


def test_the_worst_ratio_of_answer_to_unprotected_request_is_found():
    asked = request(L.CODE_GET, "/ekg")
    wire = Wire().send("thief", "EKG", asked).send("EKG", "thief", response(L.CODE_CONTENT, b"x" * 100))
    ratio, words = amplification(wire.datagrams)
    assert ratio == len(wire.datagrams[1].octets) / len(wire.datagrams[0].octets) > 3
    assert words.startswith("EKG /ekg")


def test_protected_requests_and_proven_addresses_may_be_answered_at_length():
    echoed = request(L.CODE_GET, "/ekg").add(L.OPT_ECHO, b"12345678")
    wire = Wire().send("app", "EKG", echoed).send("EKG", "app", response(L.CODE_CONTENT, b"x" * 200))
    wire.asks(b"\x00", b"first", b"\x02").send("EKG", "app", response(L.CODE_CONTENT, b"x" * 200), b"\x02")
    assert amplification(wire.datagrams)[0] == 0


def test_a_tube_that_speaks_first_or_asks_is_found_and_one_that_answers_is_not():
    post = request(L.CODE_POST, "/authz-info", encode_authz_info(b"t", b"n", b"i"), L.CF_ACE_CBOR)
    wire = Wire().send("EKG", "tube", post).send("tube", "EKG", response(L.CODE_CREATED))
    assert unasked(wire.datagrams, "tube") == []
    assert unasked(wire.send("tube", "AS", response(L.CODE_CREATED)).datagrams, "tube") != []
    asks = Wire().send("EKG", "tube", post).send("tube", "EKG", request(L.CODE_GET, "/ekg"))
    assert unasked(asks.datagrams, "tube") == ["tube sent a request to EKG"]
