"""The CBOR shapes of ACE parameters (application/ace+cbor), to and from the neutral ones of the authorization server.

Requests are one CBOR map with integer keys, in any valid encoding; a text key, a parameter of the wrong
type or one that belongs into no request is refused (RFC 9200 sections 5.8.3, 5.8.5 and 5.9.4), and a
number that means nothing here is ignored (RFC 6749 section 3.2). Decides nothing else.
"""

from collections.abc import Mapping
from typing import Any

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.errors import MalformedRequest
from holdfast_core.names import ACE_NAMES
from holdfast_server.authz.introspection import INTROSPECTION_NAMES
from holdfast_server.authz.token_request import GRANT_TYPES
from holdfast_server.wire.any_cbor import decode_any

Types = tuple[type, ...]

TOKEN_REQUEST_TYPES: dict[int, Types] = {
    L.ACE_REQ_CNF: (dict,),
    L.ACE_AUDIENCE: (str,),
    L.ACE_SCOPE: (str, bytes),
    L.ACE_CLIENT_ID: (str,),
    L.ACE_REDIRECT_URI: (str,),
    L.ACE_CODE: (bytes,),
    L.ACE_GRANT_TYPE: (int,),
    L.ACE_PROFILE: (int, type(None)),
    L.ACE_CNONCE: (bytes,),
    L.PRIV_SUBJECT_TOKEN: (bytes,),
    L.PRIV_SUBJECT_TOKEN_TYPE: (str,),
    L.PRIV_REQUESTED_TOKEN_TYPE: (str,),
    L.PRIV_CODE_VERIFIER: (str,),
}

CLAIM_LABELS = {"iss": L.CLAIM_ISS, "sub": L.CLAIM_SUB, "act": L.PRIV_ACT}
"""Members of `act`, which is a claims set of its own (RFC 8693 section 4.1)."""

_TOKEN_LABELS = {name: label for label, name in ACE_NAMES.items()}
_INTROSPECTION_LABELS = {name: label for label, name in INTROSPECTION_NAMES.items()}


def decode_token_request(payload: bytes) -> dict[str, Any]:
    """Neutral parameters of a /token request. Raises MalformedCbor, MalformedRequest.

    What comes with a grant that is not served here has types of its own, so it is left alone.
    """
    params = {}
    fields = _map(payload)
    grant_type = fields.get(L.ACE_GRANT_TYPE, GRANT_TYPES[0])
    if type(grant_type) is int and grant_type not in GRANT_TYPES:
        return {"grant_type": grant_type}
    for label, value in fields.items():
        if label not in ACE_NAMES:
            continue
        if type(value) not in TOKEN_REQUEST_TYPES.get(label, ()):
            raise MalformedRequest("token-parameter")
        params[ACE_NAMES[label]] = value
    return params


def decode_introspection_request(payload: bytes) -> dict[str, Any]:
    """Neutral parameters of an /introspect request. Raises MalformedCbor, MalformedRequest.

    token_type_hint may be text or integer (the RFC's table and figure differ), and is ignored as everything else is.
    """
    token = _map(payload).get(L.INTRO_TOKEN)
    if type(token) is not bytes:
        raise MalformedRequest("introspection-parameter")
    return {"token": token}


def encode_token_answer(answer: Mapping[str, Any]) -> bytes:
    """A neutral token answer as a CBOR map with integer keys and values."""
    return cbor.encode({_TOKEN_LABELS[name]: value for name, value in answer.items()})


def encode_introspection_answer(answer: Mapping[str, Any]) -> bytes:
    """A neutral introspection answer as a CBOR map with integer keys and values."""
    fields = {_INTROSPECTION_LABELS[name]: value for name, value in answer.items()}
    if L.PRIV_ACT in fields:
        fields[L.PRIV_ACT] = encode_act(fields[L.PRIV_ACT])
    return cbor.encode(fields)


def encode_act(act: Mapping[str, Any]) -> dict[int, Any]:
    """An actor chain with claim labels for names (RFC 8693 section 4.1)."""
    return {
        CLAIM_LABELS[name]: encode_act(value) if isinstance(value, Mapping) else value for name, value in act.items()
    }


def encode_error(error: int, description: str = "") -> bytes:
    """An error answer (RFC 9200 section 5.8.3)."""
    fields: dict[int, Any] = {L.ACE_ERROR: error}
    if description:
        fields[L.ACE_ERROR_DESCRIPTION] = description
    return cbor.encode(fields)


def _map(payload: bytes) -> dict[int, Any]:
    fields = decode_any(payload)
    if not isinstance(fields, dict) or any(type(label) is not int for label in fields):
        raise MalformedRequest("not-a-map")
    return fields
