"""What the tubes of a run are: MicroPython on this machine or on an emulated board, in Python alone or with the C core.

Makes the command line of a tube and says what is missing for it, before anything is started. Nothing here knows what a
tube does.
"""

import os
import sys
from pathlib import Path

from holdfast_sim.process_shell import PartFailed
from holdfast_sim.targets import TARGETS

MICROPYTHON_ENV = "HOLDFAST_MICROPYTHON"
ON_THIS_MACHINE = "micropython"
KINDS = (ON_THIS_MACHINE, *TARGETS)
AUTO, PYTHON, NATIVE = CORES = ("auto", "python", "native")
# What the ready line of a device says about whose primitives it uses and who checks its tokens, by core.
ANNOUNCED = {PYTHON: "micropython, python", NATIVE: "hf_native, hf_native"}


class Tubes:
    """kind: one of KINDS. core: one of CORES; auto takes the C core where it is built, and becomes what it took."""

    def __init__(self, root: Path, kind: str = ON_THIS_MACHINE, core: str = AUTO) -> None:
        self.kind = kind
        self._root = root
        if core == AUTO:
            core = NATIVE if self._native_file().exists() else PYTHON
        self.core = core

    def check(self) -> None:
        """Raise PartFailed, with what to do, when something is missing."""
        if self.kind == ON_THIS_MACHINE:
            self._micropython()
            if self.core == NATIVE and not self._native_file().exists():
                raise PartFailed(f"There is no native module at {self._native_file()}: run scripts/natmod.sh.")
        elif not self._firmware().exists():
            raise PartFailed(f"There is no firmware at {self._firmware()}: run scripts/firmware.sh {self.kind}.")

    @property
    def starts_in_s(self) -> float:
        """How long a tube may take until it is ready: emulated instructions are slow ones."""
        return 20 if self.kind == ON_THIS_MACHINE else 120

    @property
    def described(self) -> str:
        """For people: where the tubes run."""
        where = "this machine" if self.kind == ON_THIS_MACHINE else f"an emulated {TARGETS[self.kind].mcu}"
        return f"MicroPython on {where}, {'with the C core' if self.core == NATIVE else 'in Python alone'}"

    def command(self, example: str, file: Path, host: str, port: int, options: tuple[str, ...]) -> list[str]:
        """The command line of one tube. example: its program; file: its provisioning; options: of run_shell."""
        where = ["--host", host, "--port", str(port)]
        if self.kind == ON_THIS_MACHINE:
            program = str(self._root / "device" / "examples" / example)
            return [self._micropython(), program, str(file), *where, "--trace", *options]
        return [
            *(sys.executable, "-m", "holdfast_sim.emulator_shell", self.kind, str(self._firmware())),
            *("--app", example.removesuffix(".py"), "--flash", f"{file}.flash", "--provisioning", str(file), *where),
        ]

    def variables(self) -> dict[str, str]:
        """What the environment of a tube has more."""
        if self.kind != ON_THIS_MACHINE:
            return {}
        folders = [self._root / "native", self._root / "device"]
        folders += [self._native_file().parent] * (self.core == NATIVE)
        return {"MICROPYPATH": ":".join(map(str, folders))}

    def _micropython(self) -> str:
        named = os.environ.get(MICROPYTHON_ENV)
        path = Path(named) if named else self._root / ".cache" / "micropython" / "micropython"
        if not os.access(path, os.X_OK):
            raise PartFailed(
                f"There is no MicroPython at {path}: run scripts/micropython.sh, or set {MICROPYTHON_ENV}."
            )
        return str(path)

    def _native_file(self) -> Path:
        if self.kind != ON_THIS_MACHINE:
            return self._root / TARGETS[self.kind].firmware(NATIVE)
        return self._root / ".cache" / "natmod" / "x64" / "hf_native.mpy"

    def _firmware(self) -> Path:
        return self._root / TARGETS[self.kind].firmware(self.core)
