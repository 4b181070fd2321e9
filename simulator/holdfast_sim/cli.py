"""`holdfast sim`: play the two stories on this machine, with real processes, and check what must hold."""

import json
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from holdfast_sim.report import EXIT_FAILED, EXIT_UNREACHABLE, document, line_text, summary, verdict_text
from holdfast_sim.tubes_shell import AUTO, CORES, KINDS, ON_THIS_MACHINE

if TYPE_CHECKING:
    from holdfast_sim.ladder import Line
    from holdfast_sim.stage_shell import Stage

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
keep_option = click.option("--keep", is_flag=True, help="Keep the run's directory, which holds keys, and say where.")


@click.group()
def group() -> None:
    """See it all on this machine: real server, real devices, real datagrams, and what must be refused.

    \b
    Exit codes: 0 everything held; 1 a check failed; 2 usage; 3 a part could not start or did not answer.
    """  # noqa: D301 - the mark by which click keeps lines as they are


@group.command()
@json_option
@keep_option
@click.pass_obj
def ekg(provisioned: Any, as_json: bool, keep: bool) -> None:
    """A doctor reads an EKG machine: consent, token by reference, introspection, OSCORE."""
    from holdfast_sim.story_ekg_shell import run_ekg

    _play(run_ekg, provisioned, as_json=as_json, keep=keep)


@group.command()
@click.option(
    "--tube",
    "kind",
    type=click.Choice(KINDS),
    default=ON_THIS_MACHINE,
    show_default=True,
    help="What the tubes run on: MicroPython here, or firmware on an emulated board (scripts/firmware.sh).",
)
@click.option(
    "--core",
    type=click.Choice(CORES),
    default=AUTO,
    show_default=True,
    help="What the tubes compute with: Python alone, the C core, or the C core if it is built.",
)
@json_option
@keep_option
@click.pass_obj
def tube(provisioned: Any, kind: str, core: str, as_json: bool, keep: bool) -> None:
    """The EKG reads a test tube, on MicroPython, that never talks to the server: token exchange, nested CWT."""
    from holdfast_sim.story_tube_shell import run_tube

    _play(partial(run_tube, kind=kind, core=core), provisioned, as_json=as_json, keep=keep)


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
    finally:
        signal.signal(signal.SIGTERM, before)
    verdicts = stage.checks.verdicts
    if as_json:
        click.echo(json.dumps(document(stage.story, stage.lines, verdicts, stage.seconds), indent=2))
    else:
        click.echo("\nWhat must hold")
        for verdict in verdicts:
            click.secho(verdict_text(verdict), fg=None if verdict.ok else "red")
        click.secho(f"\n{stage.story}: {summary(verdicts, stage.seconds)}", bold=True)
    if keep:
        click.echo(f"Kept {stage.directory}: it holds keys, so delete it.", err=True)
    if not stage.checks.ok:
        raise click.exceptions.Exit(EXIT_FAILED)


def _say_nothing(_lines: "list[Line]") -> None:
    pass


def _say_lines(lines: "list[Line]") -> None:
    for line in lines:
        click.secho(line_text(line), bold=line.kind == "chapter", dim=line.kind == "note")
