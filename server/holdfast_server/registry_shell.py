"""`holdfast server client|rs|user`: add, list, show and remove what the server knows.

A generated secret is printed once, when it is made, and cannot be asked for again.
"""

import getpass
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from holdfast_core import labels as L
from holdfast_core.names import GRANT_NAMES, PROFILE_NAMES, TOKEN_EXCHANGE
from holdfast_core.provisioning import encode_provisioning
from holdfast_server.admin_shell import Problem, json_option, opened, show, show_all, state_option, write_private
from holdfast_server.authenticator import hash_password
from holdfast_server.registry import FORMAT_REFERENCE, FORMATS, Client, ResourceServer, User

METHODS = {
    "GET": L.METHOD_GET,
    "POST": L.METHOD_POST,
    "PUT": L.METHOD_PUT,
    "DELETE": L.METHOD_DELETE,
    "FETCH": L.METHOD_FETCH,
    "PATCH": L.METHOD_PATCH,
    "IPATCH": L.METHOD_IPATCH,
}
GRANT_WORDS = {
    "authorization_code": L.GRANT_AUTHORIZATION_CODE,
    "client_credentials": L.GRANT_CLIENT_CREDENTIALS,
    "token_exchange": L.PRIV_GRANT_TOKEN_EXCHANGE,
}
MIN_PASSWORD_LEN = 12
GENERATED_PASSWORD_LEN = 18

allow_option = click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="AUDIENCE=SCOPE[,SCOPE]",
    help="What it may ever get, for each audience. May be repeated.",
)


def allowances(allowed: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """AUDIENCE=SCOPE,SCOPE to scopes by audience. Raises Problem."""
    scopes: dict[str, tuple[str, ...]] = {}
    for text in allowed:
        audience, equals, names = text.partition("=")
        if not (audience and equals and all(names.split(","))):
            raise Problem(f'--allow must look like "ekg_device_ABC=read_ekg,read_result", not "{text}".')
        scopes[audience] = (*scopes.get(audience, ()), *names.split(","))
    return scopes


def scope_map(entries: tuple[str, ...]) -> dict[str, tuple[tuple[str, int], ...]]:
    """NAME=METHOD,METHOD:PATH to a scope map. Raises Problem."""
    scopes: dict[str, tuple[tuple[str, int], ...]] = {}
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


# --- clients ---


@click.group()
def client() -> None:
    """Apps and devices that ask for tokens."""


@client.command("add")
@click.argument("client_id")
@click.option("--grant", "grants", multiple=True, required=True, type=click.Choice(list(GRANT_WORDS)))
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Exactly as the app will send it.")
@allow_option
@click.option("--secret/--no-secret", default=True, help="Make a secret for HTTPS.")
@click.option("--oscore", type=click.Path(path_type=Path), help="Also write an OSCORE context for CoAP to this file.")
@state_option
@json_option
def client_add(
    client_id: str,
    grants: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    allowed: tuple[str, ...],
    secret: bool,
    oscore: Path | None,
    state: Path,
    as_json: bool,
) -> None:
    """Register a client, and print its secret once."""
    record = Client(
        client_id,
        tuple(GRANT_WORDS[grant] for grant in grants),
        allowances(allowed),
        redirect_uris=redirect_uris,
    )
    with opened(state) as admin, admin.store.transaction():
        made = admin.registry.add_client(record, admin.now_s, with_secret=secret)
        if oscore is not None:
            admin.registry.add_oscore_party(admin.now_s, client_id=client_id)
            exported = admin.registry.client_provisioning_for(client_id, admin.now_s)
            write_private(oscore, encode_provisioning(exported), force=False)
    answer = {"client_id": client_id, "secret": made.reveal().decode() if made else None}
    show(answer, as_json=as_json)
    if made and not as_json:
        click.echo("This secret is not kept here in readable form: store it now.", err=True)


@client.command("list")
@state_option
@json_option
def client_list(state: Path, as_json: bool) -> None:
    """List the clients."""
    with opened(state) as admin:
        show_all(
            [_client_words(record) for record in admin.store.clients()], as_json=as_json, nothing="No clients yet."
        )


@client.command("show")
@click.argument("client_id")
@state_option
@json_option
def client_show(client_id: str, state: Path, as_json: bool) -> None:
    """Show one client."""
    with opened(state) as admin:
        record = admin.store.client(client_id)
    if record is None:
        raise Problem(f"There is no client {client_id}: `holdfast server client list` names them.")
    show(_client_words(record), as_json=as_json)


@client.command("remove")
@click.argument("client_id")
@state_option
def client_remove(client_id: str, state: Path) -> None:
    """Remove a client and every token that it holds."""
    with opened(state) as admin, admin.store.transaction():
        if not admin.store.delete_client(client_id):
            raise Problem(f"There is no client {client_id}: `holdfast server client list` names them.")
        admin.store.audit(admin.now_s, "client-removed", reason=client_id)
    click.echo(f"Removed {client_id}.")


def _client_words(record: Client) -> dict[str, Any]:
    return {
        "client_id": record.client_id,
        "grants": [_grant_word(grant) for grant in record.grant_types],
        "allowed": {audience: list(scopes) for audience, scopes in record.scopes.items()},
        "redirect_uris": list(record.redirect_uris),
        "secret": record.secret_hash is not None,
        "disabled": record.disabled,
    }


def _grant_word(grant: int) -> str:
    name = GRANT_NAMES[grant]
    return "token_exchange" if name == TOKEN_EXCHANGE else name


# --- resource servers ---


@click.group()
def rs() -> None:
    """Devices and services that accept tokens."""


@rs.command("add")
@click.argument("rs_id")
@click.option("--audience", "audiences", multiple=True, help="A name it answers to; its id when none is given.")
@click.option("--scope", "scopes", multiple=True, required=True, metavar="NAME=METHOD[,METHOD]:PATH")
@click.option("--format", "token_format", type=click.Choice(FORMATS), default="cwt-nested", show_default=True)
@click.option("--lifetime", "lifetime_s", type=int, default=3600, show_default=True, help="Seconds a token lives.")
@click.option("--exi", "exi_s", type=int, default=0, help="For an RS without a clock: seconds from first use.")
@click.option("--connected/--disconnected", default=None, help="Whether it ever talks to this server.")
@click.option("--client", "client_id", help="The client that this device also is: both speak in one OSCORE context.")
@state_option
@json_option
def rs_add(  # noqa: PLR0913, PLR0917 - one argument per option
    rs_id: str,
    audiences: tuple[str, ...],
    scopes: tuple[str, ...],
    token_format: str,
    lifetime_s: int,
    exi_s: int,
    connected: bool | None,
    client_id: str | None,
    state: Path,
    as_json: bool,
) -> None:
    """Register a resource server; `holdfast device provision` makes its file."""
    online = connected if connected is not None else token_format == FORMAT_REFERENCE or client_id is not None
    record = ResourceServer(
        rs_id,
        audiences or (rs_id,),
        scope_map(scopes),
        token_format,
        token_lifetime_s=lifetime_s,
        exi_lifetime_s=exi_s,
        connected=online,
    )
    with opened(state) as admin, admin.store.transaction():
        if client_id is not None and admin.store.client(client_id) is None:
            raise Problem(f"There is no client {client_id}: add it first.")
        admin.registry.add_resource_server(record, admin.now_s)
        if online:
            admin.registry.add_oscore_party(admin.now_s, client_id=client_id, rs_id=rs_id)
    show(_rs_words(record), as_json=as_json)


@rs.command("list")
@state_option
@json_option
def rs_list(state: Path, as_json: bool) -> None:
    """List the resource servers."""
    with opened(state) as admin:
        words = [_rs_words(record) for record in admin.store.resource_servers()]
    show_all(words, as_json=as_json, nothing="No resource servers yet.")


@rs.command("show")
@click.argument("rs_id")
@state_option
@json_option
def rs_show(rs_id: str, state: Path, as_json: bool) -> None:
    """Show one resource server."""
    with opened(state) as admin:
        record = admin.store.resource_server(rs_id)
    if record is None:
        raise Problem(f"There is no resource server {rs_id}: `holdfast server rs list` names them.")
    show(_rs_words(record), as_json=as_json)


@rs.command("remove")
@click.argument("rs_id")
@state_option
def rs_remove(rs_id: str, state: Path) -> None:
    """Remove a resource server and its keys: tokens for it cannot be made any more."""
    with opened(state) as admin, admin.store.transaction():
        if not admin.store.delete_resource_server(rs_id):
            raise Problem(f"There is no resource server {rs_id}: `holdfast server rs list` names them.")
        admin.store.audit(admin.now_s, "rs-removed", reason=rs_id)
    click.echo(f"Removed {rs_id}.")


@rs.command("export")
@click.argument("rs_id")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write, mode 0600.")
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@state_option
def rs_export(rs_id: str, out: Path, force: bool, state: Path) -> None:
    """Write everything that one device is told: its keys, its identity, its scopes. Treat it as a key."""
    with opened(state) as admin:
        with admin.store.transaction():
            record = encode_provisioning(admin.registry.provisioning_for(rs_id, admin.now_s))
            admin.store.audit(admin.now_s, "rs-exported", rs_id=rs_id)
        write_private(out, record, force=force)
    click.echo(f"Wrote {out}: it holds the keys of {rs_id}, so move it to the device and delete it here.")


def _rs_words(record: ResourceServer) -> dict[str, Any]:
    return {
        "rs_id": record.rs_id,
        "audiences": list(record.audiences),
        "scopes": {
            name: ", ".join(f"{_method_words(mask)} {path}" for path, mask in permissions)
            for name, permissions in record.scope_map.items()
        },
        "format": record.token_format,
        "profiles": [PROFILE_NAMES[profile] for profile in record.profiles],
        "lifetime_s": record.token_lifetime_s,
        "exi_s": record.exi_lifetime_s,
        "connected": record.connected,
        "disabled": record.disabled,
    }


def _method_words(mask: int) -> str:
    return "/".join(name for name, bit in METHODS.items() if mask & bit)


# --- users ---


@click.group()
def user() -> None:
    """People who log in and consent."""


@user.command("add")
@click.argument("user_id")
@allow_option
@click.option("--generate", is_flag=True, help="Make a password and print it once.")
@state_option
@json_option
def user_add(user_id: str, allowed: tuple[str, ...], generate: bool, state: Path, as_json: bool) -> None:
    """Register a person. The password comes from the terminal, or as one line on standard input."""
    scopes = allowances(allowed)
    with opened(state) as admin:
        if admin.store.user(user_id) is not None:
            raise Problem(f"There is a user {user_id} already: remove it first.")
        password = secrets.token_urlsafe(GENERATED_PASSWORD_LEN) if generate else _asked_password()
        admin.registry.add_user(User(user_id, hash_password(password), scopes), admin.now_s)
    show({"user_id": user_id, "password": password if generate else None}, as_json=as_json)


@user.command("list")
@state_option
@json_option
def user_list(state: Path, as_json: bool) -> None:
    """List the people."""
    with opened(state) as admin:
        words = [_user_words(record) for record in admin.store.users()]
    show_all(words, as_json=as_json, nothing="No users yet.")


@user.command("show")
@click.argument("user_id")
@state_option
@json_option
def user_show(user_id: str, state: Path, as_json: bool) -> None:
    """Show one person."""
    with opened(state) as admin:
        record = admin.store.user(user_id)
    if record is None:
        raise Problem(f"There is no user {user_id}: `holdfast server user list` names them.")
    show(_user_words(record), as_json=as_json)


@user.command("remove")
@click.argument("user_id")
@state_option
def user_remove(user_id: str, state: Path) -> None:
    """Remove a person and every token that was given in their name."""
    with opened(state) as admin, admin.store.transaction():
        if not admin.store.delete_user(user_id):
            raise Problem(f"There is no user {user_id}: `holdfast server user list` names them.")
        admin.store.audit(admin.now_s, "user-removed", reason=user_id)
    click.echo(f"Removed {user_id}.")


def _user_words(record: User) -> dict[str, Any]:
    shown = replace(record, password_hash="")
    return {
        "user_id": shown.user_id,
        "allowed": {audience: list(scopes) for audience, scopes in shown.scopes.items()},
        "disabled": shown.disabled,
    }


def _asked_password() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Problem("The two passwords differ.")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if len(password) < MIN_PASSWORD_LEN:
        raise Problem(f"A password has at least {MIN_PASSWORD_LEN} characters.")
    return password
