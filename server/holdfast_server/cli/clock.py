"""`holdfast server clock`: what the server believes of the clock, and the operator's word that the clock is right."""

from pathlib import Path

import click

from holdfast_core.cli import Problem
from holdfast_core.terminal_shell import json_option, show
from holdfast_server.cli.command import opened, state_option
from holdfast_server.process.clock_watch import wall_s
from holdfast_server.wire.readable import when


@click.group()
def clock() -> None:
    """How far the server believes the clock.

    A server that does not believe it issues nothing, lets nobody log in and deletes nothing.
    """


@clock.command("show")
@state_option
@json_option
def clock_show(state: Path, as_json: bool) -> None:
    """Say whether the clock agrees with what was last seen of it."""
    now_s = wall_s()
    with opened(state) as admin:
        kept = admin.store.kept_clock()
    seen_s = None if kept is None else kept.seen_s
    if as_json:
        last = None if seen_s is None else when(seen_s)
        show({"now": when_or_number(now_s), "last_seen": last, "doubt": admin.clock_doubt or None}, as_json=True)
        return
    times = {"now": when(now_s), "last seen": "never" if seen_s is None else when(seen_s)}
    show({**times, "says": admin.clock_doubt or "agrees"}, as_json=False)


@clock.command("accept")
@state_option
@json_option
def clock_accept(state: Path, as_json: bool) -> None:
    """Say that the clock is right. A server that runs goes on within seconds.

    Say it when a wrong clock was put right, or when the server was off for more than 100 days.
    Look at `holdfast server clock show` first: tokens are made for the time that is accepted.
    """
    now_s = wall_s()
    with opened(state) as admin:
        settings = admin.config.settings
        if not settings.clock_floor_s <= now_s < settings.clock_ceiling_s:
            raise Problem(f"The clock says {when_or_number(now_s)}, which cannot be: set it first.")
        kept = admin.store.kept_clock()
        with admin.store.transaction():
            admin.store.accept_clock(now_s)
            admin.store.audit(now_s, "clock-accepted", reason="by-operator")
    if as_json:
        show({"accepted": when(now_s), "last_seen": None if kept is None else when(kept.seen_s)}, as_json=True)
        return
    seen = "never before" if kept is None else f"last at {when(kept.seen_s)}, {_apart(now_s - kept.seen_s)}"
    click.echo(f"Accepted {when(now_s)}. The server saw the time {seen}.")


def when_or_number(at_s: int) -> str:
    """A time in words, or as a number when no calendar has it."""
    try:
        return when(at_s)
    except (ValueError, OverflowError, OSError):
        return str(at_s)


def _apart(by_s: int) -> str:
    return f"{abs(by_s) // 86400} days and {abs(by_s) % 86400 // 60} minutes {'earlier' if by_s >= 0 else 'later'}"
