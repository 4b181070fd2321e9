"""An OSCORE context between the server and a party, in the forms that other implementations read.

    diag      OSCORE_Input_Material (RFC 9203 section 3.2.1) in CBOR diagnostic notation
    cbor      the same as CBOR
    aiocoap   settings.json of a security context directory of aiocoap

All are from the party's view: its Sender ID is what it sends as kid.  OSCORE_Input_Material names no Sender and no
Recipient ID, so those travel beside it.  Sans-IO; never decides what a context may be used for.
"""

import json
from dataclasses import dataclass
from typing import Any

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.crypto import aead_sizes
from holdfast_core.errors import Malformed, UnsupportedAlg
from holdfast_core.oscore import OSCORE_VERSION, max_id_len
from holdfast_core.secret import Secret
from holdfast_server.records import RegistryError
from holdfast_server.wire.any_cbor import decode_any
from holdfast_server.wire.cbor_diagnostic import read_diagnostic, write_diagnostic
from holdfast_server.wire.json_codec import OSC_NAMES

DIAG, CBOR, AIOCOAP = "diag", "cbor", "aiocoap"
FORMS = (DIAG, CBOR, AIOCOAP)
ALGS = {
    "AES-CCM-16-64-128": L.ALG_AES_CCM_16_64_128,
    "AES-CCM-16-64-256": L.ALG_AES_CCM_16_64_256,
    "AES-CCM-16-128-128": L.ALG_AES_CCM_16_128_128,
    "AES-CCM-16-128-256": L.ALG_AES_CCM_16_128_256,
}
MIN_SECRET_LEN = 16
MAX_LEN = 64
"""Octets of a Master Secret, a Master Salt and an ID Context: ample."""
_HKDF = "sha256"


@dataclass(frozen=True, slots=True)
class ContextParameters:
    """What both sides of a context share, and the party's IDs; None: the form has none."""

    master_secret: Secret
    master_salt: bytes = b""
    sender_id: bytes | None = None
    recipient_id: bytes | None = None
    id_context: bytes | None = None
    alg: int = L.ALG_AES_CCM_16_64_128


def encode_context(form: str, parameters: ContextParameters) -> bytes:
    """Write a context in one of FORMS."""
    if form == AIOCOAP:
        return _to_aiocoap(parameters)
    material: dict[int, Any] = {
        L.OSC_VERSION: OSCORE_VERSION,
        L.OSC_MS: parameters.master_secret.reveal(),
        L.OSC_HKDF: L.ALG_HMAC_256_256,
        L.OSC_ALG: parameters.alg,
        L.OSC_SALT: parameters.master_salt,
    }
    if parameters.id_context is not None:
        material[L.OSC_CONTEXT_ID] = parameters.id_context
    if form == CBOR:
        return cbor.encode(material)
    ids = (
        f"Sender ID h'{(parameters.sender_id or b'').hex()}', Recipient ID h'{(parameters.recipient_id or b'').hex()}'"
    )
    head = f"/ OSCORE_Input_Material of RFC 9203; of the party: {ids} /\n"
    return (head + write_diagnostic(material, OSC_NAMES) + "\n").encode()


def decode_context(form: str, octets: bytes) -> ContextParameters:
    """Read a context from one of FORMS. Raises RegistryError, which never shows what was read."""
    try:
        if form == AIOCOAP:
            return _from_aiocoap(json.loads(octets))
        return _from_material(decode_any(octets) if form == CBOR else read_diagnostic(octets.decode()))
    except (Malformed, ValueError, KeyError, TypeError, AttributeError):
        raise RegistryError(f"the file is no context in the form {form}") from None


def check_context(parameters: ContextParameters) -> tuple[bytes, bytes]:
    """Return Sender and Recipient ID of the party. Raises RegistryError when no context can be made of it."""
    sender_id, recipient_id = parameters.sender_id, parameters.recipient_id
    if sender_id is None or recipient_id is None:
        raise RegistryError("this form names no IDs: say --sender-id and --recipient-id, those of the party")
    try:
        longest = max_id_len(parameters.alg)
        aead_sizes(parameters.alg)
    except UnsupportedAlg:
        raise RegistryError(f"the algorithm is not one of {', '.join(ALGS)}") from None
    if sender_id == recipient_id or max(len(sender_id), len(recipient_id)) > longest:
        raise RegistryError(f"Sender ID and Recipient ID must differ and have at most {longest} bytes")
    if not MIN_SECRET_LEN <= len(parameters.master_secret.reveal()) <= MAX_LEN:
        raise RegistryError(f"the Master Secret must have {MIN_SECRET_LEN} to {MAX_LEN} bytes")
    if max(len(parameters.master_salt), len(parameters.id_context or b"")) > MAX_LEN:
        raise RegistryError(f"Master Salt and ID Context have at most {MAX_LEN} bytes")
    return sender_id, recipient_id


def _from_material(material: Any) -> ContextParameters:
    if set(material) - set(OSC_NAMES):
        raise ValueError
    if material.get(L.OSC_VERSION, OSCORE_VERSION) != OSCORE_VERSION:
        raise RegistryError("the context has a version of OSCORE that is not 1")
    if material.get(L.OSC_HKDF, L.ALG_HMAC_256_256) != L.ALG_HMAC_256_256:
        raise RegistryError("the context has an HKDF that is not HKDF SHA-256")
    alg = material.get(L.OSC_ALG, L.ALG_AES_CCM_16_64_128)
    id_context = material.get(L.OSC_CONTEXT_ID)
    return ContextParameters(
        Secret(_bytes(material[L.OSC_MS])),
        _bytes(material.get(L.OSC_SALT, b"")),
        id_context=None if id_context is None else _bytes(id_context),
        alg=ALGS.get(alg, 0) if isinstance(alg, str) else int(alg),
    )


def _to_aiocoap(parameters: ContextParameters) -> bytes:
    settings = {
        "sender-id_hex": (parameters.sender_id or b"").hex(),
        "recipient-id_hex": (parameters.recipient_id or b"").hex(),
        "secret_hex": parameters.master_secret.reveal().hex(),
        "salt_hex": parameters.master_salt.hex(),
        "algorithm": next(name for name, alg in ALGS.items() if alg == parameters.alg),
        "kdf-hashfun": _HKDF,
    }
    if parameters.id_context is not None:
        settings["id-context_hex"] = parameters.id_context.hex()
    return (json.dumps(settings, indent=2) + "\n").encode()


def _from_aiocoap(settings: dict[str, Any]) -> ContextParameters:
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name.endswith("_hex"):
            values[name.removesuffix("_hex")] = bytes.fromhex(value)
        elif name.endswith("_ascii"):
            values[name.removesuffix("_ascii")] = value.encode("ascii")
        else:
            values[name] = value
    if values.get("kdf-hashfun", _HKDF) != _HKDF:
        raise RegistryError("the context has an HKDF that is not HKDF SHA-256")
    id_context = values.get("id-context")
    return ContextParameters(
        Secret(_bytes(values["secret"])),
        _bytes(values.get("salt", b"")),
        _bytes(values["sender-id"]),
        _bytes(values["recipient-id"]),
        None if id_context is None else _bytes(id_context),
        ALGS.get(values.get("algorithm", "AES-CCM-16-64-128"), 0),
    )


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value
