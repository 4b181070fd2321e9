"""Draw the tables of states into the READMEs that ask for them.

python scripts/gen_pictures.py
A README asks with a line `<!-- states: MODULE.TABLE -->`, and the picture, text for mermaid, is the block after it.
The pictures are checked in; tests/test_pictures.py asks that they are what this draws.
"""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
READMES = ("device/README.md", "server/README.md")
ASKED = re.compile(r"(<!-- states: ([\w.]+)\.(\w+) -->\n)(?:```mermaid\n.*?```\n)?", re.DOTALL)


def picture(states: dict[str, dict[str, str]]) -> str:
    """Return the block for {STATE: {EVENT: NEXT}}, whose first state is the one at the beginning."""
    rows = [f"    [*] --> {next(iter(states))}"]
    for state, events in states.items():
        for reached in dict.fromkeys(events.values()):
            row = f"    {state} --> {reached}: "
            rows.append(row + ", ".join(event for event in events if events[event] == reached))
        if not events:
            rows.append(f"    {state} --> [*]")
    return "\n".join(["```mermaid", "stateDiagram-v2", *rows, "```", ""])


def drawn(text: str) -> str:
    """Return the text of a README with each picture as its table is now."""

    def block(asked: re.Match[str]) -> str:
        line, module, table = asked.groups()
        return line + picture(getattr(importlib.import_module(module), table))

    return ASKED.sub(block, text)


if __name__ == "__main__":
    for name in READMES:
        readme = ROOT / name
        readme.write_text(drawn(readme.read_text()))
