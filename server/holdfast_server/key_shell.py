"""`holdfast server key`: list the server's keys and move them along. The keys themselves are never shown."""

from pathlib import Path

import click

from holdfast_core.trust import ROLE_SIGN
from holdfast_server.admin_shell import json_option, opened, show_all, state_option, unknown
from holdfast_server.records_shell import key_words


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


@key.command("rotate")
@click.option("--rs", "rs_id", help="The key that this resource server shares; the signing key when not given.")
@click.option("--force", is_flag=True, help="Also when a device holds only older keys and will refuse new tokens.")
@state_option
def key_rotate(rs_id: str | None, force: bool, state: Path) -> None:
    """Make the next key current. Refused while a device does not hold it: such a one needs a new export first."""
    with opened(state) as admin:
        if rs_id is not None and admin.store.resource_server(rs_id) is None:
            raise unknown("rs", rs_id)
        admin.check_clock()
        behind = admin.registry.left_behind(rs_id)
        admin.registry.rotate_key(admin.now_s, rs_id, force)
    for name in behind:
        click.echo(f"{name} refuses every new token until it gets a new export.", err=True)
    click.echo(f"Rotated the {'signing key' if rs_id is None else f'key of {rs_id}'}.")
