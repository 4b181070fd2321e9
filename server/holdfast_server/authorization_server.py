"""The authorization server: token, introspection, revocation and authorization endpoints, without any transport.

Sans-IO: parameters, caller and time in, answers out; the store is a port.  Parameters and answers are dicts keyed by the
RFC's text names; values are those of the CBOR shape (tokens, codes, nonces and keys are bytes; grant_type, ace_profile,
token_type are integers of labels.py; cnf maps have integer labels; scope is text or bytes).  Codecs translate: in the text
shapes every bytes value is unpadded base64url.
Never authenticates (see caller.py) and never writes to a socket or a log.  RFC 9200 sections 5.8, 5.9; RFC 6749 section 4.1;
RFC 7009; RFC 8693.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast_server.caller import Caller
from holdfast_server.settings import Settings


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A validated request to the authorization endpoint: everything the consent page shows and the code is bound to."""

    client_id: str
    redirect_uri: str
    audience: str
    scope: str  # space separated, never empty
    code_challenge: str
    state: str | None = None
    cnonce: bytes | None = None


class AuthorizationServer:
    """One AS over one store.  rng: n -> n random bytes, from the operating system outside of tests."""

    def __init__(self, store: Any, keyring: Any, settings: Settings, rng: Callable[[int], bytes]) -> None:
        self.store = store
        self.keyring = keyring
        self.settings = settings
        self._rng = rng

    def authenticate_client(self, client_id: str, secret: str) -> Caller:
        """Check a client secret; InvalidClient when client or secret are wrong, with the same text and work for both."""
        raise NotImplementedError

    def token(self, params: dict[str, Any], caller: Caller, now_s: int) -> dict[str, Any]:
        """Issue a token, or raise a ServerRefusal (RFC 9200 section 5.8).

        params: grant_type?, audience?, scope?, req_cnf?, ace_profile? (present and None: name it), cnonce?, client_id?,
        code, redirect_uri, code_verifier; subject_token, subject_token_type?.  Others are refused.
        Returns access_token, expires_in, and where due cnf, rs_cnf, scope, ace_profile, issued_token_type.
        """
        raise NotImplementedError

    def introspect(self, params: dict[str, Any], caller: Caller, now_s: int) -> dict[str, Any]:
        """Tell an RS about one of its tokens, or {"active": False} (RFC 9200 section 5.9).  params: token."""
        raise NotImplementedError

    def revoke(self, params: dict[str, Any], caller: Caller, now_s: int) -> None:
        """Revoke a token of the calling client and everything derived from it (RFC 7009).  params: token."""
        raise NotImplementedError

    def authorize(self, params: dict[str, str], now_s: int) -> AuthorizationRequest:
        """Validate a request to the authorization endpoint; raises AuthorizeError."""
        raise NotImplementedError

    def grant_code(self, request: AuthorizationRequest, user_id: str, approved_scope: str, now_s: int) -> str:
        """Make the one-time code for what the user approved; returns the URL to redirect to (code, state, iss)."""
        raise NotImplementedError

    def deny(self, request: AuthorizationRequest) -> str:
        """Return the URL that tells the client the user said no (access_denied)."""
        raise NotImplementedError
