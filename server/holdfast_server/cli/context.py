"""`holdfast server context`: OSCORE contexts with parties that are not Holdfast's, in forms that others read.

A context leaves into a file of mode 0600 and is never shown.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from holdfast_core.cli import Problem
from holdfast_core.secret import Secret
from holdfast_core.terminal_shell import json_option, show, show_all, write_private
from holdfast_server.cli.command import Admin, opened, problems, state_option
from holdfast_server.coap.context_exchange import JUMP, STARTS, ContextExchange
from holdfast_server.wire.context_forms import ALGS, FORMS, ContextParameters, decode_context, encode_context

MAX_FILE_LEN = 1 << 16
F = TypeVar("F", bound=Callable[..., object])


def hex_option(name: str, help_text: str) -> Callable[[F], F]:
    """An option for octets, written as hexadecimal digits."""
    return click.option(name, callback=_octets, metavar="HEX", help=help_text)


def _octets(_ctx: click.Context, _param: click.Parameter, value: str | None) -> bytes | None:
    try:
        return None if value is None else bytes.fromhex(value)
    except ValueError:
        raise click.BadParameter(f'"{value}" is not an even number of hexadecimal digits.') from None


client_option = click.option("--client", "client_id", help="The client that has the context.")
rs_option = click.option("--rs", "rs_id", help="The resource server that has the context.")
form_option = click.option(
    "--form",
    type=click.Choice(FORMS),
    required=True,
    help="diag, cbor: OSCORE_Input_Material (RFC 9203) in diagnostic notation or as CBOR. aiocoap: its settings.json.",
)
sender_option = hex_option("--sender-id", "The party's Sender ID, which is its kid.")
recipient_option = hex_option("--recipient-id", "The party's Recipient ID, which is this server's Sender ID.")


@click.group()
def context() -> None:
    """OSCORE contexts of other implementations."""


@context.command("list")
@state_option
@json_option
def context_list(state: Path, as_json: bool) -> None:
    """List who has an OSCORE context.

    Its IDs are shown as the party sees them, and never its secret.
    """
    with opened(state) as admin:
        rows = [
            {
                "client": party.client_id,
                "rs": party.rs_id,
                "sender_id": party.recipient_id.hex(),
                "recipient_id": party.sender_id.hex(),
                "id_context": None if party.id_context is None else party.id_context.hex(),
                "alg": next(name for name, alg in ALGS.items() if alg == party.alg),
                "rederives": party.rederives,
            }
            for party in admin.store.oscore_parties()
        ]
    show_all(rows, as_json=as_json, nothing="No contexts yet.")


@context.command("export")
@client_option
@rs_option
@form_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file, mode 0600.")
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@sender_option
@recipient_option
@hex_option("--id-context", "An ID Context; none when not given.")
@hex_option("--salt", "The Master Salt; a random one when not given.")
@click.option(
    "--alg",
    type=click.Choice(list(ALGS)),
    metavar="ALG",
    default="AES-CCM-16-64-128",
    show_default=True,
    help=f"The AEAD algorithm: {', '.join(ALGS)}.",
)
@state_option
@json_option
def context_export(  # noqa: PLR0913, PLR0917 - one argument per option
    client_id: str | None,
    rs_id: str | None,
    form: str,
    out: Path,
    force: bool,
    sender_id: bytes | None,
    recipient_id: bytes | None,
    id_context: bytes | None,
    salt: bytes | None,
    alg: str,
    state: Path,
    as_json: bool,
) -> None:
    """Make a new context for another implementation.

    The party's former one ends now. Nobody has used it, so the first request needs no Echo. Give the file to
    one program only.
    """
    given = ContextParameters(Secret(b""), salt or b"", sender_id, recipient_id, id_context, ALGS[alg])
    with opened(state) as admin, admin.store.transaction():
        made = _exchange(admin).export(given, admin.now_s, client_id=client_id, rs_id=rs_id)
        write_private(out, encode_context(form, made), force=force)
    if as_json:
        sender, recipient = ((octets or b"").hex() for octets in (made.sender_id, made.recipient_id))
        words = {"client": client_id, "rs": rs_id, "file": str(out), "sender_id": sender, "recipient_id": recipient}
        show(words, as_json=True)
        return
    ids = f"Sender ID {(made.sender_id or b'').hex() or '(empty)'}, Recipient ID {(made.recipient_id or b'').hex()}"
    click.echo(f"Wrote {out}: it is a key, so move it to the party and delete it here. The party's IDs: {ids}.")


@context.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@client_option
@rs_option
@form_option
@sender_option
@recipient_option
@click.option(
    "--start",
    type=click.Choice(STARTS),
    default=JUMP,
    show_default=True,
    help="jump: the server's numbers start above 2^32 and the first request is challenged with Echo. b2: the party "
    "starts by RFC 8613 appendix B.2. unused: you know that nobody has ever used this context.",
)
@state_option
@json_option
def context_import(
    file: Path,
    client_id: str | None,
    rs_id: str | None,
    form: str,
    sender_id: bytes | None,
    recipient_id: bytes | None,
    start: str,
    state: Path,
    as_json: bool,
) -> None:
    """Use a context that was made elsewhere.

    The context is one with a registered party; the former context of that party ends now. A context that was imported
    or exported here before is refused: its numbers would start again.
    """
    with problems():
        octets = read_bounded(file)
        parameters = decode_context(form, octets)
    for given, found in ((sender_id, parameters.sender_id), (recipient_id, parameters.recipient_id)):
        if given is not None and found not in (None, given):
            raise Problem("The file names other IDs than --sender-id and --recipient-id: leave them out.")
    parameters = ContextParameters(
        parameters.master_secret,
        parameters.master_salt,
        parameters.sender_id if sender_id is None else sender_id,
        parameters.recipient_id if recipient_id is None else recipient_id,
        parameters.id_context,
        parameters.alg,
    )
    with opened(state) as admin:
        _exchange(admin).take_in(parameters, start, admin.now_s, client_id=client_id, rs_id=rs_id)
    if as_json:
        show({"client": client_id, "rs": rs_id, "imported": True}, as_json=True)
        return
    click.echo(f"Imported the context of {client_id or rs_id}: delete {file}, which is a key.")


def read_bounded(file: Path) -> bytes:
    """Return what is in a small file. Raises Problem, OSError."""
    with file.open("rb") as source:
        octets = source.read(MAX_FILE_LEN + 1)
    if len(octets) > MAX_FILE_LEN:
        raise Problem(f"{file} is too long for a key.")
    return octets


def _exchange(admin: Admin) -> ContextExchange:
    return ContextExchange(admin.store, admin.registry, secrets.token_bytes)
