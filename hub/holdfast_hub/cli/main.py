"""`holdfast hub`: the group of the edge gateway's commands."""

import click

from holdfast_hub.cli.spool import spool


@click.group()
def group() -> None:
    """Run the edge gateway: what devices need passes through it, and it can neither read nor forge it."""


group.add_command(spool)
