"""What the AS answers at its token endpoint, checked before anything is done with it (RFC 9200 5.8.2, RFC 9203 3.2).

A client that cannot learn a token's lifetime must not use it (RFC 9200 section 5.10.4), so expires_in is required
unless a default is configured.
Integers only: a text key or a text profile is a malformed answer (RFC 9200 section 5.8.4.3).  Never reads the token.
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.cnf import check_osc, decode_cnf
from holdfast_core.errors import PeerError
from holdfast_core.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_core.coap_message import Message
    from holdfast_core.confirmation import OscInput

# No AS of ours issues for longer than a day; a year keeps every time computation small.
MAX_EXPIRES_IN_S = 366 * 86400


class TokenRefused(PeerError):
    """The AS refused: .code is its CoAP code, .error the value of its error parameter or None."""

    reason = "token-refused"
    coap_code = L.CODE_FORBIDDEN  # when it happens to a handler that asked on its client's authority

    def __init__(self, code: int, error: int | None) -> None:
        PeerError.__init__(self)
        self.code = code
        self.error = error


class TokenResponse:
    """access_token: Secret.  ends_ms: monotonic ms from which the token must not be used.  osc: the key material, None
    in an update of rights.  scope: text, bytes or None for what was asked.
    """  # noqa: D205 - the list of members is the summary

    __slots__ = ("access_token", "ends_ms", "osc", "scope")

    def __init__(
        self, access_token: Secret, ends_ms: int, osc: "OscInput | None", scope: str | bytes | None = None
    ) -> None:
        self.access_token = access_token
        self.ends_ms = ends_ms
        self.osc = osc
        self.scope = scope

    def __repr__(self) -> str:
        return f"TokenResponse({self.access_token!r}, scope={self.scope!r})"


def read_token_response(
    answer: "Message", asked_ms: int, update: bool = False, default_lifetime_s: int = 0, profile_agreed: bool = False
) -> TokenResponse:
    """Check an answer of the token endpoint.

    asked_ms: monotonic time of the request.  update: rights for a session were asked for, so cnf must be absent.
    default_lifetime_s, profile_agreed: what holds when expires_in or ace_profile are absent, as in AceClient.
    Raises TokenRefused; MalformedRequest with detail: content-format, cbor, map, text-key, or the parameter's name.
    """
    if answer.content_format != L.CF_ACE_CBOR:
        if answer.code != L.CODE_CREATED:
            raise TokenRefused(answer.code, None)
        raise errors.MalformedRequest("content-format")
    members = _map(answer.payload)
    if answer.code != L.CODE_CREATED:
        error = members.get(L.ACE_ERROR)
        raise TokenRefused(answer.code, error if _is_uint(error) else None)
    return token_response_from(members, asked_ms, update, default_lifetime_s, profile_agreed)


def token_response_from(
    members: "dict[int, Any]",
    asked_ms: int,
    update: bool = False,
    default_lifetime_s: int = 0,
    profile_agreed: bool = False,
) -> TokenResponse:
    """Check the parameters of a token response by CBOR label, as read_token_response does."""
    token = members.get(L.ACE_ACCESS_TOKEN)
    if not isinstance(token, bytes) or not token:
        raise errors.MalformedRequest("access_token")
    expires_in = members.get(L.ACE_EXPIRES_IN, default_lifetime_s)
    if not _is_uint(expires_in) or not 0 < expires_in <= MAX_EXPIRES_IN_S:
        raise errors.MalformedRequest("expires_in")
    if members.get(L.ACE_TOKEN_TYPE, L.TOKEN_TYPE_POP) != L.TOKEN_TYPE_POP:
        raise errors.MalformedRequest("token_type")
    profile = members.get(L.ACE_PROFILE, L.PROFILE_COAP_OSCORE if profile_agreed else None)
    if not _is_uint(profile) or profile != L.PROFILE_COAP_OSCORE:
        raise errors.MalformedRequest("ace_profile")
    scope = members.get(L.ACE_SCOPE)
    if scope is not None and not isinstance(scope, (str, bytes)):
        raise errors.MalformedRequest("scope")
    if L.ACE_RS_CNF in members or (L.ACE_CNF in members) == update:
        raise errors.MalformedRequest("cnf")
    osc = None if update else _osc(members[L.ACE_CNF])
    return TokenResponse(Secret(token), asked_ms + expires_in * 1000, osc, scope)


def _osc(cnf: "Any") -> "OscInput":
    osc = decode_cnf(cnf).osc
    if osc is None:
        raise errors.MalformedRequest("cnf")
    check_osc(osc)
    return osc


def _map(payload: bytes) -> "dict[int, Any]":
    try:
        members = cbor.decode(payload)
    except errors.MalformedCbor:
        raise errors.MalformedRequest("cbor") from None
    if not isinstance(members, dict):
        raise errors.MalformedRequest("map")
    for label in members:
        if not isinstance(label, int):
            raise errors.MalformedRequest("text-key")
    return members


def _is_uint(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
