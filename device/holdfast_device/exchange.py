"""A device that acts for its own client: another RS's session, on the authority of the token that the client posted.

Token exchange (RFC 8693) at the AS, then authz-info at the other RS.  One session for each original token, kept until
it is over, so that the AS is asked once.  The original token goes to the AS that issued it and nowhere else.
"""

from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_core.crypto import sha256
from holdfast_core.errors import Malformed
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_device.client import Refused, SessionLost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    from holdfast_core.coap_message import Message
    from holdfast_core.secret import Secret
    from holdfast_device.client import AceClient, ClientSession
    from holdfast_device.tasks import Steps

MAX_KEPT = 4  # originals with a session at the same time


class TokenExchange:
    """client: with an AS; audience, scope: what is asked for there; peer: where that RS is."""

    __slots__ = ("_audience", "_client", "_kept", "_peer", "_scope")

    def __init__(self, client: "AceClient", audience: str, scope: str, peer: "Hashable") -> None:
        self._client = client
        self._audience = audience
        self._scope = scope
        self._peer = peer
        self._kept: list[tuple[bytes, ClientSession]] = []

    def request(self, original: "Secret", message: "Message") -> "Steps":
        """Task: send message on the authority of the original token; return its code, payload and Content-Format.

        A session that turns out to be lost is opened once more.  Raises what AceClient and ClientSession raise, with
        codes that suit a gateway.
        """
        try:
            answer = yield from self._ask(original, message)
        except Malformed:
            raise Refused(L.CODE_BAD_GATEWAY) from None
        return response(answer.code, answer.payload, answer.content_format)

    def _ask(self, original: "Secret", message: "Message") -> "Steps":
        session = yield self._session(original)
        try:
            answer = yield session.request(message)
        except SessionLost:
            session = yield self._session(original)
            answer = yield session.request(message)
        return answer

    def _session(self, original: "Secret") -> "Steps":
        key = sha256(original.reveal())
        self._kept = [kept for kept in self._kept if kept[1].is_open]
        for known, session in self._kept:
            if known == key:
                return session
        token = yield self._client.get_token(
            {
                L.ACE_GRANT_TYPE: L.PRIV_GRANT_TOKEN_EXCHANGE,
                L.ACE_AUDIENCE: self._audience,
                L.ACE_SCOPE: self._scope,
                L.PRIV_SUBJECT_TOKEN: original.reveal(),
                L.PRIV_SUBJECT_TOKEN_TYPE: ACCESS_TOKEN_URN,
            }
        )
        session = yield self._client.open_session(self._peer, token)
        if len(self._kept) >= MAX_KEPT:
            self._kept.pop(0)[1].close()
        self._kept.append((key, session))
        return session
