"""hf_native's OSCORE, run by MicroPython through hf_native_cases.py: RFC 8613's vectors, and the Python of oscore.py.

Every message is in place in a bytearray, and whatever is refused must leave context and exchange as they were.
"""

from minitest import TestCase, unhex, vectors

import hf_native
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode
from holdfast_core.errors import HoldfastError
from holdfast_core.oscore import SecurityContext
from holdfast_core.sender_sequence import SenderSequence

UNSUPPORTED_ALG, MALFORMED_OSCORE, MALFORMED_COAP, LOCAL = 0x42, 0x15, 0x16, 0x80
REPLAY_DETECTED, DECRYPTION_FAILED, UNKNOWN_CONTEXT = 0x60, 0x61, 0x63
REASONS = {
    "malformed-oscore": MALFORMED_OSCORE,
    "replay-detected": REPLAY_DETECTED,
    "decryption-failed": DECRYPTION_FAILED,
    "unknown-context": UNKNOWN_CONTEXT,
}
ALGS = (
    L.ALG_AES_CCM_16_64_128,
    L.ALG_AES_CCM_16_64_256,
    L.ALG_AES_CCM_16_128_128,
    L.ALG_AES_CCM_16_128_256,
)
SECRET, SALT = bytes(range(1, 17)), unhex("9e7ca92223786340")
REQUEST = unhex("44015d1f00003974396c6f63616c686f737483747631")  # of RFC 8613 appendix C.4
ROOM = 128


class Refused(Exception):
    """The status that was returned instead of a length."""


class End:
    """One end of a context in the C core."""

    def __init__(self, sender, recipient, id_context=None, alg=ALGS[0], secret=SECRET, salt=SALT):
        self.ctx = hf_native.oscore_derive(secret, salt, sender, recipient, id_context, alg)
        self.number = 0

    def call(self, name, exchange, datagram, *numbers):
        """Run one of the four on a copy of the datagram; returns what it became. Raises Refused."""
        buffer = bytearray(datagram) + bytearray(ROOM)
        before = bytes(self.ctx), bytes(exchange)
        length = getattr(hf_native, "oscore_" + name)(self.ctx, exchange, buffer, len(datagram), *numbers)
        if length < 0:
            if "unprotect" not in name and bytes(buffer[: len(datagram)]) != datagram:
                raise AssertionError("changed a message that it refused")
            if before[1] != bytes(exchange):
                raise AssertionError("changed an exchange")
            if -length in (DECRYPTION_FAILED, REPLAY_DETECTED, UNKNOWN_CONTEXT) and before[0] != bytes(self.ctx):
                raise AssertionError("changed a context")
            raise Refused(-length)
        return bytes(buffer[:length])

    def take(self):
        self.number += 1
        return (self.number - 1).to_bytes(5, "big")

    def ask(self, datagram):
        exchange = bytearray(24)
        return self.call("protect_request", exchange, datagram, self.take()), exchange

    def hear(self, datagram):
        exchange = bytearray(24)
        return self.call("unprotect_request", exchange, datagram), exchange

    def answer(self, exchange, datagram, with_piv=False):
        return self.call("protect_response", exchange, datagram, self.take() if with_piv else None)

    def get(self, exchange, datagram):
        return self.call("unprotect_response", exchange, datagram)


class Python:
    """The same end in oscore.py, with the same methods."""

    def __init__(self, sender, recipient, id_context=None, alg=ALGS[0]):
        self.context = SecurityContext(SECRET, SALT, sender, recipient, id_context, alg)

    def ask(self, datagram):
        outer, state = self.context.protect_request(decode(datagram))
        return encode(outer), state

    def hear(self, datagram):
        try:
            opened = self.context.unprotect_request(decode(datagram))
        except HoldfastError as error:
            raise Refused(REASONS[error.reason]) from None
        return encode(opened.message), opened.state

    def answer(self, state, datagram, with_piv=False):
        return encode(self.context.protect_response(decode(datagram), state, with_piv))

    def get(self, state, datagram):
        try:
            return encode(self.context.unprotect_response(decode(datagram), state))
        except HoldfastError as error:
            raise Refused(REASONS[error.reason]) from None


def refused(function, *arguments):
    """The status with which it refuses."""
    try:
        function(*arguments)
    except Refused as refusal:
        return refusal.args[0]
    raise AssertionError("not refused")


def end_of(row, swapped=False):
    ids = unhex(row["sender_id"]), unhex(row["recipient_id"])
    id_context = unhex(row["id_context"]) if "id_context" in row else None
    if swapped:
        ids = ids[1], ids[0]
    return End(*ids, id_context, ALGS[0], unhex(row["master_secret"]), unhex(row.get("master_salt", "")))


class OscoreVectors(TestCase):
    def test_contexts(self):
        for row in vectors("rfc8613_contexts"):
            ctx = end_of(row).ctx
            self.assertEqual(ctx[16:32], unhex(row["sender_key"]), row["id"])
            self.assertEqual(ctx[56:72], unhex(row["recipient_key"]), row["id"])
            self.assertEqual(ctx[96:109], unhex(row["common_iv"]), row["id"])

    def test_messages(self):
        contexts = {row["id"]: row for row in vectors("rfc8613_contexts")}
        for row in vectors("rfc8613_messages"):
            plain, protected = unhex(row["plain"]), unhex(row["protected"])
            own = contexts[row["context"]]
            mine, theirs = end_of(own), end_of(own, swapped=True)
            if row["id"] in ("C.4", "C.5", "C.6"):
                mine.number = row["sender_sequence_number"]
                self.assertEqual(mine.ask(plain)[0], protected, row["id"])
                self.check_opens(lambda datagram, end=theirs: end.hear(datagram)[0], protected, plain)
                self.assertEqual(refused(theirs.hear, protected), REPLAY_DETECTED)
                continue
            theirs.number = 20
            asked, sent = theirs.ask(REQUEST)
            opened, exchange = mine.hear(asked)
            self.assertEqual(opened, REQUEST)
            self.assertEqual(mine.answer(exchange, plain, row["id"] == "C.8"), protected, row["id"])
            self.assertEqual(refused(mine.answer, exchange, plain), LOCAL, "a nonce twice")
            self.check_opens(lambda datagram, end=theirs, sent=sent: end.get(sent, datagram), protected, plain)
            self.assertEqual(refused(theirs.get, sent, protected), REPLAY_DETECTED)

    def check_opens(self, opener, protected, plain):
        """What was protected opens, and nothing that differs in a bit of the payload or was cut short does."""
        sealed = protected.index(b"\xff") + 1
        for at in range(sealed, len(protected)):
            bad = bytearray(protected)
            bad[at] ^= 1 << at % 8
            self.assertEqual(refused(opener, bytes(bad)), DECRYPTION_FAILED)
        for end in range(len(protected)):
            self.assertIn(refused(opener, protected[:end]), (MALFORMED_COAP, MALFORMED_OSCORE, DECRYPTION_FAILED))
        self.assertEqual(opener(protected), plain)

    def test_option_values(self):
        for row in vectors("rfc8613_options"):
            value = unhex(row["value"])
            carrier = Message(L.CODE_POST, b"sealed", [(L.OPT_OSCORE, value)], L.TYPE_CON, 1)
            ids = hf_native.oscore_read_ids(encode(carrier))
            if row["expect"] == "malformed":
                self.assertEqual(ids, MALFORMED_OSCORE, row["id"])
            else:
                wanted = [None if row[name] is None else unhex(row[name]) for name in ("kid", "kid_context")]
                self.assertEqual(list(ids), wanted, row["id"])
            self.assertEqual(hf_native.oscore_read_ids(encode(carrier)[:-7]), MALFORMED_OSCORE, "no payload")


class OscoreEquality(TestCase):
    """Either end in either language, on exchanges at random from a fixed seed."""

    def draw(self, below):
        self.seed = (self.seed * 1103515245 + 12345) & 0x3FFFFFFF
        return (self.seed >> 8) % below

    def octets(self, length):
        return bytes([self.draw(256) for _ in range(length)])

    def message(self, codes, observe):
        numbers = [number for number in (3, 7, 8, 11, 11, 12, 14, 15, 252, 2049, 65000) if self.draw(3) == 0]
        built = Message(codes[self.draw(len(codes))], self.octets(self.draw(40)), None, self.draw(4), self.draw(65536))
        built.token = self.octets(self.draw(9))
        for number in numbers:
            built.add(number, self.octets(self.draw(16)))
        if observe:
            built.add(L.OPT_OBSERVE, b"")
        return encode(built)

    def test_exchanges(self):
        self.seed = 8613
        for turn in range(60):
            mine, theirs = self.octets(self.draw(8)), self.octets(7)
            id_context = self.octets(self.draw(33)) if self.draw(2) else None
            alg = ALGS[turn % 4]
            asking = (End, Python)[turn % 2](mine, theirs, id_context, alg)
            twin = (Python, End)[turn % 2](mine, theirs, id_context, alg)
            hearing = (Python, End)[self.draw(2)](theirs, mine, id_context, alg)
            for _ in range(3):
                self.exchange(asking, twin, hearing)

    def exchange(self, asking, twin, hearing):
        observe = self.draw(2) == 1
        request = self.message((L.CODE_GET, L.CODE_POST, L.CODE_PUT, L.CODE_FETCH), observe)
        protected, sent = asking.ask(request)
        self.assertEqual(twin.ask(request)[0], protected)
        bad = bytearray(protected)
        bad[-1 - self.draw(8)] ^= 1
        self.assertEqual(refused(hearing.hear, bytes(bad)), DECRYPTION_FAILED)
        opened, heard = hearing.hear(protected)
        self.assertEqual(refused(hearing.hear, protected), REPLAY_DETECTED)
        for turn in range(3 if observe else 1):
            response = self.message((L.CODE_CONTENT, L.CODE_CHANGED, L.CODE_NOT_FOUND), observe and turn < 2)
            back = hearing.answer(heard, response, with_piv=turn > 0)
            answered = asking.get(sent, back)
            self.assertEqual(decode(answered).payload, decode(response).payload)
            self.assertEqual(refused(asking.get, sent, back), REPLAY_DETECTED)
        self.assertEqual(decode(opened).payload, decode(request).payload)

    def test_far_numbers(self):
        for number in (255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 40) - 1):
            mine, theirs = End(b"\x01", b""), Python(b"", b"\x01")
            mine.number = number
            theirs.context.sequence = SenderSequence(number)
            opened, heard = theirs.hear(mine.ask(REQUEST)[0])
            self.assertEqual(opened, REQUEST)
            self.assertEqual(mine.hear(theirs.ask(REQUEST)[0])[0], REQUEST)
            self.assertEqual(heard.number, number)

    def test_after_a_restart(self):
        mine, theirs = End(b"\x01", b""), End(b"", b"\x01")
        theirs.ctx[12] = 0
        asked, _ = mine.ask(REQUEST)
        answer = encode(Message(L.CODE_CONTENT, b"72", None, L.TYPE_ACK, 1, b"tk"))
        for _ in range(2):
            opened, heard = theirs.hear(asked)
            self.assertEqual(opened, REQUEST)
            self.assertEqual(refused(theirs.answer, heard, answer), LOCAL, "not proven fresh")
        self.assertEqual(hf_native.oscore_accept(theirs.ctx, heard), 0)
        self.assertEqual(hf_native.oscore_accept(theirs.ctx, heard), REPLAY_DETECTED)
        self.assertEqual(refused(theirs.hear, asked), REPLAY_DETECTED)
        self.assertGreater(len(theirs.answer(heard, answer)), len(answer))


class OscoreArguments(TestCase):
    def test_contexts_that_cannot_be(self):
        for ids, id_context, alg, status in (
            ((b"a", b"a"), None, 10, LOCAL),
            ((bytes(8), b"a"), None, 10, LOCAL),
            ((b"a", bytes(8)), None, 10, LOCAL),
            ((b"a", b"b"), bytes(33), 10, LOCAL),
            ((b"a", b"b"), None, 1, UNSUPPORTED_ALG),
        ):
            self.assertEqual(hf_native.oscore_derive(SECRET, SALT, *ids, id_context, alg), status)

    def test_an_empty_id_context_is_one(self):
        absent, empty = (End(b"a", b"b", id_context).ctx for id_context in (None, b""))
        self.assertNotEqual(absent, empty)
        for nothing in (bytearray(), memoryview(b"")):
            self.assertEqual(End(b"a", b"b", nothing).ctx, empty)

    def test_a_context_is_overwritten(self):
        ctx = End(b"a", b"b").ctx
        self.assertNotEqual(bytes(ctx), bytes(len(ctx)))
        hf_native.oscore_wipe(ctx)
        self.assertEqual(bytes(ctx), bytes(len(ctx)))

    def test_lengths(self):
        ctx, exchange, message = End(b"a", b"b").ctx, bytearray(24), bytearray(REQUEST + bytes(ROOM))
        length, number = len(REQUEST), bytes(5)
        askew = memoryview(bytearray(len(ctx) + 1))[1:]
        for arguments in (
            (ctx[:-1], exchange, message, length, number),
            (askew, exchange, message, length, number),
            (ctx, exchange[:-1], message, length, number),
            (ctx, bytearray(25), message, length, number),
            (ctx, exchange, message, -1, number),
            (ctx, exchange, message, len(message) + 1, number),
            (ctx, exchange, message, length, bytes(4)),
            (ctx, exchange, message, length, bytes(8)),
        ):
            with self.assertRaises(ValueError):
                hf_native.oscore_protect_request(*arguments)
        self.assertEqual(bytes(exchange), bytes(24))
        self.assertEqual(hf_native.oscore_protect_request(ctx, exchange, bytearray(REQUEST), length, number), -LOCAL)
        self.assertGreater(hf_native.oscore_protect_request(ctx, exchange, message, length, number), length)

    def test_what_cannot_be_written(self):
        ctx, exchange, message = End(b"a", b"b").ctx, bytearray(24), bytearray(REQUEST)
        for arguments in (
            (bytes(ctx), exchange, message, len(message)),
            (ctx, bytes(24), message, len(message)),
            (ctx, exchange, REQUEST, len(REQUEST)),
            (ctx, exchange, message, None),
        ):
            with self.assertRaises(TypeError):
                hf_native.oscore_unprotect_request(*arguments)
