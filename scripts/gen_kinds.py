"""Write native/include/hf_kinds.h: kinds.py for C, each name with HF_ in front.

python scripts/gen_kinds.py > native/include/hf_kinds.h
The file is checked in; tests/native/test_labels.py asks that it is what this writes. A section of kinds.py whose title
begins with `enum NAME:` becomes an enum, one with `bits:` has unsigned numbers. FORMATS become bits, as many as there
are cwt formats, and ROLES an enum with its count.
"""

import ast
import re
from pathlib import Path

KINDS = Path(__file__).parents[1] / "native" / "holdfast_core" / "kinds.py"
TITLE = re.compile(r"# --- (?:(enum) (\w+): |(bits): )?(.*) ---")
HEAD = """\
/* Formats, key roles, shared lengths, and what the binding and its Python face say to each other: from
 * holdfast_core/kinds.py. Made by scripts/gen_kinds.py; not to be edited. */
#ifndef HF_KINDS_H
#define HF_KINDS_H"""


def _number(name: str, node: ast.expr, suffix: str) -> str | None:
    """One line, None for what is a text."""
    value = eval(compile(ast.Expression(node), "kinds.py", "eval"), {"__builtins__": {}})  # noqa: S307 - our own file
    if isinstance(value, str):
        return None
    return f"#define HF_{name} " + (f"{value}{suffix}" if value < 1 << 31 else f"INT64_C({value})")


def _places(name: str, node: ast.Tuple) -> list[str]:
    """The lines of a tuple of names."""
    names = [item.id for item in node.elts if isinstance(item, ast.Name)]
    if name == "FORMATS":
        return [f"#define HF_{one} {1 << at}u" for at, one in enumerate(one for one in names if one.startswith("CWT_"))]
    if name == "ROLES":
        return [f"enum hf_role {{ {', '.join(f'HF_{one}' for one in names)}, HF_ROLE_COUNT }};"]
    return []


def header(source: str) -> str:
    """Return the text of hf_kinds.h for the text of kinds.py."""
    found = {at: TITLE.match(line) for at, line in enumerate(source.splitlines(), 1)}
    titles = {at: title for at, title in found.items() if title is not None}
    lines = [HEAD, "", "#include <stdint.h>"]
    open_enum, suffix = False, ""
    for node in ast.parse(source).body:
        for at in [at for at in titles if at < node.lineno]:
            title = titles.pop(at)
            lines += ["};"] if open_enum else []
            open_enum, suffix = title[1] == "enum", "u" if title[3] == "bits" else ""
            lines.append(f"\n/* {title[4][0].upper()}{title[4][1:]} */")
            lines += [f"enum hf_{title[2]} {{"] if open_enum else []
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if isinstance(node.value, ast.Tuple):
            lines += _places(name, node.value)
        elif open_enum:
            lines.append(f"    HF_{name} = {ast.unparse(node.value)},")
        else:
            line = _number(name, node.value, suffix)
            lines += [] if line is None else [line]
    return "\n".join([*lines, *(["};"] if open_enum else []), "\n#endif", ""])


if __name__ == "__main__":
    print(header(KINDS.read_text()), end="")
