"""The states of an issued token: each thing that can be done to it in each state, against the table."""

import pytest

from holdfast_server.authz.changes import Settling
from holdfast_server.authz.revocation import Revocations
from holdfast_server.authz.standing import EXPIRED, LIVE, REVOKED, TOKEN_STATES, standing, state_of
from testkit.authz import DOCTOR_APP, EKG, NOW_S, build_story_as, change_rs

EVENTS = ("narrow", "expire", "revoke", "forget")


class Token:
    """A token that was issued, in a real store, and what can be done to it."""

    def __init__(self, folder):
        self.story = build_story_as(folder)
        self.store = self.story.store
        self.now_s = NOW_S
        record = self.store.token(self.story.doctor_token()["access_token"])
        self.token_id, self.life_s = record.token_id, record.expires_at - NOW_S

    @property
    def record(self):
        return self.store.token_by_id(self.token_id)

    @property
    def state(self):
        return state_of(self.record, self.now_s)

    def narrow(self):
        change_rs(self.story, EKG, token_lifetime_s=self.life_s // 2)
        Settling(self.store, self.now_s, client_id=DOCTOR_APP).finish()

    def expire(self):
        self.now_s = NOW_S + self.life_s

    def revoke(self):
        Revocations(self.store).revoke([self.token_id], self.now_s, "asked")

    def forget(self):
        self.store.sweep(self.now_s)


WAYS = {LIVE: (), EXPIRED: ("expire",), REVOKED: ("revoke", "expire")}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", WAYS)
def test_what_is_done_to_a_token_leads_where_the_table_says(tmp_path, state, event):
    token = Token(tmp_path)
    for step in WAYS[state]:
        getattr(token, step)()
    assert token.state == state
    getattr(token, event)()
    assert token.state == TOKEN_STATES[state].get(event, state)
    assert set(TOKEN_STATES[state]) <= set(EVENTS)


def test_only_a_live_token_means_anything(tmp_path):
    for way in WAYS.values():
        token = Token(tmp_path / str(len(way)))
        for step in way:
            getattr(token, step)()
        left = standing(token.record, token.store, token.now_s)
        assert (left is not None) == (token.state == LIVE)


def test_narrowing_takes_time_from_a_live_token(tmp_path):
    token = Token(tmp_path)
    token.narrow()
    assert token.record.expires_at == NOW_S + token.life_s // 2


def test_a_token_is_live_to_the_last_second(tmp_path):
    record = Token(tmp_path).record
    assert [state_of(record, record.expires_at + more_s) for more_s in (-1, 0, 1)] == [LIVE, EXPIRED, EXPIRED]
