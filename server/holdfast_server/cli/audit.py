"""`holdfast server audit`: who was given or refused what, by whom and from where.

Never holds a secret or anything that a peer sent: ids are the registry's, reasons are constant text.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from holdfast_core.cli import Problem
from holdfast_core.terminal_shell import json_option, show_all
from holdfast_server.cli.command import opened, state_option
from holdfast_server.wire.readable import audit_words

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBERS = ("client_number", "rs_number", "user_number")


@click.command()
@click.option("--since", metavar="TIME|AGE", help="From 2026-01-31, 2026-01-31T13:00:00Z, or for the last 30m, 2h, 7d.")
@click.option("--client", "client_id", help="What this client did, and what was done to it.")
@click.option("--rs", "rs_id", help="What has to do with this resource server.")
@click.option("--user", "user_id", help="What was done in this person's name, and what was done to them.")
@click.option("--event", "events", multiple=True, help="Only events of this name. May be repeated.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many at most.")
@state_option
@json_option
def audit(
    since: str | None,
    client_id: str | None,
    rs_id: str | None,
    user_id: str | None,
    events: tuple[str, ...],
    limit: int,
    state: Path,
    as_json: bool,
) -> None:
    """Show who was given or refused what, newest first.

    A name may have belonged to one after the other: the numbers in --json tell them apart, since no number is ever
    given twice.
    """
    with opened(state) as admin:
        rows = admin.store.audit_rows(
            limit,
            since_s=0 if since is None else time_of(since, admin.now_s),
            client_id=client_id,
            rs_id=rs_id,
            user_id=user_id,
            events=events,
        )
        known = admin.store.audit_events() if events and not rows else []
    for name in dict.fromkeys(events) if known else ():
        if name not in known:
            click.echo(f'Note: no event in this audit is called "{name}". It holds: {", ".join(known)}.', err=True)
    words = [audit_words(row) for row in rows]
    if not as_json:
        words = [{name: value for name, value in row.items() if name not in _NUMBERS} for row in words]
    show_all(words, as_json=as_json, nothing="Nothing of this kind has happened.")


def time_of(text: str, now_s: int) -> int:
    """Unix seconds of a time in ISO 8601 (UTC when it names no zone) or of an age such as 2h. Raises Problem."""
    age = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if age is not None:
        return now_s - int(age[1]) * _UNITS[age[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(f'--since must look like "2026-01-31", "2026-01-31T13:00:00Z" or "2h", not "{text}".') from None
    return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())
