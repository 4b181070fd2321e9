"""What `holdfast device` does to a board: push the package, provision, compare, ask, wipe, flash.

Every copy is compared by SHA-256 on the board before it counts. Never prints or passes on what a provisioning file
holds. The tree to push is what `make device` builds.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast_deploy import questions as ask
from holdfast_deploy.mpremote_shell import (
    FAILED,
    REFUSED,
    UNREACHABLE,
    USAGE,
    Board,
    Trouble,
    argument_of,
    check_port,
    run,
    tool,
    version_of,
)

ARCHITECTURES = (
    *(None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc", "rv64imc"),
)  # sys.implementation._mpy >> 10; tools/mpy-tool.py of MicroPython
THUMB = ("armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")  # each runs the code of those before it
MPY_VERSION, MPY_SUB_VERSION = 6, 3
PURE = "py"
AMISS = ("missing", "different", "not of this package")
NO_PACKAGE = "the package is not on the board"
NOT_PROVISIONED = "the board is not provisioned"
FLASH_S = 600.0  # a flash of 16 MB is erased without a word
_CONNECTS = re.compile("(?i)connect|serial|port|boot")  # in what esptool says of a board that it does not reach

Tell = Callable[[str], object]


def architecture(mpy: list[int]) -> str | None:
    """The name of the board's native code, None when it takes none."""
    return ARCHITECTURES[mpy[2]] if mpy[2] < len(ARCHITECTURES) else None


def package_for(tree: Path, mpy: list[int]) -> Path:
    """The folder of the tree that fits a board: with the C core when there is one for it. Trouble: none fits."""
    if mpy[0] != MPY_VERSION:
        raise Trouble(
            f"The board takes .mpy files of version {mpy[0]}, and these are version {MPY_VERSION}: "
            "flash MicroPython 1.23 or newer.",
            REFUSED,
        )
    if not (tree / PURE / "package.json").exists():
        raise Trouble(f"{tree} holds no package: run make device, or say --tree.", USAGE)
    name = architecture(mpy)
    fitting = THUMB[: THUMB.index(name) + 1][::-1] if name in THUMB else (name,)
    folders = [tree / f"{one}_{mpy[0]}.{mpy[1]}" for one in fitting if mpy[1] == MPY_SUB_VERSION]
    return next((folder for folder in folders if folder.exists()), tree / PURE)


def wanted(package: Path) -> tuple[str, dict[str, Path]]:
    """The version of a package, and its files by their names under /lib."""
    listed = json.loads((package / "package.json").read_text())
    return listed["version"], {name: package / file for name, file in listed["urls"]}


def sha256(file: Path) -> str:
    """The hash of a local file as boards say it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def differences(there: dict[str, str], files: dict[str, Path]) -> dict[str, str]:
    """What is not as it must be, by name: missing, different, or not ours."""
    missing, different, foreign = AMISS
    found = {name: foreign for name in there if name not in files}
    for name, file in files.items():
        if there.get(name) != sha256(file):
            found[name] = different if name in there else missing
    return found


def push(port: str, tree: Path, main: Path | None, tell: Tell) -> dict[str, Any]:
    """Put the package under /lib, and a program at /main.py; what is there already stays. Returns what was done."""
    board = Board(port)
    identity = board.ask(ask.IDENTITY)
    package = package_for(tree, identity["mpy"])
    version, files = wanted(package)
    there = board.ask(ask.HASHES)
    found = differences(there, files)
    stale = [f"{ask.LIB}/{name}" for name in found if name not in files]
    if stale:
        tell(f"removing {', '.join(stale)}")
        board.ask(ask.remove(stale))
    copies = {f"{ask.LIB}/{name}": file for name, file in files.items() if name in found}
    if main is not None:
        copies[ask.MAIN] = main
    _need_room(identity, copies)
    board.ask(ask.make_directories(ask.LIB, *(f"{ask.LIB}/{package}" for package in ask.PACKAGES)))
    _copy(board, copies, tell)
    wrong = differences(board.ask(ask.HASHES), files)
    if wrong:
        raise Trouble(f"After the copy {len(wrong)} files are not as sent, {min(wrong)} first: push again.", FAILED)
    if main is not None and board.ask(ask.file_hash(ask.MAIN))["sha256"] != sha256(main):
        raise Trouble(f"After the copy {ask.MAIN} is not as sent: push again.", FAILED)
    return {"version": version, "package": package.name, "copied": len(copies), "removed": len(stale), **identity}


def _need_room(identity: dict[str, Any], copies: dict[str, Path]) -> None:
    """Refuse before the flash is half full of us."""
    if identity["flash_free"] is None:
        return
    block = identity["block"]  # what a file takes at least
    size = sum(-(-file.stat().st_size // block) * block for file in copies.values())
    if size > identity["flash_free"]:
        raise Trouble(f"{size} bytes of flash are needed and {identity['flash_free']} are free on the board.", REFUSED)


def _copy(board: Board, copies: dict[str, Path], tell: Tell) -> None:
    done = 0

    def next_one(path: str) -> None:
        nonlocal done
        done += 1
        tell(f"{100 * done // len(copies):3d}% {path}")

    board.copy(copies, next_one)


def provision(port: str, file: Path, force: bool, tell: Tell) -> None:
    """Write a provisioning file to the board: beside the old one, compared, then in its place."""
    board = Board(port)
    digest = sha256(file)
    there = board.ask(ask.PROVISIONING_HASH)
    if there["old"] == digest:
        tell("the board has this provisioning already")
        return
    _refuse_to_replace(there, force)
    board.ask(ask.make_directories(ask.DIRECTORY))
    tell(f"copying {file.stat().st_size} bytes")
    board.copy({ask.NEW: file}, tell)
    if board.ask(ask.PROVISIONING_HASH)["new"] != digest:
        raise Trouble("What arrived on the board is not what was sent; the board is as it was. Provision again.")
    if board.ask(ask.COMMIT) != {"old": digest, "new": None}:
        raise Trouble("The board could not put the provisioning in its place: wipe it and provision again.")


def check_free(port: str, force: bool) -> None:
    """Raise Trouble when no board answers or it is not to be replaced: an export would end what the board holds."""
    _refuse_to_replace(Board(port).ask(ask.PROVISIONING_HASH), force)


def _refuse_to_replace(there: dict[str, Any], force: bool) -> None:
    if there["old"] is not None and not force:
        raise Trouble("The board is provisioned: wipe it first, or say --force to replace what it was told.", REFUSED)


def shred(file: Path) -> None:
    """Write over a file and remove it. A file system that copies on write, and an SSD, may keep the old bytes."""
    with file.open("r+b") as opened:
        opened.write(os.urandom(file.stat().st_size))
        opened.flush()
        os.fsync(opened.fileno())
    with contextlib.suppress(FileNotFoundError):
        file.unlink()


def verify(port: str, tree: Path) -> dict[str, Any]:
    """Compare the board with the package that fits it; `problems` is empty when all is well."""
    board = Board(port)
    status = board.ask(ask.STATUS)
    package = package_for(tree, status["mpy"])
    version, files = wanted(package)
    there = board.ask(ask.HASHES)
    problems = [f"{name} is {what}" for name, what in sorted(differences(there, files).items())]
    absent = not there and not status["frozen"]
    if absent:
        problems = [NO_PACKAGE]
    if status["frozen"]:
        problems = ["holdfast_core is frozen into the firmware, and /lib is not looked at"]
    problem = status.pop("problem", None)
    if not absent and (problem is not None or status["crypto"] is None):
        problems.append(f"the package does not start on the board: {problem}")
    elif not status["aes"]:
        problems.append("the board has no AES: neither cryptolib in its firmware nor a C core")
    if status["provisioned"] is None:
        problems.append(NOT_PROVISIONED)
    elif not status["provisioned"]:
        problems.append("the board cannot read its provisioning")
    return {"version": version, "package": package.name, **status, "problems": problems}


def status(port: str) -> dict[str, Any]:
    """What the board says of itself."""
    return Board(port).ask(ask.STATUS)


def audit(port: str) -> dict[str, Any]:
    """What audit.py judges."""
    return Board(port).ask(ask.AUDIT)


def wipe(port: str, tell: Tell) -> None:
    """Factory reset by wipe_shell.py on the board. Trouble when something is left."""
    left = Board(port).ask(ask.WIPE, tell)["left"]
    if left:
        raise Trouble(f"{', '.join(left)} in {ask.DIRECTORY} is still there: wipe again, or erase the whole flash.")


def flash(port: str, image: Path, chip: str, offset: str, erase: bool, tell: Tell) -> None:
    """Write MicroPython to an ESP32 with esptool."""
    program = tool("esptool", "esptool.py")
    esptool = [program, "--chip", chip, "--port", check_port(port)]
    dash = "-" if version_of(program, "esptool") >= (5, 0) else "_"
    try:
        if erase:
            run([*esptool, f"erase{dash}flash"], tell, FLASH_S, FLASH_S)
        run([*esptool, f"write{dash}flash", offset, argument_of(image)], tell, FLASH_S, FLASH_S)
    except Trouble as problem:
        if problem.exit_code == FAILED and _CONNECTS.search(problem.message):
            raise Trouble(f"{problem.message} Is the board in its boot loader?", UNREACHABLE) from None
        raise
