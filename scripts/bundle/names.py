"""Fourth pass: which files are in the bundle, what they call each other's things, and what these are called there.

A name is changed only where two files give it to different things. Then it is changed in the whole file, whatever it
means there, to a spelling that occurs nowhere else: no name can begin to mean something else.
"""

import ast
import builtins
from collections import Counter
from collections.abc import Iterable

from bundle.module import Module, Refused, tables

Thing = tuple[str, str | None]  # a file and a name in it; or a foreign module, and a name in it or None


def reached(modules: dict[str, Module], roots: Iterable[str]) -> list[str]:
    """The files that are loaded whenever the roots are, each behind those that it needs.  Raises Refused.

    A file with __getattr__ makes names when they are asked for. It stays outside: the bundle would have all its names.
    """
    plainly: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in plainly:
            plainly.add(name)
            needs = [needed for needed in modules[name].plainly if needed in modules]
            todo += [needed for needed in needs if "__getattr__" not in modules[needed].bound]
    order: list[str] = []
    for root in roots:
        _visit(root, modules, order, [])
    return [name for name in order if name in plainly]


def _visit(name: str, modules: dict[str, Module], order: list[str], path: list[str]) -> None:
    if name in path:
        raise Refused(f"{' needs '.join([*path, name])}")
    if name in order:
        return
    for needed in modules[name].needs:
        if needed in modules:
            _visit(needed, modules, order, [*path, name])
    order.append(name)


class Names:
    """What everything in the bundle is called."""

    def __init__(self, modules: dict[str, Module], order: list[str]) -> None:
        self.modules = modules
        self.order = order
        self.local = {name: self._things_of(modules[name]) for name in order}
        self.called = self._call()

    def thing(self, module: str, name: str | None) -> Thing:
        """The thing behind a name that a file imports or defines.  Raises Refused."""
        if module not in self.order or name is None:
            return module, name
        if name in self.modules[module].imports:
            return self.thing(*self.modules[module].imports[name])
        if name not in self.modules[module].bound:
            raise Refused(f"{module} has no {name}")
        return module, name

    def _things_of(self, module: Module) -> dict[str, Thing]:
        return {name: self.thing(module.name, name) for name in sorted(module.bound)}

    def is_file(self, thing: Thing) -> bool:
        """Whether it is a file of the bundle as a whole, which has no name there."""
        return thing[0] in self.order and thing[1] is None

    def through(self, module: Module, node: ast.AST) -> Thing | None:
        """What x.name is, if x is a file of the bundle.  Raises Refused."""
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            return None
        target = module.imports.get(node.value.id)
        if target is None or not self.is_file(target):
            return None
        if node.value.id in module.inner | module.members:
            raise module.refuse(f"{node.value.id} is a file of the bundle, and something else")
        if not isinstance(node.ctx, ast.Load):
            raise module.refuse(f"line {node.lineno}: {node.attr} is given a value from outside its file")
        return self.thing(target[0], node.attr)

    def _call(self) -> dict[Thing, str]:
        wanted: dict[Thing, str] = {}
        for name in self.order:
            for local, thing in self.local[name].items():
                if not self.is_file(thing):
                    wanted.setdefault(thing, str(thing[1]) if thing[0] in self.order else local)
        taken = Counter(wanted.values())
        clashing = {thing for thing, name in wanted.items() if taken[name] > 1 or hasattr(builtins, name)}
        for name in self.order:
            clashing |= self._hidden(self.modules[name], wanted)
        spelled = set().union(*(self.modules[name].spelled for name in self.order))
        for thing in sorted(clashing, key=str):
            wanted[thing] = new = f"{wanted[thing]}_{thing[0].rsplit('.')[-1]}"
            if new in spelled:
                raise Refused(f"{new} is taken")
            spelled.add(new)
        return wanted

    def _hidden(self, module: Module, wanted: dict[Thing, str]) -> set[Thing]:
        """Things that this file uses by another name, while their own name means something else in the file."""
        local = self.local[module.name]
        through = [self.through(module, node) for node in ast.walk(module.tree)]
        used = [thing for name, thing in local.items() if not self.is_file(thing) and name != wanted[thing]]
        used += [thing for thing in through if thing is not None]
        nested = module.inner | module.members
        return {
            thing
            for thing in used
            if wanted[thing] in module.spelled and (local.get(wanted[thing]) != thing or wanted[thing] in nested)
        }

    def changes(self, name: str) -> dict[str, str]:
        """Old name to new, of one file.  Raises Refused when a change would show outside."""
        module = self.modules[name]
        changed = {
            local: self.called[thing]
            for local, thing in self.local[name].items()
            if not self.is_file(thing) and self.called[thing] != local
        }
        if len(set(changed.values())) < len(changed):
            raise module.refuse("two names for one thing")
        clash = module.arguments & changed.keys() | self._members_that_clash(module, changed)
        if clash:
            raise module.refuse(
                f"{min(clash)} is an argument or a member, and in another file something else: rename it"
            )
        return changed

    @staticmethod
    def _members_that_clash(module: Module, changed: dict[str, str]) -> set[str]:
        """Methods may have any name, unless the class body itself uses it; other members may not."""
        return {
            symbol.get_name()
            for table in tables(module.table)
            if table.get_type() == "class"
            for symbol in table.get_symbols()
            if symbol.get_name() in changed
            and symbol.is_local()
            and (symbol.is_referenced() or not symbol.is_namespace())
        }
