"""Print which path through Holdfast ran which published vectors: one row a path, one column a family of vectors.

    paths_table.py NAME...     the paths that must have run; others are shown when they left a result, marked as earlier

Reads .cache/paths/NAME.json, as tests/dual/run.py and boards.py write it: how many rows of each file of tests/vectors
the passing tests read. Fails when a path that must have run did not, failed, or took fewer rows than there are
without a reason below. It runs nothing itself.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".cache/paths"
PATHS = {
    "cpython": "CPython, Python core, cryptography",
    "cpython-cffi": "CPython, the same with ES256 in C (cffi)",
    "unix": "MicroPython unix, Python alone",
    "natmod-unix": "MicroPython unix, native module x64",
    "user-unix": "MicroPython unix, user module",
    "natmod-m0": "QEMU Cortex-M0, native module armv6m",
    "natmod-m3-armv6m": "QEMU Cortex-M3, native module armv6m",
    "natmod-m3": "QEMU Cortex-M3, native module armv7m",
    "natmod-m4": "QEMU Cortex-M4, native module armv7emsp",
    "natmod-rv32": "QEMU RV32, native module rv32imc",
    "user-m3": "QEMU Cortex-M3, user module",
    "user-m4": "QEMU Cortex-M4, user module",
    "user-rv32": "QEMU RV32, user module",
    "natmod-rp2040": "rp2040js Pico firmware, native module",
    "user-rp2040": "rp2040js Pico firmware, user module",
}
FAMILIES = {
    "cbor": ("cbor_",),
    "cose": ("cose_", "rfc8392", "rfc8747"),
    "crypto": ("crypto_", "wycheproof_"),
    "tokens": ("tokens",),
    "oscore": ("rfc8613_",),
    "ace": ("rfc9203", "rfc9237"),
    "coap": ("coap_",),
}
NO_VECTORS = ("token_rules", "ace_java")  # what the tokens are posted to; recorded conversations
PICO = ("natmod-rp2040", "user-rp2040")
# paths, file, how many rows they may leave out, why
NARROW = "a board's floats have 32 bits"
LEFT_OUT = (
    (PICO, "cbor_good", 14, NARROW),
    (PICO, "cbor_appendix_a", 4, NARROW),
    (PICO, "tokens", 4, NARROW),
)


def rows_of(file: Path) -> int:
    """How many vectors a file has."""
    return sum(1 for line in file.read_text().splitlines() if line.strip() and not line.startswith("#"))


def vector_files() -> dict[str, int]:
    """The files and their numbers of rows."""
    files = {file.stem: rows_of(file) for file in sorted((ROOT / "tests/vectors").glob("*.jsonl"))}
    return {name: rows for name, rows in files.items() if name not in NO_VECTORS}


def allowed(path: str, file: str) -> tuple[int, str]:
    """How many rows this path may leave out, and why."""
    for paths, name, rows, why in LEFT_OUT:
        if path in paths and name == file:
            return rows, why
    return 0, ""


def cell(result: dict, files: dict[str, int], prefixes: tuple[str, ...]) -> str:
    """The text of a family's column: all vectors, or how many of how many."""
    names = [name for name in files if name.startswith(prefixes)]
    whole, ran = sum(files[name] for name in names), sum(result["vectors"].get(name, 0) for name in names)
    return str(whole) if ran == whole else f"{ran}/{whole}"


def provider_fits(path: str, provider: str) -> bool:
    """Whether the primitives came from where the path's name says."""
    if path == "cpython-cffi":
        return "C core" in provider
    return (provider == "hf_native") == path.startswith(("natmod", "user")) and "C core" not in provider


def complaints(path: str, result: dict, files: dict[str, int]) -> tuple[list[str], list[str]]:
    """The faults of a path's result, and what it left out for a reason."""
    wrong, told = [], []
    if result["failed"] or not result["passed"]:
        wrong.append(f"{path}: failed")
    elif not provider_fits(path, result["provider"]):
        wrong.append(f"{path}: cryptography from {result['provider']}")
    for name, rows in files.items():
        missing = rows - result["vectors"].get(name, 0)
        may, why = allowed(path, name)
        if missing > may:
            wrong.append(f"{path}: {missing} of {rows} rows of {name} did not run")
        elif missing:
            told.append(f"{path}: {missing} of {rows} rows of {name} left out: {why}")
    if result.get("left_out"):
        told.append(f"{path}: {len(result['left_out'])} tests left out, exhaustive or large, without rows of their own")
    return wrong, told


def main(required: list[str]) -> int:
    """Print the table; the exit code is 1 when something is missing or failed."""
    files = vector_files()
    wrong = [f"{name}: no such path" for name in required if name not in PATHS]
    told: list[str] = []
    lines = [f"{'path':44}" + "".join(f"{family:>8}" for family in FAMILIES) + f"{'tests':>8}  result"]
    for name, title in PATHS.items():
        file = RESULTS / f"{name}.json"
        if not file.exists():
            if name in required:
                wrong.append(f"{name}: did not run")
                lines.append(f"{title:44}" + f"{'-':>8}" * (len(FAMILIES) + 1) + "  missing")
            continue
        result = json.loads(file.read_text())
        bad, reasons = complaints(name, result, files)
        wrong += bad if name in required else []
        told += reasons
        verdict = ("failed" if bad else "good") + ("" if name in required else " (an earlier run)")
        cells = "".join(f"{cell(result, files, prefixes):>8}" for prefixes in FAMILIES.values())
        lines.append(f"{title:44}{cells}{result['passed']:>8}  {verdict}")
    sys.stdout.write(f"=== every vector down every path: {sum(files.values())} vectors in {len(files)} files\n")
    sys.stdout.write(
        "\n".join([*lines, *(f"  {line}" for line in told), *(f"  WRONG {line}" for line in wrong)]) + "\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
