"""A public key as an operator has it, a PEM file, to a COSE_Key as a record keeps it (RFC 9052 section 7).

Never reads a private key: a file with one is refused, so that it is not left lying here.
"""

from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast_core import labels as L
from holdfast_server.admin_shell import Problem, sentence_of

_COORDINATE_LEN = 32
MAX_PEM_LEN = 4096


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
    x, y = (number.to_bytes(_COORDINATE_LEN, "big") for number in (point.x, point.y))
    return cbor2.dumps({L.KEY_KTY: L.KTY_EC2, L.KEY_CRV: L.CRV_P256, L.KEY_X: x, L.KEY_Y: y})
