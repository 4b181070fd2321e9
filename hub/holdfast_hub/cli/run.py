"""`holdfast hub run`: the hub itself, until it is stopped."""

import signal
from pathlib import Path

import click

from holdfast_hub.cli.command import config_option, configured, problems, set_option, state_option


@click.command()
@config_option
@state_option
@set_option
@click.option("--trace", is_flag=True, help="Print a line of JSON for each datagram: sizes and codes, no content.")
def run(config: Path, state: Path | None, sets: tuple[str, ...], trace: bool) -> None:
    """Run until stopped. Prints {"ready": ...} with the ports when it can be used.

    SIGHUP reads the devices again; SIGTERM finishes what is under way, drain_s seconds at most.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before there is anything to read again must not kill
    from holdfast_hub.process.run import serve  # noqa: PLC0415 - it takes a second, and only this command needs it

    in_force = configured(config, state, sets)
    with problems():
        serve(in_force, trace=trace)
