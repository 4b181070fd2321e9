"""Write native/holdfast_core/verdicts.py from the C core's headers: which exception a status is, and details' texts.

gen_verdicts.py [FILE]      prints when no file is named
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "native" / "include"
HEAD = '''"""Verdicts of the C core by name: which exception a status is, and the text of each detail.

Written by scripts/gen_verdicts.py from native/include/hf_status.h and hf_verdict.h; a test compares. Loaded when the
first refusal is raised. Exceptions are names in errors.py: a board makes only those that it raises.
"""

'''


def statuses() -> dict[str, int]:
    """Number of each status, by name without HF_."""
    text = (INCLUDE / "hf_status.h").read_text()
    found: dict[str, int] = {}
    number = -1
    for name, given in re.findall(r"^\s+HF_(\w+)(?: = (\w+))?,?", text, re.MULTILINE):
        number = int(given, 0) if given else number + 1
        found[name] = number
    return found


def details() -> list[str]:
    """Texts in the order of enum hf_detail."""
    return re.findall(r'D\(\w+, "([^"]*)"\)', (INCLUDE / "hf_verdict.h").read_text())


def error_name(status: str) -> str:
    """Name of the exception class of a status."""
    return "LocalError" if status == "LOCAL" else "".join(word.title() for word in status.split("_"))


def text() -> str:
    """The whole file."""
    rows = [f'    ({number:#04x}, "{error_name(name)}"),\n' for name, number in statuses().items() if number]
    lines, line = [], "   "
    for word in details():
        if len(line) + len(word) + 4 > 119:
            lines.append(line + "\n")
            line = "   "
        line += f' "{word}",'
    lines.append(line + "\n")
    tables = "ERRORS = (\n" + "".join(rows) + ")\n# fmt: off\nDETAILS = (\n" + "".join(lines) + ")\n# fmt: on\n"
    return HEAD + tables


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text())
    else:
        print(text(), end="")
