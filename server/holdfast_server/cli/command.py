"""What every administrative command does around its one deed: open the state, tell the time, write and print.

The database may be open in a running server at the same time: SQLite keeps the
writes apart, and the server reads the registry anew for each request. Private files
are made 0600 and never written over unless that was asked for.
"""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import Problem
from holdfast_core.errors import HoldfastError
from holdfast_server.authz.changes import Changes
from holdfast_server.authz.errors import StoreFailed
from holdfast_server.authz.exports import Exports
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.registry import Registry
from holdfast_server.process.clock_watch import counting_ms, guard_of, wall_s
from holdfast_server.process.config import Config, ConfigError, load
from holdfast_server.records import PARTY_WORDS, AlreadyRegistered, NotRegistered, RegistryError
from holdfast_server.store.sqlite import DATABASE_NAME, Store
from holdfast_server.wire.readable import as_text

STATE_ENV = "HOLDFAST_STATE"
DATABASE_HINTS = {
    "disk I/O": " (is there room on the disk?)",
    "unable to open": f" ({DATABASE_NAME}, -wal and -shm are to be files that this user may read and write)",
    "readonly": " (the file system is mounted read-only, or the files belong to another user)",
}
INSTEAD_OF_ADDING = {
    "client": "choose another name, or change it with `holdfast server client set`.",
    "rs": "choose another name, or change it with `holdfast server rs set`.",
    "user": "`holdfast server user allow` gives them more rights.",
}
"""By kind of party, what to do when there is one of that name."""


@dataclass(frozen=True, slots=True)
class Admin:
    """An open state directory. now_s: the best known of the time; clock_doubt: why it is not believed."""

    config: Config
    store: Store
    keyring: Keyring
    registry: Registry
    exports: Exports
    changes: Changes
    now_s: int
    clock_doubt: str = ""


state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("holdfast-state"),
    envvar=STATE_ENV,
    show_default=True,
    show_envvar=True,
    help="The server's state directory.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


@contextlib.contextmanager
def opened(state: Path, *, serving: bool = False) -> Iterator[Admin]:
    """Open a state directory that `init` made; serving: keep every other server out of it. Raises Problem."""
    with problems():
        config = load(state)
        if not (state / DATABASE_NAME).exists():
            raise Problem(
                f"There is no {state / DATABASE_NAME}: bring a backup back with "
                f"`holdfast server restore FILE --force --state {state}`."
            )
        with Store(state, wall_s(), serving=serving, create=False) as store:
            store.operator = "" if serving else operator_name()
            guard = guard_of(store.kept_clock(), config.settings)
            now_s = guard.read(wall_s(), counting_ms())
            keyring = Keyring(store, secrets.token_bytes)
            registry = Registry(store, keyring, config.settings, secrets.token_bytes, guard.doubt)
            exports = Exports(store, keyring, registry, config.settings, secrets.token_bytes)
            yield Admin(
                config, store, keyring, registry, exports, Changes(store, registry, keyring), now_s, guard.doubt
            )


def operator_name() -> str:
    """Who runs this command, for the audit: their login name, also behind sudo, or their number."""
    uid = os.getuid()
    behind = os.environ.get("SUDO_USER", "") if uid == 0 else ""
    if behind and behind.isprintable():
        return f"{behind} (sudo)"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """Turn what can go wrong for an operator into one sentence, never a traceback."""
    try:
        yield
    except StoreFailed as error:
        raise Problem(sentence_of(f"The database cannot be used: {error.detail}{_hint_of(error)}")) from None
    except NotRegistered as error:
        raise unknown(error.kind, error.party_id) from None
    except AlreadyRegistered as error:
        there = f"There is a {PARTY_WORDS[error.kind]} {error.party_id} already"
        raise Problem(f"{there}: {INSTEAD_OF_ADDING[error.kind]}") from None
    except RegistryError as error:
        raise Problem(sentence_of(error.detail)) from None
    except (ConfigError, HoldfastError) as error:
        raise Problem(sentence_of(str(error))) from None
    except OSError as error:
        raise Problem(sentence_of(f"{error.filename or 'the state directory'}: {error.strerror}")) from None


def _hint_of(error: StoreFailed) -> str:
    """What an operator may do about it."""
    for said, hint in DATABASE_HINTS.items():
        if said in error.detail:
            return hint
    if not error.is_damage:
        return ""
    return "; stop the server and bring back a backup with `holdfast server restore FILE --force`"


def unknown(kind: str, party_id: str) -> Problem:
    """The sentence for an id that is not there. kind: client, rs or user."""
    return Problem(f"There is no {PARTY_WORDS[kind]} {party_id}: `holdfast server {kind} list` names them.")


def sentence_of(text: str) -> str:
    """The text with a full stop; names of keys and options stay as they are written."""
    return text if text.endswith((".", "!", "?")) else text + "."


def write_private(path: Path, octets: bytes, *, force: bool) -> None:
    """Write a file that only its owner can read, whole or not at all. Raises Problem when it exists."""
    if path.exists() and not force:
        raise Problem(f"{path} exists: remove it first, or say --force to replace it.")
    unfinished = path.with_name(path.name + ".part")
    with problems():
        try:
            # One that was left behind may have another mode, or be somebody's link to another place.
            unfinished.unlink(missing_ok=True)
            fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise Problem(sentence_of(f"{path} cannot be written: {error.strerror}")) from None
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def show(record: dict[str, Any], *, as_json: bool) -> None:
    """Print one record: JSON, or a line for each member."""
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    width = max(map(len, record), default=0)
    for name, value in record.items():
        click.echo(f"{name:<{width}}  {as_text(value)}")


def show_all(records: list[dict[str, Any]], *, as_json: bool, nothing: str) -> None:
    """Print a list: JSON, or a table; `nothing` is what to say when it is empty.

    A table that is wider than the terminal is no table: there each record takes lines of its own.
    """
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    if not records:
        click.echo(nothing)
        return
    for line in table(records, shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
        click.echo(line)


def table(records: list[dict[str, Any]], width: int | None) -> Iterator[str]:
    """The lines of a table, or of a block for each record when it is wider than width."""
    rows = [list(records[0]), *([as_text(value) for value in record.values()] for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{cut}}" for cell, cut in zip(row, widths, strict=True)).rstrip() for row in rows]
    if width is None or max(map(len, lines)) <= width:
        yield from lines
        return
    head = max(map(len, rows[0]))
    for row in rows[1:]:
        yield from (f"{name:<{head}}  {cell}" for name, cell in zip(rows[0], row, strict=True))
        yield ""
