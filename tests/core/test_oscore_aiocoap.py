"""Our security context and aiocoap's under the same keys, message by message, without a socket."""

import aiocoap
import pytest
from aiocoap import oscore as other
from aiocoap.message import Direction
from aiocoap.numbers.types import Type

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode
from holdfast_core.errors import DecryptionFailed
from holdfast_core.oscore import SecurityContext
from holdfast_core.sender_sequence import SenderSequence

SECRET = bytes(range(16))
SALT = b"salt"
ALGS = {
    L.ALG_AES_CCM_16_64_128: "AES-CCM-16-64-128",
    L.ALG_AES_CCM_16_64_256: "AES-CCM-16-64-256",
    L.ALG_AES_CCM_16_128_128: "AES-CCM-16-128-128",
    L.ALG_AES_CCM_16_128_256: "AES-CCM-16-128-256",
}
IDS = [(b"", b"\x01"), (b"\x00", b""), (b"1234567", b"7654321"), (b"c", b"server")]


class TheirContext(other.CanProtect, other.CanUnprotect, other.SecurityContextUtils):
    """aiocoap's context in memory only."""

    def __init__(self, alg, sender_id, recipient_id, id_context, number):
        self.alg_aead = other.algorithms[ALGS[alg]]
        self.hashfun = other.hashfunctions["sha256"]
        self.sender_id, self.recipient_id, self.id_context = sender_id, recipient_id, id_context
        self.derive_keys(SALT, SECRET)
        self.sender_sequence_number = number
        self.recipient_replay_window = other.ReplayWindow(32, lambda: None)
        self.recipient_replay_window.initialize_empty()
        self.echo_recovery = None

    def post_seqnoincrease(self):
        pass


@pytest.fixture(params=[(alg, IDS[0], b"ward") for alg in ALGS] + [(10, ids, None) for ids in IDS])
def pair(request):
    """Our context, and theirs at the other end; numbers that need two bytes and none."""
    alg, (mine, theirs), id_context = request.param
    sequence = SenderSequence(0x1FF)
    ours = SecurityContext(SECRET, SALT, mine, theirs, id_context, alg, sequence=sequence)
    return ours, TheirContext(alg, theirs, mine, id_context, 0)


def to_them(message):
    """Ours, over the wire, into their parsed form."""
    message.mtype, message.mid = L.TYPE_CON, 7
    return aiocoap.Message.decode(encode(message))


def to_us(message):
    message.mtype, message.mid, message.token = Type.CON, 7, b"tk"
    message.direction = Direction.OUTGOING
    return decode(message.encode())


def their(code, **kwargs):
    message = aiocoap.Message(code=code, **kwargs)
    message.direction = Direction.OUTGOING
    return message


def test_we_ask(pair):
    ours, theirs = pair
    plain = Message(L.CODE_PUT, b"body").add(L.OPT_URI_PATH, "a").add(L.OPT_URI_PATH, "b").add(L.OPT_URI_QUERY, "q=1")
    outer, sent = ours.protect_request(plain)
    opened, request_id = theirs.unprotect(to_them(outer))
    assert (opened.code, opened.opt.uri_path, opened.opt.uri_query) == (aiocoap.PUT, ("a", "b"), ("q=1",))
    assert opened.payload == b"body"
    answer, _ = theirs.protect(their(aiocoap.CHANGED, payload=b"done", etag=b"e"), request_id)
    inner = ours.unprotect_response(to_us(answer), sent)
    assert (inner.code, inner.payload, inner.get(L.OPT_ETAG)) == (L.CODE_CHANGED, b"done", b"e")


def test_they_ask(pair):
    ours, theirs = pair
    outer, request_id = theirs.protect(their(aiocoap.GET, uri_path=("ekg",), accept=19))
    opened = ours.unprotect_request(to_us(outer))
    assert (opened.message.code, opened.message.path(), opened.message.uint(L.OPT_ACCEPT)) == (L.CODE_GET, "/ekg", 19)
    for with_piv in (False, True):
        answer = ours.protect_response(Message(L.CODE_CONTENT, b"72 bpm"), opened.state, with_piv)
        inner, _ = theirs.unprotect(to_them(answer), request_id)
        assert (inner.code, inner.payload) == (aiocoap.CONTENT, b"72 bpm")


def test_we_observe(pair):
    ours, theirs = pair
    outer, sent = ours.protect_request(Message(L.CODE_GET).add(L.OPT_OBSERVE, 0))
    opened, request_id = theirs.unprotect(to_them(outer))
    assert opened.opt.observe == 0
    for number in range(3):
        note, _ = theirs.protect(their(aiocoap.CONTENT, payload=b"%d" % number, observe=number), request_id)
        inner = ours.unprotect_response(to_us(note), sent)
        assert (inner.payload, inner.get(L.OPT_OBSERVE) is not None) == (b"%d" % number, True)


def test_they_observe(pair):
    ours, theirs = pair
    outer, request_id = theirs.protect(their(aiocoap.GET, observe=0))
    opened = ours.unprotect_request(to_us(outer))
    assert opened.state.observe
    for number in range(3):
        note = ours.protect_response(Message(L.CODE_CONTENT, b"%d" % number).add(L.OPT_OBSERVE, number), opened.state)
        inner, _ = theirs.unprotect(to_them(note), request_id)
        assert inner.payload == b"%d" % number
        assert inner.opt.observe == (-1 if number == 0 else 0x1FF + number - 1)


def test_both_refuse_the_same(pair):
    ours, theirs = pair
    outer, _ = ours.protect_request(Message(L.CODE_GET))
    datagram = encode(Message(outer.code, outer.payload, outer.options, L.TYPE_CON, 7))
    forged = datagram[:-1] + bytes((datagram[-1] ^ 1,))
    with pytest.raises(other.ProtectionInvalid):
        theirs.unprotect(aiocoap.Message.decode(forged))
    theirs.unprotect(aiocoap.Message.decode(datagram))
    with pytest.raises(other.ReplayError):
        theirs.unprotect(aiocoap.Message.decode(datagram))
    outer, _ = theirs.protect(their(aiocoap.GET))
    forged = to_us(outer)
    forged.payload = forged.payload[:-1] + bytes((forged.payload[-1] ^ 1,))
    with pytest.raises(DecryptionFailed):
        ours.unprotect_request(forged)
    assert ours.unprotect_request(to_us(outer)).fresh


def test_their_echo_recovery_and_ours(pair):
    """RFC 8613 appendix B.1.2 from either side."""
    ours, theirs = pair
    theirs.recipient_replay_window = other.ReplayWindow(32, lambda: None)
    theirs.echo_recovery = b"their echo"
    outer, sent = ours.protect_request(Message(L.CODE_GET))
    with pytest.raises(other.ReplayErrorWithEcho) as caught:
        theirs.unprotect(to_them(outer))
    challenge = ours.unprotect_response(to_us(caught.value.to_message()), sent)
    assert (challenge.code, challenge.get(L.OPT_ECHO)) == (L.CODE_UNAUTHORIZED, b"their echo")
    outer, _ = ours.protect_request(Message(L.CODE_GET).add(L.OPT_ECHO, challenge.get(L.OPT_ECHO)))
    theirs.unprotect(to_them(outer))
    assert theirs.recipient_replay_window.is_initialized()

    ours.replay.initialised = False
    outer, request_id = theirs.protect(their(aiocoap.GET))
    opened = ours.unprotect_request(to_us(outer))
    assert not opened.fresh
    answer = ours.protect_response(Message(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, b"our echo"), opened.state)
    assert answer.get(L.OPT_OSCORE) != b""
    inner, _ = theirs.unprotect(to_them(answer), request_id)
    outer, _ = theirs.protect(their(aiocoap.GET, echo=inner.opt.echo))
    opened = ours.unprotect_request(to_us(outer))
    assert opened.message.get(L.OPT_ECHO) == b"our echo"
    ours.accept(opened.state)
