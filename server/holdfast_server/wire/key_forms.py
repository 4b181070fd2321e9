"""Keys of tokens in the forms that other implementations read.

    cose    COSE_KeySet (RFC 9052 section 7), CBOR          diag    the same in CBOR diagnostic notation
    jwk     JWK Set (RFC 7517 section 5); a kid is base64url        pem     SubjectPublicKeyInfo, public keys only

Reads one shared key of an RS from all but pem.  Sans-IO.
"""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.errors import Malformed
from holdfast_core.secret import Secret
from holdfast_server.authz.keyring import SigningKey
from holdfast_server.base64url import b64
from holdfast_server.records import KeyRecord, RegistryError
from holdfast_server.wire.any_cbor import decode_any
from holdfast_server.wire.cbor_diagnostic import read_diagnostic, write_diagnostic

COSE, DIAG, JWK, PEM = "cose", "diag", "jwk", "pem"
FORMS = (COSE, DIAG, JWK, PEM)
MAX_KID_LEN = 64
_SHARED_NAMES = {L.KEY_KTY: "kty", L.KEY_KID: "kid", L.KEY_ALG: "alg", L.KEY_K: "k"}
_PUBLIC_NAMES = {L.KEY_KTY: "kty", L.KEY_KID: "kid", L.KEY_ALG: "alg", L.KEY_CRV: "crv", L.KEY_X: "x", L.KEY_Y: "y"}


def encode_keys(form: str, public: list[SigningKey], shared: list[KeyRecord]) -> bytes:
    """Write keys in one of FORMS. Raises RegistryError when the form cannot hold them."""
    if form == PEM:
        if shared or not public:
            raise RegistryError("PEM holds public keys only: choose cose, diag or jwk")
        return b"".join(_pem(key) for key in public)
    if form == JWK:
        keys = [_public_jwk(key) for key in public] + [_shared_jwk(key) for key in shared]
        return (json.dumps({"keys": keys}, indent=2) + "\n").encode()
    if form == COSE:
        return cbor.encode([_public_cose(key) for key in public] + [_shared_cose(key) for key in shared])
    rows = [write_diagnostic(_public_cose(key), _PUBLIC_NAMES, "  ") for key in public]
    rows += [write_diagnostic(_shared_cose(key), _SHARED_NAMES, "  ") for key in shared]
    return ("/ COSE_KeySet (RFC 9052 section 7) /\n[\n  " + ",\n  ".join(rows) + "\n]\n").encode()


def decode_shared_key(form: str, octets: bytes) -> tuple[bytes, Secret]:
    """Read one symmetric key, alone or as the only one of a set: its kid and its octets.

    Raises RegistryError, which never shows what was read.
    """
    try:
        if form == JWK:
            return _from_jwk(json.loads(octets))
        item = decode_any(octets) if form == COSE else read_diagnostic(octets.decode())
        key = decode_cose_key(_only(item))
    except (Malformed, ValueError, KeyError, TypeError, AttributeError):
        key = None
    if key is None or key.k is None or not key.kid or len(key.kid) > MAX_KID_LEN:
        raise RegistryError(f"the file is no symmetric key with a kid in the form {form}")
    return key.kid, key.k


def _only(item: Any) -> Any:
    """The key, or the only member of a set of keys."""
    if not isinstance(item, list):
        return item
    (key,) = item
    return key


def _from_jwk(document: dict[str, Any]) -> tuple[bytes, Secret]:
    jwk = _only(document["keys"]) if "keys" in document else document
    kid, k = _unpacked(jwk["kid"]), _unpacked(jwk["k"])
    if jwk["kty"] != "oct" or not kid or len(kid) > MAX_KID_LEN or not k:
        raise RegistryError("the file is no symmetric key with a kid in the form jwk")
    return kid, Secret(k)


def _public_cose(key: SigningKey) -> dict[int, Any]:
    return {
        L.KEY_KTY: L.KTY_EC2,
        L.KEY_KID: key.kid,
        L.KEY_ALG: L.ALG_ES256,
        L.KEY_CRV: L.CRV_P256,
        L.KEY_X: key.x,
        L.KEY_Y: key.y,
    }


def _shared_cose(key: KeyRecord) -> dict[int, Any]:
    return {L.KEY_KTY: L.KTY_SYMMETRIC, L.KEY_KID: key.kid, L.KEY_ALG: key.alg, L.KEY_K: key.secret.reveal()}


def _public_jwk(key: SigningKey) -> dict[str, str]:
    named = {"kty": "EC", "use": "sig", "alg": "ES256", "kid": b64(key.kid), "crv": "P-256"}
    return {**named, "x": b64(key.x), "y": b64(key.y)}


def _shared_jwk(key: KeyRecord) -> dict[str, str]:
    return {"kty": "oct", "kid": b64(key.kid), "k": b64(key.secret.reveal())}


def _pem(key: SigningKey) -> bytes:
    point = ec.EllipticCurvePublicNumbers(
        int.from_bytes(key.x, "big"), int.from_bytes(key.y, "big"), ec.SECP256R1()
    ).public_key()
    return point.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _unpacked(text: str) -> bytes:
    packed = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
