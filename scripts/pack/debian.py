"""A Debian package of one role: its wheels in a folder of its own, a unit, a manual page, and a list of what is inside.

packaging/debian has the control file and the maintainer scripts, packaging/systemd the units. In them @ROLE@ stands
for the role and @VERSION@, @ARCHITECTURE@ and @SIZE@ for what dpkg wants to know.
"""

import gzip
import json
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

from pack.manual import manual
from pack.wheels import ROOT, Wheel, install

ROLES = {"server": "holdfast_server.cli.main", "hub": "holdfast_hub.cli.main"}
"""By role, the module that has its group of commands."""
PACKAGING = ROOT / "packaging"


def package(role: str, wheels: list[Wheel], work: Path, out: Path) -> Path:
    """Build out/holdfast-ROLE_VERSION_ARCHITECTURE.deb and its list of contents (CycloneDX); return the package."""
    name = f"holdfast-{role}"
    tree = work / name
    shutil.rmtree(tree, ignore_errors=True)
    python = tree / "usr" / "lib" / name / "python"
    install(wheels, python, Path("/") / python.relative_to(tree))
    version = wheels[-1].version
    words = {"ROLE": role, "VERSION": version, "ARCHITECTURE": _printed("dpkg", "--print-architecture")}
    _fill(tree, role, words)
    document = tree / "usr" / "share" / "doc" / name
    document.mkdir(parents=True)
    shutil.copy(ROOT / "LICENSE", document / "copyright")
    contents = bill_of_materials(name, version, wheels)
    (document / "sbom.cdx.json").write_text(contents)
    page = tree / "usr" / "share" / "man" / "man1" / f"{name}.1.gz"
    page.parent.mkdir(parents=True)
    page.write_bytes(gzip.compress(manual(import_module(ROLES[role]).group, name).encode(), mtime=0))
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()) // 1024 + 1
    _control(tree, {**words, "SIZE": str(size)})
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    made = out / f"{name}_{version}_{words['ARCHITECTURE']}.deb"
    (out / f"{name}_{version}.cdx.json").write_text(contents)
    _printed("dpkg-deb", "--root-owner-group", "-Zxz", "-z4", "--build", str(tree), str(made))
    return made


def bill_of_materials(name: str, version: str, wheels: list[Wheel]) -> str:
    """Which wheels, in which versions, with which hashes: a CycloneDX document."""
    components = [
        {
            "type": "library",
            "name": wheel.name,
            "version": wheel.version,
            "purl": f"pkg:pypi/{wheel.name}@{wheel.version}",
            "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
            "properties": [{"name": "file", "value": wheel.path.name}],
        }
        for wheel in wheels
    ]
    of = {"component": {"type": "application", "name": name, "version": version}}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": of, "components": components}
    return json.dumps(document, indent=1) + "\n"


def _fill(tree: Path, role: str, words: dict[str, str]) -> None:
    name = f"holdfast-{role}"
    for source, target, mode in (
        ("holdfast-role", f"usr/bin/{name}", 0o755),
        ("holdfast", f"usr/lib/{name}/holdfast", 0o755),
        ("dispatch", f"usr/lib/{name}/dispatch", 0o755),
        ("container", f"usr/lib/{name}/container", 0o755),
        ("default", f"etc/default/{name}", 0o644),
    ):
        _write(tree / target, (PACKAGING / "debian" / source).read_text(), words, mode)
    units = tree / "lib" / "systemd" / "system"
    units.mkdir(parents=True)
    for unit in (PACKAGING / "systemd").glob(f"{name}.*"):
        shutil.copy(unit, units)


def _control(tree: Path, words: dict[str, str]) -> None:
    for script in ("postinst", "prerm", "postrm"):
        _write(tree / "DEBIAN" / script, (PACKAGING / "debian" / script).read_text(), words, 0o755)
    text = (PACKAGING / "debian" / "control").read_text() + (
        PACKAGING / "debian" / f"control.{words['ROLE']}"
    ).read_text()
    _write(tree / "DEBIAN" / "control", text, words, 0o644)
    kept = sorted(path.relative_to(tree) for path in (tree / "etc").rglob("*") if path.is_file())
    (tree / "DEBIAN" / "conffiles").write_text("".join(f"/{path}\n" for path in kept))


def _write(path: Path, text: str, words: dict[str, str], mode: int) -> None:
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _printed(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - dpkg's own programs
    return done.stdout.strip()
