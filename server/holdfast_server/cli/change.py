"""What every command says that changes a record: the record now, its tokens, and which devices must be told.

Never changes anything itself: changes.py does.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from holdfast_core.terminal_shell import as_text, json_option, show
from holdfast_server.authz.changes import Outcome, Scopes, Settling, with_more, without
from holdfast_server.authz.exports import NEXT_KEY
from holdfast_server.cli.allow import allowances, warn_of_strangers
from holdfast_server.cli.command import Admin, opened, state_option
from holdfast_server.cli.taking import go_through, say_still_taken, still_taken
from holdfast_server.wire.readable import client_words, scope_words, user_words, when


@dataclass(frozen=True, slots=True)
class Change:
    """A changed record, what became of its tokens, and the devices that must be told."""

    words: dict[str, Any]
    outcome: Outcome
    outdated: list[dict[str, Any]]


def change_of(admin: Admin, words: dict[str, Any], settling: Settling, devices: Iterable[str] = ()) -> Change:
    """Settle what a change means for tokens. devices: the resource servers that it may have touched."""
    go_through(settling.steps())
    outdated = [row for row in (provision_words(admin, rs_id) for rs_id in devices) if row is not None]
    return Change(words, settling.outcome, outdated)


def show_change(change: Change, *, as_json: bool) -> None:
    """Print a change. The state is closed by then: what an output refuses is no fault of the state directory."""
    words, outcome, outdated = change.words, change.outcome, change.outdated
    taken = still_taken(outcome.revoked)
    if as_json:
        narrowed = [{"token": token.token_id, "scope": scope_words(token.scope)} for token in outcome.narrowed]
        revoked = [token.token_id for token in outcome.revoked]
        more = {"tokens_narrowed": narrowed, "tokens_revoked": revoked, "still_taken": taken}
        click.echo(json.dumps({**words, **more, "provision_again": outdated}, indent=2))
        return
    show(words, as_json=False)
    for verb, tokens in (("Narrowed", outcome.narrowed), ("Revoked", outcome.revoked)):
        if tokens:
            click.echo(f"{verb} {len(tokens)} {'token' if len(tokens) == 1 else 'tokens'} that allowed more.")
    say_still_taken(taken)
    for row in outdated:
        click.echo(
            f"{row['rs_id']} needs `holdfast device provision` again ({as_text(row['because'])}); until then it "
            f"goes by what it was told at {row['exported']}."
        )
    if not outdated:
        click.echo("No device needs to be provisioned again.")


def finish_before(admin: Admin, kind: str, party_id: str) -> None:
    """Before a change of a client, an rs or a user, finish the one before, which may have been interrupted."""
    go_through(admin.changes.unsettled(admin.now_s, **{f"{kind}_id": party_id}).steps())


def provision_words(admin: Admin, rs_id: str) -> dict[str, Any] | None:
    """Why a device must be provisioned again, or None: what it was told is so still, or it was never told anything."""
    last = admin.store.export(rs_id)
    because = [part for part in admin.exports.outdated(rs_id, admin.now_s) or [] if part != NEXT_KEY]
    if last is None or not because:
        return None
    return {"rs_id": rs_id, "because": because, "exported": when(last.exported_at)}


def rights_commands(group: click.Group, kind: str, who: str) -> None:
    """Add `allow` and `deny` to a group. kind: client or user."""

    @group.command("allow", help=f"Let {who} have more. It counts from the next request on.")
    @click.argument(f"{kind}_id")
    @click.argument("rights", metavar="AUDIENCE=SCOPE[,SCOPE]...", nargs=-1, required=True)
    @state_option
    @json_option
    def allow(rights: tuple[str, ...], state: Path, as_json: bool, **party: str) -> None:
        more = allowances(rights, "A right")
        with opened(state) as admin:
            warn_of_strangers(admin, more)
            change = _change_rights(admin, kind, party[f"{kind}_id"], "allowed", more, lambda has: with_more(has, more))
        show_change(change, as_json=as_json)

    @group.command(
        "deny",
        help=f"Let {who} have less. A token that is asked about here says less from now on. A token is revoked when "
        "nothing of it is left, or when a device checks it alone. AUDIENCE without scopes: all of them.",
    )
    @click.argument(f"{kind}_id")
    @click.argument("rights", metavar="AUDIENCE[=SCOPE[,SCOPE]]...", nargs=-1, required=True)
    @state_option
    @json_option
    def deny(rights: tuple[str, ...], state: Path, as_json: bool, **party: str) -> None:
        less = allowances(tuple(text for text in rights if "=" in text), "A right")
        less |= dict.fromkeys((text for text in rights if "=" not in text), ())
        with opened(state) as admin:
            _warn_of_nothing(admin, kind, party[f"{kind}_id"], less)
            change = _change_rights(admin, kind, party[f"{kind}_id"], "denied", less, lambda has: without(has, less))
        show_change(change, as_json=as_json)


def _warn_of_nothing(admin: Admin, kind: str, party_id: str, less: Scopes) -> None:
    """Say which denied rights the party does not have: a misspelt one takes nothing away."""
    record = admin.registry.client(party_id) if kind == "client" else admin.registry.user(party_id)
    for audience, names in less.items():
        has = record.scopes.get(audience, ())
        for right in [f"{audience}={name}" for name in names if name not in has] if names else [audience] * (not has):
            click.echo(f"Note: {party_id} was not allowed {right}, so nothing of it is taken away.", err=True)


def _change_rights(
    admin: Admin,
    kind: str,
    party_id: str,
    verb: str,
    rights: Scopes,
    changed: Callable[[Scopes], Scopes],
) -> Change:
    what = "; ".join(f"{audience}={','.join(names) or '*'}" for audience, names in rights.items())
    event = f"{kind}-{verb}"
    finish_before(admin, kind, party_id)
    with admin.store.transaction():
        if kind == "client":
            client = admin.registry.client(party_id)
            after = replace(client, scopes=changed(client.scopes))
            settling, words = admin.changes.client(after, admin.now_s, event, what), client_words(after)
        else:
            user = admin.registry.user(party_id)
            person = replace(user, scopes=changed(user.scopes))
            settling, words = admin.changes.user(person, admin.now_s, event, what), user_words(person)
    return change_of(admin, words, settling)
