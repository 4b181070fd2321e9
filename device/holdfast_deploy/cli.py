"""`holdfast device`: provision a device from a server's state, show what it was told, run one on this machine.

Never prints what a provisioning file holds beyond names and key ids, and never imports the server: it calls the
server's own command (RFC 9200 section 6.3).
"""

import importlib.util
import json
import platform
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast_core.cli import DISTRIBUTION
from holdfast_core.crypto import PROVIDER
from holdfast_core.p256_table import GEOMETRIES
from holdfast_core.token_check import PATH
from holdfast_deploy.board_commands_shell import COMMANDS, board_status, line, provision_board, stopped, text_of
from holdfast_deploy.deploy_shell import check_free
from holdfast_deploy.deploy_shell import shred as shred_file
from holdfast_deploy.mpremote_shell import USAGE
from holdfast_device.bugs_shell import described

if TYPE_CHECKING:
    from holdfast_core.provisioning import Provisioning


# The installed command may have another name or no place in PATH; its module is always there.
_HOLDFAST = (sys.executable, "-m", "holdfast_core.cli")


class Trouble(click.ClickException):
    """What is wrong with the call or with this computer, and what to do about it, in one sentence."""

    exit_code = USAGE


@click.group()
def group() -> None:
    """Provision and run devices: resource servers, and clients of other devices.

    \b
    A board from nothing:
      holdfast device flash IMAGE --chip esp32c3 --port PORT
      holdfast device push --main main.py --port PORT
      holdfast device provision NAME --server DIR --port PORT
      holdfast device verify --port PORT

    \b
    Or a device on this machine:
      holdfast device provision NAME --server DIR --out FILE
      holdfast device run FILE

    `holdfast --help` says what the exit codes mean: 1, the board is not as it should be; 3, no board answers.
    """  # noqa: D301 - the mark by which click keeps lines as they are


for _command in COMMANDS:
    group.add_command(_command)


@group.command()
@click.argument("name", required=False)
@click.option("--server", type=click.Path(path_type=Path, exists=True), help="The server's state.")
@click.option("--from", "source", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A file of --out.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write, mode 0600.")
@click.option("--port", help="The serial port of the board to write to.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.option("--shred", is_flag=True, help="Write over the file of --from and remove it once the board has it.")
@click.option(
    "--table",
    type=click.Choice([*GEOMETRIES, "none"]),
    default="2k",
    show_default=True,
    help="Multiples of the server's public key: a device with the C core then verifies several times as fast. "
    "The size is flash on the device, for each signing key.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def provision(
    name: str | None,
    server: Path | None,
    source: Path | None,
    out: Path | None,
    port: str | None,
    force: bool,
    shred: bool,
    table: str,
    as_json: bool,
) -> None:
    """Give a device its keys, its identity and its scopes.

    NAME is a resource server of the server whose state is at --server. The device is a board at --port, or gets what
    it needs in the file --out; --from FILE --port brings such a file to a board where the server is not at hand.
    """
    if (source is None) == (name is None or server is None) or (out is None) == (port is None):
        raise click.UsageError("Say NAME and --server, or --from; and --out, or --port.")
    if source is not None and out is not None:
        raise click.UsageError("--from goes with --port.")
    if port is None:
        _export(str(name), str(server), Path(str(out)), force, table, as_json=as_json)
        return
    if source is not None:
        provisioning = _read(source)
        with stopped(port):
            provision_board(port, source, force, quiet=as_json)
        if shred:
            shred_file(source)
        if as_json:
            click.echo(json.dumps({"identity": _identity(provisioning), "port": port, "shredded": shred}, indent=2))
        elif shred:
            click.echo(f"{source} is written over and removed.")
        else:
            click.echo(f"{source} holds the device's keys: remove it here, or say --shred.", err=True)
        return
    with stopped(port), tempfile.TemporaryDirectory() as folder:
        check_free(port, force)
        file = Path(folder) / "provisioning"
        _call_holdfast(
            ["server", "rs", "export", str(name), "--state", str(server), "--out", str(file), "--table", table]
        )
        try:
            provisioning = _read(file)
            provision_board(port, file, force, quiet=as_json)
        finally:
            shred_file(file)
    if as_json:
        click.echo(json.dumps({"identity": _identity(provisioning), "port": port}, indent=2))


def _export(name: str, server: str, out: Path, force: bool, table: str, *, as_json: bool) -> None:
    if out.exists() and not force:
        raise Trouble(f"{out} exists: remove it first, or say --force to replace it.")
    command = ["server", "rs", "export", name, "--state", server, "--out", str(out), "--table", table]
    _call_holdfast([*command, "--force"] if force else command)
    provisioning = _read(out)
    out.chmod(0o600)
    if as_json:
        click.echo(json.dumps({"identity": _identity(provisioning), "file": str(out)}, indent=2))
        return
    click.echo(f"Wrote {out} for {_identity(provisioning)}. It holds keys: move it to the device and delete it here.")
    click.echo(f"Next: holdfast device run {out}")


@group.command()
@click.option("--port", help="The serial port of a board to ask instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(port: str | None, as_json: bool) -> None:
    """Say what a device runs on, here or on a board.

    The interpreter, which code does the cryptography and checks tokens; of a board also its memory and provisioning.
    """
    if port is not None:
        board_status(port, as_json)
        return
    words = {
        "holdfast": version(DISTRIBUTION),
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "crypto": PROVIDER,
        "tokens": PATH,
    }
    if as_json:
        click.echo(json.dumps(words, indent=2))
        return
    for name, value in words.items():
        click.echo(f"{name:<11}  {value}")


@group.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(file: Path, as_json: bool) -> None:
    """Show what a provisioning FILE tells a device. None of its secrets is shown."""
    words = _words(_read(file))
    if as_json:
        click.echo(json.dumps(words, indent=2))
        return
    width = max(map(len, words))
    for name, value in words.items():
        click.echo(line(f"{name:<{width}}  ", text_of(value)))


@group.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--app", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A file with setup().")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5683, show_default=True, help="0 takes a free one.")
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="Where to remember. [FILE.state]")
@click.option("--peer", "peers", multiple=True, metavar="AUDIENCE=HOST:PORT", help="Another resource server.")
@click.option(
    "--recheck", "recheck_s", type=click.IntRange(1, 86400), help="Ask the AS again after so many seconds. [60]"
)
@click.option("--no-clock", is_flag=True, help="Do not believe the system's time.")
@click.option("--trace", is_flag=True, help="Print one JSON line for each datagram.")
def run(
    file: Path,
    app: Path | None,
    host: str,
    port: int,
    state: Path | None,
    peers: tuple[str, ...],
    recheck_s: int | None,
    no_clock: bool,
    trace: bool,
) -> None:
    """Run the device that FILE describes until it is stopped.

    Without --app it serves each path of its scopes with its own name. Prints {"ready": PORT} when it can be asked;
    Ctrl-C ends it.
    """
    from holdfast_deploy import run_shell

    try:
        found = dict(map(run_shell.peer_of, peers))
    except run_shell.BadArgument as refused:
        raise Trouble(f"{refused.detail}.") from None
    options = run_shell.Options(
        *(str(file), host, port, "" if state is None else str(state)),
        recheck_ms=None if recheck_s is None else recheck_s * 1000,
        trace=trace,
        clock=not no_clock,
        peers=found,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be stopped is how it ends, so that is 0
    run_shell.run(options, None if app is None else _setup_of(app))


def _setup_of(app: Path) -> Any:
    spec = importlib.util.spec_from_file_location(app.stem, app)
    if spec is None or spec.loader is None:
        raise Trouble(f"{app} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise Trouble(f"{app} is no Python: {error.msg} in line {error.lineno}.") from None
    except ImportError as error:
        raise Trouble(f"{app} cannot be loaded: {error.msg}.") from None
    except Exception as error:  # noqa: BLE001 - a program may fail in any way
        raise Trouble(f"{app} cannot be loaded: {described(error)}") from None
    if not hasattr(module, "setup"):
        raise Trouble(f"{app} has no setup(device, options).")
    return module.setup


def _call_holdfast(arguments: list[str]) -> None:
    """Run another role's command as the program that it is; its refusal is ours."""
    done = subprocess.run(  # noqa: S603 - our own program, arguments as a list
        [*_HOLDFAST, *arguments],
        stdin=subprocess.DEVNULL,  # the caller has answered every question by calling this
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise Trouble(said[-1].removeprefix("Error: ") if said else "The server's command failed.")
    if done.stderr:
        click.echo(done.stderr.strip(), err=True)


def _read(file: Path) -> "Provisioning":
    from holdfast_core.errors import MalformedProvisioning
    from holdfast_core.provisioning import decode_provisioning

    try:
        return decode_provisioning(file.read_bytes())
    except MalformedProvisioning as refused:
        raise Trouble(f"{file} is no provisioning file ({refused}).") from None


def _identity(provisioning: "Provisioning") -> str:
    if provisioning.rs is not None:
        return provisioning.rs.audiences[0]
    return provisioning.client_id or "a device without a name"


def _words(provisioning: "Provisioning") -> dict[str, Any]:
    words: dict[str, Any] = {
        "identity": _identity(provisioning),
        "issuer": provisioning.issuer,
        "as_uri": provisioning.as_uri,
    }
    if provisioning.client_id is not None:
        words["client_id"] = provisioning.client_id
    if provisioning.rs is not None:
        words["audiences"] = list(provisioning.rs.audiences)
        words["scopes"] = sorted(provisioning.rs.scopes)
        words["formats"] = list(provisioning.rs.formats)
        words["connected"] = provisioning.rs.connected
        words["freshness"] = provisioning.rs.freshness
        words["token_shape"] = provisioning.rs.token_shape
    words["keys"] = [f"{key.role}:{key.kid.hex()}" for key in provisioning.keys]
    words["table_bytes"] = sum(len(key.table) for key in provisioning.keys if key.table is not None)
    words["as_context"] = None if provisioning.as_context is None else provisioning.as_context.sender_id.hex()
    words["time_floor_s"] = provisioning.time_floor_s
    words["edition"] = provisioning.edition
    words["max_sessions"] = provisioning.max_sessions
    return words
