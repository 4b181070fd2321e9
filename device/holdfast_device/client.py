"""The client: gets a token from its AS, posts it to an RS, and talks to the RS in the OSCORE session that results.

Everything is a task (tasks.py): `token = yield client.get_token({..})`.  Talks to the configured AS only, whatever
hints say; sends nothing with a token that is over; derives no context from an answer that is incomplete or mirrors
its ID (RFC 9200 sections 5.8, 5.10 and 6.4; RFC 9203 sections 3, 4 and 6).
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.ace_oscore import (
    NONCE_LEN,
    choose_recipient_id,
    client_context,
    decode_authz_info_answer,
    encode_authz_info,
)
from holdfast_core.coap_message import request
from holdfast_core.errors import LocalError, PeerError
from holdfast_core.sender_sequence import SequenceExhausted
from holdfast_device.endpoint import RequestFailed
from holdfast_device.hints import decode_hints
from holdfast_device.token_response import read_token_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, Protocol

    from holdfast_core.coap_message import Message
    from holdfast_core.confirmation import OscInput
    from holdfast_core.oscore import RequestContext, SecurityContext
    from holdfast_device.endpoint import Watch
    from holdfast_device.tasks import Call, Steps
    from holdfast_device.token_response import TokenResponse

    class Asking(Protocol):
        """What sends requests: an Endpoint, or what stands before one (later.py)."""

        @property
        def now_ms(self) -> int:
            """Monotonic."""

        def call(self, peer: Hashable, message: Message, context: RequestContext | None = None) -> Call:
            """As Endpoint does."""

        def watch(self, peer: Hashable, message: Message, context: RequestContext | None = None) -> Watch:
            """As Endpoint does."""

        def unwatch(self, watch: Watch) -> None:
            """As Endpoint does."""


TOKEN_PATH = "/token"  # noqa: S105 - a path
AUTHZ_INFO_PATH = "/authz-info"
MAX_SESSIONS = 8  # with other RSs at the same time; a device talks to one or two


class Refused(PeerError):
    """The RS refused a token or an update; .code is its CoAP code."""

    reason = "refused"
    coap_code = L.CODE_BAD_GATEWAY

    def __init__(self, code: int) -> None:
        PeerError.__init__(self)
        self.code = code


class WrongAs(PeerError):
    """Hints name an AS that is not the configured one (RFC 9200 section 6.9)."""

    reason = "wrong-as"
    coap_code = L.CODE_BAD_GATEWAY


class SessionLost(PeerError):
    """The session is over, its token expired or the RS does not know it any more; open another one."""

    reason = "session-lost"
    coap_code = L.CODE_BAD_GATEWAY


class AceClient:
    """endpoint: sends; rng: nonces; as_uri: the configured AS; as_peer, as_context: how to reach it, or None.

    default_lifetime_s: of a token whose answer has no expires_in, 0 to refuse that (RFC 9200 section 5.10.4).
    profile_agreed: this AS issues for coap_oscore only, is not asked for the profile and need not name it.
    """

    __slots__ = (
        "_as_context",
        "_as_peer",
        "_as_uri",
        "_rng",
        "_sessions",
        "default_lifetime_s",
        "endpoint",
        "profile_agreed",
    )

    def __init__(
        self,
        endpoint: "Asking",
        rng: "Callable[[int], bytes]",
        as_uri: str,
        as_peer: "Hashable | None" = None,
        as_context: "RequestContext | None" = None,
    ) -> None:
        self.endpoint = endpoint
        self._rng = rng
        self._as_uri = as_uri
        self._as_peer = as_peer
        self._as_context = as_context
        self._sessions: list[ClientSession] = []
        self.default_lifetime_s = 0
        self.profile_agreed = False

    def get_token(self, params: "dict[int, Any]", session: "ClientSession | None" = None) -> "Steps":
        """Task: ask the AS; return a TokenResponse.

        params: token request by CBOR label.  session: new rights for this session, in place of a new one.
        Raises TokenRefused, MalformedRequest, RequestFailed.
        """
        if self._as_context is None:
            raise LocalError("no-as")
        asked = dict(params)
        if not self.profile_agreed:
            asked[L.ACE_PROFILE] = None  # the AS must name the profile in its answer (RFC 9200 section 5.8.2)
        if session is not None:
            asked[L.ACE_REQ_CNF] = {L.CNF_KID: session.osc.id}
        asked_ms = self.endpoint.now_ms
        message = request(L.CODE_POST, TOKEN_PATH, cbor.encode(asked), L.CF_ACE_CBOR)
        answer = yield self.endpoint.call(self._as_peer, message, self._as_context)
        return read_token_response(answer, asked_ms, session is not None, self.default_lifetime_s, self.profile_agreed)

    def ask_hints(self, peer: "Hashable", path: str) -> "Steps":
        """Task: ask an RS without rights; return its Hints.  Raises WrongAs, MalformedRequest, RequestFailed."""
        answer = yield self.endpoint.call(peer, request(L.CODE_GET, path))
        if answer.code != L.CODE_UNAUTHORIZED or answer.content_format != L.CF_ACE_CBOR:
            raise errors.MalformedRequest("hints")
        hints = decode_hints(answer.payload)
        if hints.as_uri is not None and hints.as_uri != self._as_uri:
            raise WrongAs("as-uri")
        return hints

    def open_session(self, peer: "Hashable", token: "TokenResponse") -> "Steps":
        """Task: post the token to authz-info and derive the context; return a ClientSession (RFC 9203 section 4).

        Raises Refused, SessionLost when the token is over, MalformedRequest, RequestFailed, Overloaded.
        """
        self._sessions = [session for session in self._sessions if session.is_open]
        if token.osc is None:
            raise LocalError("token-without-key")
        if self.endpoint.now_ms >= token.ends_ms:
            raise SessionLost("token-expired")
        if len(self._sessions) >= MAX_SESSIONS:
            raise errors.Overloaded("sessions")
        n1 = self._rng(NONCE_LEN)
        id1 = choose_recipient_id(self._rng, [session.context.recipient_id for session in self._sessions])
        body = encode_authz_info(token.access_token.reveal(), n1, id1)
        answer = yield self.endpoint.call(peer, request(L.CODE_POST, AUTHZ_INFO_PATH, body, L.CF_ACE_CBOR))
        if answer.code != L.CODE_CREATED:
            raise Refused(answer.code)
        if answer.content_format != L.CF_ACE_CBOR:
            raise errors.MalformedRequest("content-format")
        n2, id2 = decode_authz_info_answer(answer.payload)
        context = client_context(token.osc, n1, n2, id1, id2)  # MalformedRequest when it mirrors our ID
        for other in self._sessions:  # new nonces for the same token: the older context is over (RFC 9203 section 6)
            if other.peer == peer and other.osc.id == token.osc.id:
                other.close()
        session = ClientSession(self.endpoint, peer, context, token.osc, token.ends_ms)
        self._sessions.append(session)
        return session


class ClientSession:
    """An OSCORE session with an RS.  is_open: whether it may still be used."""

    __slots__ = ("_ends_ms", "_lost", "context", "endpoint", "osc", "peer")

    def __init__(
        self, endpoint: "Asking", peer: "Hashable", context: "SecurityContext", osc: "OscInput", ends_ms: int
    ) -> None:
        self.endpoint = endpoint
        self._ends_ms = ends_ms
        self._lost = False
        self.peer = peer
        self.context = context
        self.osc = osc

    @property
    def is_open(self) -> bool:
        """False once the token is over or the RS has shown that it does not know the session."""
        return not self._lost and self.endpoint.now_ms < self._ends_ms

    def request(self, message: "Message") -> "Steps":
        """Task: send a request; return the response.

        Raises SessionLost (nothing was sent, or the answer was an unprotected 4.01), RequestFailed.
        """
        answer = yield from self.exchange(message, self.context)
        if answer.code == L.CODE_UNAUTHORIZED:
            self._lost = True
        return answer

    def observe(self, message: "Message") -> "Watch":
        """Register as an observer; `message = yield watch.next()`.  Raises SessionLost."""
        self._check_open()
        return self.endpoint.watch(self.peer, message, self.context)

    def update(self, token: "TokenResponse") -> "Steps":
        """Task: post a token with new rights into this session (RFC 9203 section 4.1).  Raises Refused as well."""
        body = encode_authz_info(token.access_token.reveal())
        answer = yield from self.exchange(request(L.CODE_POST, AUTHZ_INFO_PATH, body, L.CF_ACE_CBOR), self.context)
        if answer.code != L.CODE_CREATED:
            raise Refused(answer.code)
        self._ends_ms = token.ends_ms

    def exchange(self, message: "Message", context: "RequestContext") -> "Steps":
        """Task: send a message in a context that is this session's or stands for it.  Raises as request does."""
        self._check_open()
        try:
            answer = yield self.endpoint.call(self.peer, message, context)
        except RequestFailed as failed:
            if failed.message is None or failed.message.code != L.CODE_UNAUTHORIZED:
                raise
            self._lost = True
            raise SessionLost("unprotected") from None
        except SequenceExhausted:
            self._lost = True
            raise SessionLost("sequence") from None
        return answer

    def close(self) -> None:
        """Forget the session on this side."""
        self._lost = True

    def _check_open(self) -> None:
        if not self.is_open:
            raise SessionLost("closed" if self._lost else "token-expired")
