"""What people install is the wheel: it holds every file of every package, works without the tree, and nothing else.

It never installs into an environment: the wheel is unpacked, and Python is started without site, so that the
editable installation cannot lend it a file.
"""

import os
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


def test_one_wheel_serves_every_cpython_and_holds_the_core_in_c(wheel: Path) -> None:
    assert "-cp311-abi3-linux_" in wheel.name
    assert "holdfast_core/_native.abi3.so" in zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize(
    ("compiler", "says"),
    [
        ("no-such-compiler", "there is no C compiler no-such-compiler"),
        ("/bin/false", "the C compiler refused: it says nothing"),
        ("/bin/true", "the C compiler /bin/true has made nothing"),
        ("/etc/hostname", "the C compiler /etc/hostname cannot be started"),
        ("'", "CC names no compiler"),
    ],
)
def test_without_a_compiler_the_wheel_is_pure_python_and_the_build_says_so(
    repo: Path, tmp_path: Path, compiler: str, says: str
) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    nothing = dict(os.environ, CC=compiler)
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=True, env=nothing)
    assert says in done.stdout + done.stderr
    (built,) = tmp_path.glob("*.whl")
    assert built.name.endswith("-py3-none-any.whl")
    assert "holdfast_core/_native.abi3.so" not in zipfile.ZipFile(built).namelist()


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
        if path.stem != "__init__" and "micropython" not in path.stem and not path.stem.endswith("_hf")
    ]
    command = [sys.executable, "-S", "-c", FRAME, str(tmp_path), sysconfig.get_path("purelib"), *modules]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split() == [str(len(modules))]
