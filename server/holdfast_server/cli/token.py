"""`holdfast server token`: list what was issued, look at one, and withdraw it.

A token itself is never stored; the list shows what was said about it when it was made.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from holdfast_core.cli import Failed, Problem
from holdfast_core.terminal_shell import json_option, show, show_all
from holdfast_server.authz.revocation import STEP, Revocations
from holdfast_server.cli.command import Admin, opened, state_option
from holdfast_server.cli.taking import go_through, say_still_taken, still_taken
from holdfast_server.wire.json_codec import decode_token
from holdfast_server.wire.readable import token_words

MAX_NUMBERS = 20
"""Of revoked tokens that are named to a person; --json names all."""


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
        if client_id is not None:
            admin.registry.client(client_id)
        words = [token_words(record, admin.now_s) for record in admin.store.tokens(client_id, limit)]
    show_all(words, as_json=as_json, nothing="No tokens yet.")


@token.command("revoke")
@click.argument("token_id", type=click.IntRange(1, 2**63 - 1))
@state_option
@json_option
def token_revoke(token_id: int, state: Path, as_json: bool) -> None:
    """Withdraw a token by its number in the list. The tokens that were exchanged for it go too.

    A device that checks tokens alone may take such a token until it is over: the command says until when.
    """
    with opened(state) as admin:
        records = admin.store.live_family(token_id)
        go_through(_revoking(admin, token_id))
        revoked = [record.token_id for record in records]
        taken = still_taken(record for record in records if record.expires_at > admin.now_s)
    if not revoked:
        raise Problem(f"There is no live token {token_id}: `holdfast server token list` numbers them.")
    if as_json:
        show({"revoked": revoked, "still_taken": taken}, as_json=True)
        return
    numbers = ", ".join(map(str, revoked[:MAX_NUMBERS]))
    more = len(revoked) - MAX_NUMBERS
    click.echo(f"Revoked {numbers}{f' and {more} more' if more > 0 else ''}.")
    say_still_taken(taken)


def _revoking(admin: Admin, token_id: int) -> Iterator[None]:
    """Revoke a token at once, and in steps what was exchanged for it; again does what is left."""
    revocations = Revocations(admin.store)
    revocations.revoke([token_id], admin.now_s, "by-operator", limit=STEP)
    yield
    while revocations.go_on(admin.now_s):
        yield


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
