"""The guard over the server's clock: a table of readings and verdicts, and what it lets nobody delete."""

import pytest

from holdfast_server.authz.clock_guard import (
    AHEAD,
    BEHIND,
    BEYOND,
    CATCH_UP,
    MAX_OFF_S,
    NOT_SET,
    SETTLE_S,
    STEP_S,
    ClockGuard,
)
from holdfast_server.authz.settings import BUILD_FLOOR_S, CEILING_S
from testkit.authz import NOW_S

DAY_S = 86400
YEAR_S = 365 * DAY_S


class Clocks:
    """A guard, and the two clocks that it reads."""

    def __init__(self, seen_s=NOW_S, swept_s=NOW_S, wall_s=NOW_S, settled=False):
        self.guard = ClockGuard(seen_s, swept_s, BUILD_FLOOR_S, CEILING_S)
        self.wall_s = wall_s
        self.counting_ms = 7_000_000
        self.read()
        if settled:
            self.wait(SETTLE_S)

    def read(self):
        """One reading; the verdict."""
        self.guard.read(self.wall_s, self.counting_ms)
        return self.guard.doubt

    def wait(self, seconds):
        """Let time pass on both clocks; the verdict afterwards."""
        self.wall_s += seconds
        self.counting_ms += seconds * 1000
        return self.read()

    def jump(self, seconds):
        """Let the wall clock jump; the verdict afterwards."""
        self.wall_s += seconds
        return self.read()


@pytest.mark.parametrize(
    ("jump_s", "doubt"),
    [
        (0, ""),
        (STEP_S, ""),
        (-STEP_S, ""),
        (STEP_S + 1, AHEAD),
        (-STEP_S - 1, BEHIND),
        (DAY_S, AHEAD),
        (2 * YEAR_S, AHEAD),
        (-200 * DAY_S, BEHIND),
        (BUILD_FLOOR_S - 1 - NOW_S - SETTLE_S, NOT_SET),
        (-NOW_S, NOT_SET),
        (CEILING_S - NOW_S, BEYOND),
        (4_102_444_800 - NOW_S, BEYOND),
        (2**33 - NOW_S, BEYOND),
        (2**63 - NOW_S, BEYOND),
    ],
)
def test_a_settled_clock_that_jumps_is_doubted_until_it_agrees_again(jump_s, doubt):
    clocks = Clocks(settled=True)
    assert clocks.jump(jump_s) == doubt
    assert bool(clocks.wait(3 * DAY_S)) == bool(doubt)
    assert clocks.jump(-jump_s) == ""


@pytest.mark.parametrize(
    ("off_s", "doubt"),
    [
        (0, ""),
        (-STEP_S, ""),
        (-STEP_S - 1, BEHIND),
        (90 * DAY_S, ""),
        (MAX_OFF_S + STEP_S, ""),
        (MAX_OFF_S + STEP_S + 1, AHEAD),
        (2 * YEAR_S, AHEAD),
    ],
)
def test_at_a_start_the_clock_is_held_against_the_last_time_seen(off_s, doubt):
    clocks = Clocks(wall_s=NOW_S + off_s)
    assert clocks.guard.doubt == doubt
    assert clocks.wait(SETTLE_S) == doubt


def test_a_start_in_doubt_ends_when_the_clock_is_put_right_however_late():
    clocks = Clocks(wall_s=NOW_S + 2 * YEAR_S)
    assert clocks.wait(30 * DAY_S) == AHEAD
    assert clocks.guard.now_s == NOW_S + 30 * DAY_S
    assert clocks.jump(-2 * YEAR_S) == ""


def test_a_board_that_starts_with_yesterday_and_is_told_the_time_goes_on():
    clocks = Clocks(wall_s=NOW_S)
    clocks.wait(SETTLE_S - 1)
    assert clocks.jump(20 * DAY_S) == ""
    assert clocks.wait(SETTLE_S - 1) == ""
    assert clocks.jump(-20 * DAY_S) == ""  # the one that told it was wrong, and nothing of that was kept
    assert clocks.guard.seen_s == NOW_S
    clocks.wait(SETTLE_S)
    assert clocks.guard.seen_s == clocks.wall_s
    assert clocks.jump(20 * DAY_S) == AHEAD


def test_in_doubt_the_time_is_counted_on_and_nothing_is_kept_or_swept():
    clocks = Clocks(settled=True)
    before = (clocks.guard.seen_s, clocks.guard.swept_s)
    clocks.jump(2 * YEAR_S)
    clocks.wait(DAY_S)
    assert clocks.guard.now_s == NOW_S + SETTLE_S + DAY_S
    assert (clocks.guard.seen_s, clocks.guard.swept_s) == before
    clocks.jump(-2 * YEAR_S)
    assert (clocks.guard.now_s, clocks.guard.seen_s) == (clocks.wall_s, clocks.wall_s)
    assert clocks.guard.swept_s == before[1]  # the time in doubt is no time in which to catch up
    clocks.wait(3600)
    assert clocks.guard.swept_s > before[1]


def test_a_clock_that_creeps_is_found_out_and_a_bad_oscillator_is_not():
    for creep_s, hours, doubt in ((2, 5000, ""), (60, 24, AHEAD), (-60, 24, BEHIND)):
        clocks = Clocks(settled=True)
        verdicts = set()
        for _ in range(hours * 4):
            clocks.wall_s += creep_s / 4
            verdicts.add(clocks.wait(900))
        assert verdicts - {""} == ({doubt} if doubt else set()), creep_s


def test_the_sweeping_time_catches_up_slowly_however_often_the_clock_is_read():
    for reads in (1, 20_000):
        clocks = Clocks(wall_s=NOW_S + 90 * DAY_S)
        for _ in range(reads):
            clocks.counting_ms += 600_000 // reads
            clocks.guard.read(clocks.wall_s + (clocks.counting_ms - 7_000_000) // 1000, clocks.counting_ms)
        assert clocks.guard.doubt == ""
        assert NOW_S + 600 * CATCH_UP - 1 <= clocks.guard.swept_s <= NOW_S + 600 * CATCH_UP
    clocks.wall_s += 600
    for _ in range(40):
        clocks.wait(3600)
    assert clocks.guard.swept_s == clocks.wall_s - STEP_S
    clocks.wait(1)
    assert clocks.guard.swept_s == clocks.wall_s - STEP_S


def test_the_operator_may_accept_any_time_that_can_be_and_nothing_is_swept_by_that():
    for jump_s in (2 * YEAR_S, -200 * DAY_S):
        clocks = Clocks(settled=True)
        assert clocks.jump(jump_s)
        swept_s = clocks.guard.swept_s
        assert clocks.guard.accept(clocks.wall_s, clocks.counting_ms)
        assert (clocks.guard.doubt, clocks.guard.seen_s) == ("", clocks.wall_s)
        assert clocks.guard.swept_s == min(swept_s, clocks.wall_s)
        assert clocks.wait(60) == ""
        assert clocks.jump(-jump_s) in (AHEAD, BEHIND)
    for never_s in (BUILD_FLOOR_S - 1, CEILING_S, 2**33):
        clocks = Clocks()
        clocks.wall_s = never_s
        clocks.read()
        assert not clocks.guard.accept(never_s, clocks.counting_ms)
        assert clocks.guard.doubt in (NOT_SET, BEYOND)


def test_a_server_that_never_saw_a_time_sweeps_nothing_before_it_has_settled():
    clocks = Clocks(seen_s=None, swept_s=None)
    assert clocks.guard.doubt == ""
    assert (clocks.guard.seen_s, clocks.guard.swept_s) == (None, None)
    clocks.wait(SETTLE_S)
    assert (clocks.guard.seen_s, clocks.guard.swept_s) == (clocks.wall_s, clocks.wall_s - STEP_S)
