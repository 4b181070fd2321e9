"""What the authorization server refuses, and the code each refusal is answered with.

    PeerError (holdfast_core.errors)
      |- OAuthError                 an answer with an `error` parameter (RFC 9200 section 5.8.3, RFC 6749 section 5.2)
      |  |- InvalidTarget           invalid_target over HTTPS (RFC 8693 section 2.2.2); CBOR has no number for it
      |  |- InvalidClient           4.01 / 401; every other OAuthError is 4.00 / 400
      |  `- CodeReplayed            invalid_grant; the caller that catches it revokes its tokens
      |- IntrospectionForbidden     4.03 / 403 without a payload (RFC 9200 section 5.9.3)
      |- NotAdministrator           4.03 / 403 without a payload: only an administrator may do this
      |- TooManyRequests         4.29 / 429 without a payload: the caller's quota is used up
      |- ServiceUnavailable         5.03 / 503 without a payload: the AS refuses to work, as before the clock is set
      |- IssuanceFailed             5.00 / 500 without a payload: a token did not pass the pre-issuance lint
      `- AuthorizeError             the authorization endpoint's refusal (RFC 6749 section 4.1.2.1)
    LocalError (holdfast_core.errors)
      `- StoreError                 StoreLocked, MigrationChanged: start-up problems, told to the operator
         `- StoreFailed             5.03 / 503 when is_unavailable, else a bug: 5.00 / 500
            `- StoreBusy            held by somebody else

Descriptions are constant text of this package; nothing of the peer's bytes is ever in them.
"""

from urllib.parse import urlencode

from holdfast_core import labels as L
from holdfast_core.errors import LocalError, PeerError
from holdfast_core.names import ERROR_NAMES

RETRY_AFTER_S = 5
"""Retry-After of 429 and 503, Max-Age of 4.29 and 5.03 (RFC 8516): a command or a backup is in the way for moments."""


class ServerRefusal(PeerError):
    """Common root of what token, introspect and revoke raise: has coap_code, http_status, ace_error, description."""

    reason = "refused"
    http_status = 400
    description = ""


class OAuthError(ServerRefusal):
    """A refusal with an `error` parameter.

    error: L.ERR_*.  description: constant text for error_description, from our code only.
    """

    reason = "oauth"

    def __init__(self, error: int, description: str) -> None:
        super().__init__(f"{ERROR_NAMES[error]}: {description}")
        self.ace_error = error
        self.error_name = ERROR_NAMES[error]
        self.description = description


class InvalidClient(OAuthError):
    """The client or RS did not authenticate, or is unknown; 4.01 and 401 (RFC 9200 section 5.8.3)."""

    coap_code = L.CODE_UNAUTHORIZED
    http_status = 401

    def __init__(self, description: str = "client authentication failed") -> None:
        super().__init__(L.ERR_INVALID_CLIENT, description)


class InvalidTarget(OAuthError):
    """The audience is unknown, not for this client, not the grant's, or more than one.

    error: what it is in CBOR, where RFC 9200 section 5.8.3 has no invalid_target.
    """

    def __init__(self, description: str, error: int = L.ERR_INVALID_REQUEST) -> None:
        super().__init__(error, description)
        self.error_name = "invalid_target"


class CodeReplayed(OAuthError):
    """A consumed authorization code came again from its own client with the right verifier (RFC 6749 section 4.1.2)."""

    def __init__(self, code_hash: bytes) -> None:
        super().__init__(L.ERR_INVALID_GRANT, "authorization code was used before")
        self.code_hash = code_hash


class IntrospectionForbidden(ServerRefusal):
    """The caller is authenticated and has no right to introspect at all; no payload (RFC 9200 section 5.9.3)."""

    reason = "introspection-forbidden"
    coap_code = L.CODE_FORBIDDEN
    http_status = 403


class NotAdministrator(ServerRefusal):
    """The person who asks does not look after this server; no payload."""

    reason = "not-administrator"
    coap_code = L.CODE_FORBIDDEN
    http_status = 403


class ServiceUnavailable(ServerRefusal):
    """The AS will not issue now, for a reason of its own; no payload."""

    reason = "service-unavailable"
    coap_code = L.CODE_SERVICE_UNAVAILABLE
    http_status = 503


class TooManyRequests(ServerRefusal):
    """The caller has used up its quota; no payload (RFC 6585 section 4, RFC 8516)."""

    reason = "too-many-requests"
    coap_code = L.CODE_TOO_MANY_REQUESTS
    http_status = 429


class IssuanceFailed(ServerRefusal):
    """A token that the audience's reader does not accept was made and is not sent; no payload."""

    reason = "issuance-failed"
    coap_code = L.CODE_INTERNAL_SERVER_ERROR
    http_status = 500


class AuthorizeError(PeerError):
    """The authorization endpoint refuses (RFC 6749 section 4.1.2.1).

    redirect_uri None: show an error page and never redirect, because client or redirect_uri are not known to be good.
    error: text such as "invalid_scope".  state: the client's own, returned to it unchanged.
    """

    reason = "authorize"

    def __init__(self, error: str, description: str, redirect_uri: str | None = None, state: str | None = None) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.redirect_uri = redirect_uri
        self.state = state

    def location(self, issuer: str) -> str:
        """Return the URL to redirect to; LocalError when redirect_uri is None (RFC 9207 adds iss)."""
        if self.redirect_uri is None:
            raise LocalError("no-redirect-uri")
        answer = {"error": self.error, "error_description": self.description, "iss": issuer}
        return redirect_url(self.redirect_uri, answer, self.state)


def redirect_url(redirect_uri: str, answer: dict[str, str], state: str | None) -> str:
    """Append the answer, and state when the client sent one, to a registered redirect_uri's query."""
    if state is not None:
        answer = {**answer, "state": state}
    separator = "&" if "?" in redirect_uri else "?"
    return redirect_uri + separator + urlencode(answer)


class StoreError(LocalError):
    """The state directory cannot be used; the text is for the operator."""

    reason = "store"


class StoreLocked(StoreError):
    """Another process holds the state directory."""

    reason = "another holdfast server uses this state directory"


class StoreFailed(StoreError):
    """The database did not do what it was asked, and nothing of it has happened.

    detail: the database's own words; name: its name for the failure, for a log.  is_unavailable: nobody can be served
    now (no room, no permission, damaged); False: the statement is at fault.  is_damage: only a backup mends it.
    """

    reason = "the database cannot be used"

    def __init__(self, detail: str, name: str = "-", *, is_unavailable: bool = True, is_damage: bool = False) -> None:
        super().__init__(detail)
        self.name = name
        self.is_unavailable = is_unavailable
        self.is_damage = is_damage


class StoreBusy(StoreFailed):
    """Somebody else, a command or a backup, holds the database for longer than a request waits."""


class NotAtHome(StoreError):
    """The database was last served from another directory, or this directory is a copy; see store/home.py."""

    reason = "this state directory is a copy, or its database was brought here from elsewhere"

    def __init__(self, directory: object) -> None:
        super().__init__(
            f"if the server that it was copied from will never serve again, run `holdfast server restored --state "
            f"{directory}`; otherwise make this one anew with `holdfast server init`"
        )


class DatabaseDamaged(StoreError):
    """What lies in the state directory is no whole database of a server; detail: the first thing that is wrong."""

    reason = "the database is damaged, so bring back a backup with `holdfast server restore FILE --force`"


class BackupUnusable(StoreError):
    """A backup cannot be made or taken; detail: why."""

    reason = "not done"


class MigrationChanged(StoreError):
    """A migration that was applied differs from the file shipped, or the database is newer than this program."""

    reason = "migration-changed"
