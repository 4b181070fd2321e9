"""OSCORE exchanges against RFC 8613: requests, responses, Observe, replay and Echo after a restart."""

from minitest import TestCase, unhex

from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_core.errors import (
    DecryptionFailed,
    LocalError,
    MalformedOscore,
    ReplayDetected,
    UnknownContext,
)
from holdfast_core.oscore_option import decode_option, encode_option
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import MAX_SEQUENCE, SenderSequence, SequenceExhausted
from testkit.oscore import Spy, client, content, get, server


class Requests(TestCase):
    """RFC 8613 section 8.2."""

    def test_forged_requests_change_nothing(self):
        mine = client(sequence=SenderSequence(0x1234))
        peer = server()
        outer, _ = mine.protect_request(get())
        payload = outer.payload
        for bit in range(8 * len(payload)):
            forged = bytearray(payload)
            forged[bit // 8] ^= 1 << bit % 8
            outer.payload = bytes(forged)
            self.assertRaises(DecryptionFailed, peer.unprotect_request, outer)
        for piv in (b"\x12\x35", b"\x34", b"\xff\xff\xff\xff\xff"):
            outer.payload = payload
            changed = outer.copy().set(L.OPT_OSCORE, encode_option(piv, b"\x0c"))
            self.assertRaises(DecryptionFailed, peer.unprotect_request, changed)
        for end in range(1, len(payload)):
            outer.payload = payload[:end]
            self.assertRaises(DecryptionFailed, peer.unprotect_request, outer)
        outer.payload = payload
        self.assertTrue(peer.unprotect_request(outer).fresh)

    def test_malformed_requests(self):
        outer, _ = client().protect_request(get())
        for value in (b"", b"\x01\x00", b"\x08\x0c", b"\x00", b"\x09"):
            changed = outer.copy().set(L.OPT_OSCORE, value)
            self.assertRaises(MalformedOscore, server().unprotect_request, changed)
        self.assertRaises(MalformedOscore, server().unprotect_request, outer.copy().add(L.OPT_OSCORE, b"\x09\x00\x0c"))
        self.assertRaises(MalformedOscore, server().unprotect_request, outer.copy().remove(L.OPT_OSCORE))
        outer.payload = b""
        self.assertRaises(MalformedOscore, server().unprotect_request, outer)

    def test_replay(self):
        mine = client()
        peer = server()
        outers = [mine.protect_request(get())[0] for _ in range(40)]
        for outer in (outers[39], outers[8], outers[20]):  # 39 - 31 is the window's last place
            self.assertTrue(peer.unprotect_request(outer).fresh)
        for outer in (outers[39], outers[8], outers[20], outers[7], outers[0]):
            self.assertRaises(ReplayDetected, peer.unprotect_request, outer)

    def test_replay_is_seen_before_anything_is_decrypted(self):
        mine = client()
        peer = server()
        outer, _ = mine.protect_request(get())
        peer.unprotect_request(outer)
        outer.payload = bytes(len(outer.payload))
        self.assertRaises(ReplayDetected, peer.unprotect_request, outer)
        outer.set(L.OPT_OSCORE, encode_option(b"\x01", b"\x0c"))
        self.assertRaises(DecryptionFailed, peer.unprotect_request, outer)

    def test_kid_context(self):
        mine = client(id_context=b"ward")
        outer, _ = mine.protect_request(get())
        self.assertEqual(decode_option(outer.get(L.OPT_OSCORE)).kid_context, b"ward")
        peer = server(id_context=b"ward")
        self.assertTrue(peer.unprotect_request(outer).fresh)
        outer, _ = mine.protect_request(get())
        without = outer.copy().set(L.OPT_OSCORE, encode_option(b"\x01", b"\x0c"))
        self.assertTrue(peer.unprotect_request(without).fresh)
        for kid, kid_context in ((b"\x0c", b"ware"), (b"\x0c", b""), (b"\x0d", b"ward"), (b"", b"ward")):
            swapped = outer.copy().set(L.OPT_OSCORE, encode_option(b"\x02", kid, kid_context))
            self.assertRaises(UnknownContext, peer.unprotect_request, swapped)
        plain_peer = server()
        self.assertRaises(UnknownContext, plain_peer.unprotect_request, outer)

    def test_exhaustion(self):
        mine = client(sequence=SenderSequence(MAX_SEQUENCE))
        peer = server()
        outer, _ = mine.protect_request(get())
        self.assertEqual(outer.get(L.OPT_OSCORE), unhex("0dffffffffff0c"))
        self.assertTrue(peer.unprotect_request(outer).fresh)
        self.assertRaises(SequenceExhausted, mine.protect_request, get())
        self.assertRaises(SequenceExhausted, mine.protect_request, get())


class Responses(TestCase):
    """RFC 8613 sections 8.3 and 8.4: a response belongs to one request."""

    def exchange(self, **kwargs):
        mine = client()
        peer = server(**kwargs)
        outer, sent = mine.protect_request(get())
        return mine, peer, sent, peer.unprotect_request(outer).state

    def test_the_request_nonce_serves_one_response(self):
        _, peer, _, state = self.exchange()
        spy = peer._sealer = Spy(peer._sealer)
        first = peer.protect_response(content(), state)
        second = peer.protect_response(content(b"73 bpm"), state)
        third = peer.protect_response(content(b"74 bpm"), state)
        self.assertEqual([m.get(L.OPT_OSCORE) for m in (first, second, third)], [b"", b"\x01\x00", b"\x01\x01"])
        self.assertEqual(len({nonce for nonce, _, _ in spy.sealed}), 3)
        self.assertEqual(first.code, L.CODE_CHANGED)

    def test_one_response_is_opened(self):
        mine, peer, sent, state = self.exchange()
        first = peer.protect_response(content(), state)
        second = peer.protect_response(content(b"73 bpm"), state)
        self.assertEqual(mine.unprotect_response(first, sent).payload, b"72 bpm")
        self.assertRaises(ReplayDetected, mine.unprotect_response, first, sent)
        self.assertRaises(ReplayDetected, mine.unprotect_response, second, sent)

    def test_response_to_another_request(self):
        mine = client()
        peer = server()
        outer1, sent1 = mine.protect_request(get())
        outer2, sent2 = mine.protect_request(get())
        state1 = peer.unprotect_request(outer1).state
        state2 = peer.unprotect_request(outer2).state
        answers = [peer.protect_response(content(), state1), peer.protect_response(content(), state2, True)]
        for answer, wrong in ((answers[0], sent2), (answers[1], sent1)):
            self.assertRaises(DecryptionFailed, mine.unprotect_response, answer, wrong)
        self.assertEqual(mine.unprotect_response(answers[1], sent2).payload, b"72 bpm")
        self.assertEqual(mine.unprotect_response(answers[0], sent1).payload, b"72 bpm")

    def test_forged_response_leaves_the_exchange_open(self):
        mine, peer, sent, state = self.exchange()
        answer = peer.protect_response(content(), state)
        forged = answer.copy()
        forged.payload = answer.payload[:-1] + bytes((answer.payload[-1] ^ 1,))
        self.assertRaises(DecryptionFailed, mine.unprotect_response, forged, sent)
        self.assertRaises(DecryptionFailed, mine.unprotect_response, forged.set(L.OPT_OSCORE, b"\x01\x00"), sent)
        self.assertRaises(MalformedOscore, mine.unprotect_response, forged.set(L.OPT_OSCORE, b"\x00"), sent)
        self.assertRaises(MalformedOscore, mine.unprotect_response, forged.remove(L.OPT_OSCORE), sent)
        self.assertEqual(mine.unprotect_response(answer, sent).payload, b"72 bpm")

    def test_own_request_reflected_as_response(self):
        mine = client()
        outer, sent = mine.protect_request(get())
        for value in (b"", b"\x01\x00"):
            reflected = outer.copy().set(L.OPT_OSCORE, value)
            self.assertRaises(DecryptionFailed, mine.unprotect_response, reflected, sent)
        self.assertRaises(UnknownContext, mine.unprotect_response, outer, sent)

    def test_response_that_names_a_kid(self):
        mine, peer, sent, state = self.exchange()
        answer = peer.protect_response(content(), state)
        for kid, kid_context in ((b"\x06", None), (b"", None), (b"\x05", b"c")):
            named = answer.copy().set(L.OPT_OSCORE, encode_option(b"", kid, kid_context))
            self.assertRaises(UnknownContext, mine.unprotect_response, named, sent)
        named = answer.copy().set(L.OPT_OSCORE, encode_option(b"", b"\x05"))
        self.assertEqual(mine.unprotect_response(named, sent).payload, b"72 bpm")

    def test_states_do_not_change_hands(self):
        mine, peer, sent, state = self.exchange()
        answer = peer.protect_response(content(), state)
        other = client()
        self.assertRaises(LocalError, other.unprotect_response, answer, sent)
        self.assertRaises(LocalError, server().protect_response, content(), state)
        self.assertRaises(LocalError, server().accept, state)
        self.assertRaises(LocalError, peer.protect_response, get(), state)

    def test_nobody_answers_under_the_nonce_of_an_own_request(self):
        mine = client()
        spy = mine._sealer = Spy(mine._sealer)
        _, sent = mine.protect_request(get())
        mine.protect_response(content(), sent)
        self.assertNotEqual(spy.sealed[0][0], spy.sealed[1][0])

    def test_our_own_mistakes_have_names(self):
        _, peer, _, state = self.exchange()
        for message, detail in ((get(), "not-a-response"), (content(observe=1), "no-observation")):
            with self.assertRaises(LocalError) as caught:
                peer.protect_response(message, state)
            self.assertEqual(caught.exception.detail, detail)

    def test_server_may_answer_with_errors(self):
        for code in (L.CODE_BAD_REQUEST, L.CODE_FORBIDDEN, L.CODE_INTERNAL_SERVER_ERROR):
            mine, peer, sent, state = self.exchange()
            answer = peer.protect_response(Message(code), state)
            self.assertEqual(answer.code, L.CODE_CHANGED)
            self.assertEqual(mine.unprotect_response(answer, sent).code, code)


class Observations(TestCase):
    """RFC 8613 sections 4.1.3.5, 7.4.1, 8.3.1 and 8.4.2."""

    def observe(self, value=L.OBSERVE_REGISTER):
        mine = client()
        peer = server()
        outer, sent = mine.protect_request(get(value))
        return mine, peer, outer, sent, peer.unprotect_request(outer)

    def test_registration_and_cancellation(self):
        for value, encoded in ((L.OBSERVE_REGISTER, b""), (L.OBSERVE_DEREGISTER, b"\x01")):
            _, _, outer, sent, opened = self.observe(value)
            self.assertEqual(outer.code, L.CODE_FETCH)
            self.assertEqual(outer.get(L.OPT_OBSERVE), encoded)
            self.assertEqual(opened.message.get(L.OPT_OBSERVE), encoded)
            self.assertEqual((sent.observe, opened.state.observe), (value == 0, value == 0))

    def test_stripped_or_changed_outside(self):
        mine = client()
        for change in ("remove", "deregister"):
            outer, _ = mine.protect_request(get(0))
            outer.remove(L.OPT_OBSERVE)
            if change == "deregister":
                outer.add(L.OPT_OBSERVE, 1)
            opened = server().unprotect_request(outer)
            self.assertEqual(opened.message.get(L.OPT_OBSERVE), b"")
            self.assertTrue(opened.state.observe)

    def test_notifications(self):
        mine, peer, _, sent, opened = self.observe()
        for number in range(5):
            outer = peer.protect_response(content(b"%d" % number, observe=number + 10), opened.state)
            self.assertEqual(outer.code, L.CODE_CONTENT)
            self.assertEqual(outer.uint(L.OPT_OBSERVE), number + 10)
            piv = decode_option(outer.get(L.OPT_OSCORE)).piv
            self.assertEqual(piv, b"" if number == 0 else bytes((number - 1,)))
            outer.set(L.OPT_OBSERVE, 0xFFFFFF)
            inner = mine.unprotect_response(outer, sent)
            self.assertEqual((inner.payload, inner.get(L.OPT_OBSERVE)), (b"%d" % number, b""))
        ended = peer.protect_response(Message(L.CODE_UNAUTHORIZED), opened.state)
        self.assertEqual((ended.code, ended.get(L.OPT_OSCORE)), (L.CODE_CHANGED, b"\x01\x04"))
        self.assertEqual(mine.unprotect_response(ended, sent).code, L.CODE_UNAUTHORIZED)
        late = peer.protect_response(content(observe=99), opened.state)
        self.assertRaises(ReplayDetected, mine.unprotect_response, late, sent)

    def test_only_the_first_may_lack_a_piv_and_order_grows(self):
        mine, peer, _, sent, opened = self.observe()
        sent_out = [peer.protect_response(content(b"%d" % n, observe=n), opened.state) for n in range(5)]
        self.assertEqual(mine.unprotect_response(sent_out[2], sent).payload, b"2")
        for stale in (0, 1, 2):
            self.assertRaises(ReplayDetected, mine.unprotect_response, sent_out[stale], sent)
        self.assertEqual(mine.unprotect_response(sent_out[4], sent).payload, b"4")
        self.assertRaises(ReplayDetected, mine.unprotect_response, sent_out[3], sent)

    def test_one_without_piv_is_older_than_number_0(self):
        mine, peer, _, sent, opened = self.observe()
        first = peer.protect_response(content(b"first", observe=1), opened.state)
        second = peer.protect_response(content(b"second", observe=2), opened.state)
        self.assertEqual((first.get(L.OPT_OSCORE), second.get(L.OPT_OSCORE)), (b"", b"\x01\x00"))
        self.assertEqual(mine.unprotect_response(first, sent).payload, b"first")
        self.assertEqual(mine.unprotect_response(second, sent).payload, b"second")
        self.assertRaises(ReplayDetected, mine.unprotect_response, first, sent)

    def test_first_without_piv_is_taken_once(self):
        mine, peer, _, sent, opened = self.observe()
        first = peer.protect_response(content(observe=1), opened.state)
        self.assertEqual(mine.unprotect_response(first, sent).payload, b"72 bpm")
        self.assertRaises(ReplayDetected, mine.unprotect_response, first, sent)

    def test_forged_notification_changes_nothing(self):
        mine, peer, _, sent, opened = self.observe()
        first = peer.protect_response(content(observe=1), opened.state, True)
        mine.unprotect_response(first, sent)
        forged = first.copy().set(L.OPT_OSCORE, b"\x05\xff\xff\xff\xff\xff")
        self.assertRaises(DecryptionFailed, mine.unprotect_response, forged, sent)
        second = peer.protect_response(content(b"73 bpm", observe=2), opened.state)
        self.assertEqual(mine.unprotect_response(second, sent).payload, b"73 bpm")

    def test_notifications_belong_to_their_registration(self):
        mine, peer, _, sent, opened = self.observe()
        outer, again = mine.protect_request(get(0))
        reopened = peer.unprotect_request(outer)
        old = peer.protect_response(content(observe=1), opened.state, True)
        new = peer.protect_response(content(observe=2), reopened.state, True)
        self.assertRaises(DecryptionFailed, mine.unprotect_response, old, again)
        self.assertRaises(DecryptionFailed, mine.unprotect_response, new, sent)
        self.assertEqual(mine.unprotect_response(new, again).payload, b"72 bpm")

    def test_observe_without_registration(self):
        for value in (None, L.OBSERVE_DEREGISTER):
            mine, peer, _, sent, opened = self.observe(value)
            self.assertRaises(LocalError, peer.protect_response, content(observe=1), opened.state)
            opened.state.observe = True  # a server that notifies who did not ask
            answer = peer.protect_response(content(observe=1), opened.state)
            self.assertRaises(MalformedOscore, mine.unprotect_response, answer, sent)

    def test_refused_registration_is_an_ordinary_response(self):
        mine, peer, _, sent, opened = self.observe()
        answer = peer.protect_response(content(), opened.state)
        self.assertEqual(mine.unprotect_response(answer, sent).payload, b"72 bpm")
        late = peer.protect_response(content(observe=1), opened.state)
        self.assertRaises(ReplayDetected, mine.unprotect_response, late, sent)


class Echo(TestCase):
    """Losing the replay window (RFC 8613 section 7.5 and appendix B.1.2)."""

    def restarted(self):
        return server(sequence=SenderSequence(64), replay=ReplayWindow(initialised=False))

    def test_recovery(self):
        mine = client()
        old = [mine.protect_request(get())[0] for _ in range(3)]
        peer = self.restarted()
        outer, sent = mine.protect_request(get())
        opened = peer.unprotect_request(outer)
        self.assertFalse(opened.fresh)
        challenge = peer.protect_response(Message(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, b"nonce"), opened.state)
        self.assertEqual(challenge.get(L.OPT_OSCORE), b"\x01\x40")  # its own number, never the request's nonce
        echo = mine.unprotect_response(challenge, sent).get(L.OPT_ECHO)
        outer, sent = mine.protect_request(get(options=((L.OPT_ECHO, echo),)))
        opened = peer.unprotect_request(outer)
        self.assertFalse(opened.fresh)
        self.assertEqual(opened.message.get(L.OPT_ECHO), b"nonce")
        peer.accept(opened.state)
        answer = peer.protect_response(content(), opened.state)
        self.assertEqual(answer.get(L.OPT_OSCORE), b"")
        self.assertEqual(mine.unprotect_response(answer, sent).payload, b"72 bpm")
        for replayed in old + [outer]:
            self.assertRaises(ReplayDetected, peer.unprotect_request, replayed)
        self.assertTrue(peer.unprotect_request(mine.protect_request(get())[0]).fresh)

    def test_replayed_traffic_is_never_fresh_and_never_answered_under_its_nonce(self):
        mine = client()
        first_life = server()
        captured = [mine.protect_request(get())[0] for _ in range(20)]
        spies = []
        for peer in (first_life, self.restarted()):
            spies.append(Spy(peer._sealer))
            peer._sealer = spies[-1]
            for outer in captured:
                opened = peer.unprotect_request(outer)
                self.assertEqual(opened.fresh, peer is first_life)
                peer.protect_response(content(), opened.state)
        nonces = [nonce for spy in spies for nonce, _, _ in spy.sealed]
        self.assertEqual((len(nonces), len(set(nonces))), (40, 40))

    def test_an_accepted_request_is_accepted_once(self):
        mine = client()
        peer = self.restarted()
        outer, _ = mine.protect_request(get())
        later, _ = mine.protect_request(get())
        twice = [peer.unprotect_request(outer).state, peer.unprotect_request(outer).state]
        waiting = peer.unprotect_request(later).state
        peer.accept(twice[0])
        self.assertRaises(ReplayDetected, peer.accept, twice[1])
        self.assertRaises(ReplayDetected, peer.accept, twice[0])
        peer.accept(waiting)
        self.assertRaises(ReplayDetected, peer.accept, waiting)

    def test_accepted_request_is_the_lower_limit(self):
        mine = client()
        peer = self.restarted()
        states = [peer.unprotect_request(mine.protect_request(get())[0]).state for _ in range(3)]
        peer.accept(states[1])
        self.assertRaises(ReplayDetected, peer.accept, states[0])
        peer.accept(states[2])

    def test_a_forgery_does_not_initialise(self):
        mine = client()
        peer = self.restarted()
        outer, _ = mine.protect_request(get())
        outer.payload = bytes(len(outer.payload))
        self.assertRaises(DecryptionFailed, peer.unprotect_request, outer)
        self.assertFalse(peer.replay.initialised)
