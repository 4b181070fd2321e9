"""The tree of errors as boards get it: a leaf is made when it is first asked for, from a row of constants in the flash.

A class is 136 bytes of heap, there are forty, and most devices never refuse in more than a few ways. What has others
below it is made at once. `errors.NAME` and `from holdfast_core.errors import NAME` work as ever; so do `except` and
isinstance. Never changes what a class is: its parent, its reason, its code, its ACE error.
"""

import ast

NAME = "holdfast_core.errors"
LAZY = '''
def __getattr__(name):
    """Make a leaf and keep it."""
    for leaf, parent, members in _LEAVES:
        if leaf == name:
            from holdfast_core import errors

            kind = type(name, (getattr(errors, parent),), dict(members))
            setattr(errors, name, kind)
            return kind
    raise AttributeError(name)
'''


def lazy(source: str) -> str:
    """The source of errors.py, its labels numbers already, with its leaves as rows."""
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    parents = {_parent(node) for node in classes}
    leaves = [node for node in classes if node.name not in parents and _is_plain(node)]
    rows = [(node.name, _parent(node), tuple(_members(node))) for node in leaves]
    body = [node for node in tree.body if node not in leaves]
    return f"{ast.unparse(ast.Module(body, []))}\n_LEAVES = {tuple(rows)!r}\n{LAZY}"


def _parent(node: ast.ClassDef) -> str:
    return ast.unparse(node.bases[0])


def _is_plain(node: ast.ClassDef) -> bool:
    """Whether there is nothing in its body but constants."""
    return all(isinstance(part, ast.Assign | ast.Expr) for part in node.body)


def _members(node: ast.ClassDef) -> list[tuple[str, object]]:
    parts = [part for part in node.body if isinstance(part, ast.Assign)]
    return [(ast.unparse(part.targets[0]), ast.literal_eval(part.value)) for part in parts]
