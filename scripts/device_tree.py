"""Write the device package as boards get it: the same files, without what costs a board memory and gives it nothing.

    device_tree.py OUT        OUT/holdfast_core, OUT/holdfast_device, OUT/examples; scripts/firmware.sh freezes them
    device_tree.py OUT --inside      the same code, and a way to all of it: what tests of the inside import

What every device loads is one file (device_bundle.py). On a board a name costs heap: the table of labels alone is 4 kB
of it, and each file that uses a name carries its text. So `L.NAME` becomes the number that it is, never in text, and
what is for type checkers alone goes. Programs may still import labels: the file itself goes along.
"""

import io
import re
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "native" / "holdfast_core"
FOLDERS = (CORE, ROOT / "device" / "holdfast_device", ROOT / "device" / "examples")
NOT_FOR_BOARDS = (CORE / "not_for_boards.txt").read_text().split()
RUN = ROOT / "device" / "holdfast_deploy" / "run_shell.py"
AS_IT_IS = {"__init__.py", "labels.py"}
IMPORT = "from holdfast_core import labels as L\n"
TYPES_ONLY = re.compile(r"^TYPE_CHECKING = False\n|^if TYPE_CHECKING:\n(?:(?:[ ].*)?\n)++(?!el)", re.MULTILINE)
sys.path[:0] = [str(ROOT / "native"), str(ROOT / "scripts")]

import device_errors  # noqa: E402
from device_bundle import tree  # noqa: E402

from holdfast_core import labels  # noqa: E402

LABELS = {name: value for name, value in vars(labels).items() if name.isupper()}


def inlined(source: str) -> str:
    """The source with numbers for labels; unchanged when it uses none."""
    if IMPORT not in source:
        return source
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    lines = source.splitlines(keepends=True)
    for at in range(len(tokens) - 3, -1, -1):
        name, dot, label = tokens[at : at + 3]
        if (name.type, name.string, dot.string) == (tokenize.NAME, "L", ".") and label.string in LABELS:
            row, start = name.start
            value = LABELS[label.string]
            text = str(value) if value >= 0 else f"({value})"
            lines[row - 1] = lines[row - 1][:start] + text + lines[row - 1][label.end[1] :]
    return "".join(lines).replace(IMPORT, "")


def for_boards(source: str) -> str:
    """The source as it is compiled for boards."""
    source = inlined(source)
    without = TYPES_ONLY.sub("\n", source)
    return source if "TYPE_CHECKING" in without else without


def read(inside: bool) -> dict[str, str]:
    """Return what is written, by its path below OUT.

    inside: with an address for every file and name, and the program that tests start on a computer.
    """
    read: dict[str, str] = {}
    sources: dict[str, str] = {}
    for package in FOLDERS:
        for path in sorted(package.glob("*.py")):
            text = path.read_text()
            if path.name in AS_IT_IS:
                read[f"{package.name}/{path.name}"] = text
            elif package.name == "examples":
                read[f"{package.name}/{path.name}"] = for_boards(text)
            elif path.name not in NOT_FOR_BOARDS:
                sources[f"{package.name}.{path.stem}"] = for_boards(text)
    if inside:
        read[f"{RUN.parent.name}/{RUN.name}"] = RUN.read_text()
    sources[device_errors.NAME] = device_errors.lazy(sources[device_errors.NAME])
    return read | {name.replace(".", "/") + ".py": text for name, text in tree(sources, inside).items()}


def write(out: Path, inside: bool = False) -> list[Path]:
    """Write the tree, and remove from it what is no longer there; returns its files."""
    texts = read(inside)
    for package in (*FOLDERS, RUN.parent):
        for stale in (out / package.name).glob("*"):
            if f"{package.name}/{stale.name}" not in texts:
                stale.unlink()
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:  # make looks at times
            path.write_text(text)
    return [out / name for name in sorted(texts)]


if __name__ == "__main__":
    print(f"{len(write(Path(sys.argv[1]), '--inside' in sys.argv))} files")
