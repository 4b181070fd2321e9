"""The wheels that a role stands on: those that requirements.lock names, with its hashes, and the wheel of this tree."""

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTION = "holdfast-ace"
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[([a-z0-9_,-]+)\])?")
ENTRY = re.compile(r"^([a-z0-9.-]+)==(?:.*\\\n)(?: +--hash=.*\n)+", re.MULTILINE)
"""Of requirements.lock: a name and a version, and the hashes of its files."""


@dataclass(frozen=True)
class Wheel:
    """One wheel file."""

    path: Path

    @property
    def name(self) -> str:
        """The distribution's name, as an index spells it."""
        return self.path.name.split("-")[0].replace("_", "-").lower()

    @property
    def version(self) -> str:
        """The version."""
        return self.path.name.split("-")[1]

    @property
    def sha256(self) -> str:
        """The hash of the file, in hex."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def wheels_of(role: str, out: Path) -> list[Wheel]:
    """Bring the wheels that a role depends on into a folder; one that has them already is left as it is."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = lock_of(closure(role))
    said = out / "requirements.txt"
    if not said.exists() or said.read_text() != wanted:
        for old in out.glob("*"):
            old.unlink()
        (out / "part").write_text(wanted)
        _pip("download", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-d", out, "-r", out / "part")
        (out / "part").rename(said)
    return list(map(Wheel, sorted(out.glob("*.whl"))))


def build(out: Path) -> Wheel:
    """Build the wheel of this tree. Raises SystemExit where the C core cannot be built."""
    for old in out.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own interpreter
    (path,) = out.glob("*.whl")
    if path.name.endswith("-none-any.whl"):
        raise SystemExit("pack: the C core was not built: install gcc, and run scripts/setup.sh.")
    return Wheel(path)


def install(wheels: list[Wheel], tree: Path, at: Path) -> None:
    """Unpack wheels into a folder that will stand at a path of another machine, and be on Python's path there."""
    _pip(
        "install", "-q", "--no-deps", "--no-index", "--no-compile", "--target", tree, *(wheel.path for wheel in wheels)
    )
    for path in (tree / "bin").glob("*"):
        path.unlink()
    (tree / "bin").rmdir()
    # Never checked against the source: the folder is root's, and nothing but dpkg writes it.
    how = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", str(at)]
    subprocess.run([sys.executable, "-m", "compileall", *how, str(tree)], check=True)  # noqa: S603 - likewise


def closure(role: str) -> set[str]:
    """Names of all distributions that an extra of ours needs on this machine."""
    waiting = [(DISTRIBUTION, role)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        for line in requires(name) or ():
            requirement, _, marker = line.partition(";")
            found = REQUIREMENT.match(requirement.strip())
            if found is None or (marker and not _holds(marker, extra)):
                continue
            needed = re.sub(r"[-_.]+", "-", found[1]).lower()
            new = {(needed, one) for one in ("", *(found[2] or "").split(","))} - seen
            seen |= new
            waiting += new
    return {name for name, _ in seen} - {DISTRIBUTION}


def lock_of(names: set[str]) -> str:
    """The part of requirements.lock for these names. Raises SystemExit when one is not in it."""
    text = (ROOT / "requirements.lock").read_text()
    entries = {found[1]: found[0] for found in ENTRY.finditer(text)}
    if absent := names - entries.keys():
        raise SystemExit(f"pack: requirements.lock has no {', '.join(sorted(absent))}: run scripts/lock.sh.")
    return "".join(entries[name] for name in sorted(names))


def _holds(marker: str, extra: str) -> bool:
    from pip._vendor.packaging.markers import Marker  # noqa: PLC0415 - pip is what reads them when it installs

    return Marker(marker).evaluate({"extra": extra})


def _pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run(command, check=True)  # noqa: S603 - our own interpreter
