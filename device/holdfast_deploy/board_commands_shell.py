"""The commands of `holdfast device` for a board at a serial port; cli.py adds them to its group.

What is done goes to standard error as it happens, the result to standard output, as JSON on request. Exit codes: 0,
1 the board is not as it should be, 2 the call or this computer is not, 3 no board answers, 4 refused for a reason.
"""

import contextlib
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from holdfast_deploy import audit as judge
from holdfast_deploy import deploy_shell as deploy
from holdfast_deploy import wear
from holdfast_deploy.answers import readable
from holdfast_deploy.files_shell import examples, packages
from holdfast_deploy.mpremote_shell import FAILED, UNREACHABLE, USAGE, Board, Trouble

UF2_HINT = (
    "A Raspberry Pi Pico takes no esptool: hold BOOTSEL while you plug it in and copy the .uf2 file to its disk, "
)
UF2_HINT += "or run: picotool load -x {image}"
# What a board says of itself, in the order in which people read it; MicroPython keeps none.
FIELDS = (
    *("version", "package", "copied", "removed"),
    *("machine", "micropython", "mpy", "heap_free", "flash", "flash_free", "block"),
    *("frozen", "crypto", "tokens", "aes", "provisioned", "boots", "problem", "problems"),
)
CHIPS = ("esp32", "esp32s2", "esp32s3", "esp32c3", "esp32c6")
AT_0X1000 = ("esp32", "esp32s2")  # where the boot loaders of the chips look for an image; the others begin at 0

port_option = click.option("--port", required=True, help="The board's serial port, such as /dev/ttyACM0.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
tree_option = click.option(
    "--tree",
    type=click.Path(path_type=Path, file_okay=False),
    default=packages,
    show_default="build/device, or what the wheel has",
    help="The packages for boards.",
)
file_type = click.Path(path_type=Path, exists=True, dir_okay=False)


def progress(said: str) -> None:
    """Say what is being done, to people and not to scripts; a board may have said it."""
    if said:
        click.echo(readable(said), err=True)


@contextlib.contextmanager
def stopped(port: str) -> Iterator[None]:
    """Say that the program of a board stops for what is done here, and start it again afterwards."""
    board = Board(port)
    progress("The program on the board stops for this, and starts again afterwards.")
    answers = True
    try:
        yield
    except Trouble as problem:
        answers = problem.exit_code != UNREACHABLE
        raise
    finally:
        if answers and not board.restart():
            progress("The board could not be reset: press its reset button.")


def show(words: dict[str, Any], as_json: bool) -> None:
    """Print a result."""
    if as_json:
        click.echo(json.dumps(words))
        return
    width = max(map(len, words))
    for name, value in words.items():
        click.echo(line(f"{name:<{width}}  ", text_of(value)))


def line(head: str, text: str) -> str:
    """A line of a table; what is wider than the terminal goes on below its own column."""
    width = max(shutil.get_terminal_size().columns, len(head) + 20)
    return textwrap.fill(
        readable(text),
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def text_of(value: object) -> str:
    """A value of a table as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{name} {text_of(inner)}" for name, inner in value.items())
    return "none" if value is None else str(value)


def people(words: dict[str, Any]) -> dict[str, Any]:
    """The same in the order of FIELDS, with the board's .mpy version and processor as people write them."""
    mpy = words["mpy"]
    ordered = {name: words[name] for name in sorted(words, key=FIELDS.index)}
    return {**ordered, "mpy": f"{mpy[0]}.{mpy[1]} {deploy.architecture(mpy) or 'bytecode only'}"}


@click.command()
@click.argument("image", type=file_type)
@port_option
@click.option("--chip", type=click.Choice(CHIPS), required=True, help="What is on the board.")
@click.option("--keep", is_flag=True, help="Do not erase the flash first: provisioning and state stay.")
@json_option
def flash(image: Path, port: str, chip: str, keep: bool, as_json: bool) -> None:
    """Write the MicroPython firmware IMAGE (.bin) to an ESP32.

    Everything on it is erased first, unless --keep is said. A Pico takes its .uf2 by its own boot loader.
    """
    if image.suffix == ".uf2":
        raise Trouble(UF2_HINT.format(image=image), USAGE)
    deploy.flash(port, image, chip, "0x1000" if chip in AT_0X1000 else "0", not keep, progress)
    if as_json:
        show({"image": str(image), "chip": chip, "erased": not keep}, as_json)
        return
    click.echo(f"Wrote {image.name}. Next: holdfast device push --port {port}")


@click.command()
@port_option
@tree_option
@click.option("--main", type=file_type, help="Your program: it becomes /main.py, which runs at each start.")
@json_option
def push(port: str, tree: Path, main: Path | None, as_json: bool) -> None:
    """Install the device package on a board.

    It goes under /lib, with the C core where there is one for the board; what is there already stays, and every file is
    compared by its SHA-256.
    """
    with stopped(port):
        words = people(deploy.push(port, tree, main, progress))
    if as_json:
        click.echo(json.dumps(words))
        return
    click.echo(f"Holdfast {words['version']} ({words['package']}) is on the board: {words['copied']} files copied.")
    click.echo(f"Next: holdfast device provision NAME --server DIR --port {port}")


@click.command()
@port_option
@tree_option
@json_option
def verify(port: str, tree: Path, as_json: bool) -> None:
    """Compare a board with what was built.

    Says also for whom it is provisioned. Exit code 1: it is not as it should be, and what to do stands last.
    """
    with stopped(port):
        words = people(deploy.verify(port, tree))
    show(words, as_json)
    if not words["problems"]:
        return
    if any(problem == deploy.NO_PACKAGE or problem.endswith(deploy.AMISS) for problem in words["problems"]):
        progress(f"Next: holdfast device push --port {port}")
    elif deploy.NOT_PROVISIONED in words["problems"]:
        progress(f"Next: holdfast device provision NAME --server DIR --port {port}")
    sys.exit(FAILED)


@click.command()
@port_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def wipe(port: str, yes: bool, as_json: bool) -> None:
    """Factory reset: a board forgets its keys and counters.

    What it was told and remembers is removed, and where it was is written over. The package and /main.py stay.
    """
    if not yes:
        if not sys.stdin.isatty():
            raise Trouble("Wiping cannot be taken back: say --yes.", USAGE)
        if not click.confirm("The board forgets its keys and counters; this cannot be taken back. Wipe it?"):
            raise Trouble("Nothing was wiped.", FAILED)
    with stopped(port):
        deploy.wipe(port, progress)
    if as_json:
        show({"wiped": True}, as_json)
        return
    click.echo("Wiped: nothing of what the board was told or remembered is left.")


@click.command()
@click.option("--port", help="The board's serial port; without it only the flash wear is told.")
@click.option("--boots", type=click.FloatRange(0), default=1, show_default=True, help="Power cuts and resets a day.")
@click.option("--tokens", type=click.FloatRange(0), default=10, show_default=True, help="Tokens accepted a day.")
@click.option(
    "--exi-share", type=click.FloatRange(0, 1), default=0, show_default=True, help="Of a day with exi tokens."
)
@click.option("--messages", type=click.FloatRange(0), default=0, show_default=True, help="To the server, a day.")
@click.option("--sleep", "sleep_s", type=click.FloatRange(1), help="Seconds from one waking to the next, if it sleeps.")
@click.option("--blocks", type=click.IntRange(1), help="Free blocks of littlefs.  [asked of the board, or 64]")
@json_option
def audit(
    port: str | None,
    boots: float,
    tokens: float,
    exi_share: float,
    messages: float,
    sleep_s: float | None,
    blocks: int | None,
    as_json: bool,
) -> None:
    """Check a board, and say what no board can protect.

    Says also how long its flash lasts with so many saves a day. Exit code 1: something can be mended.
    """
    report = None
    if port is not None:
        with stopped(port):
            report = deploy.audit(port)
    found = [] if report is None else judge.findings(report)
    if blocks is None:
        blocks = (
            64 if report is None or report["flash_free"] is None else max(1, report["flash_free"] // wear.BLOCK_LEN)
        )
    saves = wear.saves_per_day(boots, tokens, exi_share, messages, sleep_s)
    if as_json:
        checks = [{"level": level, "says": sentence} for level, sentence in found]
        worn = {**wear.wear(saves, "littlefs", blocks), "blocks": blocks, "cycles": wear.CYCLES}
        click.echo(json.dumps({"checks": checks, "cannot": judge.UNPROTECTED, "wear": worn}))
    else:
        _lines([*found, *((judge.CANNOT, sentence) for sentence in judge.UNPROTECTED)])
        click.echo(f"wear, where a block of {wear.BLOCK_LEN} bytes lasts {wear.CYCLES} erases:")
        for sentence in wear.lines(saves, {"littlefs": blocks}):
            click.echo(line("  ", sentence))
    if any(level == judge.PROBLEM for level, _ in found):
        sys.exit(FAILED)


def _lines(found: list[tuple[str, str]]) -> None:
    for level, sentence in found:
        click.echo(line(f"{level:<8} ", sentence))


@click.command("examples")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write; it must be new.")
@json_option
def show_examples(out: Path | None, as_json: bool) -> None:
    """List the example programs, or write them to a folder.

    Those in boards/ are for boards, as /main.py; the others run here too.
    """
    names = sorted(path.relative_to(examples()).as_posix() for path in examples().rglob("*.py"))
    if out is None:
        if as_json:
            show({"examples": names, "folder": None}, as_json)
            return
        for name in names:
            click.echo(name)
        return
    if out.exists():
        raise Trouble(f"{out} exists: name a folder that is not there yet.", USAGE)
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(examples() / name, out / name)
    if as_json:
        show({"examples": names, "folder": str(out)}, as_json)
        return
    click.echo(f"Wrote {len(names)} programs. Next: holdfast device push --main {out}/boards/door_lock.py --port PORT")


COMMANDS: tuple[click.Command, ...] = (flash, push, verify, wipe, audit, show_examples)


def provision_board(
    port: str, file: Path, force: bool, tell: Callable[[str], object] = progress, *, quiet: bool = False
) -> None:
    """Put a provisioning file on a board (deploy_shell.py)."""
    deploy.provision(port, file, force, tell)
    if not quiet:
        click.echo(f"The board is provisioned. Next: holdfast device verify --port {port}")


def board_status(port: str, as_json: bool) -> None:
    """Print what the board says of itself."""
    with stopped(port):
        words = people(deploy.status(port))
    show(words, as_json)
