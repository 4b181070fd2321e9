"""`holdfast server user`: the people who log in and consent, and those who look after the server.

A generated password is printed once, when it is made; there is no default one.
"""

import getpass
import secrets
import sys
from dataclasses import replace
from pathlib import Path

import click

from holdfast_core.cli import Problem
from holdfast_core.terminal_shell import json_option, show, show_all
from holdfast_server.authz import administrator
from holdfast_server.authz.administrator import ADMIN_RIGHTS
from holdfast_server.authz.changes import without
from holdfast_server.cli.allow import allow_option, allowances, warn_of_strangers
from holdfast_server.cli.change import change_of, finish_before, rights_commands, show_change
from holdfast_server.cli.command import opened, state_option
from holdfast_server.cli.party import PartyHelp, party_commands
from holdfast_server.records import User
from holdfast_server.web.authenticator import hash_password
from holdfast_server.wire.readable import consent_words, user_words

GENERATED_PASSWORD_LEN = 18

generate_option = click.option("--generate", is_flag=True, help="Make a password and print it once.")


@click.group()
def user() -> None:
    """People who log in and consent."""


@user.command("add")
@click.argument("user_id")
@allow_option
@click.option("--admin", "is_admin", is_flag=True, help="Also let them see /admin and revoke tokens there.")
@generate_option
@state_option
@json_option
def user_add(
    user_id: str, allowed: tuple[str, ...], is_admin: bool, generate: bool, state: Path, as_json: bool
) -> None:
    """Register a person.

    The password comes from the terminal, or as one line on standard input.
    """
    scopes = {**allowances(allowed), **(ADMIN_RIGHTS if is_admin else {})}
    with opened(state) as admin:
        admin.registry.check_new_user(User(user_id, scopes=scopes))  # before somebody types a password in vain
        warn_of_strangers(admin, scopes)
        password = generated_password() if generate else _asked_password()
        admin.registry.add_user(User(user_id, hash_password(password), scopes), admin.now_s)
    _show_password(user_id, password if generate else None, as_json=as_json)


@user.command("password")
@click.argument("user_id")
@generate_option
@state_option
@json_option
def user_password(user_id: str, generate: bool, state: Path, as_json: bool) -> None:
    """Replace a person's password."""
    with opened(state) as admin:
        admin.registry.user(user_id)
        password = generated_password() if generate else _asked_password()
        admin.registry.replace_password(user_id, hash_password(password), admin.now_s)
    _show_password(user_id, password if generate else None, as_json=as_json)


def _warn_of_no_administrator(state: Path) -> None:
    with opened(state) as admin:
        people = admin.store.users()
    if not any(administrator.is_admin(person) for person in people):
        click.echo("Note: nobody is an administrator now; `holdfast server user set USER --admin` makes one.", err=True)


rights_commands(user, "user", "a person")
party_commands(
    user,
    "user",
    PartyHelp(
        list="List the people.",
        show="Show one person.",
        remove="Remove a person and every token that was given in their name.",
        disable="Lock a person out. Every token that was given in their name is revoked.",
        enable="Unlock a person; what was revoked stays revoked.",
        goes_with="Their password and their rights go with them",
    ),
    _warn_of_no_administrator,
)


@user.command("consents")
@click.argument("user_id")
@state_option
@json_option
def user_consents(user_id: str, state: Path, as_json: bool) -> None:
    """What a person approved last, for each client and audience."""
    with opened(state) as admin:
        admin.registry.user(user_id)
        words = [consent_words(record) for record in admin.store.consents_of(user_id)]
    show_all(words, as_json=as_json, nothing="Nothing approved yet.")


@user.command("set")
@click.argument("user_id")
@click.option("--admin/--no-admin", "is_admin", required=True, help="Whether they see /admin and revoke tokens there.")
@state_option
@json_option
def user_set(user_id: str, is_admin: bool, state: Path, as_json: bool) -> None:
    """Make a person an administrator, or one no more. Their password and their logins stay."""
    with opened(state) as admin:
        finish_before(admin, "user", user_id)
        with admin.store.transaction():
            record = admin.registry.user(user_id)
            scopes = without(record.scopes, dict.fromkeys(ADMIN_RIGHTS, ()))
            after = replace(record, scopes={**scopes, **(ADMIN_RIGHTS if is_admin else {})})
            what = "administrator" if is_admin else "no administrator"
            settling = admin.changes.user(after, admin.now_s, "user-changed", what)
        change = change_of(admin, user_words(after), settling)
    show_change(change, as_json=as_json)
    _warn_of_no_administrator(state)


def generated_password() -> str:
    """A password that nobody has to remember for long: 144 random bits."""
    return secrets.token_urlsafe(GENERATED_PASSWORD_LEN)


def _show_password(user_id: str, password: str | None, *, as_json: bool) -> None:
    words = {"user_id": user_id, "password": password}
    if not as_json and password is None:  # it was typed
        del words["password"]
    show(words, as_json=as_json)
    if password is not None and not as_json:
        click.echo("This password is not kept here in readable form: hand it over now.", err=True)


def _asked_password() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Problem("The two passwords differ.")
    else:
        password = sys.stdin.readline().rstrip("\n")
    return password
