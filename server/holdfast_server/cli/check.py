"""`holdfast server check`: looks at everything that a server stands on, and changes nothing unless --fix is said.

What it can mend is what this program made: the modes of the state directory and of its files. A certificate, a key, a
clock or a damaged database are the operator's to mend; the finding says how.
"""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from holdfast_core.cli import EXIT_FAILED
from holdfast_core.terminal_shell import json_option, show_all
from holdfast_server.authz.errors import NotAtHome, StoreFailed
from holdfast_server.authz.exports import NEXT_KEY
from holdfast_server.cli.command import Admin, opened, problems, state_option
from holdfast_server.process import config as configuration
from holdfast_server.store.home import PREFIX
from holdfast_server.store.sqlite import DATABASE_NAME, LOCK_NAME
from holdfast_server.wire.readable import when

CERTIFICATE_ENDS_SOON_S = 14 * 86400
OURS = (configuration.CONFIG_NAME, DATABASE_NAME, DATABASE_NAME + "-wal", DATABASE_NAME + "-shm", LOCK_NAME)
OTHERS = 0o077  # what anybody but the owner may do
EVERYBODY = 0o007  # a TLS key may be a group's


@click.command()
@click.option("--fix", is_flag=True, help="Mend the modes of the directory and of the files that init made.")
@state_option
@json_option
def check(fix: bool, state: Path, as_json: bool) -> None:
    """Check configuration, database and keys without serving.

    Nothing is changed without --fix. Exit code 0: all is well; 1: something is not.
    """
    with problems():
        files = [*_files(state)]  # before anything is opened
        if fix:
            for path in [state, *files]:
                _mend(path)
        rows = [_finding(f"mode of {path.name or path}", *_mode(path)) for path in [state, *files]]
        rows += [_finding("owner of the files", *_owner(state, files))]
    with opened(state) as admin:
        rows = [*_findings(admin), *rows]
    show_all(rows, as_json=as_json, nothing="")
    if not all(row["ok"] for row in rows):
        raise click.exceptions.Exit(EXIT_FAILED)


def _finding(name: str, ok: bool, says: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "says": says}


def _files(state: Path) -> list[Path]:
    """What is there of the files that this program makes."""
    return [path for path in [*(state / name for name in OURS), *sorted(state.glob(PREFIX + "*"))] if path.exists()]


def _mode(path: Path) -> tuple[bool, str]:
    if not path.exists():
        return False, "is not there"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        return False, f"{mode:o}: others than its owner may use it; `check --fix` takes that away"
    return True, f"{mode:o}"


def _mend(path: Path) -> None:
    if path.exists() and not path.is_symlink():
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHERS)


def _owner(state: Path, files: list[Path]) -> tuple[bool, str]:
    """A file of another owner cannot be opened by the server, or can be changed by somebody else."""
    if not state.exists():
        return False, "is not there"
    owner = state.stat().st_uid
    others = [path.name for path in files if path.stat().st_uid != owner]
    if others:
        return False, f"{', '.join(others)} not of the directory's owner: chown them"
    return True, f"uid {owner}" + (", and you are another" if os.geteuid() != owner else "")


def _findings(admin: Admin) -> list[dict[str, Any]]:
    config = admin.config
    says = f"issuer {config.settings.issuer}, http {config.http}, coap {config.coap}"
    rows = [
        _finding("configuration", True, says),
        _finding("certificate", *_certificate(config, admin.now_s)),
        _finding("TLS key", *_tls_key(config)),
        _finding("clock", not admin.clock_doubt, admin.clock_doubt or "agrees with what was last seen"),
        _finding("database", *_database(admin)),
    ]
    if not rows[-1]["ok"]:
        return rows
    at_home = admin.store.is_at_home()
    rows.append(_finding("place", at_home, "served from here last" if at_home else str(NotAtHome(config.state))))
    signing = len(admin.keyring.public_keys())
    rows.append(_finding("signing keys", signing >= 2, f"{signing}, of which one is current and one is next"))
    rows.append(_finding("devices", *_devices(admin)))
    counts = [(name, len(getattr(admin.store, name)())) for name in ("clients", "resource_servers", "users")]
    return rows + [_finding(name.replace("_", " "), True, str(count)) for name, count in counts]


def _certificate(config: configuration.Config, now_s: int) -> tuple[bool, str]:
    try:
        configuration.check_tls(config)
    except configuration.ConfigError as error:
        return False, str(error)
    if config.certificate is None:
        return True, "none, so loopback only"
    certificate = x509.load_pem_x509_certificates(config.certificate.read_bytes())[0]
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = datetime.fromtimestamp(now_s, UTC)
    if now < begins:
        return False, f"{config.certificate} is not valid before {when(int(begins.timestamp()))}"
    if now >= ends:
        return False, f"{config.certificate} ended at {when(int(ends.timestamp()))}: renew it"
    if (ends - now).total_seconds() < CERTIFICATE_ENDS_SOON_S:
        return False, f"{config.certificate} ends soon, at {when(int(ends.timestamp()))}: renew it"
    return True, f"{config.certificate}, until {when(int(ends.timestamp()))}"


def _tls_key(config: configuration.Config) -> tuple[bool, str]:
    if config.key is None:
        return True, "none, so loopback only"
    try:
        mode = stat.S_IMODE(config.key.stat().st_mode)
    except OSError as error:
        return False, f"{config.key}: {error.strerror}"
    if mode & EVERYBODY:
        return False, f"{config.key} has mode {mode:o}, so everybody on this computer can use it: chmod 600"
    return True, f"{config.key}, mode {mode:o}"


def _database(admin: Admin) -> tuple[bool, str]:
    damaged = admin.store.damage()
    if damaged is not None:
        return False, f"is damaged: {damaged}"
    try:
        admin.store.check_writable()
    except StoreFailed as error:
        return False, f"cannot be written: {error.detail}"
    return True, "is whole and can be written"


def _devices(admin: Admin) -> tuple[bool, str]:
    """Whether a device goes by what was otherwise when it was exported."""
    behind = []
    for record in admin.store.resource_servers():
        parts = [part for part in admin.exports.outdated(record.rs_id, admin.now_s) or [] if part != NEXT_KEY]
        if parts:
            behind.append(f"{record.rs_id} ({', '.join(parts)})")
    if behind:
        return False, f"to be provisioned again: {'; '.join(behind)}"
    return True, "none needs to be provisioned again"
