"""Build Debian packages: scripts/pack OUT [ROLE...]; scripts/packages.sh calls it. Wheels stay in .cache/packages."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pack.debian import ROLES, package
from pack.wheels import ROOT, build, wheels_of

CACHE = ROOT / ".cache" / "packages"


def main() -> int:
    """Do what the command line says; returns the exit code."""
    if sys.version_info[:2] != (3, 11):
        print("pack: Debian 12 has Python 3.11, and .venv another: HOLDFAST_PYTHON=python3.11 scripts/setup.sh")
        return 2
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    ours = build(CACHE / "ours")
    for role in sys.argv[2:] or ROLES:
        try:
            made = package(role, [*wheels_of(role, CACHE / role), ours], CACHE, out)
        except subprocess.CalledProcessError as failed:
            print(f"pack: {failed.cmd[0]} failed: {failed.stderr or 'see above'}")
            return 1
        print(f"{made.name} {made.stat().st_size // 1024} kB")
    return 0


sys.exit(main())
