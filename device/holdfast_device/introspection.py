"""Asking the AS about a reference token, over the device's own OSCORE context with it (RFC 9200 section 5.9).

Bounded in flight and with a memory for refusals, so that a flood of invented references does not become a flood at the
AS.  Never grants anything: the answer goes through verifier.grant_from_introspection, and no answer is a refusal
(RFC 9200 section 6.10).
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.crypto import sha256
from holdfast_core.errors import TokenRejected
from holdfast_device.endpoint import RequestFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from holdfast_core.oscore import RequestContext
    from holdfast_device.endpoint import Endpoint
    from holdfast_device.tasks import Steps

PATH = "/introspect"
MAX_ASKING = 2
REFUSED_LIFE_MS = 30 * 1000  # a reference just revoked and one never issued look the same; both stay refused so long
MAX_REFUSED = 16
_HASH_LEN = 16


class ClaimsUnavailable(TokenRejected):
    """The claims of a reference cannot be obtained (RFC 9200 section 5.10.1.1): no answer, or none that can be read."""

    reason = "claims-unavailable"
    coap_code = L.CODE_BAD_REQUEST


class Introspector:
    """as_peer: address of the AS; context: OSCORE context with it."""

    __slots__ = ("_asking", "_context", "_endpoint", "_peer", "_refused")

    def __init__(self, endpoint: "Endpoint", as_peer: "Hashable", context: "RequestContext") -> None:
        self._endpoint = endpoint
        self._peer = as_peer
        self._context = context
        self._asking = 0
        self._refused: dict[bytes, int] = {}

    def ask(self, token: bytes) -> "Steps":
        """Task: return the AS's answer, a decoded map.

        Raises ClaimsUnavailable, also when the AS cannot be reached; Overloaded when too many ask already.
        """
        key = sha256(token)[:_HASH_LEN]
        if self._refused.get(key, 0) > self._endpoint.now_ms:
            return {L.INTRO_ACTIVE: False}
        if self._asking >= MAX_ASKING:
            raise errors.Overloaded("introspection")
        self._asking += 1
        try:
            answer = yield self._endpoint.call(self._peer, _question(token), self._context)
        except RequestFailed as failed:
            raise ClaimsUnavailable(failed.why) from None
        finally:
            self._asking -= 1
        claims = _read(answer)
        if claims.get(L.INTRO_ACTIVE) is False:
            self._refuse(key)
        return claims

    def _refuse(self, key: bytes) -> None:
        if len(self._refused) >= MAX_REFUSED:
            del self._refused[min(self._refused, key=lambda known: self._refused[known])]
        self._refused[key] = self._endpoint.now_ms + REFUSED_LIFE_MS


def _question(token: bytes) -> "Any":
    return request(L.CODE_POST, PATH, cbor.encode({L.INTRO_TOKEN: token}), L.CF_ACE_CBOR)


def _read(answer: "Any") -> "dict[int, Any]":
    if answer.code != L.CODE_CREATED or answer.content_format != L.CF_ACE_CBOR:
        raise ClaimsUnavailable("answer")
    try:
        claims = cbor.decode(answer.payload)
    except errors.MalformedCbor:
        raise ClaimsUnavailable("cbor") from None
    if not isinstance(claims, dict):
        raise ClaimsUnavailable("map")
    return claims
