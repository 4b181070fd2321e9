"""Profiles and public keys as they are typed: `--profile`, and a PEM file to a COSE_Key as a record keeps it.

RFC 9052 section 7; RFC 9201 section 3. Never takes a private key: no private key of a client belongs on the server.
"""

from pathlib import Path

import cbor2
import click
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast_core import labels as L
from holdfast_core.cli import Problem
from holdfast_core.kinds import COORDINATE_LEN
from holdfast_core.names import PROFILE_NAMES
from holdfast_core.rules import PROFILES
from holdfast_core.terminal_shell import sentence_of

MAX_PEM_LEN = 4096
PROFILE_WORDS = {PROFILE_NAMES[profile]: profile for profile in PROFILES}
KEY_PROFILES = (L.PROFILE_COAP_OSCORE, L.PROFILE_COAP_DTLS)
"""Of a client that has a public key: it may show that one too."""

profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(list(PROFILE_WORDS)),
    help="How clients show it their key: coap_oscore, as devices of this project do and `rs add` takes by default, "
    "or coap_dtls with public keys. May be repeated.",
)
rs_key_option = click.option(
    "--public-key",
    "public_key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its own public key on P-256 (PEM), which clients of coap_dtls are told.",
)
client_keys_option = click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A public key on P-256 (PEM) that its tokens may be bound to, for coap_dtls. See first that the client holds "
    "the private half: a client with another's key could make that other act. May be repeated.",
)


def read_public_key(path: Path) -> bytes:
    """The encoded COSE_Key of a PEM file with a public key on P-256. Raises Problem."""
    try:
        with path.open("rb") as file:
            pem = file.read(MAX_PEM_LEN)
    except OSError as error:
        raise Problem(sentence_of(f"{path} cannot be read: {error.strerror}")) from None
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Problem(f"{path} is no public key on P-256: `openssl pkey -pubout` writes one from a private key.")
    point = key.public_numbers()
    x, y = (number.to_bytes(COORDINATE_LEN, "big") for number in (point.x, point.y))
    return cbor2.dumps({L.KEY_KTY: L.KTY_EC2, L.KEY_CRV: L.CRV_P256, L.KEY_X: x, L.KEY_Y: y})
