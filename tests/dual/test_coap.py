"""CoAP on both interpreters: every vector, messages and options, and two stacks on a link (RFC 7252, 7641, 7959)."""

import sys

import minitest
from minitest import TestCase, unhex, vectors

sys.path.append(minitest._HERE + "/..")

from holdfast_core import labels as L
from holdfast_core.coap_message import (
    Message,
    code_text,
    decode,
    encode,
    request,
    reset_due,
    response,
    screen_options,
)
from holdfast_core.coap_stack import CoapStack, Limits, RequestEvent, ResponseEvent
from holdfast_core.errors import LocalError, MalformedCoap
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_contexts import ContextTable
from testkit.link import Link, Random


class Vectors(TestCase):
    def test_well_formed(self):
        for row in vectors("coap_messages"):
            if row["expect"] != "ok":
                continue
            with self.subTest(row["id"]):
                datagram = unhex(row["datagram"])
                message = decode(datagram)
                self.assertEqual((message.mtype, message.code, message.mid), (row["type"], row["code"], row["mid"]))
                self.assertEqual((message.token, message.payload), (unhex(row["token"]), unhex(row["payload"])))
                self.assertEqual(message.options, [(number, unhex(value)) for number, value in row["options"]])
                self.assertEqual(encode(message), datagram)

    def test_malformed(self):
        for row in vectors("coap_messages"):
            if row["expect"] != "malformed":
                continue
            with self.subTest(row["id"]):
                datagram = unhex(row["datagram"])
                with self.assertRaises(MalformedCoap) as raised:
                    decode(datagram)
                self.assertEqual(raised.exception.detail, row["reason"])
                self.assertEqual(reset_due(datagram) is not None, row["reset"])

    def test_truncated_at_every_byte(self):
        for row in vectors("coap_messages"):
            datagram = unhex(row["datagram"])
            for cut in range(min(len(datagram), 80)):
                with self.subTest(row["id"], cut=cut):
                    try:
                        message = decode(datagram[:cut])
                    except MalformedCoap:
                        continue
                    self.assertEqual(encode(message), datagram[:cut])  # what was cut is a whole message, or nothing

    def test_reactions(self):
        for row in vectors("coap_reactions"):
            with self.subTest(row["id"]):
                stack = CoapStack(Random(1).octets, limits=Limits(max_body=8192))
                for sent, reply in zip(row["datagrams"], row["replies"]):  # noqa: B905 - MicroPython has no strict=
                    for event in stack.feed(unhex(sent), "peer", 1000):
                        stack.respond(event.incoming, response(L.CODE_CONTENT, b"ok"), 1000)
                    got = [datagram.hex() for datagram, _ in stack.take_datagrams()]
                    self.assertEqual(got, [] if reply is None else [reply])


class Messages(TestCase):
    def test_options_stay_sorted_and_stable(self):
        message = Message(L.CODE_GET).add(15, b"q").add(11, b"a").add(3, "host").add(11, b"b").add(12, 60)
        self.assertEqual(message.options, [(3, b"host"), (11, b"a"), (11, b"b"), (12, b"\x3c"), (15, b"q")])
        self.assertEqual(message.get_all(11), [b"a", b"b"])
        self.assertEqual(message.path(), "/a/b")
        self.assertEqual(message.remove(11).path(), "/")
        self.assertEqual(message.set(12, 61).get_all(12), [b"\x3d"])

    def test_uint_is_shortest(self):
        for number, encoded in ((0, b""), (1, b"\x01"), (255, b"\xff"), (256, b"\x01\x00"), (0xFFFFFFFF, b"\xff" * 4)):
            message = Message(L.CODE_GET).add(14, number)
            self.assertEqual((message.get(14), message.uint(14)), (encoded, number))
        for number in (-1, 1 << 32):
            with self.assertRaises(LocalError):
                Message(L.CODE_GET).add(14, number)

    def test_path_is_unambiguous(self):
        one = Message(L.CODE_GET, options=[(11, b"a/b")]).path()
        two = Message(L.CODE_GET, options=[(11, b"a"), (11, b"b")]).path()
        three = Message(L.CODE_GET, options=[(11, b"a%2Fb")]).path()
        self.assertEqual(len({one, two, three}), 3)
        self.assertEqual(two, "/a/b")
        self.assertEqual(request(L.CODE_GET, "/a/b").path(), "/a/b")
        self.assertEqual(request(L.CODE_GET, "/").options, [])

    def test_encode_wants_a_whole_message(self):
        for message in (
            Message(L.CODE_GET),
            Message(L.CODE_GET, mtype=L.TYPE_CON),
            Message(L.CODE_GET, mtype=L.TYPE_CON, mid=1, token=bytes(9)),
            Message(L.CODE_GET, options=[(12, b""), (11, b"")], mtype=L.TYPE_CON, mid=1),
        ):
            with self.assertRaises(LocalError):
                encode(message)

    def test_repr_shows_no_values(self):
        message = request(L.CODE_POST, "/secret-path", b"secret-payload")
        self.assertEqual(code_text(0x9D), "4.29")
        self.assertNotIn("secret", repr(message))

    def test_screen_drops_elective_only(self):
        message = request(L.CODE_GET, "/a").add(65000, b"x").add(12, b"long")
        self.assertIsNone(screen_options(message))
        self.assertEqual(message.options, [(11, b"a")])
        self.assertEqual(screen_options(request(L.CODE_GET, "/a").add(65001, b"x")), 65001)


class Pair:
    """A client and a server on a link; the server knows /small, /big, /late and /watch, and echoes lengths."""

    def __init__(self, secured=False, limits=None, **link):
        self.link = Link(on_event=self.on_event, **link)
        self.context = None
        table = ContextTable(1)
        if secured:
            self.context = SecurityContext(b"m" * 16, b"salt", b"c", b"s")
            table.add(SecurityContext(b"m" * 16, b"salt", b"s", b"c"))
        self.client = self.link.add("client", CoapStack(Random(2).octets, limits=limits))
        self.server = self.link.add("server", CoapStack(Random(3).octets, table, limits))
        self.asked = []
        self.late = []
        self.watchers = []
        self.got = []

    def on_event(self, name, event):
        if isinstance(event, RequestEvent):
            self.serve(event.incoming)
        else:
            self.got.append(event)

    def serve(self, incoming):
        message = incoming.message
        path = message.path()
        self.asked.append((message.code, path))
        if path == "/late":
            self.late.append(incoming)
            return
        body = b"b" * 3000 if path == "/big" else str(len(message.payload)).encode()
        answer = response(L.CODE_CONTENT, body)
        if self.server.respond(incoming, answer, self.link.now_ms, observe=path == "/watch"):
            self.watchers.append(incoming)

    def ask(self, message, **how):
        return self.client.request("server", message, self.link.now_ms, self.context, **how)

    def payloads(self):
        return [event.message.payload for event in self.got if isinstance(event, ResponseEvent)]


class Exchanges(TestCase):
    def both(self):
        return Pair(), Pair(secured=True)

    def test_piggybacked(self):
        for pair in self.both():
            pair.ask(request(L.CODE_GET, "/small"))
            pair.link.run(for_ms=1000)
            self.assertEqual(pair.payloads(), [b"0"])
            self.assertEqual(len(pair.link.log), 2)

    def test_non_confirmable(self):
        for pair in self.both():
            pair.ask(request(L.CODE_GET, "/small"), confirmable=False)
            pair.link.run(for_ms=1000)
            self.assertEqual(pair.payloads(), [b"0"])
            self.assertEqual([decode(entry[3]).mtype for entry in pair.link.log], [L.TYPE_NON, L.TYPE_NON])

    def test_separate(self):
        for pair in self.both():
            pair.ask(request(L.CODE_GET, "/late"))
            pair.link.run(for_ms=1000)
            self.assertEqual(pair.payloads(), [])
            pair.server.respond(pair.late[0], response(L.CODE_CONTENT, b"now"), pair.link.now_ms)
            pair.link.run(for_ms=1000)
            self.assertEqual(pair.payloads(), [b"now"])
            types = [decode(entry[3]).mtype for entry in pair.link.log]
            self.assertEqual(types, [L.TYPE_CON, L.TYPE_ACK, L.TYPE_CON, L.TYPE_ACK])

    def test_blocks_both_ways(self):
        for pair in self.both():
            pair.ask(request(L.CODE_PUT, "/small", b"u" * 3000))
            pair.ask(request(L.CODE_GET, "/big"))
            pair.link.run(for_ms=5000)
            self.assertEqual(pair.payloads(), [b"3000", b"b" * 3000])
            self.assertEqual(sorted(pair.asked), [(L.CODE_GET, "/big"), (L.CODE_PUT, "/small")])

    def test_observe(self):
        for pair in self.both():
            pair.ask(request(L.CODE_GET, "/watch"), observe=True)
            pair.link.run(for_ms=1000)
            for state in (b"1", b"2" * 1500, b"3"):
                self.assertTrue(pair.server.notify(pair.watchers[0], response(L.CODE_CONTENT, state), pair.link.now_ms))
                pair.link.run(for_ms=1000)
            self.assertEqual(pair.payloads(), [b"0", b"1", b"2" * 1500, b"3"])
            pair.client.cancel(1, pair.link.now_ms)
            pair.link.run(for_ms=1000)
            self.assertFalse(pair.server.notify(pair.watchers[0], response(L.CODE_CONTENT), pair.link.now_ms))

    def test_lossy_link(self):
        for seed in range(1, 6):
            pair = Pair(secured=True, seed=seed, loss=15, dup=20, reorder=30)
            pair.ask(request(L.CODE_PUT, "/small", b"u" * 3000))
            pair.ask(request(L.CODE_GET, "/big"))
            pair.link.run(for_ms=200000)
            self.assertEqual(sorted(pair.payloads()), [b"3000", b"b" * 3000], str(pair.link))
            self.assertEqual(len(pair.asked), 2, str(pair.link))
