"""The commands that clients, resource servers and people have in common: list, show, remove, disable and enable.

Locking and removing ask nobody but the registry what goes with a party; what a device may still take is said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from holdfast_core.terminal_shell import json_option, show, show_all
from holdfast_server.cli.command import Admin, opened, state_option
from holdfast_server.cli.taking import be_sure, go_through, say_still_taken, still_taken, yes_option
from holdfast_server.records import PARTY_WORDS
from holdfast_server.wire.readable import client_words, rs_words, user_words


@dataclass(frozen=True, slots=True)
class PartyHelp:
    """What `--help` says of these commands.  goes_with: what the question before a removal names."""

    list: str
    show: str
    remove: str
    disable: str
    enable: str
    goes_with: str


def party_commands(
    group: click.Group, kind: str, said: PartyHelp, afterwards: Callable[[Path], None] = lambda _: None
) -> None:
    """Add them to a group. kind: client, rs or user; afterwards: what follows a lock or a removal."""

    @group.command("list", help=said.list)
    @state_option
    @json_option
    def party_list(state: Path, as_json: bool) -> None:
        with opened(state) as admin:
            words = all_words(admin, kind)
        show_all(words, as_json=as_json, nothing=f"No {PARTY_WORDS[kind]}s yet.")

    @group.command("show", help=said.show)
    @click.argument(f"{kind}_id")
    @state_option
    @json_option
    def party_show(state: Path, as_json: bool, **party: str) -> None:
        with opened(state) as admin:
            words = words_of(admin, kind, party[f"{kind}_id"])
        show(words, as_json=as_json)

    @group.command("remove", help=said.remove)
    @click.argument(f"{kind}_id")
    @yes_option
    @state_option
    @json_option
    def party_remove(yes: bool, state: Path, as_json: bool, **party: str) -> None:
        party_id = party[f"{kind}_id"]
        with opened(state) as admin:
            words_of(admin, kind, party_id)
        be_sure(f"Remove {party_id}? {said.goes_with}.", yes=yes)  # the database is closed meanwhile
        with opened(state) as admin:
            tokens = still_taken(admin.registry.live_tokens(admin.now_s, **party))
            go_through(admin.registry.removing(admin.now_s, **party))
        _say(f"Removed {party_id}.", {**party, "removed": True, "still_taken": tokens}, as_json=as_json)
        afterwards(state)

    @group.command("disable", help=said.disable)
    @click.argument(f"{kind}_id")
    @state_option
    @json_option
    def party_disable(state: Path, as_json: bool, **party: str) -> None:
        with opened(state) as admin:
            tokens = still_taken(admin.registry.live_tokens(admin.now_s, **party))
            go_through(admin.registry.locking(True, admin.now_s, **party))
        words = {**party, "disabled": True, "still_taken": tokens}
        _say(f"Locked {party[f'{kind}_id']}.", words, as_json=as_json)
        afterwards(state)

    @group.command("enable", help=said.enable)
    @click.argument(f"{kind}_id")
    @state_option
    @json_option
    def party_enable(state: Path, as_json: bool, **party: str) -> None:
        with opened(state) as admin:
            go_through(admin.registry.locking(False, admin.now_s, **party))
        words = {**party, "disabled": False, "still_taken": []}
        _say(f"Unlocked {party[f'{kind}_id']}.", words, as_json=as_json)


# How one party of a kind, and all of them, are read and written as words.
_KINDS: dict[str, tuple[Callable[[Admin, str], Any], Callable[[Admin], Any], Callable[[Any], dict[str, Any]]]] = {
    "client": (
        lambda admin, party_id: admin.registry.client(party_id),
        lambda admin: admin.store.clients(),
        client_words,
    ),
    "rs": (
        lambda admin, party_id: admin.registry.resource_server(party_id),
        lambda admin: admin.store.resource_servers(),
        rs_words,
    ),
    "user": (lambda admin, party_id: admin.registry.user(party_id), lambda admin: admin.store.users(), user_words),
}


def words_of(admin: Admin, kind: str, party_id: str) -> dict[str, Any]:
    """The record of one party, as it reads. Raises NotRegistered."""
    one, _, words = _KINDS[kind]
    return words(one(admin, party_id))


def all_words(admin: Admin, kind: str) -> list[dict[str, Any]]:
    """The records of all parties of a kind."""
    _, every, words = _KINDS[kind]
    return [words(record) for record in every(admin)]


def _say(sentence: str, words: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show(words, as_json=True)
        return
    click.echo(sentence)
    say_still_taken(words["still_taken"])
