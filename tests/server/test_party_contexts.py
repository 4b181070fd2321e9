"""The OSCORE contexts of registered parties: found by kid, as the registry has them now."""

import os
from dataclasses import replace

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_events import ResponseEvent
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.coap_stack import CoapStack
from holdfast_core.errors import MalformedOscore, UnknownContext
from holdfast_core.oscore_option import encode_option
from holdfast_core.rederive_server import Rederivation
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import SequenceExhausted
from holdfast_server.authz.caller import Caller
from holdfast_server.coap.party_contexts import ALL_DERIVATIONS_BURST, RENEWALS_BURST, RESERVE, PartyContexts
from testkit.as_peer import context_of
from testkit.authz import DOCTOR_APP, EKG, NOW_S, plain
from testkit.nonces import Nonces


@pytest.fixture
def contexts(story):
    """Of parties that do not rederive: the row itself is the context."""
    for party in story.store.oscore_parties():
        plain(story, party)
    return contexts_of(story)


def contexts_of(story):
    return PartyContexts(story.store, os.urandom, lambda: NOW_S)


def kid_of(story, client_id=EKG):
    return story.store.oscore_party(client_id=client_id).recipient_id


def test_a_party_is_found_by_its_kid_and_is_who_the_registry_says(story, contexts):
    context = contexts.find(kid_of(story))
    assert context.owner == story.ekg
    assert contexts.find(kid_of(story)) is context
    assert context.replay.initialised  # nobody has used it yet
    assert contexts.find(kid_of(story, DOCTOR_APP)).owner == story.doctor_app
    assert len(contexts) == 2


@pytest.mark.parametrize("kid", [b"", b"\x00", b"unknown", b"AS"])
def test_an_unknown_kid_is_unknown_and_leaves_nothing_behind(contexts, kid):
    with pytest.raises(UnknownContext):
        contexts.find(kid)
    assert len(contexts) == 0


def test_a_request_without_kid_or_with_another_kid_context_names_no_context(story, contexts):
    with pytest.raises(MalformedOscore):
        contexts.find(None)
    with pytest.raises(UnknownContext):
        contexts.find(kid_of(story), b"context")


def test_a_party_registered_while_running_is_known_at_once(story, contexts):
    contexts.find(kid_of(story))
    story.store.delete_oscore_party(kid_of(story, DOCTOR_APP))
    party = plain(story, story.registry.add_oscore_party(NOW_S, client_id=DOCTOR_APP))
    assert contexts.find(party.recipient_id).owner == party.caller()


def test_a_party_that_was_removed_is_unknown_at_once(story, contexts):
    kid = kid_of(story)
    contexts.find(kid)
    story.store.delete_client(EKG)  # it is a resource server too, and from now on nothing else
    assert contexts.find(kid).owner == Caller(None, EKG, authenticated=True)
    story.store.delete_resource_server(EKG)
    with pytest.raises(UnknownContext):
        contexts.find(kid)
    assert len(contexts) == 0


def test_who_is_registered_again_is_not_the_one_of_before(story, contexts):
    kid = kid_of(story)
    old = contexts.find(kid)
    story.store.delete_oscore_party(kid)
    party = plain(story, story.registry.add_oscore_party(NOW_S, client_id=EKG, rs_id=EKG))
    with pytest.raises(UnknownContext):
        contexts.find(kid)
    assert contexts.find(party.recipient_id) is not old


def test_the_same_kid_with_another_secret_is_another_context(story, contexts):
    kid = kid_of(story)
    old, party = contexts.find(kid), story.store.oscore_party(client_id=EKG)
    story.store.delete_oscore_party(kid)
    story.store.add_oscore_party(replace(party, master_secret=Secret(b"n" * 16)), NOW_S)
    assert contexts.find(kid) is not old
    assert len(contexts) == 1


def test_numbers_are_reserved_before_they_are_used_and_go_on_after_a_restart(story, contexts):
    sequence = contexts.find(kid_of(story)).sequence
    used = [sequence.take() for _ in range(3)]
    assert story.store.oscore_party(client_id=EKG).sequence_reserved == RESERVE
    again = contexts_of(story).find(kid_of(story)).sequence
    assert min(again.take() for _ in range(3)) == RESERVE > max(used)


def test_when_the_reservation_fails_no_number_is_used(story, contexts, monkeypatch):
    sequence = contexts.find(kid_of(story)).sequence

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(story.store, "reserve_sender_sequence", full)
    with pytest.raises(OSError, match="disk full"):
        sequence.take()
    monkeypatch.undo()
    assert sequence.take() == 0


def test_the_last_number_is_the_last(story, contexts):
    kid = kid_of(story)
    story.store.reserve_sender_sequence(kid, 1 << 40)
    with pytest.raises(SequenceExhausted):
        contexts.find(kid).sequence.take()


# --- parties that rederive (RFC 8613 appendix B.2) ---


class Party:
    """A party that starts from its provisioning, and a server on the story's store; both start again when told."""

    def __init__(self, story, client_id=EKG):
        self.story = story
        self.client_id = client_id
        self.now_ms = 0
        self.acted = []
        self.restart()
        self.start()

    def restart(self):
        self.contexts = contexts_of(self.story)
        self.stack = CoapStack(os.urandom, self.contexts)

    def start(self):
        self.context = context_of(self.row())
        self.client = CoapStack(os.urandom)

    def ask(self, after_ms=300_000):
        """Ask once, in as many messages as that takes; return the code, or the reason why there is none."""
        self.now_ms += after_ms
        self.client.tick(self.now_ms)
        self.stack.tick(self.now_ms)
        self.client.request("as", request(L.CODE_POST, "/introspect", b"?"), self.now_ms, self.context)
        for _ in range(6):
            for datagram, _ in self.client.take_datagrams():
                self.last = datagram
                for answer in self.serve(datagram):
                    for event in self.client.feed(answer, "as", self.now_ms):
                        return event.message.code if isinstance(event, ResponseEvent) else event.reason
        raise AssertionError("no answer")

    def serve(self, datagram):
        with self.story.store.transaction():
            for event in self.stack.feed(datagram, "ekg", self.now_ms):
                self.acted.append(event.incoming.context.owner)
                self.stack.respond(event.incoming, response(L.CODE_CREATED), self.now_ms)
            return [sent for sent, _ in self.stack.take_datagrams()]

    def row(self):
        return self.story.store.oscore_party(client_id=self.client_id)

    def renewals(self):
        return [row.client_id for row in self.story.store.audit_rows() if row.event == "oscore-context-renewed"]


def test_what_a_party_was_given_is_no_context_before_it_has_made_one(story):
    contexts = contexts_of(story)
    with pytest.raises(UnknownContext):
        contexts.find(kid_of(story))
    party = Party(story)
    assert party.row().id_context is None
    assert party.ask() == L.CODE_CREATED
    assert party.acted == [story.ekg]
    assert party.row().id_context is not None
    assert party.renewals() == [EKG]
    assert contexts.find(kid_of(story)).owner == story.ekg  # also in another process


def test_each_start_of_a_party_is_another_key_and_shows_in_the_audit(story):
    party, contexts = Party(story), set()
    with Nonces():
        for _ in range(3):
            party.start()
            assert [party.ask(), party.ask()] == [L.CODE_CREATED] * 2
            contexts.add(party.row().id_context)
    assert len(contexts) == 3
    assert party.renewals() == [EKG] * 3


def test_a_context_that_was_made_goes_on_over_restarts_of_the_server(story):
    party = Party(story)
    with Nonces():
        party.start()
        party.ask()
        before = party.row().id_context
        for _ in range(3):
            party.restart()
            assert [party.ask(), party.ask()] == [L.CODE_CREATED] * 2
    assert party.row().id_context == before
    assert party.renewals() == [EKG]


def test_a_context_that_a_backup_does_not_know_is_made_anew_by_the_party_alone(story):
    party = Party(story)
    party.ask()
    story.store._connection.execute("UPDATE oscore_parties SET id_context = x'0011223344556677', sequence_reserved = 0")
    party.restart()
    with Nonces():
        assert [party.ask(), party.ask(), party.ask()] == ["unprotected", L.CODE_CREATED, L.CODE_CREATED]


def test_a_context_is_not_taken_on_when_the_store_refuses(story, monkeypatch):
    party = Party(story)
    monkeypatch.setattr(story.store, "renew_oscore_party", failing)
    with pytest.raises(OSError, match="disk full"):
        party.ask()
    monkeypatch.undo()
    party.restart()
    party.client = CoapStack(os.urandom)
    assert party.row().id_context is None
    assert party.acted == []
    assert party.ask() == L.CODE_CREATED


def failing(*_):
    raise OSError("disk full")


def test_strangers_with_a_known_kid_are_counted_before_a_key_is_derived(story, monkeypatch):
    party, derived = Party(story), []
    party.ask()
    party.contexts = contexts_of(story)
    monkeypatch.setattr(Rederivation, "candidate", lambda *_: derived.append(1) or refuse())
    party.stack = CoapStack(os.urandom, party.contexts, admission=lambda *_: False)
    message = decode(party.last)
    message.set(L.OPT_OSCORE, encode_option(b"\x00", kid_of(story), cbor.encode(bytes(24))))
    for mid in range(200):
        message.mid = mid
        assert party.serve(encode(message)) == []
    assert len(derived) == 20  # of one address at once
    for mid in range(5000):
        message.mid = mid
        party.stack.feed(encode(message), (f"10.{mid >> 8}.{mid & 255}.1", 5683), party.now_ms)
    assert len(derived) == ALL_DERIVATIONS_BURST
    message.set(L.OPT_OSCORE, encode_option(b"\x00", b"nobody", cbor.encode(bytes(24))))
    assert party.serve(encode(message)) == []
    assert len(derived) == ALL_DERIVATIONS_BURST


def refuse():
    raise UnknownContext


def test_what_takes_away_the_allowance_of_strangers_keeps_out_no_party_that_starts_anew(story):
    party = Party(story)
    party.stack = CoapStack(os.urandom, party.contexts, admission=lambda *_: False)
    assert party.ask() == L.CODE_CREATED
    assert len(party.acted) == 1


def test_a_party_that_starts_anew_all_the_time_is_held_to_its_own_allowance(story):
    party = Party(story)
    party.contexts._derivations = TokenBucket(1000, 1000)  # it asks from many addresses
    codes = []
    for _ in range(RENEWALS_BURST + 3):
        party.start()
        codes.append(party.ask(after_ms=0))
    assert codes == [L.CODE_CREATED] * RENEWALS_BURST + ["unprotected"] * 3
    assert len(party.renewals()) == RENEWALS_BURST
    assert party.ask(after_ms=5_000) == "unprotected"
    assert party.ask(after_ms=5_000) == L.CODE_CREATED  # the same start goes on, 10 s later
    other = Party(story, DOCTOR_APP)
    other.contexts, other.now_ms = party.contexts, party.now_ms
    other.stack = party.stack
    assert other.ask(after_ms=0) == L.CODE_CREATED


def test_a_party_that_does_not_rederive_cannot_be_made_to(story, contexts):
    for kid in (kid_of(story), b"nobody"):
        with pytest.raises(UnknownContext):
            contexts.find(kid, cbor.encode(bytes(8)), "peer", 0)


# --- datagrams of before a restart, from strangers ---


def stack_of(story):
    """A server as it is after a crash, with the admission it has."""
    return CoapStack(os.urandom, contexts_of(story), SERVER_LIMITS, admission=TokenBucket().admit)


def asked(client, mid, echo=None):
    """One request of a client: (datagram, what its answer is bound to)."""
    message = request(L.CODE_POST, "/token", b"\xa0", L.CF_ACE_CBOR)
    if echo is not None:
        message.add(L.OPT_ECHO, echo)
    outer, state = client.protect_request(message)
    outer.mtype, outer.mid, outer.token = L.TYPE_CON, mid, b"t"
    return encode(outer), state


def flood(stack, caught, count):
    """Send what was caught under fresh message IDs from many addresses; returns how many events and answers."""
    events = answers = 0
    for number in range(count):
        raw = caught[number % len(caught)]
        peer = f"198.51.{number >> 8 & 255}.{number & 255}", 5683
        events += len(stack.feed(raw[:2] + (number + 1000).to_bytes(2, "big") + raw[4:], peer, number // 10))
        answers += len(stack.take_datagrams())
    return events, answers


def test_replays_after_a_crash_use_up_no_reserved_numbers_and_keep_nobody_out(story, contexts):
    client = context_of(story.store.oscore_party(client_id=EKG))
    context = contexts.find(kid_of(story))
    caught = [asked(client, number)[0] for number in range(5)]
    for raw in caught:
        context.unprotect_request(decode(raw))
    before = story.store.oscore_party(client_id=EKG).sequence_reserved
    stack = stack_of(story)
    events, answers = flood(stack, caught, 6000)
    assert (events, answers > 0) == (0, True)
    assert answers < 6000 / 4  # a second of it is no more than strangers get, and what they had saved up
    assert story.store.oscore_party(client_id=EKG).sequence_reserved - before <= RESERVE
    assert stack._server._contexts.find(kid_of(story)).sequence.next_value - before <= 5 + 1
    raw, state = asked(client, 1)
    stack.feed(raw, ("192.0.2.1", 1), 700)
    ((challenge, _),) = stack.take_datagrams()
    echo = client.unprotect_response(decode(challenge), state).get(L.OPT_ECHO)
    (event,) = stack.feed(asked(client, 2, echo)[0], ("192.0.2.1", 1), 701)
    assert event.incoming.context.owner == story.ekg


def test_replays_of_a_party_that_begins_anew_change_nothing_that_is_kept(story):
    party = story.store.oscore_party(client_id=EKG)
    caught = [asked(context_of(party), number)[0] for number in range(5)]
    stack = stack_of(story)
    before, rows = story.store.oscore_party(client_id=EKG), len(story.store.audit_rows(10_000))
    events, answers = flood(stack, caught, 4000)  # within 400 ms
    assert (events, 0 < answers <= 1.5 * ALL_DERIVATIONS_BURST) == (0, True)  # some of them a plain 4.01
    assert story.store.oscore_party(client_id=EKG) == before
    assert len(story.store.audit_rows(10_000)) == rows
    assert len(stack._server._contexts) == 0
