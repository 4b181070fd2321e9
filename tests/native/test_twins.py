"""Comments of the C core that name a Python twin, module.name or module.py: each twin is there, in that module."""

import ast
import re

import pytest

from testkit.native_build import ROOT

CORE = ROOT / "native" / "holdfast_core"
FOLDERS = ("src", "include", "bind", "port", "asm", "tests")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
# What a C file calls a structure of its own is no module: `grant->claims.has` is code, and hf_claims has no twin.
OF_MODULE = re.compile(r"\b([A-Za-z_]\w*) of ([a-z_]+)\.py")
TWIN = re.compile(r"(?<![\w.>/-])([a-z][a-z0-9_]*)\.([A-Za-z_]\w*)")


def defined_in(module):
    """Names that a module of the core defines at its top, or offers in __all__."""
    names = set()
    todo = list(ast.parse((CORE / f"{module}.py").read_text()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.If | ast.Try):
            todo += node.body + node.orelse
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            if "__all__" in names:
                names |= {text.value for text in ast.walk(node) if isinstance(text, ast.Constant)}
    return names


def twins(text):
    """(module, name) of each twin that comments name; name is "py" for the module as a whole."""
    known = {path.stem for path in CORE.glob("*.py")}
    for comment in COMMENT.findall(text):
        named = TWIN.findall(comment) + [(module, name) for name, module in OF_MODULE.findall(comment)]
        yield from ((module, name) for module, name in named if name == "py" or module in known)


def astray(text):
    """Each twin that is not there."""
    for module, name in twins(text):
        if name == "py":
            if not any(ROOT.glob(f"native/**/{module}.py")) and not any(ROOT.glob(f"scripts/**/{module}.py")):
                yield f"{module}.py"
        elif name not in defined_in(module):
            yield f"{module}.{name}"


def test_each_twin_is_there():
    files = [path for folder in FOLDERS for path in sorted((ROOT / "native" / folder).rglob("*.[chS]"))]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(errors="replace") for path in files}
    assert sum(len(list(twins(text))) for text in texts.values()) > 30
    assert [f"{path}: {twin}" for path, text in texts.items() for twin in astray(text)] == []


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("/* What one RS accepts: verifier.Rules. */", ["verifier.Rules"]),  # imports it, does not define it
        ("/* As\n * cwt.open_cwt and cwt.shut_cwt. */", ["cwt.shut_cwt"]),
        ("/* The _RULES of verifier.py. */", ["verifier._RULES"]),
        ("// verify.py says why", ["verify.py"]),
        ("/* rules.Rules, verifier.py, crypto.Es256Key, hf_token.c, window.initialised */ verifier.Rules", []),
    ],
)
def test_a_twin_that_is_not_there_is_found(comment, said):
    assert list(astray(comment)) == said
