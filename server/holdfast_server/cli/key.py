"""`holdfast server key`: list the server's keys, move them along, and exchange them with devices of others.

The keys themselves are never shown; secret ones leave into files of mode 0600 only.
"""

from pathlib import Path

import click

from holdfast_core.kinds import ROLE_SIGN
from holdfast_core.terminal_shell import json_option, show, show_all, write_private
from holdfast_server.cli.command import opened, problems, state_option
from holdfast_server.cli.context import read_bounded
from holdfast_server.wire.key_forms import FORMS, PEM, decode_shared_key, encode_keys
from holdfast_server.wire.readable import key_words


@click.group()
def key() -> None:
    """The keys that sign, encrypt and MAC tokens."""


@key.command("list")
@state_option
@json_option
def key_list(state: Path, as_json: bool) -> None:
    """List the keys by their ids, and which devices hold each.

    A device holds what its last export carried.
    """
    with opened(state) as admin:
        records = admin.keyring.held_keys(ROLE_SIGN)
        for record in admin.store.resource_servers():
            records += admin.keyring.shared_keys(record.rs_id)
        words = [key_words(record, admin.store.devices_with(record.kid)) for record in records]
    show_all(words, as_json=as_json, nothing="No keys yet.")


@key.command("export")
@click.option("--rs", "rs_id", help="Also the keys that this resource server shares; only public keys when not given.")
@click.option(
    "--form",
    type=click.Choice(FORMS),
    required=True,
    help="cose, diag: a COSE_KeySet as CBOR or in diagnostic notation. jwk: a JWK Set. pem: public keys only.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file, mode 0600.")
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@state_option
@json_option
def key_export(rs_id: str | None, form: str, out: Path, force: bool, state: Path, as_json: bool) -> None:
    """Write what checks this server's tokens.

    For a device that is not Holdfast's. The public signing keys, oldest first, with --rs those that the format
    of its tokens needs, and the secret keys that encrypt or MAC them. The server remembers that the device
    holds these now.
    """
    with opened(state) as admin, admin.store.transaction():
        public, shared = admin.exports.export_keys(rs_id, admin.now_s)
        write_private(out, encode_keys(form, public, shared), force=force)
    if as_json:
        show({"file": str(out), "form": form, "public": len(public), "secret": len(shared)}, as_json=True)
        return
    secret = " It holds secret keys: move it to the device and delete it here." if shared else ""
    click.echo(f"Wrote {out}: {len(public)} public and {len(shared)} secret keys.{secret}")


@key.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--rs", "rs_id", required=True, help="The resource server whose device has this key.")
@click.option("--form", type=click.Choice([form for form in FORMS if form != PEM]), required=True, help="As FILE is.")
@state_option
@json_option
def key_import(file: Path, rs_id: str, form: str, state: Path, as_json: bool) -> None:
    """Protect the tokens for a device with a key that it has.

    FILE holds one symmetric key with its kid. The former key is retired.
    """
    with problems():
        kid, secret = decode_shared_key(form, read_bounded(file))
    with opened(state) as admin:
        admin.registry.import_key(rs_id, kid, secret, admin.now_s)
    if as_json:
        show({"rs": rs_id, "kid": kid.hex()}, as_json=True)
        return
    click.echo(f"Tokens for {rs_id} are made with key {kid.hex()} now: delete {file}, which is a key.")


@key.command("rotate")
@click.option("--rs", "rs_id", help="The key that this resource server shares; the signing key when not given.")
@click.option("--force", is_flag=True, help="Also when a device holds only older keys and will refuse new tokens.")
@state_option
@json_option
def key_rotate(rs_id: str | None, force: bool, state: Path, as_json: bool) -> None:
    """Make the next key current. Refused while a device does not hold it: such a one needs a new export first."""
    with opened(state) as admin:
        behind = admin.registry.left_behind(rs_id)
        admin.registry.rotate_key(admin.now_s, rs_id, force)
    if as_json:
        show({"rotated": "sign" if rs_id is None else "shared", "rs": rs_id, "provision_again": behind}, as_json=True)
        return
    for name in behind:
        click.echo(f"{name} refuses every new token until it gets a new export.", err=True)
    click.echo(f"Rotated the {'signing key' if rs_id is None else f'key of {rs_id}'}.")
