"""The OSCORE contexts of registered parties: found by kid, as the registry has them now."""

from dataclasses import replace

import pytest

from holdfast_core.errors import MalformedOscore, UnknownContext
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import SequenceExhausted
from holdfast_server.caller import Caller
from holdfast_server.party_contexts import RESERVE, PartyContexts
from testkit.authz import DOCTOR_APP, EKG, NOW_S


@pytest.fixture
def contexts(story):
    return PartyContexts(story.store)


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
    party = story.registry.add_oscore_party(NOW_S, client_id=DOCTOR_APP)
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
    party = story.registry.add_oscore_party(NOW_S, client_id=EKG, rs_id=EKG)
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
    again = PartyContexts(story.store).find(kid_of(story)).sequence
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
