"""How long a parcel may wait: by two clocks, over restarts, power cuts and clocks that jump; none is lost early."""

import pytest

from holdfast_hub.ports import MAX_TRIES
from holdfast_hub.records import Now
from holdfast_hub.spool.clock import BACK_MS, SETTLE_MS, STEP_MS, WRITE_MS, Calendar, LifeClock, dies_ms
from testkit.spool import WALL_S, played

YEAR_S = 365 * 86_400
SETTLE_S = SETTLE_MS // 1000


@pytest.fixture
def spool(tmp_path):
    with played(tmp_path) as made:
        yield made
        assert made.recount()[0] == made.recount()[1]


def settle(spool):
    """Time passes in which the clock does not jump."""
    spool.tick()
    spool.wait(SETTLE_S)
    spool.tick()


def test_each_clock_ends_a_parcel_at_its_second_and_not_before(spool):
    spool.put(b"wall", ends_s=WALL_S + 10)
    spool.put(b"life", lives_ms=10_000)
    spool.put(b"ever")
    spool.wait(9)
    assert [parcel.lives_ms for parcel in (spool.find(b"life"), spool.find(b"ever"))] == [1000, None]
    lent = spool.take()
    assert [parcel.id for parcel in lent] == [b"wall", b"life", b"ever"]
    spool.give_back(*lent, blame=False)
    spool.wait(1)
    assert spool.find(b"wall") is spool.find(b"life") is None
    assert spool.ids() == [b"ever"]
    settle(spool)
    assert spool.spool.level.counts["expired"] == 2
    assert spool.spool.level.count == 1


def test_what_is_put_after_its_end_is_never_lent(spool):
    spool.put(b"a", ends_s=WALL_S)
    spool.put(b"b", lives_ms=0)
    assert spool.ids() == []
    settle(spool)
    assert spool.spool.level.count == 0


def test_a_wall_clock_that_nobody_believes_ends_nothing(spool):
    spool.put(b"a", ends_s=WALL_S + 10)
    spool.wall_s = None
    spool.put(b"b", ends_s=5)
    spool.wait(3600)
    spool.tick()
    lent = spool.take()
    assert [parcel.id for parcel in lent] == [b"a", b"b"]
    spool.give_back(*lent)
    spool.wall_s = WALL_S + 9
    assert spool.ids() == [b"a"]


def test_a_clock_that_jumps_ahead_and_back_loses_nothing(spool):
    spool.put(b"a", ends_s=WALL_S + 3600)
    spool.tick()
    spool.wall_s += YEAR_S
    for _ in range(SETTLE_S // 60 - 1):
        spool.wait(60)
        spool.tick()
        assert spool.ids() == []  # it may be true
    spool.wall_s -= YEAR_S
    spool.tick()
    assert spool.ids() == [b"a"]


def test_a_clock_that_stays_ahead_was_right(spool):
    spool.put(b"a", ends_s=WALL_S + 3600)
    settle(spool)
    spool.wall_s += YEAR_S
    settle(spool)
    assert (spool.spool.level.count, spool.spool.level.counts["expired"]) == (0, 1)


def test_a_clock_that_was_wrong_when_the_hub_started_loses_nothing(spool):
    spool.put(b"a", ends_s=WALL_S + 3600)
    spool.wall_s += YEAR_S
    spool.restart(boot="next", ms=0)
    spool.tick()
    spool.wait(60)
    spool.tick()
    spool.wall_s -= YEAR_S
    spool.tick()
    assert spool.ids() == [b"a"]


def test_a_clock_that_was_ahead_when_a_parcel_came_keeps_it_until_its_end(spool):
    spool.wall_s += YEAR_S
    spool.put(b"a", ends_s=WALL_S + 3600)
    spool.tick()
    spool.wait(30)
    spool.wall_s -= YEAR_S
    spool.tick()
    spool.wait(3500)
    assert spool.ids() == [b"a"]


def test_a_clock_that_is_set_back_does_not_keep_for_ever(spool):
    spool.put(b"a", ends_s=WALL_S + 3600)
    spool.wall_s -= YEAR_S
    spool.wait(3600 + BACK_MS / 1000 - 1)
    assert spool.find(b"a")
    spool.wait(1)
    assert spool.find(b"a") is None
    spool.tick()
    assert spool.spool.level.count == 0


def test_what_was_set_aside_and_what_is_lent_ends_too(spool):
    spool.put(b"poison", ends_s=WALL_S + 3600)
    for _ in range(MAX_TRIES):
        spool.give_back(*spool.take())
    spool.put(b"lent", ends_s=WALL_S + 3600)
    assert spool.ids() == [b"lent"]
    assert spool.spool.level.aside == 1
    spool.wait(3600)
    settle(spool)
    settle(spool)
    assert (spool.spool.level.count, spool.spool.level.aside) == (0, 0)


def test_life_goes_on_while_the_hub_is_stopped_and_the_machine_is_not(spool):
    spool.put(b"a", lives_ms=100_000)
    spool.restart(ms=spool.ms + 99_999)
    assert spool.find(b"a").lives_ms == 1
    spool.crash(ms=spool.ms + 1)
    assert spool.find(b"a") is None


def test_after_a_boot_the_time_since_and_what_was_not_written_are_charged(spool):
    spool.put(b"a", lives_ms=200_000)
    spool.wait(50)
    spool.tick()
    spool.restart(boot="second", ms=20_000)
    assert spool.find(b"a").lives_ms == 200_000 - 50_000 - STEP_MS - 20_000


def test_a_life_is_never_longer_than_it_was_given_however_often_the_power_fails(spool):
    given_ms, lived_ms, boots = 400_000, 0, 0
    spool.put(b"a", lives_ms=given_ms)
    while True:
        for _ in range(STEP_MS // 1000 - 2):  # cut as late as can be after the last write
            spool.wait(1)
            lived_ms += 1000
            spool.tick()
        boots += 1
        spool.crash(boot=f"boot {boots}", ms=3000)
        lived_ms += 3000
        if spool.find(b"a") is None:
            break
        assert lived_ms < given_ms
    assert lived_ms > given_ms // 3  # nor much shorter
    assert boots > 10


def test_a_spool_in_which_nothing_has_a_life_writes_nothing_while_it_waits(spool):
    def written(seconds):
        before = spool.spool._connection.total_changes
        for _ in range(seconds):
            spool.wait(1)
            spool.tick()
        return spool.spool._connection.total_changes - before

    spool.put(b"a", ends_s=WALL_S + YEAR_S * 10)
    spool.put(b"b")
    spool.delivered(*spool.take())
    assert written(300) == 0
    spool.put(b"c", lives_ms=10**9)
    assert 0 < written(300) <= 300_000 // WRITE_MS + 1


def test_a_monotonic_clock_that_goes_back_counts_nothing_and_ends_nothing():
    clock = LifeClock("a", 1000, None)
    assert [clock.at(ms) for ms in (1500, 1200, 1600)] == [500, 500, 600]
    assert LifeClock("a", 500, ("a", 1000, 70)).ms == 70 + STEP_MS + 500
    assert LifeClock("b", 500, ("a", 1000, 70)).ms == 70 + STEP_MS + 500
    assert LifeClock("a", 1500, ("a", 1000, 70)).ms == 570


def test_the_calendar_is_sure_of_what_has_stood_for_a_while():
    calendar, sure = Calendar(), []
    for minute in range(60):
        jump_s = YEAR_S if 20 <= minute < 25 or minute >= 40 else 0
        sure.append(calendar.settled_s(Now(0, WALL_S + minute * 60 + jump_s), minute * 60_000))
    assert sure[:10] == [None] * 10
    assert sure[10:50] == [WALL_S + minute * 60 for minute in range(10, 50)]
    assert sure[50:] == [WALL_S + minute * 60 + YEAR_S for minute in range(50, 60)]
    assert calendar.settled_s(Now(0, None), 3_600_000) is None
    assert calendar.settled_s(Now(0, 1000), 3_600_000) is None


def test_the_earlier_of_two_ends_counts():
    now = Now(0, 1000)
    assert dies_ms(None, None, now, 5) is None
    assert dies_ms(None, 70, now, 5) == 75
    assert dies_ms(1060, None, now, 5) == 5 + 60_000 + BACK_MS
    assert dies_ms(1060, 70, now, 5) == 75
    assert dies_ms(900, None, now, 5) is None
    assert dies_ms(1060, None, Now(0, None), 5) is None
