"""What people install is the wheel: it holds every file of every package, works without the tree, and nothing else.

It never installs into an environment: the wheel is unpacked, and Python is started without site, so that the
editable installation cannot lend it a file.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from testkit.fake_board import FakeBoard

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
    examples = repo / "device" / "examples"
    wanted |= {f"holdfast_deploy/examples/{path.relative_to(examples)}" for path in examples.rglob("*.py")}
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    boards = {name for name in inside if name.startswith("holdfast_deploy/boards/")}
    assert inside - boards == wanted
    assert {"holdfast_deploy/boards/py/package.json", "holdfast_deploy/boards/py/holdfast_device/bundle.mpy"} <= boards
    assert {Path(name).suffix for name in boards} == {".json", ".mpy"}


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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it depends on, far from the source tree; returns its Python."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    (site / "depends.pth").write_text(sysconfig.get_path("purelib") + "\n")  # whose own .pth files are not read
    return folder / "bin" / "python"


def holdfast(python: Path, *arguments: object, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    command = [str(python), "-c", "from holdfast_core.cli import main; main()", *map(str, arguments)]
    environment = {"PATH": path, "HOME": str(python.parent)}
    return subprocess.run(
        command, cwd=python.parent, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def test_both_stories_run_from_an_installed_wheel(installed: Path, micropython: Path, tmp_path: Path) -> None:
    (tmp_path / "micropython").symlink_to(micropython)
    for arguments in (("ekg",), ("tube", "--tube", "cpython"), ("tube",)):
        done = holdfast(installed, "sim", *arguments, path=f"{tmp_path}:/usr/bin:/bin")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_without_micropython_a_sentence_says_what_to_do(installed: Path, tmp_path: Path) -> None:
    old = tmp_path / "micropython"
    for path in ("/usr/bin:/bin", f"{tmp_path}:/usr/bin:/bin"):
        done = holdfast(installed, "sim", "tube", path=path)
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1
        assert "--tube cpython" in done.stderr
        old.write_text("#!/bin/sh\necho 1 19\n")
        old.chmod(0o755)


def test_a_board_is_deployed_from_an_installed_wheel(installed: Path, micropython: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    done = holdfast(installed, "device", "examples", "--out", programs)
    assert done.returncode == 0, done.stderr
    assert (programs / "boards" / "door_lock.py").exists()
    assert holdfast(installed, "device", "examples", "--out", programs).returncode == 2
    tools = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with FakeBoard(micropython, tmp_path) as board:
        main = programs / "boards" / "pico_tube.py"
        done = holdfast(installed, "device", "push", "--main", main, "--port", board.port, path=tools)
        assert done.returncode == 0, done.stderr
        verified = holdfast(installed, "device", "verify", "--port", board.port, "--json", path=tools)
        assert json.loads(verified.stdout)["problems"] == ["the board is not provisioned"]
