"""The authorization server: token, introspection, revocation and authorization endpoints, without any transport.

Sans-IO: parameters, caller and time in, answers out; the store is a port.  Parameters and answers are dicts keyed by
the RFC's text names; values are those of the CBOR shape: tokens, codes, nonces and keys are bytes; grant_type,
ace_profile and token_type are integers of labels.py; cnf maps have integer labels; scope is text or bytes.  In the text
shapes every bytes value is unpadded base64url, which is for the codecs to do.
Never authenticates a transport (see caller.py) and never writes to a socket or a log.  RFC 9200 sections 5.8, 5.9;
RFC 6749 section 4.1; RFC 7009; RFC 8693.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from holdfast_core import labels as L
from holdfast_server.authz import authorization, policy
from holdfast_server.authz.administrator import is_admin
from holdfast_server.authz.authorization import AuthorizationRequest
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.clock_guard import BEYOND, NOT_SET, ClockGuard
from holdfast_server.authz.errors import (
    CodeReplayed,
    InvalidClient,
    IssuanceFailed,
    NotAdministrator,
    OAuthError,
    ServerRefusal,
    ServiceUnavailable,
    TooManyRequests,
)
from holdfast_server.authz.grants import GRANT_RULES
from holdfast_server.authz.introspection import introspect
from holdfast_server.authz.issue import Issuer
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.network import network_of
from holdfast_server.authz.ports import AuthorizationStore
from holdfast_server.authz.quotas import Quotas
from holdfast_server.authz.refusals import Refusal, RefusalRows
from holdfast_server.authz.registry import secret_matches
from holdfast_server.authz.revocation import Revocations
from holdfast_server.authz.sealing import decide_sealing
from holdfast_server.authz.settings import Settings
from holdfast_server.authz.token_formats import self_test
from holdfast_server.authz.token_request import TokenRequest, grant_type_of, parse_token_request
from holdfast_server.records import Client, ResourceServer, in_force

__all__ = ["AuthorizationRequest", "AuthorizationServer"]


class AuthorizationServer:
    """One AS over one store.

    rng: n -> n random bytes, from the operating system outside of tests.  clock: what watches the clock that now_s is
    read from (clock_guard.py); without one every time between the settings' floor and ceiling is believed.
    quotas: what a party may use; None: as much as it likes.
    """

    def __init__(
        self,
        store: AuthorizationStore,
        keyring: Keyring,
        settings: Settings,
        rng: Callable[[int], bytes],
        clock: ClockGuard | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        self_test()
        self._store = store
        self.keyring = keyring
        self.settings = settings
        self._rng = rng
        self._clock = clock
        self._quotas = quotas
        # One for each, so that strangers do not fill up the one of those who have authenticated.
        self._stranger_refusals, self._known_refusals, self.login_refusals = (RefusalRows(store) for _ in range(3))
        self.revocations = Revocations(store)
        self._issuer = Issuer(store, keyring, settings.issuer, rng)

    def authenticate_client(self, client_id: str, secret: str) -> Caller:
        """Check a client secret; raises InvalidClient, with the same text and work for a wrong id and a wrong secret.

        The RS of the same OSCORE context speaks through its client too: the EKG is both.
        """
        client = self._store.client(client_id)
        if not secret_matches(client, secret.encode()) or in_force(client) is None:
            raise InvalidClient
        party = self._store.oscore_party(client_id=client_id)
        return Caller(client_id, None if party is None else party.rs_id, authenticated=True)

    def identify_public_client(self, client_id: str) -> Caller:
        """Take a public client's word for who it is (RFC 6749 section 3.2.1); raises InvalidClient for any other."""
        client = in_force(self._store.client(client_id))
        if client is None or not client.public:
            raise InvalidClient
        return Caller(client_id, public=True)

    def client(self, client_id: str) -> Client | None:
        """Return what is registered of a client, or None."""
        return self._store.client(client_id)

    def members_of(self, audience: str) -> Sequence[ResourceServer]:
        """Return the RSs that answer to an audience."""
        return self._store.members_of(audience)

    def note_unauthenticated(self, address: str, now_s: int, reason: str, client_id: str = "") -> bool:
        """Write down that somebody failed to authenticate, unless that was written this minute; whether it was.

        reason: constant text.  client_id: as it was told; it is kept only when it is one of ours, since people paste
        secrets into the wrong field.
        """
        known = client_id if self._store.client(client_id) is not None else None
        kind = Refusal("client-refused", reason, known, network=network_of(address))
        return self._stranger_refusals.note(kind, now_s, address)

    def write_left_out(self, now_s: int, *, all_periods: bool = False) -> None:
        """Write how many refusals were left out of the minutes that are over; all_periods: of this one too."""
        for rows in (self._stranger_refusals, self._known_refusals, self.login_refusals):
            rows.write_left_out(now_s, all_periods=all_periods)

    # --- token endpoint ---

    def token(self, params: dict[str, Any], caller: Caller, now_s: int) -> dict[str, Any]:
        """Issue a token, or raise a ServerRefusal (RFC 9200 section 5.8).

        params: grant_type?, audience?, resource?, scope?, req_cnf?, ace_profile? (present and None: name it), cnonce?,
        client_id?, code, redirect_uri, code_verifier; subject_token, subject_token_type.  Unknown names are ignored.
        Returns access_token, expires_in, and where due cnf, rs_cnf, scope, ace_profile, issued_token_type.
        """
        self._check_clock(now_s)
        if caller.client_id is None or not (caller.authenticated or caller.public):
            raise InvalidClient
        self._count(caller, now_s)
        try:
            with self._store.transaction():
                return self._token(params, caller, now_s)
        except (OAuthError, IssuanceFailed, TooManyRequests) as refused:
            with self._store.transaction():  # of its own: what the request did is undone, and this is kept
                self._note_refusal(refused, caller, now_s)
            raise

    def _token(self, params: dict[str, Any], caller: Caller, now_s: int) -> dict[str, Any]:
        assert caller.client_id is not None  # noqa: S101 - token() has checked
        grant_type = grant_type_of(params)
        client = policy.admit(self._store.client(caller.client_id), grant_type, GRANT_RULES)
        if not caller.authenticated and grant_type != L.GRANT_AUTHORIZATION_CODE:
            raise OAuthError(L.ERR_UNAUTHORIZED_CLIENT, "a public client may only redeem codes")
        request = parse_token_request(params)
        if request.client_id not in (None, caller.client_id):
            raise InvalidClient("client_id is not the authenticated client's")
        if client.is_hub:
            return self._seal(request, client, caller, now_s)
        rule = GRANT_RULES[grant_type]
        authority = rule(request, client, caller, self._store, now_s)
        decision = policy.decide(request, client, authority, self._store, now_s)
        if self._quotas is not None:  # last, so that only a client that may have the token draws on it
            self._quotas.check_issuing(client.client_id, self._store.live_tokens_of(client.client_id))
        return self._issuer.issue(decision, request, now_s, caller.address)

    def _seal(self, request: TokenRequest, hub: Client, caller: Caller, now_s: int) -> dict[str, Any]:
        sealing = decide_sealing(request, hub, self._store, now_s)
        if self._quotas is not None:
            self._quotas.check_issuing(hub.client_id, self._store.live_tokens_of(hub.client_id))
        return self._issuer.seal(sealing, now_s, caller.address)

    def _note_refusal(self, refused: ServerRefusal, caller: Caller, now_s: int) -> None:
        if not caller.authenticated and not isinstance(refused, CodeReplayed):
            return  # anybody can say that they are a public client, as often as they like
        event = "issuance-failed" if isinstance(refused, IssuanceFailed) else "token-refused"
        self._write_refusal(event, str(refused), caller, now_s, limited=isinstance(refused, TooManyRequests))
        if isinstance(refused, CodeReplayed):
            of_code = self._store.tokens_of_code(refused.code_hash)
            self.revocations.revoke(of_code, now_s, "code-replayed", caller.address)

    def _write_refusal(self, event: str, reason: str, caller: Caller, now_s: int, *, limited: bool) -> None:
        if self._quotas is not None:
            self._quotas.refused(caller.client_id, limited=limited)
        self._known_refusals.note(Refusal(event, reason, caller.client_id, caller.rs_id), now_s, caller.address)

    def _count(self, caller: Caller, now_s: int) -> None:
        """Count a request against the authenticated caller; raises TooManyRequests."""
        if self._quotas is None or not caller.authenticated:
            return
        try:
            self._quotas.check_request(caller.client_id, caller.rs_id)
        except TooManyRequests as refused:
            self._write_refusal("request-refused", str(refused), caller, now_s, limited=True)
            raise

    # --- introspection and revocation ---

    def introspect(self, params: dict[str, Any], caller: Caller, now_s: int) -> dict[str, Any]:
        """Tell an RS about one of its tokens, or {"active": False} (RFC 9200 section 5.9).  params: token."""
        self._check_clock(now_s)  # in 1970 no token is over
        self._count(caller, now_s)
        return introspect(params, caller, self._store, now_s)

    def revoke(self, params: dict[str, Any], caller: Caller, now_s: int) -> None:
        """Revoke a token of the calling client and everything derived from it (RFC 7009).  params: token.

        A token that is unknown is no error (RFC 7009 section 2.2); another client's is refused (section 2.1).
        """
        if caller.client_id is None or not (caller.authenticated or caller.public):
            raise InvalidClient
        self._count(caller, now_s)
        token = params.get("token")
        if not isinstance(token, bytes) or not token:
            raise OAuthError(L.ERR_INVALID_REQUEST, "token is missing")
        record = self._store.token(token)
        if record is None:
            return
        if record.client_id != caller.client_id:
            raise OAuthError(L.ERR_INVALID_GRANT, "token was issued to another client")
        self.revocations.revoke([record.token_id], now_s, "by-client", caller.address)

    # --- administrators ---

    def is_administrator(self, user_id: str) -> bool:
        """Whether this person may look after the server in a browser today."""
        return is_admin(self._store.user(user_id))

    def revoke_by_administrator(self, token_id: int, user_id: str, now_s: int, address: str = "") -> None:
        """Revoke a token by its number, and everything derived from it; raises NotAdministrator.

        user_id: who says so; address: where they sit, for the audit.
        """
        if not self.is_administrator(user_id):
            raise NotAdministrator
        with self._store.transaction():
            if self.revocations.revoke([token_id], now_s, "by-administrator", address):
                self._store.audit(now_s, "admin-revoked", user_id=user_id, token_id=token_id, address=address)

    # --- authorization endpoint ---

    def authorize(
        self, params: dict[str, str], now_s: int, repeated: Collection[str] = frozenset()
    ) -> AuthorizationRequest:
        """Validate a request to the authorization endpoint; raises AuthorizeError.

        repeated: the names of the parameters that came more than once.
        """
        self._check_clock(now_s)
        return authorization.validate(params, repeated, self._store)

    def approvable_scope(self, request: AuthorizationRequest, user_id: str) -> list[str]:
        """Return the names of the requested scope that this user may give; an empty list: nothing to consent to."""
        return authorization.approvable_scope(request, user_id, self._store)

    def grant_code(
        self, request: AuthorizationRequest, user_id: str, approved_scope: str, now_s: int, address: str = ""
    ) -> str:
        """Make the one-time code for what the user approved; returns the URL to redirect to (code, state, iss).

        address: where the user sits, for the audit.  Raises AuthorizeError when the user may not give this, or was
        locked since logging in.
        """
        self._check_clock(now_s)
        with self._store.transaction():
            return authorization.make_code(
                request, user_id, approved_scope, self._store, self.settings, self._rng, now_s, address
            )

    def deny(self, request: AuthorizationRequest) -> str:
        """Return the URL that tells the client the user said no (access_denied)."""
        return authorization.denial(request, self.settings.issuer)

    def clock_doubt(self, now_s: int) -> str:
        """Why this time is not to be believed, constant text; "" when it is."""
        if self._clock is not None and self._clock.doubt:
            return self._clock.doubt
        if now_s < self.settings.clock_floor_s:
            return NOT_SET
        return BEYOND if now_s >= self.settings.clock_ceiling_s else ""

    def _check_clock(self, now_s: int) -> None:
        """Refuse to work by a clock that is wrong: tokens would be over, live for years, or come back to life."""
        doubt = self.clock_doubt(now_s)
        if doubt:
            raise ServiceUnavailable(doubt)
