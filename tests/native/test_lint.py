"""clang-tidy (.clang-tidy says which checks, and why some are left out) and cppcheck find nothing in the C core.

What MicroPython's headers hide from clang-tidy, the user module, is cppcheck's alone. A finding that is none is a
NOLINT beside the line, with its reason.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from testkit import native_build
from testkit.native_build import X86

NATIVE = native_build.ROOT / "native"
SOURCES = sorted([*NATIVE.glob("src/*.c"), *NATIVE.glob("port/*.c")])
FOLDERS = [str(NATIVE / "include"), str(NATIVE / "src")]


def run(*command):
    return subprocess.run(command, cwd=native_build.ROOT, capture_output=True, text=True, timeout=300, check=False)


def tidy(path, flags=()):
    folders = [f"-I{folder}" for folder in (*FOLDERS, native_build.generator_include(6, 1))]
    return run("clang-tidy", "--quiet", str(path), "--", "-std=c99", *flags, *folders)


def cppcheck(*paths):
    enabled = ("--enable=warning,performance,portability", "--error-exitcode=1", "--inline-suppr", "--std=c99", "-q")
    folders = [f"-I{folder}" for folder in FOLDERS]
    return run("cppcheck", *enabled, *folders, *map(str, paths))


def test_clang_tidy():
    native_build.generator_include(6, 1)
    chosen = [NATIVE / "src" / name for name in ("hf_aes.c", "hf_p256.c") if X86]
    paths, flags = [*SOURCES, *chosen], [()] * len(SOURCES) + [X86] * len(chosen)
    with ThreadPoolExecutor(2) as pool:
        for path, done in zip(paths, pool.map(tidy, paths, flags), strict=True):
            assert done.returncode == 0, (path.name, done.stdout[-4000:], done.stderr[-1000:])
    assert len(SOURCES) > 15


def test_cppcheck():
    done = cppcheck(NATIVE / "src", NATIVE / "port", NATIVE / "bind")
    assert done.returncode == 0, done.stderr[-4000:]


BAD = {
    "clang-tidy": (
        "bugprone",
        "#include <string.h>\nint f(char *p);\nint f(char *p) { return strlen(p + 1) + strlen(p) + 1; }",
    ),
    "cppcheck": ("arrayIndexOutOfBounds", "int g(void);\nint g(void) { int a[2] = {1, 2}; return a[2]; }"),
}


@pytest.mark.parametrize("tool", BAD)
def test_a_mistake_is_found(tool, tmp_path):
    word, text = BAD[tool]
    (tmp_path / ".clang-tidy").write_text((native_build.ROOT / ".clang-tidy").read_text())
    path = tmp_path / "bad.c"
    path.write_text(
        "int h(int x);\nint h(int x) { if (x == 1 || x == 1) { return 2; } else { return 2; } }\n" + text + "\n"
    )
    done = tidy(path) if tool == "clang-tidy" else cppcheck(path)
    assert done.returncode != 0
    assert word in done.stdout + done.stderr


def test_every_exception_has_its_reason():
    for path in sorted([*NATIVE.rglob("*.[ch]")]):
        for line in path.read_text().splitlines():
            if "NOLINT" in line or "cppcheck-suppress" in line:
                assert re.search(r"NOLINTNEXTLINE\([\w.-]+\): \w+ \w+", line), (path.name, line)
