"""A token response over HTTPS, JSON in the shapes of RFC 9200 and RFC 9203, as the client of the device side reads it.

Only changes the shape: names to labels, base64url to octets. What it means is checked by holdfast_device.
"""

import base64
import binascii
from typing import Any

from holdfast_core import labels as L
from holdfast_core.errors import MalformedRequest
from holdfast_core.names import ACE_NAMES, PROFILE_NAMES, TOKEN_TYPE_NAMES

_LABELS = {name: label for label, name in ACE_NAMES.items()}
_PROFILES = {name: label for label, name in PROFILE_NAMES.items()}
_TOKEN_TYPES = {name: label for label, name in TOKEN_TYPE_NAMES.items()}
_OSC_LABELS = {
    "id": L.OSC_ID,
    "version": L.OSC_VERSION,
    "ms": L.OSC_MS,
    "hkdf": L.OSC_HKDF,
    "alg": L.OSC_ALG,
    "salt": L.OSC_SALT,
    "contextId": L.OSC_CONTEXT_ID,
}
_OSC_OCTETS = ("id", "ms", "salt", "contextId")


def unb64(text: object) -> bytes:
    """Decode unpadded base64url. Raises MalformedRequest."""
    if not isinstance(text, str):
        raise MalformedRequest("base64url")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest("base64url") from None


def b64(octets: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def members_of(answer: dict[str, Any]) -> dict[int, Any]:
    """The parameters of a JSON token response by CBOR label. Raises MalformedRequest."""
    members: dict[int, Any] = {}
    for name, value in answer.items():
        label = _LABELS.get(name)
        if label is not None:
            members[label] = _value(name, value)
    return members


def _value(name: str, value: Any) -> Any:
    if name == "access_token":
        return unb64(value)
    if name == "ace_profile":
        return _PROFILES.get(value, value)
    if name == "token_type":
        return _TOKEN_TYPES.get(value, value)
    if name == "cnf":
        return {L.CNF_OSC: _osc(value)}
    return value


def _osc(cnf: Any) -> dict[int, Any]:
    osc = cnf.get("osc") if isinstance(cnf, dict) else None
    if not isinstance(osc, dict) or not osc.keys() <= _OSC_LABELS.keys():
        raise MalformedRequest("cnf")
    return {_OSC_LABELS[name]: unb64(value) if name in _OSC_OCTETS else value for name, value in osc.items()}
