"""Sixth pass: put the constant in the place of each name of one, in the bundle and in files that import it.

MicroPython does the same for const(), within a file. A number or a text stands in the flash; a name of it, in the heap.
It takes only names that get a constant once, at the top, and that no function and no class body binds. Tuples and bytes
keep their names: without them 222 names would fill a table of 223. It would be half a kB smaller, and each lookup of a
builtin would go past all names, for a tenth of a request's instructions.
"""

import ast
import symtable
from collections import Counter

from bundle.module import BUNDLE, tables
from bundle.strip import text_of

Constant = int | float | str
TYPES = (int, float, str)
CONSTANT = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)


def numbers_of(tree: ast.Module) -> dict[str, Constant]:
    """The names of constants in the bundle."""
    stores = Counter(
        node.id
        for top in tree.body
        if not isinstance(top, ast.FunctionDef | ast.ClassDef)
        for node in ast.walk(top)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    once = {name for name, times in stores.items() if times == 1} - _bound_below(tree)
    numbers: dict[str, Constant] = {}
    for top in tree.body:
        for name, value in _pairs(top):
            number = _number(value, numbers)
            if name in once and number is not None:
                numbers[name] = number
    return numbers


def _bound_below(tree: ast.Module) -> set[str]:
    whole = symtable.symtable(text_of(tree), "bundle", "exec")
    below = [symbol for table in tables(whole) if table is not whole for symbol in table.get_symbols()]
    return {symbol.get_name() for symbol in below if symbol.is_local()}


def _pairs(node: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Name and value of an assignment, or of several at once."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return []
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = zip(target.elts, value.elts, strict=True)
        return [(name.id, one) for name, one in pairs if isinstance(name, ast.Name)]
    return []


def _number(value: ast.expr, numbers: dict[str, Constant]) -> Constant | None:
    known = Inside(numbers).visit(ast.parse(ast.unparse(value), mode="eval"))
    if not all(isinstance(node, CONSTANT) for node in ast.walk(known.body)):
        return None
    number = eval(compile(ast.fix_missing_locations(known), "number", "eval"))  # noqa: S307 - constants of our sources
    return number if type(number) in TYPES else None


class Outside(ast.NodeTransformer):
    """Put numbers into a file outside of the bundle, in the place of their imports and names."""

    def __init__(self, numbers: dict[str, Constant]) -> None:
        self.numbers = numbers
        self.bundles: set[str] = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        """Assign instead; remember what the bundle is called here."""
        (alias,) = node.names if len(node.names) == 1 else (None,)
        if alias is not None and f"{node.module}.{alias.name}" == BUNDLE:
            self.bundles.add(alias.asname or alias.name)
        if alias is None or node.module != BUNDLE or alias.name not in self.numbers:
            return node
        target = ast.Name(alias.asname or alias.name, ast.Store())
        return ast.copy_location(ast.Assign([target], ast.Constant(self.numbers[alias.name])), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """The number for bundle.name."""
        if isinstance(node.value, ast.Name) and node.value.id in self.bundles and node.attr in self.numbers:
            return ast.copy_location(ast.Constant(self.numbers[node.attr]), node)
        return self.generic_visit(node)


class Inside(Outside):
    """Put numbers into the bundle, and take their names out."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Drop the assignments."""
        body = [kept for top in node.body for kept in self._without_numbers(top)]
        return self.generic_visit(ast.Module(body, []))

    def _without_numbers(self, node: ast.stmt) -> list[ast.stmt]:
        pairs = _pairs(node)
        if not any(name in self.numbers for name, _ in pairs):
            return [node]
        return [
            ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), node)
            for name, value in pairs
            if name not in self.numbers
        ]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The number for its name."""
        if isinstance(node.ctx, ast.Load) and node.id in self.numbers:
            return ast.copy_location(ast.Constant(self.numbers[node.id]), node)
        return node
