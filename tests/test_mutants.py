"""The makers of mutants find every place of the kinds that they know, and change one at a time."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))

import mutants
import mutants_c
import mutants_python

PYTHON = """
def check(mask: int | None, methods, seen) -> bytes | None:
    if not methods or mask & ~methods > 3:
        raise ValueError("rights")
    seen.record(max(mask, 1))
    return "a" + "b"
"""
C = """
/* a < b && c */
enum hf_status check(const uint8_t *at, size_t len)
{
    if (len < 24 || !is_right(at)) {
        hf_wipe(key, sizeof key);
        return HF_REPLAY_DETECTED;
    }
    return at->len == 3 ? HF_OK : HF_LOCAL; /* not covered: 3 + 4 */
}
"""


def test_each_place_of_a_python_module_is_changed_once() -> None:
    found = list(mutants_python.mutants(PYTHON))
    assert sorted((line, what) for line, what, _ in found) == [
        (3, "3 -> 4"),
        (3, "mask & ~methods -> BitOr"),
        (3, "mask & ~methods > 3 -> GtE"),
        (3, "not methods -> methods"),
        (3, "not methods or mask & ~methods > 3 -> And"),
        (3, "~methods -> methods"),
        (4, "without raise ValueError('rights')"),
        (5, "1 -> 2"),
        (5, "max(mask, 1) -> min"),
        (5, "without seen.record(max(mask, 1))"),
    ]
    whole = ast.unparse(ast.parse(PYTHON))
    assert whole not in {source for _, _, source in found}
    assert len({source for _, _, source in found}) == len(found)


def test_each_place_of_a_c_source_is_changed_once() -> None:
    found = list(mutants_c.mutants(C))
    assert [(line, what.partition("   ")[0]) for line, what, _ in found] == [
        (5, "< -> <="),
        (5, "24 -> 25"),
        (5, "|| -> &&"),
        (5, "! ->"),
        (6, "without hf_wipe(key, sizeof key);"),
        (7, "without return HF_REPLAY_DETECTED;"),
    ]
    for line, _, source in found:
        changed = [n for n, (a, b) in enumerate(zip(C.splitlines(), source.splitlines(), strict=True), 1) if a != b]
        assert changed == [line]


@pytest.mark.parametrize("source", ["#define A 3\n", 'x("3 < 4");', "/* 1 */", "int8_t a;"])
def test_comments_strings_and_the_preprocessor_are_left_alone(source: str) -> None:
    assert list(mutants_c.mutants(source)) == []


def test_a_mutant_of_the_c_core_is_judged_by_the_tests_and_by_the_compiler(tmp_path: Path) -> None:
    tree = mutants.Tree(tmp_path)
    file = "native/src/hf_hkdf.c"
    text = (tree.root / file).read_text()
    chosen = mutants.Files((file,), warm=mutants.pytest("native", "symmetric", chosen="hkdf_lengths and speed"))
    tree.start(chosen)
    bound = "okm_len > HF_HKDF_MAX_LEN"
    assert bound in text
    lower = text.replace(bound, bound + " - 1")
    for source, verdict in (
        (lower, "killed"),
        (text.replace(bound, bound + " || info_len == 7"), "survived"),
        (text.replace(bound, bound + " || 0"), "equivalent"),
        (text.replace(bound, "okm_len >"), "invalid"),
        (text.replace(f"if ({bound}", f"int unused = 1; if ({bound}"), "killed"),  # a warning
    ):
        assert tree.verdict(mutants.Mutant(file, 1, "", source)) == verdict, verdict
        assert (tree.root / file).read_text() == text
    tree.end()
    (tree.root / file).write_text(lower)
    with pytest.raises(SystemExit, match=r"unchanged files: failed tests/native/test_symmetric.py"):
        tree.start(chosen)


MODULE = """
LIMIT = 3


def check(value):
    if value > LIMIT:
        raise ValueError(value)
    return value


class Base:
    def __init__(self):
        self.kept = True


class Table(Base):
    def __init__(self):
        super().__init__()

    @property
    def size(self):
        return 7


def command():
    return 5
"""
SMALL = mutants.Files(("native/small.py",), ("tests/test_small.py",))
TESTS = """
import subprocess
import sys
from collections.abc import Iterator

import pytest

import small


@pytest.fixture(scope="module")
def size():
    return small.Table().size


def test_first(size):
    pass


def test_second(size):
    assert size == 7


def test_base():
    assert small.Table().kept


@pytest.mark.parametrize("value", [3, 4])
def test_limit(value):
    if value > 3:
        with pytest.raises(ValueError):
            small.check(value)
    else:
        small.check(value)


def test_process():
    code = "import sys, small; sys.exit(small.command())"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 5
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[mutants.Tree]:
    tree = mutants.Tree(tmp_path)
    (tree.root / "native/small.py").write_text(MODULE)
    (tree.root / "tests/test_small.py").write_text(TESTS)
    tree.start(SMALL)
    yield tree
    tree.end()


def test_a_mutant_of_python_is_killed_by_any_test_that_notices(tree: mutants.Tree) -> None:
    verdicts = {
        what: tree.verdict(mutants.Mutant("native/small.py", line, what, source))
        for line, what, source in mutants_python.mutants(MODULE)
    }
    assert verdicts == {
        "3 -> 4": "killed",  # a constant of the module
        "value > LIMIT -> GtE": "killed",
        "without raise ValueError(value)": "killed",
        "7 -> 8": "killed",  # made once for two tests, and the second looks
        "without super().__init__()": "killed",  # its function closes over less
        "5 -> 6": "killed",  # in a process that a test starts
    }
    assert (tree.root / "native/small.py").read_text() == MODULE


def test_a_mutant_of_python_that_no_test_notices_survives(tree: mutants.Tree) -> None:
    for line, old, new in ((7, "ValueError(value)", "ValueError(3)"), (2, "LIMIT = 3", "LIMIT = 3\nOTHER = 4")):
        assert old in MODULE
        same = mutants.Mutant("native/small.py", line, "", MODULE.replace(old, new))
        assert tree.verdict(same) == "survived"


def test_nothing_is_judged_by_tests_that_fail_on_the_unchanged_file(tree: mutants.Tree) -> None:
    (tree.root / "tests/test_small.py").write_text("def test_it():\n    assert False\n")
    with pytest.raises(SystemExit, match="fail on the unchanged files"):
        mutants.Tree.start(tree, SMALL)


def test_a_reason_stays_with_its_survivor_and_excuses_no_other() -> None:
    before = [
        {"set": "s", "survivors": {"a.c:3: < -> <=": "equal", "a.c:9: 1 -> 2": "a flag", "a.c:11: 1 -> 2": "too"}}
    ]
    score = {"set": "s", "survivors": ["a.c:4: < -> <=", "a.c:10: 1 -> 2", "a.c:12: 1 -> 2", "b.c:4: < -> <="]}
    assert mutants.with_reasons(score, before)["survivors"] == {
        "a.c:4: < -> <=": "equal",
        "a.c:10: 1 -> 2": "a flag",
        "a.c:12: 1 -> 2": "too",
        "b.c:4: < -> <=": "",
    }
    assert mutants.with_reasons({"survivors": ["a.c:9: 1 -> 2"]}, before)["survivors"] == {"a.c:9: 1 -> 2": ""}
