"""The work of one call, counted and not timed: it is the same on every machine, whatever else runs there.

steps: bytecode instructions of Python.  compared: comparisons of Counted keys, which C code makes too.  allocated:
bytes of memory in use at the same time, beyond what was in use before: a copy of a table shows here.
"""

import sys
import tracemalloc
from typing import NamedTuple


class Counted(str):
    """A key that counts how often it is compared; equal to other Counted of the same text only."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)

    def __hash__(self):
        return str.__hash__(self)


class Work(NamedTuple):
    steps: int
    compared: int
    allocated: int


def work_of(call, *arguments):
    """The work of one call."""
    steps = 0

    def trace(frame, event, _argument):
        nonlocal steps
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        steps += event == "opcode"
        return trace

    compared = Counted.compared
    traced = sys.gettrace()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        sys.settrace(trace)
        try:
            call(*arguments)
        finally:
            sys.settrace(traced)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Work(steps, Counted.compared - compared, peak - before)


def least_work_of(call, times=3):
    """The least work of some calls: a table grows in some call now and then, and that call is not measured."""
    found = [work_of(call) for _ in range(times)]
    return Work(*(min(work[part] for work in found) for part in range(3)))


def assert_no_more(full, empty, steps=1.2, extra=60):
    """Assert that a call costs with full tables what it costs with empty ones.

    steps: how many times the instructions may be.  extra: how many instructions more may make room for one entry.
    """
    said = f"full {full}, empty {empty}"
    assert full.steps <= empty.steps * steps + extra, said
    assert full.compared <= empty.compared + 4, said
    assert full.allocated <= empty.allocated + 4096, said
