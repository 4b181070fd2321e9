"""What people install is the wheel: it holds every file of every package, works without the tree, and nothing else.

It never installs into an environment: the wheel is unpacked, and Python is started without site, so that the
editable installation cannot lend it a file.
"""

import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

NOT_SHIPPED = {"__pycache__"}
FRAME = """
import importlib, sys
sys.path[:0] = sys.argv[1:3]
names = sys.argv[3:]
for name in names:
    module = importlib.import_module(name)
    assert module.__file__.startswith(sys.argv[1]), module.__file__
print(len(names))
"""


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built now."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=repo, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def packages(repo: Path) -> list[Path]:
    build = tomllib.loads((repo / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    return [repo / package for package in build["targets"]["wheel"]["packages"]]


def test_wheel_holds_every_file_of_the_packages_and_nothing_else(repo: Path, wheel: Path) -> None:
    wanted = {
        path.relative_to(package.parent).as_posix()
        for package in packages(repo)
        for path in package.rglob("*")
        if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == wanted


def test_wheel_carries_license_and_commands(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entry_points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "holdfast = holdfast_core.cli:main" in archive.read(entry_points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_every_module_imports_from_the_wheel_alone(repo: Path, wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    modules = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for package in packages(repo)
        for path in sorted(package.rglob("*.py"))
        if path.stem != "__init__" and "micropython" not in path.stem
    ]
    command = [sys.executable, "-S", "-c", FRAME, str(tmp_path), sysconfig.get_path("purelib"), *modules]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == [str(len(modules))]
