"""First pass: take out of a source what MicroPython ignores, and put the number in the place of each label.

MicroPython ignores __slots__, __all__, annotations, docstrings and what is for type checkers; the first two cost memory
all the same. On a board a name costs heap: the table of labels alone is 4 kB of it, and each file that uses a name
carries its text. So `L.NAME` becomes the number that it is. It never changes a text, and refuses nothing.
"""

import ast
from collections.abc import Mapping

LABELS = "holdfast_core.labels"
L = "L"  # what every file calls the labels
IGNORED = {"__slots__", "__all__", "TYPE_CHECKING"}


def labels_of(source: str) -> dict[str, int]:
    """The numbers that labels.py names, each by a row NAME = const(NUMBER)."""
    return {
        node.targets[0].id: ast.literal_eval(node.value.args[0])
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call)
    }


class _Strip(ast.NodeTransformer):
    """labels: numbers by the names that labels.py has for them."""

    def __init__(self, labels: Mapping[str, int]) -> None:
        self.labels = labels

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Drop annotations and the docstring."""
        self.generic_visit(node)
        node.returns = None
        node.body = _without_text(node.body) or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Drop the annotation."""
        node.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        """Drop __slots__ and the docstring."""
        self.generic_visit(node)
        node.body = _without_text(node.body) or [ast.Pass()]
        return node

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Drop __all__, TYPE_CHECKING and the docstring."""
        self.generic_visit(node)
        node.body = _without_text(node.body)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """Drop what is ignored."""
        ignored = isinstance(node.targets[0], ast.Name) and node.targets[0].id in IGNORED
        return None if ignored else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Make it an assignment, or nothing."""
        if node.value is None:
            return None
        return self.generic_visit(ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node))

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Keep what is not for type checkers."""
        self.generic_visit(node)
        return node.orelse if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """Drop the import of labels."""
        if [(f"{node.module}.{alias.name}", alias.asname) for alias in node.names] == [(LABELS, L)]:
            return None
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """The number for its label."""
        if isinstance(node.value, ast.Name) and node.value.id == L and node.attr in self.labels:
            return ast.copy_location(ast.Constant(self.labels[node.attr]), node)
        return self.generic_visit(node)


def _without_text(body: list[ast.stmt]) -> list[ast.stmt]:
    return [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]


def stripped(source: str, labels: Mapping[str, int]) -> ast.Module:
    """The tree of a source, without what does nothing on a board."""
    tree: ast.Module = _Strip(labels).visit(ast.parse(source))
    return ast.fix_missing_locations(tree)


def text_of(tree: ast.AST) -> str:
    """Source again."""
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
