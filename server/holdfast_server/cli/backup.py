"""`holdfast server backup|restore|restored`: a server's state goes into a file, comes back, and repeats nothing."""

from pathlib import Path

import click

from holdfast_core.terminal_shell import json_option, show
from holdfast_server.cli.command import Admin, opened, operator_name, problems, state_option
from holdfast_server.process.clock_watch import wall_s
from holdfast_server.process.config import CONFIG_NAME
from holdfast_server.store.backup import back_up
from holdfast_server.store.backup import restore as restore_backup
from holdfast_server.store.sqlite import Store

AGAIN = (
    "Do again what was done since the backup: revocations, new passwords and client secrets, locks, removals and "
    "exports."
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@state_option
@json_option
def backup(file: Path, state: Path, as_json: bool) -> None:
    """Write everything that a restore needs to FILE.

    The server may run meanwhile. FILE is new, has mode 0600, was checked, and holds the database with all keys,
    the configuration, and the certificate and its key when they are in the state directory. It is not
    encrypted: keep it as you keep keys.
    """
    with opened(state) as admin:
        names, elsewhere = _files(admin)
        admin.store.audit(admin.now_s, "backed-up")
        back_up(admin.store, names, file)
    if as_json:
        show({"file": str(file), "left_out": [str(path) for path in elsewhere]}, as_json=True)
        return
    click.echo(f"Wrote {file}, which holds every key of this server: move it to a place that is as safe as this one.")
    for path in elsewhere:
        click.echo(f"{path} is not in it, being outside of {state}.", err=True)


def _files(admin: Admin) -> tuple[list[str], list[Path]]:
    """Names of the files in the state directory that belong to the server, and paths of those elsewhere."""
    config = admin.config
    paths = [path for path in (config.certificate, config.key) if path is not None and path.exists()]
    inside = [path.name for path in paths if path.parent.resolve() == config.state.resolve() and not path.is_symlink()]
    return [CONFIG_NAME, *dict.fromkeys(inside)], [path for path in paths if path.name not in inside]


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace the server that is in the state directory.")
@state_option
@json_option
def restore(file: Path, force: bool, state: Path, as_json: bool) -> None:
    """Make a server from a FILE that `holdfast server backup` wrote.

    Every counter is moved on, so that no number of the old server repeats, and codes that wait are void. The server
    that the backup was made of must not serve again: two with the same keys break them.
    """
    with problems():
        names = restore_backup(file, state, wall_s(), operator_name(), force=force)
    if as_json:
        show({"state": str(state), "files": names}, as_json=True)
        return
    click.echo(f"Made {state}/ of {file}: the database, {', '.join(names)}. Counters were moved on and codes voided.")
    click.echo(AGAIN)
    with problems(), Store(state, serving=False, create=False) as store:
        _warn(store)


@click.command()
@state_option
@json_option
def restored(state: Path, as_json: bool) -> None:
    """Say that the database was put back, copied or moved.

    Say it when another way than `restore` did so. Then no counter repeats and no old code comes back to life. `serve`
    asks for it when it sees that the state came from elsewhere. It cannot see a snapshot of a whole machine or file
    system that was brought back: run it then.

    What was changed since must be changed again: tokens that were revoked, passwords and client secrets that were
    replaced, and clients, resource servers and users that were locked or removed.
    """
    with opened(state, serving=True) as admin:
        admin.store.after_restore(admin.now_s)
        _warn(admin.store)
    if as_json:
        show({"state": str(state), "restored": True}, as_json=True)
        return
    click.echo(f"Counters were moved on and codes voided. {AGAIN}")


def _warn(store: Store) -> None:
    for name in store.parties_near_their_end():
        click.echo(f"{name} has few numbers left and needs a new export before the next restore.", err=True)
