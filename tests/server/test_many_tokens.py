"""Rights taken from many tokens, and a token for which many were exchanged: decided at once, the rows in steps."""

import dataclasses
import itertools

import pytest

from holdfast_server.authz.changes import Changes
from holdfast_server.authz.errors import OAuthError
from holdfast_server.authz.revocation import REQUEST_STEP, STEP, Revocations
from holdfast_server.authz.standing import standing
from holdfast_server.cli.serve import SWEEP_ROWS
from holdfast_server.records import TokenRecord
from holdfast_server.store.sqlite import Store
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, TUBE, code_params
from testkit.sql import steps_of

MANY = 3 * STEP + 7
WIDE = "read_ekg read_result"


def exchanged(number, parent_id, **changes):
    """A token of the EKG for the tube, exchanged for another."""
    name = b"c%031d" % number
    values = {"parent_id": parent_id, **changes}
    return TokenRecord(name, "cwt-nested", EKG, None, TUBE, "read_result", b"\xa0", None, NOW_S, NOW_S + 60, **values)


def add_wide(store, count=MANY):
    """Tokens of the doctor's app that a code gave; for each hundredth another was exchanged. Returns how many."""
    with store.transaction():
        for number in range(count):
            name = b"%032d" % number
            token = TokenRecord(
                name, "reference", DOCTOR_APP, DOCTOR, EKG, WIDE, b"\xa0", None, NOW_S, NOW_S + 3600, code_hash=name
            )
            parent_id = store.add_token(token)
            if number % 100 == 0:
                store.add_token(exchanged(number, parent_id))
    return count


def add_family(store, parent_id, count=MANY):
    """Tokens that were exchanged for one token, and one for each hundredth of them."""
    with store.transaction():
        for number in range(count):
            child = store.add_token(exchanged(number, parent_id))
            if number % 100 == 0:
                store.add_token(exchanged(count + number, child))
    return count + (count + 99) // 100


def count(store, condition):
    return store._one(f"SELECT count(*) AS n FROM tokens WHERE revoked_at IS NULL AND {condition}")["n"]


def wide(store):
    return count(store, "scope <> 'read_ekg'")


def events(store, event):
    return [row for row in store.audit_rows(100_000) if row.event == event]


def less_for_the_client(story):
    record = story.store.client(DOCTOR_APP)
    after = dataclasses.replace(record, scopes={EKG: ("read_ekg",)})
    return changes_of(story).client(after, NOW_S, "client-denied", "x")


def less_for_the_user(story):
    after = dataclasses.replace(story.store.user(DOCTOR), scopes={EKG: ("read_ekg",)})
    return changes_of(story).user(after, NOW_S, "user-denied", "x")


def less_at_the_rs(story):
    record = story.store.resource_server(EKG)
    after = dataclasses.replace(record, scope_map={"read_ekg": record.scope_map["read_ekg"]})
    return changes_of(story).resource_server(after, NOW_S, "rs-changed", "x")


def changes_of(story):
    return Changes(story.store, story.registry, story.keyring)


EVERYWHERE = pytest.mark.parametrize("take", [less_for_the_client, less_for_the_user, less_at_the_rs])


@EVERYWHERE
def test_rights_are_taken_at_once_and_the_rows_follow_in_steps_that_others_come_between(story, take):
    token = story.doctor_token()["access_token"]
    total = add_wide(story.store) + 1
    by_value = (MANY + 99) // 100
    settling = take(story)
    assert story.server.introspect({"token": token}, story.ekg, NOW_S)["scope"] == "read_ekg"
    left = [wide(story.store)]
    assert left == [total + by_value]
    with Store(story.store.path, serving=False) as other:
        other._wait_at_most(0)
        for _ in settling.steps():
            other.audit(NOW_S, "in-between")  # would raise: database is locked
            left.append(wide(other))
    assert left[-1] == 0
    assert all(before - after <= STEP for before, after in itertools.pairwise(left))
    assert len(events(story.store, "token-narrowed")) == len(settling.outcome.narrowed) == total
    assert len(events(story.store, "token-revoked")) == len(settling.outcome.revoked) == by_value
    (narrowed,), (revoked,) = events(story.store, "tokens-narrowed"), events(story.store, "tokens-revoked")
    assert (narrowed.reason, revoked.reason) == (f"{total} that allowed more", f"{by_value} that allowed more")
    assert [narrowed.client_id, narrowed.user_id, narrowed.rs_id].count(None) == 2


@EVERYWHERE
def test_what_was_left_of_a_change_is_done_when_it_is_said_again(story, take):
    add_wide(story.store)
    steps = take(story).steps()
    next(steps)
    steps.close()
    assert wide(story.store) > STEP
    take(story).finish()
    assert wide(story.store) == 0


def test_a_shorter_lifetime_counts_before_any_row_is_changed_and_said_again_does_what_is_left(story):
    token = story.doctor_token()["access_token"]
    shorter = dataclasses.replace(story.store.resource_server(EKG), token_lifetime_s=60)
    for _ in range(2):
        changes_of(story).resource_server(shorter, NOW_S, "rs-changed", "x")
        assert story.server.introspect({"token": token}, story.ekg, NOW_S)["exp"] == NOW_S + 60
        assert story.server.introspect({"token": token}, story.ekg, NOW_S + 60) == {"active": False}
        assert story.store.token(token).expires_at > NOW_S + 60
    changes_of(story).resource_server(shorter, NOW_S, "rs-changed", "x").finish()
    assert story.store.token(token).expires_at == NOW_S + 60


# --- a token for which many were exchanged ---


class Family:
    """A token that a code gave to the doctor's app, and thousands that were exchanged for it."""

    def __init__(self, story):
        self.story, self.code = story, story.code()
        self.token = story.server.token(code_params(self.code), story.doctor_app, NOW_S)["access_token"]
        self.token_id = story.store.token(self.token).token_id
        self.size = add_family(story.store, self.token_id)
        self.last = story.store.tokens(limit=1)[0]

    def revoke(self):
        self.story.server.revoke({"token": self.token}, self.story.doctor_app, NOW_S)

    def replay(self):
        with pytest.raises(OAuthError):
            self.story.server.token(code_params(self.code), self.story.doctor_app, NOW_S)

    def left(self):
        return count(self.story.store, "parent_id IS NOT NULL")


@pytest.mark.parametrize("end", [Family.revoke, Family.replay])
def test_a_request_that_revokes_a_large_family_is_short_and_the_family_is_worth_nothing_at_once(story, end):
    family = Family(story)
    assert standing(family.last, story.store, NOW_S)
    with steps_of(story.store) as steps:
        end(family)
    assert steps[0] < 60 * 1000  # some hundreds for each of REQUEST_STEP tokens
    assert story.server.introspect({"token": family.token}, story.ekg, NOW_S) == {"active": False}
    assert family.left() == family.size - REQUEST_STEP
    last = story.store.token_by_id(family.last.token_id)
    assert (last.revoked_at, standing(last, story.store, NOW_S)) == (None, None)


def test_the_rest_of_a_family_follows_also_after_a_restart_in_steps_and_is_audited(story):
    family = Family(story)
    family.revoke()
    left = [family.left()]
    with Store(story.store.path, serving=False) as other:
        other._wait_at_most(0)
        while Revocations(story.store).go_on(NOW_S + 1):
            other.audit(NOW_S, "in-between")
            left.append(family.left())
    assert left[-1] == 0
    assert all(before - after <= STEP for before, after in itertools.pairwise(left))
    assert story.store.unfinished_revocations(9) == []
    rows = events(story.store, "token-revoked")
    assert len({row.token_id for row in rows}) == len(rows) == family.size + 1
    assert {row.reason for row in rows} == {"by-client"}
    (summary,) = events(story.store, "tokens-revoked")
    assert (summary.token_id, summary.reason) == (family.token_id, f"{MANY} that were exchanged for it")


def test_a_replay_that_is_repeated_costs_no_more_each_time(story):
    family = Family(story)
    left = [family.left()]
    for _ in range(3):
        family.replay()
        left.append(family.left())
    assert [before - after for before, after in itertools.pairwise(left)] == [REQUEST_STEP] * 3


@pytest.mark.parametrize("party", [{"client_id": DOCTOR_APP}, {"user_id": DOCTOR}])
def test_a_lock_takes_a_large_family_in_steps_too(story, party):
    family = Family(story)
    left = [family.left()]
    left += [family.left() for _ in story.registry.locking(True, NOW_S, **party)]
    assert left[-1] == 0
    assert all(before - after <= 2 * STEP for before, after in itertools.pairwise(left))
    assert f"{family.size + 1} of a party that was locked" in {r.reason for r in events(story.store, "tokens-revoked")}


def rows_of(store):
    return store._one("SELECT count(*) AS n FROM tokens")["n"]


def test_a_family_that_is_over_is_deleted_a_bounded_part_at_a_time(story):
    family = Family(story)
    family.revoke()
    story.store._execute("UPDATE tokens SET expires_at = ?", (NOW_S + 60,))
    left = [rows_of(story.store)]
    while story.store.sweep(NOW_S + 60):
        left.append(rows_of(story.store))
    assert left[-1] == 0
    assert all(before - after <= SWEEP_ROWS for before, after in itertools.pairwise(left))
    assert story.store.unfinished_revocations(9) == []


def test_a_client_with_a_large_family_is_removed_a_bounded_part_at_a_time(story):
    Family(story)
    left = [rows_of(story.store), *(rows_of(story.store) for _ in story.registry.removing(NOW_S, client_id=DOCTOR_APP))]
    assert left[-1] == 0
    assert all(before - after <= STEP for before, after in itertools.pairwise(left))
