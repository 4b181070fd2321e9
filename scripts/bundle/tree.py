"""Read the device package, run every pass, and write it as boards get it.

Boards get the same files, without what costs them memory and gives them nothing; the files that every device loads are
one (join.py). Programs may still import labels: that file goes along as it is.
"""

import ast
from pathlib import Path

from bundle.join import joined
from bundle.leaves import NAME as ERRORS
from bundle.leaves import lazy
from bundle.strip import labels_of, stripped, text_of

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "native" / "holdfast_core"
FOLDERS = (CORE, ROOT / "device" / "holdfast_device", ROOT / "device" / "examples")
NOT_FOR_BOARDS = (CORE / "not_for_boards.txt").read_text().split()
RUN = ROOT / "device" / "holdfast_deploy" / "run_shell.py"
SERVERS = "rederive_server.py"  # what a device meets in tests of the inside
AS_IT_IS = {"__init__.py", "labels.py"}


def read(*, inside: bool) -> dict[str, str]:
    """Return what boards get: texts by their paths below OUT.  Raises Refused.

    inside: with an address for every file and name, the program that tests start, and the server's side of a context.
    """
    texts: dict[str, str] = {}
    trees: dict[str, ast.Module] = {}
    labels = labels_of((CORE / "labels.py").read_text())
    for package in FOLDERS:
        for path in sorted(package.glob("*.py")):
            text = path.read_text()
            if path.name in AS_IT_IS:
                texts[f"{package.name}/{path.name}"] = text
            elif package.name == "examples":
                texts[f"{package.name}/{path.name}"] = text_of(stripped(text, labels))
            elif path.name not in NOT_FOR_BOARDS or (inside and path.name == SERVERS):
                trees[f"{package.name}.{path.stem}"] = stripped(text, labels)
    if inside:
        texts[f"{RUN.parent.name}/{RUN.name}"] = RUN.read_text()
    trees[ERRORS] = lazy(trees[ERRORS])
    return texts | {name.replace(".", "/") + ".py": text for name, text in joined(trees, inside).items()}


def write(out: Path, inside: bool = False) -> list[Path]:
    """Write the tree, and remove from it what is no longer there; returns its files."""
    texts = read(inside=inside)
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
