"""`holdfast server rs set`: change a resource server that is there. Its keys stay, and with them its device's.

Which of the changes a device must be told, this file does not know: exports.py compares.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import Problem
from holdfast_core.kinds import FORMATS, TOKEN_SHAPES
from holdfast_core.terminal_shell import json_option
from holdfast_server.cli.change import change_of, finish_before, show_change
from holdfast_server.cli.command import opened, state_option
from holdfast_server.cli.public_key import PROFILE_WORDS, profile_option, read_public_key, rs_key_option
from holdfast_server.records import HUB_LIFETIME_S, SEALED_FORMATS, ResourceServer
from holdfast_server.wire.readable import METHODS, rs_words

ScopeMapping = dict[str, tuple[tuple[str, int], ...]]


sealed_format_option = click.option(
    "--sealed-format",
    type=click.Choice(SEALED_FORMATS),
    help="For a device behind a hub: its clients hold references, and the hub gets a token of this format for one, "
    "which only the device can open (`client add --hub`).",
)
split_option = click.option(
    "--split/--whole",
    "is_split",
    default=None,
    help="For a device behind a hub: a client carries only the part of a token that proves; the hub has the rest.  "
    "[default: whole]",
)
hub_lifetime_option = click.option(
    "--hub-lifetime",
    "hub_lifetime_s",
    type=int,
    help="Seconds that a hub may go on with what it got before it asks again: so long works a token that was revoked, "
    f"and so long the hub needs no server.  [default: {HUB_LIFETIME_S}]",
)


@click.command("set")
@click.argument("rs_id")
@click.option(
    "--audience", "audiences", multiple=True, help="A name it answers to, instead of its former names. May be repeated."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="NAME=METHOD[,METHOD]:PATH",
    help="What NAME permits, instead of what it permitted; other names stay. May be repeated, also with one name.",
)
@click.option("--remove-scope", "removed", multiple=True, metavar="NAME", help="A name that it loses. May be repeated.")
@click.option("--format", "token_format", type=click.Choice(FORMATS), help="See `rs add --help`.")
@sealed_format_option
@split_option
@hub_lifetime_option
@click.option("--lifetime", "lifetime_s", type=int, help="Seconds a token lives; reference tokens end sooner at once.")
@click.option("--exi", "exi_s", type=int, help="Seconds from first use, for a device without a clock; 0: none.")
@click.option("--freshness/--no-freshness", default=None, help="Whether each token answers a number of the device's.")
@click.option("--token-shape", type=click.Choice(TOKEN_SHAPES), help="See `rs add --help`.")
@click.option("--clock/--no-clock", default=None, help="Whether the device knows what time it is.")
@click.option("--connected/--disconnected", default=None, help="Whether the device ever talks to this server.")
@click.option("--client", "client_id", help="The client that this device also is; it gets a new OSCORE context.")
@profile_option
@rs_key_option
@click.option("--title", help="What people call it; the consent page says so. Empty: its audience.")
@click.option("--scope-title", "scope_titles", multiple=True, metavar="NAME=TEXT", help="What people call a scope.")
@state_option
@json_option
def rs_set(  # noqa: PLR0913, PLR0917 - one argument per option
    rs_id: str,
    audiences: tuple[str, ...],
    scopes: tuple[str, ...],
    removed: tuple[str, ...],
    token_format: str | None,
    sealed_format: str | None,
    is_split: bool | None,
    hub_lifetime_s: int | None,
    lifetime_s: int | None,
    exi_s: int | None,
    freshness: bool | None,
    token_shape: str | None,
    clock: bool | None,
    connected: bool | None,
    client_id: str | None,
    profiles: tuple[str, ...],
    public_key: Path | None,
    title: str | None,
    scope_titles: tuple[str, ...],
    state: Path,
    as_json: bool,
) -> None:
    """Change a resource server. Its keys stay, and so do the rights that its clients still may have.

    Each value that no option names stays as it is. The command says when the device must be told,
    by `holdfast device provision`.
    """
    with opened(state) as admin:
        finish_before(admin, "rs", rs_id)
        with admin.store.transaction():
            record = admin.registry.resource_server(rs_id)
            named: dict[str, Any] = {
                "audiences": audiences or None,
                "scope_map": _scopes(record, scopes, removed),
                "token_format": token_format,
                "sealed_format": _sealed_format(token_format, sealed_format),
                "is_split": is_split,
                "hub_lifetime_s": hub_lifetime_s,
                "token_lifetime_s": lifetime_s,
                "exi_lifetime_s": exi_s,
                "freshness": freshness,
                "token_shape": token_shape,
                "clock": clock,
                "connected": True if client_id is not None else connected,
                "profiles": tuple(PROFILE_WORDS[profile] for profile in profiles) or None,
                "public_key": None if public_key is None else read_public_key(public_key),
                "title": title,
                "scope_titles": _titles(record, scope_titles, removed),
            }
            changes = {name: value for name, value in named.items() if value is not None}
            if not changes:
                raise Problem("Say what is to be changed: `holdfast server rs set --help` names it.")
            after = replace(record, **changes)
            settling = admin.changes.resource_server(after, admin.now_s, "rs-changed", ", ".join(changes), client_id)
            warn_of_timelessness(after)
        change = change_of(admin, rs_words(after), settling, [rs_id])
    show_change(change, as_json=as_json)


def _sealed_format(token_format: str | None, sealed_format: str | None) -> str | None:
    """What becomes of sealing: a device that is given a format of its own reads that."""
    return "" if token_format is not None and sealed_format is None else sealed_format


def scope_map(entries: tuple[str, ...]) -> ScopeMapping:
    """NAME=METHOD,METHOD:PATH to a scope map. Raises Problem."""
    scopes: ScopeMapping = {}
    for text in entries:
        name, equals, permission = text.partition("=")
        methods, colon, path = permission.partition(":")
        if not (name and equals and colon and path.startswith("/") and set(methods.split(",")) <= set(METHODS)):
            raise Problem(f'--scope must look like "read_ekg=GET,FETCH:/ekg", not "{text}".')
        mask = 0
        for method in methods.split(","):
            mask |= METHODS[method]
        scopes[name] = (*scopes.get(name, ()), (path, mask))
    return scopes


def scope_titles_of(entries: tuple[str, ...]) -> dict[str, str]:
    """NAME=TEXT to titles by scope name. Raises Problem."""
    titles = {}
    for text in entries:
        name, equals, title = text.partition("=")
        if not (name and equals):
            raise Problem(f'--scope-title must look like "read_ekg=Read the ECG", not "{text}".')
        titles[name] = title
    return titles


def warn_of_timelessness(record: ResourceServer) -> None:
    """Say what it means that a device without any idea of time takes tokens that nobody can call back."""
    if record.is_timeless:
        click.echo(
            f"Warning: {record.rs_id} has neither --exi, nor --freshness, nor --clock: a device without an idea of "
            "time takes a token that ended long ago.",
            err=True,
        )


def _scopes(record: ResourceServer, entries: tuple[str, ...], removed: tuple[str, ...]) -> ScopeMapping | None:
    if not entries and not removed:
        return None
    for name in removed:
        if name not in record.scope_map:
            raise Problem(f"{record.rs_id} has no scope {name}; it has {', '.join(sorted(record.scope_map))}.")
    kept = {name: permissions for name, permissions in record.scope_map.items() if name not in removed}
    return {**kept, **scope_map(entries)}


def _titles(record: ResourceServer, entries: tuple[str, ...], removed: tuple[str, ...]) -> dict[str, str] | None:
    if not entries and not removed:
        return None
    titles = {**record.scope_titles, **scope_titles_of(entries)}
    return {name: title for name, title in titles.items() if title and name not in removed}
