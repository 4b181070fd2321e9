"""The device package stays as small as it was: .mpy bytes, heap, allocations, instructions (tests/budgets.json)."""

from pathlib import Path

import pytest

from holdfast_sim.targets import TARGETS
from testkit import budgets
from testkit.emulated_tube import works

VARIANTS = ("python", "native")
# On a 64-bit heap; the second is far from enough for one session.
HEAP, NO_HEAP = "600K", "150K"
# Where the pieces of a heap lie is chance: so much more, and so many tries, suffice when nothing has grown.
BY_CHANCE, TRIES = 512, 3
A_NUMBER = 64  # times and counters are longer than a word once in a while
SESSIONS = {"python": 1000, "native": 10000}


@pytest.fixture(scope="module")
def sizes(micropython, tmp_path_factory):
    tree = tmp_path_factory.mktemp("package")
    return budgets.with_loaded(micropython, tree, budgets.compile_tree(tree))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    budgets.compile_tree(tree, "--inside")
    return tree


def test_no_file_grows_unnoticed(sizes):
    assert budgets.over("mpy", sizes) == []


def test_a_tube_with_udp_and_the_c_core_loads_less_than_64_kb(sizes):
    assert sizes["holdfast_device/bundle"] < sizes["tube_native"] < 64 * 1024 < sizes["tube_python"] < sizes["total"]


def test_growth_a_new_module_and_one_that_is_gone_are_told_with_what_to_do(sizes):
    sizes = dict(sizes)
    sizes["holdfast_core/cbor"] = int(budgets.limits()["mpy"]["holdfast_core/cbor"] * 1.05) + 1
    sizes["holdfast_core/new"] = 1
    del sizes["holdfast_core/errors"]
    said = budgets.over("mpy", sizes)
    assert [line.split()[0].rstrip(":") for line in said[:-1]] == [
        "holdfast_core/cbor",
        "holdfast_core/new",
        "holdfast_core/errors",
    ]
    assert "--raise" in said[-1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_heap_on_the_unix_port_stays_as_small_as_it_was(variant, compiled, micropython):
    found = budgets.on_micropython(micropython, compiled, variant == "native")
    assert budgets.over(f"unix-{variant}", found) == []
    assert found["get_later"] <= found["get"] + A_NUMBER


@pytest.mark.parametrize("variant", VARIANTS)
def test_thousands_of_sessions_leave_the_heap_in_usable_pieces(variant, compiled, micropython):
    found = budgets.on_micropython(micropython, compiled, variant == "native", HEAP, str(SESSIONS[variant]))
    assert found["sessions"] == SESSIONS[variant]


def test_a_heap_that_is_too_small_is_a_failure(compiled, micropython):
    with pytest.raises(budgets.Failed, match="MemoryError"):
        budgets.on_micropython(micropython, compiled, True, NO_HEAP, "1")


def firmware(variant):
    path = budgets.ROOT / TARGETS[budgets.TARGET].firmware(variant)
    assert Path(path).exists(), f"run scripts/firmware.sh {budgets.TARGET}"
    return path


@pytest.mark.boards
@pytest.mark.parametrize("variant", VARIANTS)
def test_heap_and_instructions_on_an_emulated_cortex_m3_stay_as_small_as_they_were(variant):
    firmware(variant)
    found = budgets.on_board(TARGETS[budgets.TARGET], variant)
    assert budgets.over(f"{budgets.TARGET}-{variant}", found) == []
    assert found["get_allocates_later"] <= found["get_allocates"] + A_NUMBER


@pytest.mark.boards
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_story_passes_on_the_smallest_heap_recorded_and_not_on_half_of_it(variant):
    heap = budgets.limits()["smallest_heap"][variant]
    target = TARGETS[budgets.TARGET]
    assert any(works(target, firmware(variant), heap + BY_CHANCE) for _ in range(TRIES))
    assert not works(target, firmware(variant), heap // 2)
