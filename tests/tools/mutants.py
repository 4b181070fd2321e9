"""Remove each check of the token path once, or bend one comparison, and see that some test notices.

    python tests/tools/mutants.py [module ...]        (cose cose_key cwt claims cnf scope verifier grant by default)

Each mutant is a copy of native/ in a temporary directory with one change in one module. The fast dual suite runs first,
then the pytest files of the token path. Prints the mutants that no test killed, and exits with 1 when there are any.
Takes minutes, so it is no part of the gates; a survivor is a test to write or a check to delete.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = ("cose_key", "cose", "cwt", "claims", "cnf", "scope", "verifier", "grant")
DUAL = ["tests/dual/run.py", "test_cose", "test_cwt", "test_scope", "test_verifier"]
PYTEST = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
PYTEST += [f"tests/core/test_{name}.py" for name in ("claims", "cnf", "cwt_cross", "token_vectors")]
COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
TIMEOUT_S = 120


def is_for_types_only(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def sites(tree):
    """Yield (line, what, apply) for every change worth making; apply changes the tree and returns how to undo it."""
    for parent in ast.walk(tree):
        if is_for_types_only(parent):
            parent.body = [ast.Pass()]
            continue
        for field in ("body", "orelse"):
            block = getattr(parent, field, None)
            if isinstance(block, list):
                for at, node in enumerate(block):
                    if isinstance(node, ast.Raise):
                        yield node.lineno, "no " + ast.unparse(node), swap_item(block, at, ast.Pass())
        if isinstance(parent, ast.Compare):
            for at, operator in enumerate(parent.ops):
                new = COMPARISONS[type(operator)]()
                what = f"{ast.unparse(parent)} -> {type(new).__name__}"
                yield parent.lineno, what, swap_item(parent.ops, at, new)
        if isinstance(parent, ast.BoolOp):
            new = ast.Or() if isinstance(parent.op, ast.And) else ast.And()
            yield parent.lineno, f"{ast.unparse(parent)} -> {type(new).__name__}", swap_field(parent, "op", new)


def swap_item(items, at, new):
    def apply():
        old = items[at]
        items[at] = new
        return lambda: items.__setitem__(at, old)

    return apply


def swap_field(node, field, new):
    def apply():
        old = getattr(node, field)
        setattr(node, field, new)
        return lambda: setattr(node, field, old)

    return apply


def mutants(module):
    """Yield (name, source) of every mutant of a module."""
    path = ROOT / "native" / "holdfast_core" / (module + ".py")
    tree = ast.parse(path.read_text())
    for line, what, apply in list(sites(tree)):
        undo = apply()
        yield f"{module}.py:{line}: {what}", module, ast.unparse(tree)
        undo()


def passes(native, command):
    paths = os.pathsep.join(map(str, (native, ROOT / "tests" / "dual", ROOT / "tests")))
    env = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def survives(mutant):
    """Whether every test passes on the mutant; returns its name then, else None."""
    name, module, source = mutant
    with tempfile.TemporaryDirectory() as folder:
        native = Path(folder) / "native"
        shutil.copytree(ROOT / "native", native, ignore=shutil.ignore_patterns("__pycache__"))
        (native / "holdfast_core" / (module + ".py")).write_text(source)
        return name if passes(native, DUAL) and passes(native, PYTEST) else None


def main(modules):
    if not survives(("unchanged", modules[0], (ROOT / "native/holdfast_core" / (modules[0] + ".py")).read_text())):
        sys.exit("mutants: the tests fail on the unchanged modules")
    every = [mutant for module in modules for mutant in mutants(module)]
    with ThreadPoolExecutor(2) as pool:
        alive = [name for name in pool.map(survives, every) if name]
    sys.stdout.write("\n".join([*alive, f"{len(every)} mutants, {len(alive)} survived", ""]))
    sys.exit(1 if alive else 0)


if __name__ == "__main__":
    main(sys.argv[1:] or MODULES)
