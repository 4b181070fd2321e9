"""Changes of one place of a Python module that some test should notice: a check is left out, bent or off by one.

mutants(source) yields (line, what, source of the mutant); it parses and writes Python, and runs nothing.
"""

import ast

SWAPS = {
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
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}
OTHER_CALL = {"min": "max", "max": "min", "any": "all", "all": "any"}


def _is_for_types_only(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _annotation(node):
    """The annotation of a node: only a type checker reads it."""
    said = (getattr(node, "annotation", None), getattr(node, "returns", None))
    return [part for root in said if root is not None for part in ast.walk(root)]


def _is_text(node):
    """A concatenation of names, not of numbers: another sign is an error, and no mistake that programmers make."""
    return (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)) or isinstance(node, ast.JoinedStr)


def _set_item(items, at, new):
    def apply():
        old = items[at]
        items[at] = new
        return lambda: items.__setitem__(at, old)

    return apply


def _set_field(node, field, new):
    def apply():
        old = getattr(node, field)
        setattr(node, field, new)
        return lambda: setattr(node, field, old)

    return apply


def _statements_left_out(parent):
    for field in ("body", "orelse", "finalbody"):
        block = getattr(parent, field, None)
        if not isinstance(block, list):
            continue
        for at, node in enumerate(block):
            is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            if isinstance(node, ast.Raise) or is_call or isinstance(node, ast.AugAssign):
                yield node.lineno, "without " + ast.unparse(node), _set_item(block, at, ast.Pass())


def _expressions_bent(parent):
    if isinstance(parent, ast.Compare):
        for at, operator in enumerate(parent.ops):
            new = SWAPS[type(operator)]
            yield parent.lineno, f"{ast.unparse(parent)} -> {new.__name__}", _set_item(parent.ops, at, new())
    elif isinstance(parent, ast.BoolOp) or (
        isinstance(parent, ast.BinOp)
        and type(parent.op) in SWAPS
        and not (_is_text(parent.left) or _is_text(parent.right))
    ):
        new = SWAPS[type(parent.op)]
        yield parent.lineno, f"{ast.unparse(parent)} -> {new.__name__}", _set_field(parent, "op", new())
    elif isinstance(parent, ast.Constant) and type(parent.value) is int:
        yield parent.lineno, f"{parent.value} -> {parent.value + 1}", _set_field(parent, "value", parent.value + 1)
    elif isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id in OTHER_CALL:
        other = OTHER_CALL[parent.func.id]
        yield parent.lineno, f"{ast.unparse(parent)} -> {other}", _set_field(parent.func, "id", other)


def _negations_left_out(parent):
    """`not x` and `~x` become x, wherever they stand."""
    for field, value in ast.iter_fields(parent):
        members = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for at, node in members:
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
                apply = _set_field(parent, field, node.operand) if at is None else _set_item(value, at, node.operand)
                yield node.lineno, f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", apply


def _sites(tree):
    for node in ast.walk(tree):
        if _is_for_types_only(node):
            node.body = [ast.Pass()]
    annotations = {id(part) for node in ast.walk(tree) for part in _annotation(node)}
    for parent in (node for node in ast.walk(tree) if id(node) not in annotations):
        yield from _statements_left_out(parent)
        yield from _expressions_bent(parent)
        yield from _negations_left_out(parent)


def mutants(source):
    """Yield (line, what, text) of each mutant of a module."""
    tree = ast.parse(source)
    for line, what, apply in list(_sites(tree)):
        undo = apply()
        yield line, what, ast.unparse(tree)
        undo()
