"""Write native/include/hf_labels.h: labels.py for C, each constant with its registry's comment.

python scripts/gen_labels.py > native/include/hf_labels.h
The file is checked in; tests/native/test_labels.py asks that it is what this writes.
"""

import re
from pathlib import Path

LABELS = Path(__file__).parents[1] / "native" / "holdfast_core" / "labels.py"
ROW = re.compile(r"([A-Z][A-Z0-9_]*) = const\((-?(?:0x)?[0-9A-Fa-f]+)\)")

HEAD = """\
/* Every wire number, from holdfast_core/labels.py. Made by scripts/gen_labels.py; not to be edited. */
#ifndef HF_LABELS_H
#define HF_LABELS_H"""


def header(source: str) -> str:
    """Return the text of hf_labels.h for the text of labels.py."""
    lines = [HEAD]
    for line in source.splitlines():
        row = ROW.match(line)
        if row:
            name, value = row.groups()
            lines.append(f"#define HF_L_{name} " + (f"({value})" if value.startswith("-") else value))
        elif line.startswith("# ---"):
            title = line.strip("# -")
            lines.append(f"\n/* {title} */")
    return "\n".join([*lines, "\n#endif", ""])


if __name__ == "__main__":
    print(header(LABELS.read_text()), end="")
