"""The emulated RP2040: its clock is level with ours whenever the chip waits, and its stack is the Pico's. No board."""

import time

import pytest

from holdfast_sim.emulator_shell import Board
from holdfast_sim.targets import TARGETS
from testkit import budgets
from testkit.emulated_tube import ANSWER, EmulatedTube, TubeDoctor, blank_chip

TARGET = TARGETS["rp2040"]
WAITS_MS = 5000
WITHIN_MS = 1000  # a machine that has other things to do
ANSWER_S = 90
# Works for a while, by which its clock falls behind, and then waits for a byte that does not come.
SCRIPT = f"""
import select, sys, time
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
began = time.ticks_ms()
print("began")
for _ in range(20000):
    pass
worked = time.ticks_diff(time.ticks_ms(), began)
print(worked, poll.poll({WAITS_MS}), time.ticks_diff(time.ticks_ms(), began))
"""


# A Pico goes some 30 calls deep; these are left to a program around the device package, and there are two more.
CALLS = 5
DEEPER = """
def deeper(calls):
    return deeper(calls - 1) if calls else board.run(*board.parts('tube', False))
deeper(CALLS - 1)
"""


def firmware(core):
    path = budgets.ROOT / TARGET.firmware(core)
    assert path.exists(), "run scripts/firmware.sh rp2040"
    return path


@pytest.fixture
def board(tmp_path):
    board = Board(TARGET, firmware("python"), blank_chip(TARGET, tmp_path))
    yield board
    board.close()


@pytest.mark.boards
def test_the_clock_of_an_emulated_rp2040_is_level_with_ours_after_it_has_waited(board):
    board.start(SCRIPT)
    board.until(b"began\r\n")
    began_s = time.monotonic()
    worked_ms, got, took_ms = board.until(b"\n").split()
    passed_ms = (time.monotonic() - began_s) * 1000
    assert got == b"[]"
    assert int(took_ms) >= int(worked_ms) + WAITS_MS
    assert abs(passed_ms - int(took_ms)) < WITHIN_MS


@pytest.mark.boards
def test_an_rp2040_has_the_stack_for_a_token_and_for_five_calls_around_the_device():
    tube = EmulatedTube(TARGET, firmware("native"), serve=DEEPER.replace("CALLS", str(CALLS)))
    doctor = TubeDoctor()
    doctor.answer_s = ANSWER_S
    try:
        assert doctor.result(doctor.open(tube)) == ANSWER
    finally:
        doctor.close()
        tube.close()
