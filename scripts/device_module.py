"""A file of the device package as device_bundle.py reads it: without what does nothing on a board, its names known.

MicroPython ignores __slots__, __all__, annotations and docstrings, and the first two cost memory all the same: they go.
What could make a name mean something that cannot be read off the text is refused: here are no star imports, no
`global`, no eval, no names out of nowhere. So whoever renames may trust `bound`, `inner` and `imports`.
"""

import ast
import builtins
import symtable
from collections import Counter

PACKAGES = ("holdfast_core", "holdfast_device")
BUNDLE = "holdfast_device.bundle"
STATEMENTS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.If, ast.Try)
REFUSED = (ast.Global, ast.Nonlocal, ast.Match, ast.AsyncFunctionDef)
OPAQUE = {"globals", "locals", "vars", "dir", "eval", "exec", "__import__", "__name__", "__file__"}
IGNORED = {"__slots__", "__all__", "TYPE_CHECKING"}


class Refused(Exception):
    """The text holds what this tool does not understand; it must not be guessed at."""


class _Strip(ast.NodeTransformer):
    """Take away what MicroPython ignores."""

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


def _without_text(body: list[ast.stmt]) -> list[ast.stmt]:
    return [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]


def stripped(source: str) -> ast.Module:
    """The tree of a source, without what does nothing on a board."""
    tree: ast.Module = _Strip().visit(ast.parse(source))
    return ast.fix_missing_locations(tree)


def text_of(tree: ast.AST) -> str:
    """Source again."""
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def target_of(node: ast.ImportFrom, alias: ast.alias) -> tuple[str, str | None]:
    """What an import of a name means: (module, name), or (module, None) for a file of ours as a whole."""
    if node.module in PACKAGES:
        return f"{node.module}.{alias.name}", None
    return str(node.module), alias.name


def tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    """A table and all below it, outer before inner, in the order of the text."""
    return [table, *(below for child in table.get_children() for below in tables(child))]


class Module:
    """name: holdfast_core.cbor, say.  Raises Refused.

    bound: names that the module itself binds; imports: those of them that a plain import binds, and to what.
    inner: names that some function, lambda or comprehension binds; arguments: those of them that are arguments.
    members: names that some class body binds; spelled: every name that occurs.
    needs: files that must be there before this one: imported when it is, under a condition or not; plainly: the latter.
    """

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.tree = stripped(source)
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
