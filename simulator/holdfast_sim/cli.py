"""`holdfast sim`: play the two stories on this machine, with real processes, and check what must hold."""

import contextlib
import json
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from holdfast_core.cli import EXIT_FAILED, EXIT_UNREACHABLE, MissingRole
from holdfast_sim.report import document, line_text, summary, verdict_text
from holdfast_sim.targets import TARGETS
from holdfast_sim.tubes_shell import AUTO, CORES, KINDS, ON_CPYTHON, ON_THIS_MACHINE

if TYPE_CHECKING:
    from holdfast_sim.ladder import Line
    from holdfast_sim.stage_shell import Stage

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
hub_option = click.option("--hub", is_flag=True, help="Put a real hub between the devices and everybody else.")
keep_option = click.option("--keep", is_flag=True, help="Keep the run's directory, which holds keys, and say where.")


@click.group()
def group() -> None:
    """See it all on this machine: real server, real devices, real datagrams, and what must be refused.

    `holdfast --help` says what the exit codes mean: 1, a check failed; 3, a part did not start, did not
    answer, or the run was stopped.
    """


@group.command()
@hub_option
@json_option
@keep_option
@click.pass_obj
def ekg(provisioned: Any, hub: bool, as_json: bool, keep: bool) -> None:
    """A doctor reads an EKG machine. Consent, token by reference, introspection, OSCORE."""
    with _installed():
        from holdfast_sim.story_ekg_shell import run_ekg

    _play(partial(run_ekg, hub=hub), provisioned, as_json=as_json, keep=keep)


@group.command()
@click.option(
    "--tube",
    "kind",
    type=click.Choice(KINDS),
    metavar="KIND",
    default=ON_THIS_MACHINE,
    show_default=True,
    help=f"What the tubes run on: {ON_THIS_MACHINE} or {ON_CPYTHON} here, or firmware on an emulated board "
    f"(scripts/firmware.sh KIND): "
    f"{', '.join(TARGETS)}.",
)
@click.option(
    "--core",
    type=click.Choice(CORES),
    default=AUTO,
    show_default=True,
    help="What the tubes compute with: Python alone, the C core, or the C core if it is built.",
)
@hub_option
@json_option
@keep_option
@click.pass_obj
def tube(provisioned: Any, kind: str, core: str, hub: bool, as_json: bool, keep: bool) -> None:
    """The EKG reads a test tube that is never online.

    The tube runs on MicroPython and never talks to the server: token exchange, nested CWT, an end by power cut.
    """
    with _installed():
        from holdfast_sim.story_tube_shell import run_tube

    _play(partial(run_tube, kind=kind, core=core, hub=hub), provisioned, as_json=as_json, keep=keep)


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    """The stories want what the other roles and the app are made of: say what is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingRole("sim", (error.name or "a module").partition(".")[0]) from None


def _play(run: "Callable[..., Stage]", provisioned: Any, *, as_json: bool, keep: bool) -> None:
    from holdfast_sim.process_shell import PartFailed

    more = {} if provisioned is None else {"provisioned": provisioned}
    # A run that is told to stop must still end its parts: turn the signal into an exception.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_UNREACHABLE))
    try:
        stage = run(_say_nothing if as_json else _say_lines, keep=keep, **more)
    except PartFailed as failed:
        click.echo(f"Error: {failed}", err=True)
        raise click.exceptions.Exit(EXIT_UNREACHABLE) from None
    except KeyboardInterrupt:
        click.echo("Error: Stopped before the end; no check has failed.", err=True)
        raise click.exceptions.Exit(EXIT_UNREACHABLE) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    verdicts = stage.checks.verdicts
    if as_json:
        click.echo(json.dumps(document(stage.story, stage.lines, verdicts, stage.seconds), indent=2))
    else:
        click.echo("\nWhat must hold")
        for verdict in verdicts:
            click.secho(_fitted(verdict_text(verdict), 12), fg=None if verdict.ok else "red")
        click.secho(f"\n{stage.story}: {summary(verdicts, stage.seconds)}", bold=True)
    if keep:
        click.echo(f"Kept {stage.directory}: it holds keys, so delete it.", err=True)
    if not stage.checks.ok:
        raise click.exceptions.Exit(EXIT_FAILED)


_INDENTS = {"chapter": 2, "note": 8}  # of what goes on below; in a step, under what was sent


def _fitted(text: str, indent: int) -> str:
    """On a terminal, what is wider than that goes on below, indented; in a file every step stays one line."""
    if not sys.stdout.isatty():
        return text
    width, below = max(shutil.get_terminal_size().columns, 80), " " * indent
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


def _say_nothing(_lines: "list[Line]") -> None:
    pass


def _say_lines(lines: "list[Line]") -> None:
    for line in lines:
        click.secho(
            _fitted(line_text(line), _INDENTS.get(line.kind, 40)), bold=line.kind == "chapter", dim=line.kind == "note"
        )
