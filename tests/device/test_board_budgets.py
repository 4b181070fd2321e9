"""What the device package takes on the emulated boards of the wider run (tests/budgets.json): firmware, no board."""

import pytest

from holdfast_sim.targets import TARGETS
from testkit import budgets

WIDER = ("qemu-cortex-m0", "qemu-cortex-m4", "qemu-rv32")


@pytest.mark.boards
@pytest.mark.parametrize("variant", ["python", "native"])
@pytest.mark.parametrize("name", WIDER)
def test_heap_flash_and_instructions_stay_as_small_as_they_were(name, variant):
    target = TARGETS[name]
    assert (budgets.ROOT / target.firmware(variant)).exists(), f"run scripts/firmware.sh {name}"
    assert budgets.over(f"{name}-{variant}", budgets.on_board(target, variant)) == []
