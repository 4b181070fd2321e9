"""`holdfast server client`: add, list, show, lock and remove the apps and devices that ask for tokens.

A generated secret is printed once, when it is made, and cannot be asked for again.
"""

from pathlib import Path

import click

from holdfast_core import labels as L
from holdfast_core.cli import Problem
from holdfast_core.provisioning import encode_provisioning
from holdfast_core.secret import Secret
from holdfast_core.terminal_shell import json_option, show, show_all, write_private
from holdfast_server.cli.allow import allow_option, allowances, warn_of_strangers
from holdfast_server.cli.change import rights_commands
from holdfast_server.cli.client_set import GRANT_WORDS, client_set, is_public
from holdfast_server.cli.command import opened, state_option
from holdfast_server.cli.party import PartyHelp, party_commands
from holdfast_server.cli.public_key import KEY_PROFILES, client_keys_option, read_public_key
from holdfast_server.records import Client
from holdfast_server.wire.readable import usage_words


@click.group()
def client() -> None:
    """Apps and devices that ask for tokens."""


@client.command("add")
@click.argument("client_id")
@click.option(
    "--grant",
    "grants",
    multiple=True,
    type=click.Choice(list(GRANT_WORDS)),
    help="How the client may ask: for a person, for itself, or on the authority of another token. May be repeated.",
)
@click.option(
    "--hub",
    "is_hub",
    is_flag=True,
    help="An edge gateway in place of a --grant: it completes the tokens that clients show it for the devices of "
    "--allow, and gets no token of its own.",
)
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    help="As the app will send it, except the port on 127.0.0.1 or [::1]: https, http on loopback, or a scheme like "
    "com.example.app.",
)
@allow_option
@click.option("--title", default="", help="What people call it; the consent page says so.")
@click.option(
    "--secret/--no-secret",
    default=True,
    help="Make a secret for HTTPS. An app that can keep no secret is a public client: it redeems codes by PKCE alone.",
)
@click.option("--oscore", type=click.Path(path_type=Path), help="Also write an OSCORE context for CoAP to this file.")
@client_keys_option
@click.option(
    "--narrow-scope/--whole-scope",
    "narrows",
    default=False,
    help="When it asks for more than it may have: give the part that it may have and say so, or refuse.  [default: "
    "whole-scope]",
)
@click.option(
    "--lenient/--strict",
    "lenient",
    default=False,
    help="Whether its CoAP requests may lack Content-Format, as those of ace-java do.  [default: strict]",
)
@click.option(
    "--token-type/--no-token-type",
    "token_type",
    default=True,
    help="Whether HTTPS answers name token_type PoP, which strict OAuth libraries refuse.  [default: token-type]",
)
@state_option
@json_option
def client_add(  # noqa: PLR0913, PLR0917 - one argument per option
    client_id: str,
    grants: tuple[str, ...],
    is_hub: bool,
    redirect_uris: tuple[str, ...],
    allowed: tuple[str, ...],
    title: str,
    secret: bool,
    oscore: Path | None,
    public_keys: tuple[Path, ...],
    narrows: bool,
    lenient: bool,
    token_type: bool,
    state: Path,
    as_json: bool,
) -> None:
    """Register a client, and print its secret once."""
    if is_hub == bool(grants):
        raise Problem("Say --grant, how the client may ask, or --hub, and not both: --help explains them.")
    grant_types = (L.PRIV_GRANT_TOKEN_EXCHANGE,) if is_hub else tuple(GRANT_WORDS[name] for name in grants)
    public = not secret and is_public(grant_types, has_context=oscore is not None)
    record = Client(
        client_id,
        grant_types,
        allowances(allowed),
        redirect_uris=redirect_uris,
        profiles=KEY_PROFILES if public_keys else (L.PROFILE_COAP_OSCORE,),
        public_keys=tuple(map(read_public_key, public_keys)),
        public=public,
        narrows=narrows,
        lenient=lenient,
        tells_token_type=token_type,
        is_hub=is_hub,
        title=title,
    )
    with opened(state) as admin, admin.store.transaction():
        made = admin.registry.add_client(record, admin.now_s, with_secret=secret)
        warn_of_strangers(admin, record.scopes)
        if oscore is not None:
            exported = admin.exports.export_client(client_id, admin.now_s)
            write_private(oscore, encode_provisioning(exported), force=False)
    _show_secret(client_id, made, as_json=as_json)
    if public:
        click.echo(f"{client_id} is a public client: it has no secret, and redeems its codes by PKCE.", err=True)


client.add_command(client_set)
rights_commands(client, "client", "a client")
party_commands(
    client,
    "client",
    PartyHelp(
        list="List the clients.",
        show="Show one client.",
        remove="Remove a client and every token that it holds. A device that is a resource server too stays one.",
        disable="Lock a client and revoke every token that it holds.",
        enable="Unlock a client; what was revoked stays revoked.",
        goes_with="Its secret, its context and its rights go with it",
    ),
)


@client.command("new-secret")
@click.argument("client_id")
@state_option
@json_option
def client_new_secret(client_id: str, state: Path, as_json: bool) -> None:
    """Replace a client's secret. The new one is printed once; the old one stops working now."""
    with opened(state) as admin:
        made = admin.registry.new_client_secret(client_id, admin.now_s)
    _show_secret(client_id, made, as_json=as_json)


def _show_secret(client_id: str, made: Secret | None, *, as_json: bool) -> None:
    show({"client_id": client_id, "secret": made.reveal().decode() if made else None}, as_json=as_json)
    if made and not as_json:
        click.echo("This secret is not kept here in readable form: store it now.", err=True)


@client.command("stats")
@state_option
@json_option
def client_stats(state: Path, as_json: bool) -> None:
    """Say what each client has used. A running server writes it every 30 seconds."""
    with opened(state) as admin:
        words = [usage_words(usage) for usage in admin.store.client_usages()]
    show_all(words, as_json=as_json, nothing="No clients yet.")
