"""What every command does that takes something away: it asks first, and says what it cannot take back.

A reference token ends here at once.  A token that a device checks alone ends when it says: no device asks about it.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import cbor2
import click

from holdfast_core import labels as L
from holdfast_core.cli import Failed, Problem
from holdfast_core.kinds import REFERENCE
from holdfast_server.records import TokenRecord
from holdfast_server.web.pages import words_of_duration
from holdfast_server.wire.readable import when

PAUSE_S = 0.03

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def is_terminal() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


def be_sure(question: str, *, yes: bool, always: bool = True) -> None:
    """Ask on a terminal; where nobody can be asked --yes must say so, or with always=False nothing does.

    Raises Problem without a terminal, Failed when the answer is no.
    """
    if yes:
        return
    if not is_terminal():
        if always:
            raise Problem(f"{question} Nobody can be asked here: say --yes.")
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        raise Failed("Nothing was changed.")


def go_through(steps: Iterator[None]) -> None:
    """Take the steps, and let a running server in between: SQLite gives its lock to a process that asks just then."""
    for _ in steps:
        time.sleep(PAUSE_S)


def still_taken(tokens: Iterable[TokenRecord]) -> list[dict[str, Any]]:
    """Where revoked tokens may still be taken, as data: a row for each audience.

    until: when the last of them is over; exi_s: the longest life from its first use that one of them has, or 0.
    """
    rows: dict[str, dict[str, Any]] = {}
    ends: dict[str, int] = {}
    for token in tokens:
        if token.token_format == REFERENCE:
            continue
        row = rows.setdefault(token.audience, {"audience": token.audience, "tokens": [], "until": "", "exi_s": 0})
        row["tokens"].append(token.token_id)
        row["exi_s"] = max(row["exi_s"], cbor2.loads(token.claims).get(L.CLAIM_EXI, 0))
        ends[token.audience] = max(ends.get(token.audience, 0), token.expires_at)
        row["until"] = when(ends[token.audience])
    return list(rows.values())


def say_still_taken(rows: list[dict[str, Any]]) -> None:
    """Say the same to a person."""
    for row in rows:
        numbers = row["tokens"]
        what = f"token {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} of them"
        line = f"{row['audience']} checks tokens without asking here and may still take {what} until {row['until']}"
        if row["exi_s"]:
            line += f", and without a clock for {words_of_duration(row['exi_s'])} from the first use"
        click.echo(line + ".")
