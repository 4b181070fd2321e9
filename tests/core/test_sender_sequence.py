"""Sender sequence numbers under power cuts at every point of every save: no number is ever given out twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast_core.errors import LocalError
from holdfast_core.sender_sequence import CHUNK, MAX_SEQUENCE, SenderSequence, SequenceExhausted


class PowerCut(Exception):
    pass


class Flash:
    """The durable reservation. The power goes at step `cut`: each save has one before, and one after it is durable."""

    def __init__(self, cut=None):
        self.value = 0
        self.saves = 0
        self.steps = 0
        self.cut = cut

    def step(self):
        self.steps += 1
        if self.steps == self.cut:
            raise PowerCut

    def save(self, value):
        self.step()
        assert value > self.value, "a reservation never goes back"
        self.value = value
        self.saves += 1
        self.step()


def boot(flash, **kwargs):
    return SenderSequence(flash.value, flash.value, flash.save, **kwargs)


@pytest.mark.parametrize("chunk", [1, 2, 5, CHUNK])
def test_a_cut_at_every_point_of_every_save_repeats_nothing(chunk):
    def life(flash, numbers, count):
        sequence = boot(flash, chunk=chunk)
        for _ in range(count):
            numbers.append(sequence.take())

    whole = Flash()
    life(whole, [], 3 * chunk)
    assert whole.saves == 3
    for cut in range(1, whole.steps + 1):
        flash = Flash(cut)
        numbers = []
        with pytest.raises(PowerCut):
            life(flash, numbers, 3 * chunk)
        life(flash, numbers, 3 * chunk)
        assert len(set(numbers)) == len(numbers)
        assert numbers == sorted(numbers)
        assert max(numbers) < flash.value


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=12), st.integers(1, 5))
def test_any_number_of_lives(lives, chunk):
    flash = Flash()
    numbers = []
    for takes, cut in lives:
        flash.steps, flash.cut = 0, cut
        sequence = boot(flash, chunk=chunk)
        try:
            numbers += [sequence.take() for _ in range(takes)]
        except PowerCut:
            pass
        else:
            assert all(number < flash.value for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_a_failed_save_uses_nothing_and_may_be_tried_again():
    flash = Flash(cut=1)
    sequence = boot(flash)
    with pytest.raises(PowerCut):
        sequence.take()
    assert (sequence.next_value, flash.value) == (0, 0)
    assert sequence.take() == 0
    assert flash.value == CHUNK


def test_a_restart_loses_at_most_a_chunk():
    flash = Flash()
    first = [boot(flash).take() for _ in range(10)]
    assert first == [n * CHUNK for n in range(10)]


def test_one_save_serves_a_chunk():
    flash = Flash()
    sequence = boot(flash)
    assert [sequence.take() for _ in range(CHUNK)] == list(range(CHUNK))
    assert flash.saves == 1
    sequence.take()
    assert flash.saves == 2


def test_without_a_port_nothing_is_reserved():
    sequence = SenderSequence()
    assert [sequence.take() for _ in range(3 * CHUNK)] == list(range(3 * CHUNK))


@pytest.mark.parametrize("port", [True, False])
@pytest.mark.parametrize("limit", [0, 1, CHUNK - 1, CHUNK, 1 << 23, MAX_SEQUENCE])
def test_exhaustion_is_final(limit, port):
    flash = Flash()
    flash.value = max(0, limit - 3)
    sequence = SenderSequence(flash.value, flash.value, flash.save if port else None, limit=limit)
    first = flash.value
    assert [sequence.take() for _ in range(limit + 1 - first)] == list(range(first, limit + 1))
    for _ in range(3):
        with pytest.raises(SequenceExhausted):
            sequence.take()
    assert flash.value <= limit + 1
    if port:
        with pytest.raises(SequenceExhausted):
            SenderSequence(flash.value, flash.value, flash.save, limit=limit).take()


def test_impossible_arguments():
    for kwargs in ({"next_value": -1}, {"chunk": 0}, {"limit": MAX_SEQUENCE + 1}):
        with pytest.raises(LocalError):
            SenderSequence(**kwargs)
    assert SenderSequence(limit=MAX_SEQUENCE).take() == 0


@settings(max_examples=50)
@given(st.integers(0, MAX_SEQUENCE), st.integers(0, 200))
def test_a_reservation_already_made_is_used_up_first(start, left):
    flash = Flash()
    flash.value = min(start + left, MAX_SEQUENCE + 1)
    sequence = SenderSequence(start, flash.value, flash.save)
    for _ in range(flash.value - start):
        sequence.take()
    assert flash.saves == 0


def test_the_first_number_of_all_is_reserved_before_it_is_used():
    flash = Flash()
    assert SenderSequence(reserve=flash.save).take() == 0
    assert flash.value == CHUNK == 64


@pytest.mark.parametrize("limit", [3, MAX_SEQUENCE])
def test_a_context_that_dies_with_its_process_has_all_its_numbers(limit):
    assert SenderSequence(limit=limit).reserved_until == limit + 1
