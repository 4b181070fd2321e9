"""A new key at each start (RFC 8613 appendix B.2): both sides over the CoAP stack, and what an attacker does to it."""

from minitest import TestCase

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_events import FailureEvent, RequestEvent, ResponseEvent
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.coap_stack import CoapStack
from holdfast_core.errors import LocalError, MalformedOscore, UnknownContext
from holdfast_core.oscore import RequestState, SecurityContext
from holdfast_core.oscore_option import decode_option, encode_option
from holdfast_core.provisioning import AsContext
from holdfast_core.rederive import RederivedContext, id_context_of, kid_context_of
from holdfast_core.rederive_server import R2_LEN
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import MAX_SEQUENCE, SenderSequence, SequenceExhausted
from testkit.link import Random
from testkit.nonces import Nonces
from testkit.story import OneParty

SECRET, SALT = bytes(range(16)), b"salt"
MINE, THEIRS = b"\x01", b"\x00"


class Pair(TestCase):
    """A client and a server in memory; each datagram is kept."""

    def setUp(self):
        self.now_ms, self.sent, self.acted, self.seed = 0, [], [], 0
        self.new_server()
        self.new_client()

    def random(self):
        self.seed += 1
        return Random(self.seed).octets

    def new_client(self, **more):
        """A start from the provisioning alone."""
        self.stack = CoapStack(self.random())
        told = AsContext(Secret(SECRET), SALT, MINE, THEIRS)
        self.context = RederivedContext(told, self.random(), **more)
        return self.context

    def new_server(self, in_force=None):
        """A start of the server, with what its store remembers."""
        self.contexts = OneParty(self.random(), AsContext(Secret(SECRET), SALT, THEIRS, MINE))
        if in_force is not None:
            self.contexts.take_on(in_force)
        self.server = CoapStack(self.random(), self.contexts)

    def serve(self, datagram):
        """Give the server one datagram; return what it sends."""
        for event in self.server.feed(datagram, "client", self.now_ms):
            if isinstance(event, RequestEvent):
                self.acted.append(event.incoming.message.payload)
                self.server.respond(event.incoming, response(L.CODE_CHANGED, b"done"), self.now_ms)
        return [sent for sent, _ in self.server.take_datagrams()]

    def ask(self, payload=b"?", change=None):
        """Ask once; return the answer, or the reason of the failure.  change: what is made of each datagram."""
        self.now_ms += 100000  # message IDs are forgotten
        self.stack.tick(self.now_ms)
        self.server.tick(self.now_ms)
        self.stack.request("server", request(L.CODE_POST, "/x", payload), self.now_ms, self.context)
        for _ in range(8):
            for datagram, _ in self.stack.take_datagrams():
                self.sent.append(datagram)
                for answer in self.serve(datagram if change is None else change(datagram)):
                    for event in self.stack.feed(answer, "server", self.now_ms):
                        if isinstance(event, ResponseEvent):
                            return event.message.payload
                        if isinstance(event, FailureEvent):
                            return event.reason
        raise AssertionError("no answer")

    def id_contexts(self):
        """The kid contexts of all requests so far, None where there was none."""
        return [decode_option(decode(sent).get(L.OPT_OSCORE)).kid_context for sent in self.sent]


class Rederivation(Pair):
    def test_four_messages_and_then_two(self):
        with Nonces():
            self.new_client()
            self.assertEqual([self.ask(b"1"), self.ask(b"2")], [b"done"] * 2)
        self.assertEqual(self.acted, [b"1", b"2"])  # a request #1 is not acted on
        first, second, third = self.id_contexts()
        self.assertEqual(len(id_context_of(first)), 8)
        self.assertEqual(len(id_context_of(second)), R2_LEN + 8)
        self.assertIsNone(third)
        self.assertEqual(self.contexts.context.id_context, id_context_of(second))

    def test_every_start_is_another_key_on_both_sides(self):
        keys = []
        for _ in range(4):
            with Nonces() as nonces:
                self.new_client()
                self.assertEqual(self.ask(), b"done")
            keys.append({key for key, _ in nonces.pairs})
        every = set()
        for each in keys:
            every |= each
        self.assertEqual(len(every), sum([len(each) for each in keys]))

    def test_two_programs_with_one_provisioning_take_turns_and_never_share_a_key(self):
        with Nonces():
            one, two = (self.new_client(), self.stack), (self.new_client(), self.stack)
            answers = []
            for context, stack in (one, two, one, one, two, two):
                self.context, self.stack = context, stack
                answers.append(self.ask())
        # A request that does not name its context fails; the next one does, and makes another.
        self.assertEqual(answers, [b"done", b"done", "unprotected", b"done", "unprotected", b"done"])

    def test_what_is_remembered_is_gone_on_with(self):
        kept = []

        def renewed(id_context):
            kept.append(id_context)
            return 64

        with Nonces():
            sequence = SenderSequence(0, 0, kept.append)
            self.new_client(sequence=sequence, renewed=renewed)
            self.ask()
            self.assertEqual((sequence.next_value, sequence.reserved_until), (1, 64))
            self.new_client(id_context=kept[0], sequence=SenderSequence(64, 64, kept.append))
            self.assertEqual([self.ask(), self.ask()], [b"done"] * 2)
        self.assertEqual(kept, [self.contexts.context.id_context, 128])
        self.assertEqual([each is None for each in self.id_contexts()], [False, False, False, True])

    def test_a_context_that_cannot_be_kept_is_not_used(self):
        def renewed(_id_context):
            raise StorageError

        self.new_client(renewed=renewed)
        self.assertEqual(self.ask(), "overloaded")
        self.assertEqual(self.acted, [])
        self.context._renewed = None
        self.assertEqual(self.ask(), b"done")

    def test_a_server_that_lost_the_context_says_so_inside_oscore(self):
        self.ask()
        self.new_server()  # from a backup of before
        with Nonces():
            self.assertEqual(self.ask(b"lost"), "unprotected")  # not named: the server cannot tell who it is
            self.assertEqual(self.ask(b"again"), b"done")
        self.assertEqual(self.acted, [b"?", b"again"])

    def test_numbers_that_are_used_up_end_the_context_and_not_the_client(self):
        self.ask()
        self.context._sequence.next_value = MAX_SEQUENCE + 1
        with self.assertRaises(SequenceExhausted):
            self.ask()
        self.assertEqual(self.ask(), b"done")


class Attacks(Pair):
    def test_replays_are_never_acted_on_whatever_happened_since(self):
        with Nonces():
            self.new_client()
            self.ask(b"once")
            for _ in range(3):
                for datagram in list(self.sent):
                    self.now_ms += 300000
                    self.server.tick(self.now_ms)
                    self.serve(datagram)
                kept = self.contexts.context
                self.new_server(kept)  # a restart
            self.new_client()
            self.ask(b"twice")
            for datagram in list(self.sent):
                self.now_ms += 300000
                self.server.tick(self.now_ms)
                self.serve(datagram)
            self.new_server()  # from a backup of before everything
            for datagram in list(self.sent):
                self.serve(datagram)
        self.assertEqual(self.acted, [b"once", b"twice"])
        self.assertIsNone(self.contexts.context)

    def test_a_replayed_first_request_ends_nothing_and_is_answered_differently_each_time(self):
        self.ask()
        before = self.contexts.context
        answers = set()
        for mid in range(20):
            message = decode(self.sent[0])
            message.mid = mid
            [answer] = self.serve(encode(message))
            option = decode_option(decode(answer).get(L.OPT_OSCORE))
            answers.add(option.kid_context)
            self.assertEqual(len(id_context_of(option.kid_context)), R2_LEN)
        self.assertEqual(len(answers), 20)
        self.assertIs(self.contexts.context, before)
        self.assertEqual(self.ask(), b"done")

    def test_a_kid_context_that_was_changed_on_the_way_changes_nothing(self):
        self.ask()
        before = self.contexts.context
        for value in (b"", b"\x40", b"\x48" + bytes(8), kid_context_of(bytes(24)), kid_context_of(bytes(64)), bytes(9)):

            def change(datagram, value=value):
                message = decode(datagram)
                option = decode_option(message.get(L.OPT_OSCORE))
                return encode(message.set(L.OPT_OSCORE, encode_option(option.piv, option.kid, value)))

            self.assertEqual(self.ask(b"changed", change), "unprotected")
        self.assertIs(self.contexts.context, before)
        self.assertEqual(self.acted, [b"?"])
        self.assertEqual(self.ask(), b"done")

    def test_an_unprotected_error_makes_no_new_context(self):
        self.ask()
        before, numbers = self.contexts.context, self.context._sequence
        for _ in range(5):
            self.now_ms += 300000
            self.stack.request("server", request(L.CODE_POST, "/x", b"?"), self.now_ms, self.context)
            [(datagram, _)] = self.stack.take_datagrams()
            asked = decode(datagram)
            forged = response(L.CODE_UNAUTHORIZED)
            forged.mtype, forged.mid, forged.token = L.TYPE_ACK, asked.mid, asked.token
            forged.add(L.OPT_OSCORE, encode_option(b"\x00", None, kid_context_of(bytes(R2_LEN))))
            forged.payload = bytes(20)
            [event] = self.stack.feed(encode(forged), "server", self.now_ms)
            self.assertEqual(event.reason, "not-authentic")
        self.assertEqual(self.ask(), b"done")
        self.assertIs(self.contexts.context, before)
        self.assertEqual(numbers.next_value, 7)

    def test_what_was_provisioned_is_no_context(self):
        plain = SecurityContext(SECRET, SALT, MINE, THEIRS)
        self.context = plain
        self.assertEqual(self.ask(), "unprotected")
        self.ask()
        self.assertEqual(self.acted, [])

    def test_kid_contexts_that_are_none_of_ours(self):
        for value in (
            b"",
            b"\x00",
            b"\x40",
            b"\x47" + bytes(7),
            b"\x58\x41" + bytes(65),
            b"\x5f\xff",
            b"\x48" + bytes(9),
        ):
            with self.assertRaises(UnknownContext):
                id_context_of(value)
        self.assertEqual(id_context_of(cbor.encode(bytes(8))), bytes(8))

    def test_an_answer_to_a_first_request_must_be_a_refusal_with_a_number(self):
        outer, state = self.context.protect_request(request(L.CODE_POST, "/x"))
        first = decode_option(outer.get(L.OPT_OSCORE))
        r2 = bytes(R2_LEN)
        second = SecurityContext(SECRET, SALT, THEIRS, MINE, r2 + id_context_of(first.kid_context))
        outer.set(L.OPT_OSCORE, encode_option(first.piv, first.kid, second.id_context))
        opened = second_opens(second, state)
        for code in (L.CODE_CHANGED, L.CODE_BAD_REQUEST):
            answer = second.protect_response(response(code), opened, with_piv=True)
            piv = decode_option(answer.get(L.OPT_OSCORE)).piv
            answer.set(L.OPT_OSCORE, encode_option(piv, None, kid_context_of(r2)))
            with self.assertRaises(MalformedOscore):
                self.context.unprotect_response(answer, state)
        answer = second.protect_response(response(L.CODE_UNAUTHORIZED), opened, with_piv=True)
        piv = decode_option(answer.get(L.OPT_OSCORE)).piv
        answer.set(L.OPT_OSCORE, encode_option(b"", None, kid_context_of(r2)))
        with self.assertRaises(MalformedOscore):
            self.context.unprotect_response(answer, state)
        answer.set(L.OPT_OSCORE, encode_option(piv, None, kid_context_of(r2)))
        self.assertIsNone(self.context.unprotect_response(answer, state))


def second_opens(second, state):
    """The server's state of the request, bound to its second context."""
    return RequestState(second, state.number, b"", state.aad, False, False)


class StorageError(LocalError):
    """As the flash raises it."""
