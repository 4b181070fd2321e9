"""The replay window against the plainest model: the set of all numbers ever recorded."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast_core.errors import LocalError, ReplayDetected
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import MAX_SEQUENCE


class WindowMachine(RuleBasedStateMachine):
    """`seen` and `floor` say what must be refused; the window may know it in any way it likes."""

    @initialize(size=st.sampled_from([1, 2, 31, 32, 33, 64]), initialised=st.booleans())
    def start(self, size, initialised):
        self.size = size
        self.window = ReplayWindow(size, initialised)
        self.seen = set()
        self.floor = 0
        self.initialised = initialised

    def refused(self, number):
        return number in self.seen or number < self.floor or number <= max(self.seen, default=-1) - self.size

    def offer(self, number):
        if not 0 <= number <= MAX_SEQUENCE:
            return
        for method in (self.window.check, self.window.record):
            try:
                method(number)
            except ReplayDetected:
                assert self.refused(number)
            except LocalError:
                assert not self.initialised
            else:
                assert self.initialised
                assert not self.refused(number)
        if self.initialised:
            self.seen.add(number)

    @rule(number=st.integers(0, MAX_SEQUENCE))
    def anywhere(self, number):
        self.offer(number)

    @rule(number=st.sampled_from([0, 1, MAX_SEQUENCE - 64, MAX_SEQUENCE - 1, MAX_SEQUENCE]))
    def extremes(self, number):
        self.offer(number)

    @rule(distance=st.integers(-70, 70))
    def nearby(self, distance):
        self.offer(max(self.seen, default=0) + distance)

    @rule(side=st.sampled_from([-1, 0, 1]), edge=st.sampled_from(["low", "high"]))
    def edges(self, side, edge):
        highest = max(self.seen, default=0)
        self.offer(side + (highest if edge == "high" else highest - self.size))

    @rule()
    def again(self):
        for number in sorted(self.seen)[-3:]:
            self.offer(number)

    @precondition(lambda self: not self.initialised)
    @rule(number=st.integers(0, MAX_SEQUENCE))
    def echo(self, number):
        self.window.initialise(number)
        self.initialised = True
        self.floor = number + 1
        self.seen.add(number)

    @invariant()
    def memory_is_bounded(self):
        assert self.window._seen < 1 << self.size


WindowMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWindow = WindowMachine.TestCase


def test_a_new_window_has_seen_nothing():
    assert ReplayWindow().export() == (-1, 0)


def test_a_window_that_goes_on_takes_no_more_than_it_holds():
    window = ReplayWindow(4)
    window.resume(10, 1 << 40 | 0b0011)
    assert window.export() == (10, 0b0011)
    window.record(8)
    for seen in (10, 9, 8, 6):
        with pytest.raises(ReplayDetected):
            window.check(seen)
    window.check(7)
