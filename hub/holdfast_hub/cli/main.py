"""`holdfast hub`: make a hub, run it, look at it."""

import click

from holdfast_hub.cli.advise import advise
from holdfast_hub.cli.check import check
from holdfast_hub.cli.init import init
from holdfast_hub.cli.run import run
from holdfast_hub.cli.spool import spool
from holdfast_hub.cli.status import devices, drain, status


@click.group()
def group() -> None:
    """Run the edge gateway: what devices need passes through it, and it can neither read nor forge it.

    \b
    A hub from nothing:
      export HOLDFAST_HUB_CONFIG=DIR/hub.toml
      holdfast hub init --state DIR/state
      holdfast hub check
      holdfast hub run
      holdfast hub devices          (from another terminal)

    `holdfast --help` says what the exit codes mean: 1, what was asked for did not succeed; 2, the call or the
    configuration is wrong; 3, no hub answers.
    """  # noqa: D301 - the mark by which click keeps lines as they are


for part in (init, run, check, status, devices, spool, drain, advise):
    group.add_command(part)
