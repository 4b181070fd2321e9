"""Locking and removing whoever holds many tokens: in steps, between which others are served; audited; never half."""

import itertools
import time

import pytest

from holdfast_server.authz.revocation import STEP
from holdfast_server.records import TokenRecord
from holdfast_server.store.sqlite import Store
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, TUBE

MANY = 3 * STEP + 7
PARTIES = [{"client_id": DOCTOR_APP}, {"user_id": DOCTOR}, {"rs_id": EKG}]


def fill(store, count=MANY):
    """Tokens of the doctor's app for the EKG in the doctor's name; for each hundredth another was exchanged."""
    with store.transaction():
        for number in range(count):
            token = TokenRecord(
                b"%032d" % number, "reference", DOCTOR_APP, DOCTOR, EKG, "read_ekg", b"\xa0", None, NOW_S, NOW_S + 3600
            )
            parent = store.add_token(token)
            if number % 100 == 0:
                child = TokenRecord(
                    b"c%031d" % number,
                    "cwt-nested",
                    EKG,
                    None,
                    TUBE,
                    "read_result",
                    b"\xa0",
                    None,
                    NOW_S,
                    NOW_S + 60,
                    parent_id=parent,
                )
                store.add_token(child)
    return count + (count + 99) // 100


def live(store):
    return store._one("SELECT count(*) AS n FROM tokens WHERE revoked_at IS NULL")["n"]


def events(store, event):
    return [row for row in store.audit_rows(100_000) if row.event == event]


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("now_s", [NOW_S, NOW_S + 2 * 365 * 86400])
def test_all_tokens_go_in_steps_that_others_come_between_whatever_the_clock_says(story, party, now_s):
    total = fill(story.store)
    with Store(story.store.path, serving=False) as other:
        other._wait_at_most(0)
        left = []
        for _ in story.registry.locking(True, now_s, **party):
            other.audit(NOW_S, "in-between")  # would raise: database is locked
            left.append(live(other))
    assert left[0] == total
    assert left[-1] == 0
    assert all(before - after <= 2 * STEP for before, after in itertools.pairwise(left))
    assert len(left) == 5
    assert len({row.token_id for row in events(story.store, "token-revoked")}) == total
    (summary,) = events(story.store, "tokens-revoked")
    assert summary.reason.startswith(f"{total} ")
    assert [party.get("client_id"), party.get("rs_id"), party.get("user_id")] == [
        summary.client_id,
        summary.rs_id,
        summary.user_id,
    ]


@pytest.mark.parametrize("party", PARTIES)
def test_what_was_left_of_a_lock_is_done_before_it_is_unlocked(story, party):
    total = fill(story.store)
    steps = story.registry.locking(True, NOW_S, **party)
    next(steps)
    steps.close()
    assert live(story.store) == total
    story.registry.set_disabled(False, NOW_S, **party)
    assert live(story.store) == 0


@pytest.mark.parametrize("party", PARTIES)
def test_a_removal_is_locked_from_its_first_step_and_leaves_nothing(story, party):
    fill(story.store)
    steps = story.registry.removing(NOW_S, **party)
    next(steps)
    name, party_id = next(iter(party.items()))
    record = {"client_id": story.store.client, "rs_id": story.store.resource_server, "user_id": story.store.user}[name]
    assert record(party_id).disabled
    with Store(story.store.path, serving=False) as other:
        other._wait_at_most(0)
        for _ in steps:
            other.audit(NOW_S, "in-between")
    assert record(party_id) is None
    assert live(story.store) == 0
    if name != "rs_id":
        assert story.store.tokens() == []
    assert len(events(story.store, f"{name.removesuffix('_id')}-removed")) == 1


def test_the_longest_step_of_a_lock_is_short(story):
    fill(story.store)
    longest, before = 0.0, time.monotonic()
    for _ in story.registry.locking(True, NOW_S, client_id=DOCTOR_APP):
        now = time.monotonic()
        longest, before = max(longest, now - before), now
    assert longest < 2  # some 0.05 s on an idle machine; 21 s for 50,000 in one
