"""The ladder says what a datagram is in the RFC's words, and what OSCORE hides only when a part has told of it."""

import json

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_message import Message, encode, request, response
from holdfast_core.trace import tracer
from holdfast_sim.ladder import Annotations, ladder, say
from holdfast_sim.records import Chapter, Datagram, HttpMessage, Note

TOKEN = b"\x0a\x0b"


def datagram(message, mtype=L.TYPE_CON, mid=7):
    message.mtype, message.mid, message.token = mtype, mid, TOKEN
    return encode(message)


def protected(payload=b"ciphertext"):
    return Message(L.CODE_POST, payload, [(L.OPT_OSCORE, b"\x09\x01k")])


def told(outer, inner, who="app", direction="out"):
    lines = []
    tracer(who, lines.append)(direction, None, outer, inner, len(encode(outer)), 1)
    return [json.loads(line) for line in lines]


def test_a_post_to_authz_info_is_told_by_its_parameters_and_not_by_their_values():
    body = encode_authz_info(b"the token", b"nonce-01", b"\x05")
    words = say(datagram(request(L.CODE_POST, "/authz-info", body, L.CF_ACE_CBOR)), Annotations())
    assert words == "POST /authz-info  {access_token, nonce1, ace_client_recipientid}  CON"


def test_a_refusal_with_hints_names_them():
    hints = cbor.encode({L.HINT_AS: "coap://as/token", L.HINT_AUDIENCE: "tube"})
    words = say(datagram(response(L.CODE_UNAUTHORIZED, hints, L.CF_ACE_CBOR), L.TYPE_ACK), Annotations())
    assert words == "4.01 Unauthorized  {AS, audience}  ACK"


def test_an_error_answer_of_the_as_is_not_taken_for_hints():
    error = cbor.encode({L.ACE_ERROR: L.ERR_INVALID_CLIENT})
    words = say(datagram(response(L.CODE_UNAUTHORIZED, error, L.CF_ACE_CBOR), L.TYPE_ACK), Annotations())
    assert words == "4.01 Unauthorized  {error}  ACK"


def test_what_oscore_hides_stays_hidden_without_a_trace_line():
    assert say(datagram(protected()), Annotations()) == "OSCORE ciphertext that nobody opened  CON"


def test_a_trace_line_of_either_shape_tells_the_inner_message():
    outer = protected()
    octets = datagram(outer)
    annotations = Annotations()
    annotations.add(told(outer, request(L.CODE_POST, "/introspect", b"x" * 20, L.CF_ACE_CBOR)))
    assert say(octets, annotations) == "OSCORE [POST /introspect, 20 B]  CON"
    device_line = {"dir": "in", "len": len(octets), "code": "0.02", "mid": 7, "token": TOKEN.hex()}
    of_device = Annotations()
    of_device.add([{**device_line, "inner_code": "0.01", "path": "/ekg"}])
    assert say(octets, of_device) == "OSCORE [GET /ekg]  CON"


def test_a_line_that_knows_the_inner_message_is_not_replaced_by_one_that_does_not():
    outer = protected()
    octets = datagram(outer)
    annotations = Annotations()
    annotations.add(told(outer, request(L.CODE_GET, "/ekg")) + told(outer, None, "EKG", "in"))
    assert say(octets, annotations) == "OSCORE [GET /ekg]  CON"


def test_lines_of_another_message_do_not_match():
    outer = protected()
    octets = datagram(outer)
    for change in ({"mid": 8}, {"token": "00"}, {"len": 1}, {"code": "0.05"}):
        annotations = Annotations()
        annotations.add([{**told(outer, request(L.CODE_GET, "/ekg"))[0], **change}])
        assert "nobody opened" in say(octets, annotations)


def test_a_datagram_is_complete_when_readable_or_told_by_either_end():
    outer = protected()
    record = Datagram(0, 0, "app", "EKG", datagram(outer))
    annotations = Annotations()
    assert annotations.is_complete(Datagram(0, 0, "app", "EKG", datagram(request(L.CODE_GET, "/ekg"))))
    assert not annotations.is_complete(record)
    annotations.add(told(outer, None, "EKG", "in"))
    assert annotations.is_complete(record)


def test_empty_messages_and_rubbish_have_words():
    assert say(encode(Message(L.CODE_EMPTY, mtype=L.TYPE_ACK, mid=1)), Annotations()) == "ACK, empty"
    assert say(encode(Message(L.CODE_EMPTY, mtype=L.TYPE_RST, mid=1)), Annotations()) == "RST, empty"
    assert say(b"\xff\xff", Annotations()) == "no CoAP message"


def test_messages_are_numbered_and_headings_are_not():
    octets = datagram(request(L.CODE_GET, "/ekg"))
    records = [
        Chapter(0, "One"),
        HttpMessage(1, 0, "app", "AS", "POST /token", 12),
        Note(2, "The network loses the next answer."),
        Datagram(3, 0, "app", "EKG", octets, "lost by the tap"),
    ]
    lines = ladder(records, Annotations(), first=5)
    assert [line.number for line in lines] == [None, 5, None, 6]
    assert [line.kind for line in lines] == ["chapter", "message", "note", "message"]
    assert lines[3].what.endswith("(lost by the tap)")
    assert lines[3].size == len(octets)
