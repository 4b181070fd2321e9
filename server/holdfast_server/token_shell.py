"""`holdfast server token`: list what was issued, look at one, and withdraw it.

A token itself is never stored; the list shows what was said about it when it was made.
"""

import sys
from pathlib import Path

import click

from holdfast_server.admin_shell import Failed, Problem, json_option, opened, show, show_all, state_option
from holdfast_server.json_codec import decode_token
from holdfast_server.records_shell import token_words


@click.group()
def token() -> None:
    """Tokens that were issued."""


@token.command("list")
@click.option("--client", "client_id", help="Only those of this client.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many at most.")
@state_option
@json_option
def token_list(client_id: str | None, limit: int, state: Path, as_json: bool) -> None:
    """List the newest tokens."""
    with opened(state) as admin:
        words = [token_words(record, admin.now_s) for record in admin.store.tokens(client_id, limit)]
    show_all(words, as_json=as_json, nothing="No tokens yet.")


@token.command("revoke")
@click.argument("token_id", type=click.IntRange(1, 2**63 - 1))
@state_option
def token_revoke(token_id: int, state: Path) -> None:
    """Withdraw a token by its number in the list. So is every token that was exchanged for it."""
    with opened(state) as admin, admin.store.transaction():
        revoked = admin.store.revoke_token(token_id, admin.now_s)
        for number in revoked:
            admin.store.audit(admin.now_s, "token-revoked", token_id=number, reason="by-operator")
    if not revoked:
        raise Problem(f"There is no live token {token_id}: `holdfast server token list` numbers them.")
    click.echo(f"Revoked {', '.join(map(str, revoked))}.")


@token.command("introspect")
@click.argument("text", metavar="TOKEN|-")
@state_option
@json_option
def token_introspect(text: str, state: Path, as_json: bool) -> None:
    """Say what is known of a token. It is base64url; - reads it from standard input, out of the shell's history."""
    encoded = sys.stdin.readline().strip() if text == "-" else text
    with opened(state) as admin:
        record = admin.store.token(decode_token(encoded))
    if record is None:
        raise Failed("This server did not issue that token, or has forgotten it.")
    show(token_words(record, admin.now_s), as_json=as_json)
