"""The gate of tests/tools/coverage_native.py sees what did not run: a small program of which half runs."""

import subprocess

import pytest

from testkit import native_coverage as kit

SOURCE = """int half(int n);
int half(int n)
{
    if (n > 1 && n < 5) {
        return 1;
    }
    if (n < -5) { /* not covered: because */
        return 7; /* not covered: because */
    }
    return n ? 2 : 3;
}
int unused(void);
int unused(void)
{
    return 4;
}
int main(int argc, char **argv)
{
    (void)argv;
    return half(argc + 1) + half(argc - 1) == 4 ? 0 : 1;
}
"""


@pytest.fixture
def ran(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/half.c").write_text(SOURCE)
    (tmp_path / "src/forgotten.c").write_text("int x(void);\nint x(void) { return 1; }\n")
    flags = ["--coverage", "-fprofile-abs-path", "-O0", "-o", str(tmp_path / "half")]
    subprocess.run(["gcc", *flags, str(tmp_path / "src/half.c")], check=True, cwd=tmp_path, timeout=60)
    subprocess.run([tmp_path / "half"], check=True, timeout=60)
    return kit.measured(tmp_path, ("src",), tmp_path)


def test_what_did_not_run_is_named(ran):
    numbers = [int(place.split(":")[1]) for place in kit.missing(ran) if place.startswith("src/half.c")]
    # n < 5 was never false, and n ? 2 : 3 never 2
    assert numbers == [4, 10, 13, 15]
    assert "src/forgotten.c: in no build" in kit.missing(ran)


def test_the_table_counts(ran):
    (line,) = [line for line in kit.table(ran).splitlines() if line.startswith("src/half.c")]
    lines, branches, excused = line.split()[1:]
    assert (lines, excused) == ("6/8", "2")
    taken, total = map(int, branches.split("/"))
    assert 0 < taken < total


def test_every_excuse_has_a_reason():
    found = [line for path in (kit.ROOT / "native").glob("*/*.[ch]") for line in path.read_text().splitlines()]
    excuses = [line.split(kit.EXCUSE)[1] for line in found if kit.EXCUSE in line]
    assert all(len(excuse.split()) > 2 for excuse in excuses)
    assert len(excuses) < 25
