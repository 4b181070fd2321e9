"""`holdfast server rs`: add, list, show, export, lock and remove the devices and services that accept tokens.

An export holds a device's keys: it is a file of mode 0600 and never printed.
"""

from dataclasses import replace
from pathlib import Path

import click

from holdfast_core import labels as L
from holdfast_core.kinds import CWT_NESTED, FORMATS, REFERENCE, ROLE_SIGN, STRICT, TOKEN_SHAPES
from holdfast_core.p256_table import GEOMETRIES
from holdfast_core.provisioning import encode_provisioning
from holdfast_core.terminal_shell import json_option, show, write_private
from holdfast_server.authz.exports import TableOf, no_table
from holdfast_server.cli.command import opened, state_option
from holdfast_server.cli.party import PartyHelp, party_commands
from holdfast_server.cli.public_key import PROFILE_WORDS, profile_option, read_public_key, rs_key_option
from holdfast_server.cli.rs_set import (
    hub_lifetime_option,
    rs_set,
    scope_map,
    scope_titles_of,
    sealed_format_option,
    split_option,
    warn_of_timelessness,
)
from holdfast_server.cli.taking import be_sure, yes_option
from holdfast_server.records import HUB_LIFETIME_S, ResourceServer
from holdfast_server.wire.readable import rs_words, when

try:
    from holdfast_core.crypto_cpython_native import make_table
except ImportError:
    make_table = None  # type: ignore[assignment]  # the C core was not built


@click.group()
def rs() -> None:
    """Devices and services that accept tokens."""


@rs.command("add")
@click.argument("rs_id")
@click.option("--audience", "audiences", multiple=True, help="A name that it answers to; its id when none is given.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="NAME=METHOD[,METHOD]:PATH",
    help="What NAME permits, such as open=PUT:/lock. May be repeated, also with one name.",
)
@click.option(
    "--format",
    "token_format",
    type=click.Choice(FORMATS),
    help="reference: it asks this server what a token means. The others it checks offline: encrypted to it, or signed "
    "by this server and then encrypted. cwt-signed and cwt-mac can be read by anybody on their way, so they carry "
    "public keys only (--profile coap_dtls); RSs that share an audience take cwt-signed.  [default: cwt-nested]",
)
@sealed_format_option
@split_option
@hub_lifetime_option
@click.option("--lifetime", "lifetime_s", type=int, default=3600, show_default=True, help="Seconds a token lives.")
@click.option(
    "--exi",
    "exi_s",
    type=int,
    help="Seconds from first use, for a device without a clock. An offline device has it for --lifetime, unless it has "
    "--freshness or --clock; 0: none.",
)
@click.option("--freshness/--no-freshness", default=False, help="Each token answers a number of the device's (cnonce).")
@click.option("--clock", is_flag=True, help="The device knows what time it is, also after a power cut.")
@click.option(
    "--token-shape",
    type=click.Choice(TOKEN_SHAPES),
    default=STRICT,
    show_default=True,
    help="rfc8392: it also takes tokens of other servers that leave out tags, or put kid and IV in the unprotected "
    "header. Anyone on their way can change the hash of such a token, and a list of revoked tokens then misses it.",
)
@click.option("--connected/--disconnected", default=None, help="Whether the device ever talks to this server.")
@click.option("--client", "client_id", help="The client that this device also is: both speak in one OSCORE context.")
@profile_option
@rs_key_option
@click.option("--title", default="", help="What people call it; the consent page says so.")
@click.option("--scope-title", "scope_titles", multiple=True, metavar="NAME=TEXT", help="What people call a scope.")
@state_option
@json_option
def rs_add(  # noqa: PLR0913, PLR0917 - one argument per option
    rs_id: str,
    audiences: tuple[str, ...],
    scopes: tuple[str, ...],
    token_format: str | None,
    sealed_format: str | None,
    is_split: bool | None,
    hub_lifetime_s: int | None,
    lifetime_s: int,
    exi_s: int | None,
    freshness: bool,
    clock: bool,
    token_shape: str,
    connected: bool | None,
    client_id: str | None,
    profiles: tuple[str, ...],
    public_key: Path | None,
    title: str,
    scope_titles: tuple[str, ...],
    state: Path,
    as_json: bool,
) -> None:
    """Register a resource server. `holdfast device provision` then brings its keys to the device."""
    token_format = token_format or (REFERENCE if sealed_format else CWT_NESTED)
    by_value = token_format != REFERENCE or bool(sealed_format)
    online = connected if connected is not None else not by_value or client_id is not None
    record = ResourceServer(
        rs_id,
        audiences or (rs_id,),
        scope_map(scopes),
        token_format,
        tuple(PROFILE_WORDS[profile] for profile in profiles) or (L.PROFILE_COAP_OSCORE,),
        public_key=None if public_key is None else read_public_key(public_key),
        token_lifetime_s=lifetime_s,
        exi_lifetime_s=exi_s or 0,
        connected=online,
        freshness=freshness,
        clock=clock,
        title=title,
        scope_titles=scope_titles_of(scope_titles),
        token_shape=token_shape,
        sealed_format=sealed_format or "",
        is_split=bool(is_split),
        hub_lifetime_s=HUB_LIFETIME_S if hub_lifetime_s is None else hub_lifetime_s,
    )
    if exi_s is None and record.is_timeless:  # it would take a token for ever, so that is no default
        record = replace(record, exi_lifetime_s=lifetime_s)
    with opened(state) as admin:
        admin.registry.add_resource_server(record, admin.now_s, client_id)
    warn_of_timelessness(record)
    show(rs_words(record), as_json=as_json)


rs.add_command(rs_set)
party_commands(
    rs,
    "rs",
    PartyHelp(
        list="List the resource servers.",
        show="Show one resource server.",
        remove="Remove a resource server and its keys. Every token that was made for it is revoked.\n\n"
        "Its OSCORE context goes with it, also when the device is a client too.",
        disable="Lock a resource server. It is told nothing, and every token that was made for it is revoked.",
        enable="Unlock a resource server; what was revoked stays revoked.",
        goes_with="Its keys and its context go with it",
    ),
)


@rs.command("export")
@click.argument("rs_id")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write, mode 0600."
)
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@click.option(
    "--table",
    type=click.Choice([*GEOMETRIES, "none"]),
    default="2k",
    show_default=True,
    help="Multiples of this server's public key for a device with the C core: its tokens then verify several times "
    "as fast. The size is flash on the device, for each signing key.",
)
@yes_option
@state_option
@json_option
def rs_export(rs_id: str, out: Path, force: bool, table: str, yes: bool, state: Path, as_json: bool) -> None:
    """Write what one device is told. Its keys, its identity, its scopes: treat the file as a key.

    A device that talks to this server gets a new OSCORE context each time, since one that starts again from a file
    would use its numbers again; an earlier export stops working. When this one fails, the earlier one still works.
    """
    with opened(state) as admin:
        admin.registry.resource_server(rs_id)
        last = admin.store.export(rs_id) if admin.store.oscore_party(rs_id=rs_id) is not None else None
    if last is not None:
        question = (
            f"The device that was told at {when(last.exported_at)} stops working until it has the new file. Go on?"
        )
        be_sure(question, yes=yes, always=False)
    with opened(state) as admin, admin.store.transaction():
        provisioning = admin.exports.export_rs(rs_id, admin.now_s, table_maker(table))
        # Inside: a device whose new file cannot be written keeps the context that it has.
        write_private(out, encode_provisioning(provisioning), force=force)
    if as_json:
        tables = sum(key.table is not None for key in provisioning.keys)
        kids = [key.kid.hex() for key in provisioning.keys]
        words = {
            "rs_id": rs_id,
            "file": str(out),
            "kids": kids,
            "tables": tables,
            "context": provisioning.as_context is not None,
        }
        show(words, as_json=True)
        return
    click.echo(f"Wrote {out}: it holds the keys of {rs_id}, so move it to the device and delete it here.")
    if table != "none" and any(key.role == ROLE_SIGN and key.table is None for key in provisioning.keys):
        click.echo(
            "It has no tables, since this installation has no C core: the device verifies more slowly.", err=True
        )


def table_maker(size: str) -> TableOf:
    """What makes tables of this size: the C core, or nothing where it was not built."""
    if size == "none":
        return no_table
    if make_table is None:
        return no_table
    return lambda point: make_table(point, *GEOMETRIES[size])
