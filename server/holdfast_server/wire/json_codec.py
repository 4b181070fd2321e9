"""The JSON shapes of ACE parameters, to and from the neutral ones of the authorization server.

Neutral values are those of CBOR: byte strings for tokens, keys and nonces, labels
inside cnf. JSON has names and base64url without padding instead (RFC 9200 section
5.8.4, RFC 9201 section 3, RFC 9203 section 3.2.1, RFC 7800). Decides nothing.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from holdfast_core import labels as L
from holdfast_core.names import GRANT_NAMES, PROFILE_NAMES, TOKEN_TYPE_NAMES
from holdfast_server.authz.token_request import GRANT_TYPES
from holdfast_server.base64url import b64

GRANT_LABELS = {name: label for label, name in GRANT_NAMES.items()}
PROFILES = {name: label for label, name in PROFILE_NAMES.items()}
CURVES = {"P-256": L.CRV_P256}
NO_CURVE = 0
"""Reserved in the registry: a curve that nothing here knows."""
OSC_NAMES = {
    L.OSC_ID: "id",
    L.OSC_VERSION: "version",
    L.OSC_MS: "ms",
    L.OSC_HKDF: "hkdf",
    L.OSC_ALG: "alg",
    L.OSC_SALT: "salt",
    L.OSC_CONTEXT_ID: "contextId",
}
MAX_JSON_LEN = 4096


class BadJson(Exception):
    """A JSON parameter is not of its documented shape."""


def unb64(text: object) -> bytes:
    """The octets of canonical, unpadded base64url text. Raises BadJson."""
    if not isinstance(text, str) or len(text) > MAX_JSON_LEN:
        raise BadJson
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadJson from None
    if b64(octets) != text:
        raise BadJson
    return octets


def decode_token_request(form: Mapping[str, str]) -> dict[str, Any]:
    """Form fields of a token request to neutral parameters. Raises BadJson.

    A grant type or a profile that has no label stays as text: the server refuses it by its own rules. What else comes
    with a grant that is not served here has shapes of its own, so it is left alone.
    """
    params: dict[str, Any] = dict(form)
    asked = form.get("grant_type")
    if asked is not None and GRANT_LABELS.get(asked) not in GRANT_TYPES:
        return {"grant_type": GRANT_LABELS.get(asked, asked)}
    for name, decode in _DECODERS.items():
        if name in params:
            params[name] = decode(params[name])
    return params


def decode_token(text: str) -> bytes:
    """The octets of a token or code; text that is not base64url is some other token, which nobody issued."""
    try:
        return unb64(text)
    except BadJson:
        return text.encode()


def encode_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A neutral token or introspection answer as a JSON object."""
    return {name: _ENCODERS.get(name, _plain)(value) for name, value in answer.items()}


def encode_cnf(cnf: Mapping[int, Any]) -> dict[str, Any]:
    """A cnf map as RFC 7800 and RFC 9203 write it in JSON: jwk, kid or osc."""
    if L.CNF_OSC in cnf:
        return {"osc": {OSC_NAMES[label]: _plain(value) for label, value in cnf[L.CNF_OSC].items()}}
    if L.CNF_COSE_KEY in cnf:
        return {"jwk": _encode_key(cnf[L.CNF_COSE_KEY])}
    return {"kid": b64(cnf[L.CNF_KID])}


def decode_cnf(text: str) -> dict[int, Any]:
    """A req_cnf parameter, {"jwk": {...}} or {"kid": "..."}, to a cnf map. Raises BadJson."""
    cnf = _object(text)
    if set(cnf) == {"kid"}:
        return {L.CNF_KID: unb64(cnf["kid"])}
    if set(cnf) == {"jwk"} and isinstance(cnf["jwk"], dict):
        return {L.CNF_COSE_KEY: _decode_key(cnf["jwk"])}
    raise BadJson


def _object(text: str) -> dict[str, Any]:
    if len(text) > MAX_JSON_LEN:
        raise BadJson
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise BadJson from None
    if not isinstance(value, dict):
        raise BadJson
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadJson
    return members


def _decode_key(jwk: dict[str, Any]) -> dict[int, Any]:
    if jwk.get("kty") == "oct":  # a symmetric key value: the server refuses it with its own error
        return {L.KEY_KTY: L.KTY_SYMMETRIC, L.KEY_K: unb64(jwk.get("k"))}
    if "d" in jwk:  # a private key: nobody asked for that
        raise BadJson
    if jwk.get("kty") == "OKP":  # nor does any RS take this one, and the server has its own error for that too
        return {L.KEY_KTY: L.KTY_OKP}
    if jwk.get("kty") != "EC" or not isinstance(jwk.get("crv"), str):
        raise BadJson
    if not isinstance(jwk.get("kid", ""), str):  # any text (RFC 7517 section 4.5); the point is what names the key here
        raise BadJson
    return {
        L.KEY_KTY: L.KTY_EC2,
        L.KEY_CRV: CURVES.get(jwk["crv"], NO_CURVE),
        L.KEY_X: unb64(jwk.get("x")),
        L.KEY_Y: unb64(jwk.get("y")),
    }


def _encode_key(key: Mapping[int, Any]) -> dict[str, Any]:
    jwk: dict[str, Any] = {"kty": "EC", "crv": "P-256", "x": b64(key[L.KEY_X]), "y": b64(key[L.KEY_Y])}
    if L.KEY_KID in key:
        jwk["kid"] = b64(key[L.KEY_KID])
    return jwk


def _plain(value: object) -> object:
    return b64(value) if isinstance(value, bytes) else value


_DECODERS: dict[str, Callable[[str], Any]] = {
    "grant_type": GRANT_LABELS.__getitem__,
    "ace_profile": lambda text: PROFILES.get(text, text) if text else None,
    "cnonce": unb64,
    "req_cnf": decode_cnf,
    "code": decode_token,
    "subject_token": decode_token,
}

_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "cnf": encode_cnf,
    "rs_cnf": encode_cnf,
    "ace_profile": PROFILE_NAMES.__getitem__,
    "token_type": TOKEN_TYPE_NAMES.__getitem__,
}
