"""What every administrative command does around its one deed: open the state, tell the time, write and print.

The database may be open in a running server at the same time: SQLite keeps the
writes apart, and the server reads the registry anew for each request. Private files
are made 0600 and never written over unless that was asked for.
"""

import contextlib
import os
import pwd
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from holdfast_core.cli import Problem
from holdfast_core.errors import HoldfastError
from holdfast_core.terminal_shell import sentence_of
from holdfast_server.authz.changes import Changes
from holdfast_server.authz.errors import StoreFailed
from holdfast_server.authz.exports import Exports
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.registry import Registry
from holdfast_server.process.clock_watch import counting_ms, guard_of, wall_s
from holdfast_server.process.config import Config, ConfigError, load
from holdfast_server.records import PARTY_WORDS, AlreadyRegistered, NotRegistered, RegistryError
from holdfast_server.store.sqlite import DATABASE_NAME, Store

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
