"""What the tubes of a run are: MicroPython or CPython here, or an emulated board; in Python alone or with the C core.

Makes the command line of a tube and says what is missing for it, before anything is started. Nothing here knows what a
tube does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import holdfast_core
import holdfast_device
from holdfast_core.crypto import PROVIDER
from holdfast_core.token_check import PATH
from holdfast_deploy.files_shell import examples
from holdfast_sim.process_shell import PartFailed
from holdfast_sim.targets import TARGETS

MICROPYTHON_ENV = "HOLDFAST_MICROPYTHON"
ON_THIS_MACHINE = "micropython"
ON_CPYTHON = "cpython"
KINDS = (ON_THIS_MACHINE, ON_CPYTHON, *TARGETS)
OLDEST = (1, 23)
AUTO, PYTHON, NATIVE = CORES = ("auto", "python", "native")
# What the ready line of a device says about whose primitives it uses and who checks its tokens, by core.
ANNOUNCED = {PYTHON: "micropython, python", NATIVE: "hf_native, hf_native"}


# Of a source tree: what its scripts build, and where its commands are run. A wheel has neither.
ROOT = Path(__file__).resolve().parents[2]


class Tubes:
    """kind: one of KINDS. core: one of CORES; auto takes the C core where it is built, and becomes what it took."""

    def __init__(self, kind: str = ON_THIS_MACHINE, core: str = AUTO) -> None:
        self.kind = kind
        if core == AUTO:
            core = NATIVE if kind != ON_CPYTHON and self._native_file().exists() else PYTHON
        self.core = core

    def check(self) -> None:
        """Raise PartFailed, with what to do, when something is missing."""
        if self.kind == ON_CPYTHON:
            if self.core == NATIVE:
                raise PartFailed("The C core of tubes is a module of MicroPython: leave --core out.")
        elif self.kind == ON_THIS_MACHINE:
            _micropython()
            if self.core == NATIVE and not self._native_file().exists():
                raise PartFailed(f"There is no native module at {self._native_file()}: run scripts/natmod.sh.")
        elif not self._firmware().exists():
            raise PartFailed(
                f"There is no firmware at {self._firmware()}: run scripts/firmware.sh {self.kind} in a source tree."
            )

    @property
    def announced(self) -> str:
        """What the ready line of a tube says about whose primitives it uses, and who checks its tokens."""
        return f"{PROVIDER}, {PATH}" if self.kind == ON_CPYTHON else ANNOUNCED[self.core]

    @property
    def starts_in_s(self) -> float:
        """How long a tube may take until it is ready: emulated instructions are slow ones."""
        return 120 if self.kind in TARGETS else 20

    @property
    def described(self) -> str:
        """For people: where the tubes run."""
        if self.kind == ON_CPYTHON:
            return "CPython on this machine"
        where = f"an emulated {TARGETS[self.kind].mcu}" if self.kind in TARGETS else "this machine"
        return f"MicroPython on {where}, {'with the C core' if self.core == NATIVE else 'in Python alone'}"

    def command(self, example: str, file: Path, host: str, port: int, options: tuple[str, ...]) -> list[str]:
        """The command line of one tube. example: its program; file: its provisioning; options: of run_shell."""
        where = ["--host", host, "--port", str(port)]
        if self.kind not in TARGETS:
            interpreter = sys.executable if self.kind == ON_CPYTHON else _micropython()
            return [interpreter, str(examples() / example), str(file), *where, "--trace", *options]
        return [
            *(sys.executable, "-m", "holdfast_sim.emulator_shell", self.kind, str(self._firmware())),
            *("--app", example.removesuffix(".py"), "--flash", f"{file}.flash", "--provisioning", str(file), *where),
        ]

    def variables(self) -> dict[str, str]:
        """What the environment of a tube has more."""
        if self.kind != ON_THIS_MACHINE:
            return {}
        folders = [str(Path(str(package.__file__)).parents[1]) for package in (holdfast_core, holdfast_device)]
        folders += [str(self._native_file().parent)] * (self.core == NATIVE)
        return {"MICROPYPATH": ":".join(dict.fromkeys(folders))}

    def _native_file(self) -> Path:
        if self.kind in TARGETS:
            return ROOT / TARGETS[self.kind].firmware(NATIVE)
        return ROOT / ".cache" / "natmod" / "x64" / "hf_native.mpy"

    def _firmware(self) -> Path:
        return ROOT / TARGETS[self.kind].firmware(self.core)


def _micropython() -> str:
    """Return the interpreter: the one that is named, that of the source tree, or the one on PATH. Raises PartFailed."""
    named = os.environ.get(MICROPYTHON_ENV)
    ours = ROOT / ".cache" / "micropython" / "micropython"
    path = named or (str(ours) if os.access(ours, os.X_OK) else shutil.which("micropython"))
    how = (
        f"Install MicroPython's unix port, {OLDEST[0]}.{OLDEST[1]} or newer, and set {MICROPYTHON_ENV} to its path "
        f"where it is not on PATH (scripts/micropython.sh in a source tree fetches one); or say --tube {ON_CPYTHON}."
    )
    if path is None:
        raise PartFailed(f"There is no MicroPython on this machine. {how}")
    try:
        asked = [path, "-c", "import sys; print(*sys.implementation[1][:2])"]
        said = subprocess.run(asked, capture_output=True, timeout=20, check=False).stdout  # noqa: S603 - the operator's
        version = tuple(map(int, said.split()))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        version = ()
    if version < OLDEST:
        raise PartFailed(f"{path} is no MicroPython that runs this. {how}")
    return path
