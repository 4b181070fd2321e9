"""Third pass: read the names of each file, and refuse what could make a name mean what the text does not show.

There are no star imports, no `global`, no eval, no names out of nowhere. So the passes that change names may trust
`bound`, `inner` and `imports`.
"""

import ast
import builtins
import symtable
from collections import Counter

from bundle.strip import text_of

PACKAGES = ("holdfast_core", "holdfast_device")
BUNDLE = "holdfast_device.bundle"
STATEMENTS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.If, ast.Try)
REFUSED = (ast.Global, ast.Nonlocal, ast.Match, ast.AsyncFunctionDef)
OPAQUE = {"globals", "locals", "vars", "dir", "eval", "exec", "__import__", "__name__", "__file__"}


class Refused(Exception):
    """A source holds what boardc does not understand: the sentence says where. README.md says what to write instead."""


def target_of(node: ast.ImportFrom, alias: ast.alias) -> tuple[str, str | None]:
    """What an import of a name means: (module, name), or (module, None) for a file of ours as a whole."""
    if node.module in PACKAGES:
        return f"{node.module}.{alias.name}", None
    return str(node.module), alias.name


def tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    """A table and all below it, outer before inner, in the order of the text."""
    return [table, *(below for child in table.get_children() for below in tables(child))]


class Module:
    """name: holdfast_core.cbor, say; tree: what strip.py has left of it.  Raises Refused.

    bound: names that the module itself binds; imports: those of them that a plain import binds, and to what.
    inner: names that some function, lambda or comprehension binds; arguments: those of them that are arguments.
    members: names that some class body binds; spelled: every name that occurs.
    needs: files that must be there before this one: imported when it is, under a condition or not; plainly: the latter.
    """

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.tree = tree
        self.table = symtable.symtable(text_of(self.tree), name, "exec")
        self.bound = {symbol.get_name() for symbol in self.table.get_symbols() if _binds(symbol)}
        self.inner: set[str] = set()
        self.members: set[str] = set()
        self.arguments: set[str] = set()
        self.spelled = set(self.bound)
        self._read_scopes()
        self._refuse_opaque()
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.needs: list[str] = []
        self.plainly: list[str] = []
        self._read_imports()

    def refuse(self, why: str) -> Refused:
        """Make the exception."""
        return Refused(f"{self.name}: {why}")

    def _read_scopes(self) -> None:
        for table in tables(self.table):
            for symbol in table.get_symbols():
                name = symbol.get_name()
                self.spelled.add(name)
                if table is not self.table and symbol.is_local():
                    (self.members if table.get_type() == "class" else self.inner).add(name)
                if symbol.is_parameter():
                    self.arguments.add(name)
                if symbol.is_global() and not _binds(symbol) and name not in self.bound and not hasattr(builtins, name):
                    raise self.refuse(f"{name} comes out of nowhere")

    def _refuse_opaque(self) -> None:
        opaque = OPAQUE & self.spelled
        if opaque:
            raise self.refuse(f"{min(opaque)} hides names")
        for top in self.tree.body:
            if not isinstance(top, STATEMENTS):
                raise self.refuse(f"line {top.lineno}: {type(top).__name__} at the top")
        for node in ast.walk(self.tree):
            if isinstance(node, REFUSED) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)):
                raise self.refuse(f"line {node.lineno}: {type(node).__name__}")
            if isinstance(node, ast.ImportFrom) and (node.level or node.names[0].name == "*"):
                raise self.refuse(f"line {node.lineno}: import by a full name, and no star")
            if isinstance(node, ast.Import) and any(alias.name.split(".")[0] in PACKAGES for alias in node.names):
                raise self.refuse(f"line {node.lineno}: import what is ours with from")
        said = {getattr(node, field, None) for node in ast.walk(self.tree) for field in ("id", "attr", "name", "arg")}
        mangled = [name for name in said if name and name.startswith("__") and not name.endswith("__")]
        if mangled:
            raise self.refuse(f"{min(mangled)} means another name in a class")

    def _read_imports(self) -> None:
        bound: Counter[str] = Counter()
        for top in self.tree.body:
            for node in [top] if isinstance(top, ast.FunctionDef | ast.ClassDef) else ast.walk(top):
                bound.update(_bound_by(node))
                if isinstance(node, ast.ImportFrom):
                    targets = {alias.asname or alias.name: target_of(node, alias) for alias in node.names}
                    self.needs += [module for module, _ in targets.values()]
                    if node is top:
                        self.imports.update(targets)
                        self.plainly += [module for module, _ in targets.values()]
            if isinstance(top, ast.Import):
                self.imports.update({alias.asname or alias.name: (alias.name, None) for alias in top.names})
        twice = [name for name in self.imports if bound[name] > 1]
        if twice:
            raise self.refuse(f"{min(twice)} is imported and something else as well")


def _bound_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
        return [node.name] if node.name else []
    return [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
