"""`holdfast server`: make an authorization server, fill its registry, run it, look after it."""

import secrets
import signal
import tomllib
from pathlib import Path

import click

from holdfast_core.cli import Problem
from holdfast_core.kinds import ROLE_SIGN
from holdfast_core.terminal_shell import json_option, sentence_of, show, write_private
from holdfast_server.authz.administrator import ADMIN_RIGHTS
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.party_checks import check_user
from holdfast_server.cli.audit import audit
from holdfast_server.cli.backup import backup, restore, restored
from holdfast_server.cli.check import check
from holdfast_server.cli.client import client
from holdfast_server.cli.clock import clock
from holdfast_server.cli.command import opened, operator_name, problems, state_option
from holdfast_server.cli.context import context
from holdfast_server.cli.key import key
from holdfast_server.cli.rs import rs
from holdfast_server.cli.status import status
from holdfast_server.cli.token import token
from holdfast_server.cli.user import generated_password, user
from holdfast_server.process import config as configuration
from holdfast_server.process.clock_watch import wall_s
from holdfast_server.records import User
from holdfast_server.store.sqlite import DATABASE_NAME, Store
from holdfast_server.web.authenticator import hash_password

OPTIONS = {
    "coap.bind": "--coap",
    "coap.advertise": "--advertise",
    "http.bind": "--http",
    "http.certificate": "--certificate",
    "http.key": "--key",
    "issuer ": "--issuer ",
}
"""Keys of the configuration file, and the options of `init` that give them."""


@click.group()
def group() -> None:
    """Run the authorization server: clients, resource servers, users, consent, tokens.

    \b
    A server from nothing:
      export HOLDFAST_STATE=DIR
      holdfast server init
      holdfast server rs add ekg --scope read_ekg=GET:/ekg --format reference
      holdfast server client add app --grant authorization_code \\
          --redirect-uri URL --allow ekg=read_ekg
      holdfast server user add doctor --allow ekg=read_ekg --generate
      holdfast server serve

    Every command may run beside a running server, which notices at once. `holdfast --help` says what the exit
    codes mean: 1, what was asked for did not succeed; 2, the call or the configuration is wrong.
    """  # noqa: D301 - the mark by which click keeps lines as they are


for part in (client, rs, user, token, key, audit, clock, context, backup, restore, restored, check, status):
    group.add_command(part)


@group.command()
@state_option
@click.option("--issuer", help="The server's URL for browsers; made of --http when not given.")
@click.option("--http", default="127.0.0.1:8080", show_default=True, help="Where to serve browsers.")
@click.option("--coap", default="127.0.0.1:5683", show_default=True, help="Where to serve devices.")
@click.option("--advertise", default="", help="HOST:PORT that devices are told, when --coap is 0.0.0.0 or [::].")
@click.option("--certificate", default="", help="PEM file, in --state or with its whole path; not for loopback.")
@click.option("--key", "private_key", default="", help="PEM file of the certificate's key, likewise.")
@click.option("--admin", "admin_id", default="admin", show_default=True, help="Who looks after the server at /admin.")
@json_option
def init(
    state: Path,
    issuer: str | None,
    http: str,
    coap: str,
    advertise: str,
    certificate: str,
    private_key: str,
    admin_id: str,
    as_json: bool,
) -> None:
    """Make a new server. Its directory, configuration, database, signing keys, and an administrator.

    The administrator's password is made here and printed once; there is no default one.
    """
    path = state / configuration.CONFIG_NAME
    with problems():
        check_user(User(admin_id))
        for name in (path, state / DATABASE_NAME):
            if name.exists():
                raise Problem(f"{name} exists: this directory already has a server.")
        was_open = state.exists() and state.stat().st_mode & 0o077
    url = issuer or f"{'https' if certificate else 'http'}://{http}"
    text = configuration.render(url, http, coap, certificate, private_key, advertise)
    password = generated_password()
    with problems():
        try:
            configuration.parse(tomllib.loads(text), state)
        except tomllib.TOMLDecodeError:
            raise Problem("An option has a character that a configuration file cannot hold.") from None
        except configuration.ConfigError as error:
            said = str(error)
            for key_name, option in OPTIONS.items():
                said = said.replace(key_name, option)
            raise Problem(sentence_of(said)) from None
        kids = _make_state(state, User(admin_id, hash_password(password), dict(ADMIN_RIGHTS)))
        write_private(path, text.encode(), force=False)
    if as_json:
        admin = {"user_id": admin_id, "password": password}
        show({"state": str(state), "config": str(path), "signing_kids": kids, "admin": admin}, as_json=True)
        return
    if was_open:
        click.echo(f"Note: others may look into {state}; `holdfast server check --fix` takes that away.", err=True)
    check = f"  holdfast server check --state {state}\n" if certificate else ""  # its files may yet have to come
    click.echo(f"""Made {state}/
  {configuration.CONFIG_NAME}   its configuration, to read and change
  {DATABASE_NAME}   registry, keys, tokens; mode 0600, see `holdfast server backup`
Signing keys {", ".join(kids)} (current, next).
Administrator {admin_id}, password {password}
(shown this once; for {url.rstrip("/")}/admin)

Next:
  holdfast server rs add NAME --scope SCOPE=GET:/PATH --state {state}
  holdfast server user add NAME --allow NAME=SCOPE --generate --state {state}
{check}  holdfast server serve --state {state}""")


def _make_state(state: Path, admin: User) -> list[str]:
    """Make the directory and the database; returns the ids of the signing keys."""
    now_s = wall_s()
    with Store(state, now_s) as store, store.transaction():
        store.operator = operator_name()
        keyring = Keyring(store, secrets.token_bytes)
        keyring.make_keys(ROLE_SIGN, None, now_s)
        store.put_user(admin, now_s)
        store.keep_clock(now_s, now_s, 0)
        store.audit(now_s, "initialised", user_id=admin.user_id)
        return [signer.kid.hex() for signer in keyring.public_keys()]


@group.command("serve")
@state_option
@click.option("--trace", is_flag=True, help="Print a line of JSON for each datagram: sizes and codes, no content.")
def serve_command(state: Path, trace: bool) -> None:
    """Serve until stopped. Prints {"ready": ...} with the ports when it can be used."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before there is anything to read again must not kill
    from holdfast_server.cli.serve import serve  # noqa: PLC0415 - it takes a second, and only this command needs it

    with opened(state, serving=True) as admin:
        serve(admin, trace=trace)
