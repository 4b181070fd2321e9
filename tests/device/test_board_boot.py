"""An emulated Cortex-M3 starts by itself and answers the request that waits at its line: firmware, no board."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import decode
from holdfast_sim.targets import TARGETS
from testkit import budgets
from testkit.emulated_boot import Chip

NEARLY = 0.01  # what a start differs by: the lengths of numbers, the state of a file system


@pytest.fixture(params=["python", "native"])
def firmware(request):
    path = budgets.ROOT / TARGETS[budgets.TARGET].firmware(request.param)
    assert path.exists(), f"run scripts/firmware.sh {budgets.TARGET}"
    return path


@pytest.fixture
def start(firmware):
    """Start a board on a new chip, as often as it is called."""
    made = []

    def new(provisioned):
        made.append(Chip(TARGETS[budgets.TARGET], firmware, provisioned))
        return made[-1]

    yield new
    for chip in made:
        chip.close()


@pytest.mark.boards
def test_a_board_answers_a_stranger_after_power_on_and_each_start_takes_as_many_instructions(start):
    chip = start(provisioned=True)
    first, *later = [chip.start() for _ in range(4)]
    assert [decode(each.answer).code for each in (first, *later)] == [L.CODE_UNAUTHORIZED] * 4
    assert len({each.answer for each in later}) == len(later)  # each with a challenge of its own
    for again in later:
        assert abs(again.instructions - later[0].instructions) < later[0].instructions * NEARLY
    assert first.instructions != later[0].instructions


@pytest.mark.boards
def test_a_board_that_nobody_provisioned_answers_nobody_and_says_why(start):
    said = start(provisioned=False).output(b'{"error"')
    assert b"provision the device" in said
    assert b"instructions" not in said
