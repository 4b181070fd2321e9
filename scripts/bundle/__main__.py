"""The command line of boardc: a tree of sources, packages of .mpy files, or only the check that a bundle can be made.

    scripts/bundle tree OUT [--inside]      OUT/holdfast_core, OUT/holdfast_device, OUT/examples; firmware freezes them
    scripts/bundle packages [OUT]           .mpy files in OUT, build/device when it is not named; `make device`
    scripts/bundle check                    writes nothing; `make lint`

--inside keeps an address for every file and every name, and adds the program that runs a device on a computer: tests
that look inside import them. A source that is refused is one sentence, which says how to mend it, and exit code 1.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bundle.module import Refused
from bundle.packages import build
from bundle.tree import ROOT, read, write


def main() -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bundle", description="Make of our sources what boards load.")
    commands = parser.add_subparsers(dest="command", required=True)
    tree = commands.add_parser("tree", help="write sources, which firmware freezes")
    tree.add_argument("out", type=Path)
    tree.add_argument("--inside", action="store_true", help="keep an address for every file and name, for tests")
    packages = commands.add_parser("packages", help="write .mpy files, which mip and holdfast device push install")
    packages.add_argument("out", type=Path, nargs="?", default=ROOT / "build" / "device")
    commands.add_parser("check", help="write nothing, and say whether a bundle can be made")
    said = parser.parse_args()
    try:
        if said.command == "tree":
            print(f"{len(write(said.out, said.inside))} files")
        elif said.command == "packages":
            for name, size in build(said.out).items():
                print(f"{name:<16} {size} bytes of .mpy")
        else:
            print(f"boards load {len(read(inside=False))} files: no name of one is taken for another's")
    except Refused as refused:
        print(f"bundle: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
