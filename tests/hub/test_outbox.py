"""The outbox over a real spool: order, repeats, waiting, giving up, health and leaving, in virtual time."""

import json

import pytest

from holdfast_hub.readings.outbox import CLOSED, CONNECTING, GIVEN_UP, LEAVING, RESTING, TABLE, UP, Policy
from holdfast_hub.records import Publication
from testkit.outbox import SUCCESS, Field, numbers_of
from testkit.spool import WALL_S


@pytest.fixture
def field(tmp_path):
    return Field(tmp_path)


def test_what_waits_goes_out_in_order_and_leaves_the_spool_after_the_puback_only(field):
    field.leave(*range(5))
    field.connect()
    sent = field.take()
    assert numbers_of(sent) == list(range(5))
    assert field.level.count == 5
    for key, publication in sent:
        if key > 0:
            assert publication.topic == "ward/tube-1/level"
        field.ack(key)
    assert field.level.count == 0
    field.leave(7)
    field.turn()
    assert field.ack_all() == [7]
    assert field.outbox.published == 6


def test_a_reading_says_whose_it_is_and_has_one_id_however_often_it_is_sent(field):
    field.leave(1)
    field.connect()
    (first,) = [publication for key, publication in field.take() if key > 0]
    field.lose()
    field.connect()
    (second,) = [publication for key, publication in field.take() if key > 0]
    assert first == second
    properties = dict(first.properties)
    assert properties == {
        "id": properties["id"],
        "device": "tube-1",
        "resource": "level",
        "taken": str(WALL_S),
    }
    assert len(bytes.fromhex(properties["id"])) == 16


def test_no_more_is_under_way_than_the_broker_and_the_policy_allow(field):
    field.leave(*range(10))
    field.connect(receive_max=3)
    sent = field.take()
    assert len(sent) == field.outbox.under_way == 3
    for key, _ in sent:
        field.ack(key)
        assert field.outbox.under_way <= 3
    assert numbers_of(sent) + field.ack_all() == list(range(10))


def test_order_holds_over_lost_connections_and_a_restart_without_a_word(field):
    field.policy = Policy(window=4, batch=6)
    field.start()
    field.leave(*range(20))
    seen = []
    for cut in range(6):
        field.connect()
        sent = field.take()
        seen += numbers_of(sent)
        for key, _ in sent[: 1 + cut % 3]:
            field.ack(key)
        seen += numbers_of(field.take())  # they reached the broker, and their PUBACK is lost
        if cut % 2:
            field.lose()
        else:  # the hub is killed; what was lent waits for the lease, or for the next start
            field.played.crash()
            field.start()
    field.connect()
    seen += field.ack_all()
    first = list(dict.fromkeys(seen))
    assert first == list(range(20))
    assert field.level.count == 0


def test_a_broker_that_is_away_loses_nothing_and_blames_nobody(field):
    field.leave(1, 2)
    for _ in range(12):
        field.until(CONNECTING)
        field.lose()
    field.connect()
    assert field.ack_all() == [1, 2]
    assert field.level.aside == 0


def test_waiting_doubles_up_to_a_bound_and_is_half_jitter(tmp_path):
    for jitter, part in ((0.0, 0.5), (0.999999, 1.0)):
        field = Field(tmp_path / str(part), Policy(first_ms=1000, max_ms=60_000), jitter=jitter)
        waits = []
        for _ in range(9):
            field.until(CONNECTING)
            field.lose()
            waits.append(field.outbox.due_ms - field.played.ms)
        assert waits == [
            pytest.approx(part * min(1000 * 2**n, 60_000), abs=2) for n in range(9)
        ]  # the last ones are all the same


def test_a_connection_that_fails_at_once_does_not_count_as_success_and_a_steady_one_does(field):
    for _ in range(5):
        field.connect()
        field.lose()
    assert field.outbox.due_ms - field.played.ms == 8000
    field.connect()
    field.wait(10)
    field.lose()
    assert field.outbox.due_ms - field.played.ms == 500


def test_it_gives_up_after_a_while_and_says_so_once(field):
    began = field.played.ms
    while field.outbox.state != GIVEN_UP:
        field.wait(max(0, field.outbox.due_ms - field.played.ms) / 1000)
        field.lose()
    assert 7200_000 <= field.played.ms - began <= 7200_000 + 60_000
    assert field.ended == [GIVEN_UP]
    assert field.outbox.due_ms is None
    tries = len(field.broker.attempts)
    field.wait(10_000)
    assert len(field.broker.attempts) == tries


def test_it_does_not_give_up_while_the_broker_comes_back_now_and_then(field):
    for _ in range(30):
        field.leave(field.played.ms)
        field.connect()
        assert len(field.ack_all()) == 1
        field.lose()
        field.played.wait(1000)
    assert field.ended == []


def test_a_broker_that_does_not_answer_is_lost(field):
    field.until(CONNECTING)
    field.wait(30)
    assert field.outbox.state == RESTING
    assert field.broker.closed
    field.leave(1)
    field.connect()
    assert len(field.take()) == field.outbox.under_way == 2
    field.wait(30)
    assert field.outbox.state == RESTING
    field.connect()
    assert field.ack_all() == [1]


def test_late_news_of_an_earlier_connection_change_nothing(field):
    field.leave(1)
    field.connect()
    old, sent = field.attempt, field.take()
    field.lose()
    field.connect()
    for key, _ in sent:
        field.outbox.acked(old, key, SUCCESS)
    field.outbox.lost(old, "late")
    field.outbox.accepted(old, 1, 1)
    field.turn()
    assert field.outbox.state == UP
    assert field.level.count == 1
    assert field.ack_all() == [1]


def test_health_is_retained_first_repeated_and_the_will_says_what_the_hub_cannot(field):
    field.leave(1)
    field.connect()
    (_, will) = field.broker.attempts[-1]
    assert (will.topic, will.retain) == ("hub/health", True)
    assert json.loads(will.payload) == {"state": "offline", "why": "lost"}
    (key, health), (reading, _) = field.take()
    assert key < 0 < reading
    assert isinstance(health, Publication)
    assert (health.topic, health.retain, json.loads(health.payload)) == (
        "hub/health",
        True,
        {"state": "online", "waits": 1},
    )
    field.ack(reading)
    field.ack(key)
    field.wait(60)
    assert [publication.topic for _, publication in field.take()] == ["hub/health"]


def test_a_stop_lets_what_is_under_way_arrive_and_says_good_bye(field):
    field.policy = Policy(window=2)
    field.start()
    field.leave(*range(4))
    field.connect()
    sent = field.take()
    field.outbox.stop()
    field.turn()
    assert field.outbox.state == LEAVING
    for key, _ in sent:
        field.ack(key)
    ((key, good_bye),) = field.take()
    assert json.loads(good_bye.payload) == {"state": "offline", "why": "stopped"}
    assert field.ended == []
    field.ack(key)
    assert (field.outbox.state, field.ended) == (CLOSED, [CLOSED])
    field.outbox.stop()
    assert field.ended == [CLOSED]
    field.start()
    field.connect()
    assert numbers_of(sent) + field.ack_all() == list(range(4))


@pytest.mark.parametrize("how", ["lost", "late", "again", "resting", "connecting", "given up"])
def test_a_stop_ends_whatever_the_broker_does(field, how):
    field.leave(1)
    if how in ("lost", "late", "again"):
        field.connect()
    elif how == "connecting":
        field.until(CONNECTING)
    elif how == "given up":
        while field.outbox.state != GIVEN_UP:
            field.wait(100)
            field.lose()
    field.outbox.stop()
    field.turn()
    if how == "lost":
        field.lose()
    elif how == "late":
        field.wait(5)
    elif how == "again":
        field.outbox.stop()
        field.turn()
    assert field.outbox.state == CLOSED
    assert field.ended[-1] == CLOSED
    assert field.level.count == 1
    field.start()
    field.connect()
    assert field.ack_all() == [1]


def test_the_table_is_whole():
    assert set(TABLE) == {RESTING, CONNECTING, UP, LEAVING, GIVEN_UP, CLOSED}
    for events in TABLE.values():
        assert set(events.values()) <= set(TABLE)


def test_an_idle_outbox_asks_for_nothing_but_now_and_then(field):
    field.connect()
    field.ack_all()
    asked = []
    take = field.played.spool.take
    field.played.spool.take = lambda *values: (asked.append(1), take(*values))
    for _ in range(29):
        field.wait(1)
        field.ack_all()
    assert asked == []
    field.wait(2)
    assert asked == [1]
