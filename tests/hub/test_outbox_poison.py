"""What a broker refuses, or dies of, is set aside and stops no other; what is only early is not blamed."""

import pytest

from holdfast_hub.readings.reading import parcel_of
from holdfast_hub.readings.routes import Rule, routes_of
from testkit.outbox import NOT_AUTHORIZED, QUOTA, SUCCESS, TOO_LARGE, Field


@pytest.fixture
def field(tmp_path):
    return Field(tmp_path)


@pytest.mark.parametrize("code", [NOT_AUTHORIZED, TOO_LARGE, 0x80, 0x83, 0x90, 0x99])
def test_what_the_broker_refuses_is_set_aside_and_stops_no_other(field, code):
    field.leave(*range(6))
    field.connect()
    arrived = []
    while sent := field.take():
        for key, publication in sent:
            is_poison = key > 0 and publication.payload == b"2"
            if key > 0 and not is_poison:
                arrived.append(int(publication.payload))
            field.ack(key, code if is_poison else SUCCESS)
    assert arrived == [0, 1, 3, 4, 5]
    assert field.level.aside == 1
    assert field.outbox.refused == 5
    field.leave(9)
    field.turn()
    assert field.ack_all() == [9]


def test_a_used_up_quota_pauses_and_blames_nobody(field):
    field.leave(*range(3))
    field.connect()
    for _ in range(8):
        for key, _ in field.take():
            field.ack(key, QUOTA if key > 0 else SUCCESS)
        assert field.take() == []
        field.wait(max(0, field.outbox.due_ms - field.played.ms) / 1000)
    assert field.ack_all() == [0, 1, 2]
    assert field.level.aside == 0


def test_what_is_larger_than_the_broker_takes_is_not_sent(field):
    route = field.routes[("tube-1", "level")]
    large = parcel_of(route, b"large", b"1" * 500, None, field.played.now)
    field.played._asked(field.played.spool.put, large, field.played.now)
    field.leave(1)
    field.connect(max_packet=400)
    assert field.ack_all() == [1]
    assert field.level.aside == 1


def arrived_despite(field, poison, turns, *reason):
    """Payloads that arrive at a broker that ends the connection, for this reason, when it is sent the poison."""
    arrived = []
    for _ in range(turns):
        field.connect()
        while sent := field.take():
            if any(key > 0 and publication.payload == poison for key, publication in sent):
                break
            for key, publication in sent:
                if key > 0:
                    arrived.append(int(publication.payload))
                field.ack(key)
        if not sent:
            break
        field.lose(*reason)
    return arrived


def test_a_broker_that_ends_the_connection_over_a_message_gets_it_alone_and_then_no_more(field):
    field.leave(*range(5))
    assert sorted(arrived_despite(field, b"3", 40, TOO_LARGE)) == [0, 1, 2, 4]
    assert field.level.aside == 1


def test_a_message_that_brings_the_broker_down_without_a_word_is_found_too(field):
    field.leave(*range(5))
    assert arrived_despite(field, b"0", 60) == [1, 2, 3, 4]
    assert field.level.aside == 1


def test_what_has_no_topic_any_more_is_set_aside(field):
    field.leave(1)
    field.leave(2, device="tube-2")
    field.routes = routes_of([Rule("tube-2", "level", "ward/two")], ["tube-2"])
    field.start()
    field.connect()
    assert field.ack_all() == [2]
    assert field.level.aside == 1
