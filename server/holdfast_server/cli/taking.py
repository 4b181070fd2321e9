"""What every command does that takes something away: it asks first, and says what it cannot take back.

A reference token ends here at once.  A token that a device checks alone ends when it says: no device asks about it.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cbor2
import click

from holdfast_core import labels as L
from holdfast_core.kinds import REFERENCE
from holdfast_server.cli.command import Admin, opened, show, unknown
from holdfast_server.process.problem import Failed, Problem
from holdfast_server.records import RegistryError, TokenRecord
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


def tokens_of(admin: Admin, kind: str, party_id: str) -> list[TokenRecord]:
    """The live tokens that go with a client, an rs or a user, and what was exchanged for them. Raises Problem."""
    store, now_s = admin.store, admin.now_s
    if kind == "client" and store.client(party_id) is not None:
        return store.live_tokens(now_s, client_id=party_id)
    if kind == "user" and store.user(party_id) is not None:
        return store.live_tokens(now_s, user_id=party_id)
    rs = store.resource_server(party_id) if kind == "rs" else None
    if rs is None:
        raise unknown(kind, party_id)
    return store.live_tokens(now_s, audiences=rs.audiences)


GOES_WITH = {
    "client": "Its secret, its context and its rights go with it",
    "rs": "Its keys and its context go with it",
    "user": "Their password and their rights go with them",
}


def remove(state: Path, kind: str, party_id: str, *, yes: bool, as_json: bool) -> None:
    """Remove a client, an rs or a user, and say what of it goes on. Raises Problem, Failed."""
    with opened(state) as admin:
        tokens_of(admin, kind, party_id)
    be_sure(f"Remove {party_id}? {GOES_WITH[kind]}.", yes=yes)  # the database is closed meanwhile
    with opened(state) as admin:
        tokens = still_taken(tokens_of(admin, kind, party_id))
        go_through(admin.registry.removing(admin.now_s, **{f"{kind}_id": party_id}))
    if as_json:
        show({f"{kind}_id": party_id, "removed": True, "still_taken": tokens}, as_json=True)
        return
    click.echo(f"Removed {party_id}.")
    say_still_taken(tokens)


def lock(state: Path, kind: str, party_id: str, *, disabled: bool, as_json: bool) -> None:
    """Lock or unlock a client, an rs or a user, and say what of it goes on. Raises Problem."""
    with opened(state) as admin:
        tokens = still_taken(tokens_of(admin, kind, party_id)) if disabled else []
        try:
            go_through(admin.registry.locking(disabled, admin.now_s, **{f"{kind}_id": party_id}))
        except RegistryError:
            raise unknown(kind, party_id) from None
    if as_json:
        show({f"{kind}_id": party_id, "disabled": disabled, "still_taken": tokens}, as_json=True)
        return
    click.echo(f"{'Locked' if disabled else 'Unlocked'} {party_id}.")
    say_still_taken(tokens)


def go_through(steps: Iterator[None]) -> None:
    """Take the steps, and let a running server in between: SQLite gives its lock to who asks just then."""
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
