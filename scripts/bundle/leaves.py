"""Second pass, for errors.py alone: a leaf of its tree becomes a row of constants, and a class when it is asked for.

A class is 136 bytes of heap, there are forty, and most devices refuse in a few ways only. A class that has others below
it is made at once. `errors.NAME` and `from holdfast_core.errors import NAME` work as ever; so do `except` and
isinstance. It never changes what a class is: its parent, its reason, its code, its ACE error.
"""

import ast

NAME = "holdfast_core.errors"
LAZY = """
def __getattr__(name):
    for leaf, parent, members in _LEAVES:
        if leaf == name:
            from holdfast_core import errors

            kind = type(name, (getattr(errors, parent),), dict(members))
            setattr(errors, name, kind)
            return kind
    raise AttributeError(name)
"""


def lazy(tree: ast.Module) -> ast.Module:
    """What strip.py has left of errors.py, with its leaves as rows."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    parents = {_parent(node) for node in classes}
    leaves = [node for node in classes if node.name not in parents and _is_plain(node)]
    rows = [(node.name, _parent(node), tuple(_members(node))) for node in leaves]
    body = [node for node in tree.body if node not in leaves]
    return ast.Module([*body, *ast.parse(f"_LEAVES = {tuple(rows)!r}\n{LAZY}").body], [])


def _parent(node: ast.ClassDef) -> str:
    return ast.unparse(node.bases[0])


def _is_plain(node: ast.ClassDef) -> bool:
    """Whether there is nothing in its body but constants."""
    return all(isinstance(part, ast.Assign | ast.Pass) for part in node.body)


def _members(node: ast.ClassDef) -> list[tuple[str, object]]:
    parts = [part for part in node.body if isinstance(part, ast.Assign)]
    return [(ast.unparse(part.targets[0]), ast.literal_eval(part.value)) for part in parts]
