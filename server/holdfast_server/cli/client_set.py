"""`holdfast server client set`: change a client that is there. Its secret, its context and its live tokens stay.

What it may have is changed by `allow` and `deny` (cli/change.py).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from holdfast_core import labels as L
from holdfast_core.cli import Problem
from holdfast_core.terminal_shell import json_option
from holdfast_server.authz.grants import GRANT_RULES
from holdfast_server.cli.change import change_of, finish_before, show_change
from holdfast_server.cli.command import opened, state_option
from holdfast_server.cli.public_key import KEY_PROFILES, client_keys_option, read_public_key
from holdfast_server.wire.readable import client_words, grant_word

GRANT_WORDS = {grant_word(grant_type): grant_type for grant_type in GRANT_RULES}


@click.command("set")
@click.argument("client_id")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    type=click.Choice(list(GRANT_WORDS)),
    help="How it may ask from now on, instead of how it might. May be repeated.",
)
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    help="Where codes go, instead of those before. May be repeated.",
)
@click.option("--title", help="What people call it; the consent page says so. Empty: its id.")
@click.option(
    "--no-secret",
    is_flag=True,
    help="Forget its secret for HTTPS. See `client add --help`.",
)
@client_keys_option
@click.option("--narrow-scope/--whole-scope", "narrows", default=None, help="See `client add --help`.")
@click.option("--lenient/--strict", "lenient", default=None, help="See `client add --help`.")
@click.option("--token-type/--no-token-type", "token_type", default=None, help="See `client add --help`.")
@state_option
@json_option
def client_set(  # noqa: PLR0913, PLR0917 - one argument per option
    client_id: str,
    grants: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    title: str | None,
    no_secret: bool,
    public_keys: tuple[Path, ...],
    narrows: bool | None,
    lenient: bool | None,
    token_type: bool | None,
    state: Path,
    as_json: bool,
) -> None:
    """Change a client. Its secret, its context and what it still may have stay.

    Each value that no option names stays as it is. Tokens that it got in a way that is closed to it are revoked.
    """
    with opened(state) as admin:
        finish_before(admin, "client", client_id)
        with admin.store.transaction():
            record = admin.registry.client(client_id)
            changes: dict[str, Any] = {
                "grant_types": tuple(GRANT_WORDS[name] for name in grants) or None,
                "redirect_uris": redirect_uris or None,
                "title": title,
                "profiles": KEY_PROFILES if public_keys else None,
                "public_keys": tuple(map(read_public_key, public_keys)) or None,
                "narrows": narrows,
                "lenient": lenient,
                "tells_token_type": token_type,
            }
            changes = {name: value for name, value in changes.items() if value is not None}
            if no_secret:
                has_context = admin.store.oscore_party(client_id=client_id) is not None
                changes["public"] = is_public(changes.get("grant_types", record.grant_types), has_context=has_context)
                changes["secret_hash"] = None
            if not changes:
                raise Problem("Say what is to be changed: `holdfast server client set --help` names it.")
            after = replace(record, **changes)
            settling = admin.changes.client(after, admin.now_s, "client-changed", ", ".join(changes))
        change = change_of(admin, client_words(after), settling)
    show_change(change, as_json=as_json)


def is_public(grant_types: tuple[int, ...], *, has_context: bool) -> bool:
    """Whether a client without a secret is a public one, which redeems codes by PKCE alone (RFC 6749 section 2.1)."""
    return not has_context and set(grant_types) == {L.GRANT_AUTHORIZATION_CODE}
