"""Last pass: compare the bundle with the files it was made of, scope by scope, by Python's own tables of symbols.

Each function, class, lambda and comprehension of the files must be in the bundle, in order, with the same arguments,
the same names of its own and of those around it, and must reach the same things by its global names. The check trusts
what a name of a file stands for (names.py), and nothing about how the text was changed.
"""

import symtable

from bundle.module import Module, Refused, tables
from bundle.names import Names
from bundle.numbers import Constant


def check(names: Names, bundle: str, numbers: dict[str, Constant]) -> None:
    """Raise Refused unless the text of the bundle means the same as its files do."""
    whole = symtable.symtable(bundle, "bundle", "exec")
    there = {symbol.get_name() for symbol in whole.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    called = list(names.called.values())
    if len(set(called)) != len(called) or set(called) - numbers.keys() != there:
        raise Refused(f"the bundle binds other names than it should: {sorted(set(called) ^ there ^ numbers.keys())}")
    after = tables(whole)[1:]
    before = [(names.modules[name], table) for name in names.order for table in tables(names.modules[name].table)[1:]]
    if len(after) != len(before):
        raise Refused("the bundle has other functions and classes than its files")
    for (module, table), new in zip(before, after, strict=True):
        _same(names, module, table, new, numbers)


def _same(
    names: Names, module: Module, old: symtable.SymbolTable, new: symtable.SymbolTable, numbers: dict[str, Constant]
) -> None:
    changed = names.changes(module.name)
    changed_here = {} if old.get_type() == "class" else changed
    was, now = _scope(old), _scope(new)
    for kind in ("argument", "local", "around"):
        renamed = {(changed_here if kind == "local" else changed).get(name, name) for name in was[kind]}
        if renamed != now[kind]:
            raise module.refuse(f"{old.get_name()}: {kind} names are {sorted(now[kind])} in the bundle")
    reached, files = set(), set()
    for name in was["global"]:
        thing = names.local[module.name].get(name, ("", name))
        if names.is_file(thing):
            files.add(thing[0])
        else:
            reached.add(names.called.get(thing, name))
    through = {
        called for thing, called in names.called.items() if any(thing in names.local[file].values() for file in files)
    }
    extra = now["global"] - reached
    if old.get_type() != new.get_type() or reached - numbers.keys() - now["global"] or extra - through:
        raise module.refuse(
            f"{old.get_name()}: reaches {sorted(now['global'])} in the bundle, and not {sorted(reached)}"
        )


def _scope(table: symtable.SymbolTable) -> dict[str, set[str]]:
    """Names by what they are in a scope."""
    found: dict[str, set[str]] = {"local": set(), "argument": set(), "around": set(), "global": set()}
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if symbol.is_parameter():
            found["argument"].add(name)
        if symbol.is_global():
            found["global"].add(name)
        elif symbol.is_free():
            found["around"].add(name)
        else:
            found["local"].add(name)
    return found
