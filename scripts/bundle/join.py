"""Fifth pass: make one file of those that every device loads, holdfast_device/bundle, each behind those that it needs.

Eighty files name the same things eighty times, in .mpy bytes and in the heap's tables of names; one file names them
once. A file that is imported only under a condition, or only when it is used, stays a file of its own, and so do the
links. A file that programs import stays as an address: it fetches its names from the bundle.
"""

import ast
from collections.abc import Iterable

from bundle.check import check
from bundle.module import BUNDLE, PACKAGES, Module, target_of
from bundle.names import Names, Thing, reached
from bundle.numbers import Inside, Outside, numbers_of
from bundle.strip import text_of

# What every device loads, and what both ways to check a token need.
ROOTS = ("holdfast_device.board_shell", "holdfast_core.confirmation", "holdfast_core.grant")
# Files of the bundle that programs import, and `holdfast device` on a board: each keeps an address of its own.
PUBLIC_CORE = ("cbor", "coap_message", "crypto", "errors", "provisioning", "token_check")
PUBLIC_DEVICE = ("board_shell", "device", "entropy", "loop_shell", "slots", "store_flash", "ticks_shell")
PUBLIC = [
    *(f"holdfast_core.{name}" for name in PUBLIC_CORE),
    *(f"holdfast_device.{name}" for name in PUBLIC_DEVICE),
]


class Rename(ast.NodeTransformer):
    """Give a file of the bundle the names that it has there."""

    def __init__(self, names: Names, module: Module) -> None:
        self.names = names
        self.module = module
        self.changed = names.changes(module.name)
        self.in_class = False

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Change a name."""
        thing = self.names.local[self.module.name].get(node.id)
        if thing is not None and self.names.is_file(thing):
            raise self.module.refuse(f"{node.id} is a file of the bundle, and no value")
        node.id = self.changed.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Take the file away from in front of a name of the bundle."""
        thing = self.names.through(self.module, node)
        if thing is not None:
            return ast.copy_location(ast.Name(id=self.names.called[thing], ctx=node.ctx), node)
        return self.generic_visit(node)

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        was = self.in_class
        if not was:
            node.name = self.changed.get(node.name, node.name)
        self.in_class = isinstance(node, ast.ClassDef)
        self.generic_visit(node)
        self.in_class = was
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Change the function's name, unless it is a method, and the names inside."""
        return self._definition(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Change the class's name, unless it stands in a class, and the names inside."""
        return self._definition(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Change the name of an exception."""
        node.name = self.changed.get(node.name, node.name) if node.name else None
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        """Change what an import within a function, or under a condition, binds."""
        for alias in node.names:
            local = alias.asname or alias.name
            alias.asname = self.changed.get(local, alias.asname)
        return from_bundle(self.names, self.module, node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        """Refuse an import whose name is changed: the statement has no other name for its module."""
        for alias in node.names:
            if (alias.asname or alias.name) in self.changed:
                raise self.module.refuse(f"line {node.lineno}: {alias.name} has the name of something else")
        return node


def from_bundle(names: Names, module: Module, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
    """The same import, from the bundle for files of the bundle.  Raises Refused."""
    if node.module not in (*PACKAGES, *names.order):
        return node
    parts: list[ast.stmt] = []
    for alias in node.names:
        source, name = target_of(node, alias)
        local = alias.asname or alias.name
        if source not in names.order:
            parts.append(ast.ImportFrom(node.module, [alias], 0))
        elif name is not None:
            parts.append(_import(names, names.thing(source, name), local))
        elif module.imports.get(local) == (source, None):  # its attributes get the names of the bundle
            package, bundle = BUNDLE.split(".")
            parts.append(ast.ImportFrom(package, [ast.alias(bundle, local)], 0))
        else:
            raise module.refuse(f"line {node.lineno}: import {local} at the top, or what you want of it")
    return parts


def _import(names: Names, thing: Thing, local: str) -> ast.stmt:
    called = names.called[thing]
    return ast.ImportFrom(BUNDLE, [ast.alias(called, None if called == local else local)], 0)


class Readdress(ast.NodeTransformer):
    """Make a file outside of the bundle import from the bundle."""

    def __init__(self, names: Names, module: Module) -> None:
        self.names = names
        self.module = module

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        """Import from the bundle."""
        return from_bundle(self.names, self.module, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Change the name behind a file of the bundle."""
        thing = self.names.through(self.module, node)
        if thing is not None:
            node.attr = self.names.called[thing]
        return self.generic_visit(node)


def bundled(names: Names) -> ast.Module:
    """All files of the bundle as one."""
    body: list[ast.stmt] = []
    there: set[Thing] = set()
    for name in names.order:
        module = names.modules[name]
        rename = Rename(names, module)
        for node in module.tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                body += _foreign(names, node, there)
            else:
                body.append(rename.visit(node))
    return ast.Module(body=body, type_ignores=[])


def _foreign(names: Names, node: ast.Import | ast.ImportFrom, there: set[Thing]) -> Iterable[ast.stmt]:
    """An import of something that is not in the bundle; the same thing is imported once."""
    for alias in node.names:
        thing = target_of(node, alias) if isinstance(node, ast.ImportFrom) else (alias.name, None)
        if thing[0] in names.order or thing in there:
            continue
        there.add(thing)
        called = names.called[thing]
        alone = [ast.alias(alias.name, None if called == alias.name else called)]
        yield ast.ImportFrom(node.module, alone, 0) if isinstance(node, ast.ImportFrom) else ast.Import(alone)


def address(names: Names, name: str, inside: bool) -> ast.Module:
    """The file that stands where a file of the bundle stood: it fetches the public names that the file defined.

    inside: it fetches every name that the file had.
    """
    body = [
        _import(names, thing, local)
        for local, thing in names.local[name].items()
        if not names.is_file(thing) and (inside or (thing[0] == name and not local.startswith("_")))
    ]
    return ast.Module(body=body, type_ignores=[])


def joined(stripped: dict[str, ast.Module], inside: bool = False) -> dict[str, str]:
    """Run the third pass and all behind it; returns texts for boards by name, the bundle's with them.  Raises Refused.

    stripped: what the first two passes have left of each file, by its name.
    inside: keep an address for every file, with every name, for tests of what is inside.
    """
    modules = {name: Module(name, tree) for name, tree in stripped.items()}
    order = reached(modules, ROOTS)
    names = Names(modules, order)
    whole = bundled(names)
    numbers = numbers_of(whole)
    trees = {}
    for name, module in modules.items():
        if name not in order:
            trees[name] = Readdress(names, module).visit(module.tree)
        elif inside or name in PUBLIC:
            trees[name] = address(names, name, inside)
    texts = {name: text_of(Outside(numbers).visit(tree)) for name, tree in trees.items()}
    texts[BUNDLE] = text_of(Inside(numbers).visit(whole))
    check(names, texts[BUNDLE], numbers)
    return texts
