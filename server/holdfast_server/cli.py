"""`holdfast server`: make an authorization server, fill its registry, run it, look after it."""

import secrets
import time
import tomllib
from pathlib import Path

import click

from holdfast_server import config as configuration
from holdfast_server.admin_shell import (
    EXIT_FAILED,
    Problem,
    json_option,
    opened,
    problems,
    show,
    show_all,
    state_option,
    write_private,
)
from holdfast_server.keyring import Keyring
from holdfast_server.registry_shell import client, rs, user
from holdfast_server.serve_shell import serve
from holdfast_server.store_sqlite import Store
from holdfast_server.token_shell import token


@click.group()
def group() -> None:
    r"""Run the authorization server: clients, resource servers, users, consent, tokens.

    \b
    A server from nothing:
      holdfast server init --state DIR
      holdfast server rs add ekg --scope read_ekg=GET:/ekg --format reference --state DIR
      holdfast server client add app --grant authorization_code --redirect-uri URL --allow ekg=read_ekg --state DIR
      holdfast server user add doctor --allow ekg=read_ekg --generate --state DIR
      holdfast server serve --state DIR
    """


group.add_command(client)
group.add_command(rs)
group.add_command(user)
group.add_command(token)


@group.command()
@state_option
@click.option("--issuer", help="The server's URL for browsers; http on loopback when not given.")
@click.option("--http", default="127.0.0.1:8080", show_default=True, help="Where to serve browsers.")
@click.option("--coap", default="127.0.0.1:5683", show_default=True, help="Where to serve devices.")
@json_option
def init(state: Path, issuer: str | None, http: str, coap: str, as_json: bool) -> None:
    """Make a new server: its directory, configuration, database and signing keys."""
    path = state / configuration.CONFIG_NAME
    if path.exists():
        raise Problem(f"{path} exists: this directory already has a server.")
    text = configuration.render(issuer or f"http://{http}", http, coap)
    now_s = int(time.time())
    with problems():
        configuration.parse(tomllib.loads(text), state)
        with Store(state, now_s) as store:
            Keyring(store, secrets.token_bytes).make_keys("sign", None, now_s)
            write_private(path, text.encode(), force=False)
            kids = [key.kid.hex() for key in Keyring(store, secrets.token_bytes).public_keys()]
    if as_json:
        show({"state": str(state), "config": str(path), "signing_kids": kids}, as_json=True)
        return
    click.echo(f"""Made {state}/
  server.toml   its configuration, to read and change
  holdfast.db   registry, keys, tokens; mode 0600, back it up like a key
Signing keys {", ".join(kids)} (current, next).

Next:
  holdfast server rs add NAME --scope SCOPE=GET:/PATH --state {state}
  holdfast server user add NAME --allow NAME=SCOPE --generate --state {state}
  holdfast server serve --state {state}""")


@group.command("serve")
@state_option
@click.option("--trace", is_flag=True, help="Print a line of JSON for each datagram: sizes and codes, no content.")
def serve_command(state: Path, trace: bool) -> None:
    """Serve until stopped. Prints {"ready": ...} with the ports when it can be used."""
    with opened(state, serving=True) as admin:
        serve(admin, trace=trace)


@group.command()
@state_option
@json_option
def check(state: Path, as_json: bool) -> None:
    """Check configuration, database and keys without serving. Exit code 0: all is well."""
    findings: list[dict[str, object]] = []
    with opened(state) as admin:
        config = admin.config
        findings.append({"check": "configuration", "ok": True, "says": f"issuer {config.settings.issuer}"})
        signing = len(admin.keyring.public_keys())
        findings.append({"check": "signing keys", "ok": signing >= 2, "says": f"{signing} (current and next are 2)"})
        clock_ok = admin.now_s >= config.settings.clock_floor_s
        findings.append({"check": "clock", "ok": clock_ok, "says": "is set" if clock_ok else "was never set"})
        for name in ("clients", "resource_servers", "users"):
            count = len(getattr(admin.store, name)())
            findings.append({"check": name.replace("_", " "), "ok": True, "says": str(count)})
        mode = (state / "holdfast.db").stat().st_mode & 0o777
        findings.append({"check": "database mode", "ok": mode == 0o600, "says": oct(mode)})
        findings += [
            {"check": path.name, "ok": path.exists(), "says": str(path)}
            for path in (config.certificate, config.key)
            if path is not None
        ]
    show_all(findings, as_json=as_json, nothing="")
    if not all(finding["ok"] for finding in findings):
        raise click.exceptions.Exit(EXIT_FAILED)


@group.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@state_option
@json_option
def audit(limit: int, state: Path, as_json: bool) -> None:
    """Show who was given or refused what, newest first."""
    with opened(state) as admin:
        rows = admin.store.audit_rows(limit)
    words = [
        {
            "at": row.at,
            "event": row.event,
            "client": row.client_id,
            "rs": row.rs_id,
            "user": row.user_id,
            "token": row.token_id,
            "reason": row.reason,
        }
        for row in rows
    ]
    show_all(words, as_json=as_json, nothing="Nothing has happened yet.")
