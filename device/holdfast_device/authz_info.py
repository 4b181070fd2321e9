"""The authz-info resource: tokens come in, sessions come out (RFC 9200 section 5.10.1, RFC 9203 sections 4.1 to 4.3).

Unprotected: {access_token, nonce1, ace_client_recipientid}; a verified token makes a PENDING session.  Inside OSCORE:
{access_token}; a verified token for the key of this very session replaces its rights.  Stores nothing of a token that
fails, and looks at the allowances of posts before any token's cryptography: a small one for posts from addresses that
may be false, and one for those that have answered an Echo challenge, so that a flood from false addresses leaves the
second alone.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.ace_oscore import (
    NONCE_LEN,
    choose_recipient_id,
    decode_authz_info,
    encode_authz_info_answer,
    rs_context,
)
from holdfast_core.coap_message import response
from holdfast_core.errors import PeerError
from holdfast_core.secret import Secret
from holdfast_device.sessions import ENDED, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast_core.ace_oscore import AuthzInfoPost
    from holdfast_core.coap_admission import TokenBucket
    from holdfast_core.coap_events import Incoming
    from holdfast_core.coap_message import Message
    from holdfast_core.confirmation import OscInput
    from holdfast_core.grant import Grant
    from holdfast_device.answers import Answers
    from holdfast_device.rights import Rights
    from holdfast_device.tasks import Steps
    from holdfast_device.timekeeper import Timekeeper

PATH = "/authz-info"
# Updates of one session: one a second, and four at once; as many posts as an address is allowed.
UPDATE_MS, UPDATES_MS = 1000, 4000
# Posts without Echo, from all addresses together: one in two seconds, and four at once.  Others are challenged.
UNPROVEN_MS, ALL_UNPROVEN_MS = 2000, 8000


class AuthzInfo:
    """Answers for one RS.

    rights: of its sessions; times: clock, floor and exi countdowns; posts: allowance of posts from addresses that are
    proven; rng: nonces and ids.
    """

    __slots__ = ("_answers", "_next_unproven_ms", "_posts", "_rights", "_times", "rng")

    def __init__(
        self,
        rights: "Rights",
        answers: "Answers",
        times: "Timekeeper",
        posts: "TokenBucket",
        rng: "Callable[[int], bytes]",
    ) -> None:
        self._rights = rights
        self._answers = answers
        self._times = times
        self._posts = posts
        self._next_unproven_ms = 0
        self.rng = rng

    def serve(self, incoming: "Incoming", session: Session | None) -> None:
        """Answer a request at authz-info; session: the one whose context it came in."""
        message = incoming.message
        if message.code != L.CODE_POST:
            self._answers.answer(incoming, response(L.CODE_METHOD_NOT_ALLOWED))
        elif message.content_format != L.CF_ACE_CBOR:
            self._answers.answer(incoming, response(L.CODE_UNSUPPORTED_CONTENT_FORMAT))
        else:
            self._answers.answer_with(incoming, session, self._post(incoming, session))

    def _post(self, incoming: "Incoming", session: Session | None) -> "Steps":
        """Task: return the answer, None when it was a challenge; raises PeerError."""
        try:
            body = decode_authz_info(incoming.message.payload, update=session is not None)
            if not self._admits(incoming, session):
                self._answers.answer_plain(incoming, None)
                return None
            grant = yield self._rights.checker.verify(body.access_token)
            self._rights.checker.confront(grant)
            return self._accept(body, grant) if session is None else self._update(session, body, grant)
        except errors.Overloaded:
            raise
        except PeerError as refused:
            if isinstance(refused, errors.TokenExpired) and refused.detail == "exp" and self._times.is_floor:
                self._times.doubtful = True
            if session is not None:  # RFC 9203 section 4.2: any failure of an update is 4.01
                refused.coap_code = L.CODE_UNAUTHORIZED
            raise

    def _admits(self, incoming: "Incoming", session: Session | None) -> bool:
        """Count a post; return False when its address has to be proven first.

        An update counts against its session alone, so a flood of posts stops none.  Raises Overloaded.
        """
        now_ms = self._times.now_ms
        if session is not None:
            next_ms = max(session.next_update_ms, now_ms)
            admitted = next_ms < now_ms + UPDATES_MS
            if admitted:
                session.next_update_ms = next_ms + UPDATE_MS
        elif self._answers.is_reachable(incoming):
            admitted = self._posts.admit(incoming.peer, now_ms, len(incoming.message.payload))
        else:
            next_ms = max(self._next_unproven_ms, now_ms)
            if next_ms >= now_ms + ALL_UNPROVEN_MS:
                return False
            self._next_unproven_ms = next_ms + UNPROVEN_MS
            return True
        if not admitted:
            raise errors.Overloaded("posts")
        return True

    def _accept(self, body: "AuthzInfoPost", grant: "Grant") -> "Message":
        """Make a PENDING session of a verified token."""
        osc = grant.cnf.osc
        if osc is None:
            raise errors.KeyUnsuitable("osc")
        n1, id1 = body.nonce1, body.client_recipientid
        if n1 is None or id1 is None:
            raise errors.KeyUnsuitable("nonce")
        sessions = self._rights.sessions
        _check_order([other.grant for other in sessions.all() if other.has_key_of(osc)], grant)
        sessions.check_room(self._times.now_ms)
        context, n2 = self._context(osc, n1, id1)
        answer = response(L.CODE_CREATED, encode_authz_info_answer(n2, context.recipient_id), L.CF_ACE_CBOR)
        ends_ms = self._times.countdown(grant)
        token = Secret(body.access_token)
        newcomer = Session(context, grant, osc, token, ends_ms, self._times.now_ms, (n1, n2))
        for session in sessions.make_room(osc):
            self._rights.end(session)
        sessions.add(newcomer)
        return answer

    def _context(self, osc: "OscInput", n1: bytes, id1: bytes) -> "tuple[SecurityContext, bytes]":
        n2 = self.rng(NONCE_LEN)
        used = [context.recipient_id for context in self._rights.sessions.contexts.contexts()]
        id2 = choose_recipient_id(self.rng, used, id1)
        return rs_context(osc, n1, n2, id1, id2), n2

    def _update(self, session: Session, body: "AuthzInfoPost", grant: "Grant") -> "Message":
        """Replace the rights of a session; its context stays (RFC 9203 section 4.2)."""
        if session.state == ENDED:
            raise errors.UnknownContext
        if grant.cnf.method != L.CNF_KID or grant.cnf.kid != session.osc.id:
            raise errors.KeyUnsuitable("kid")
        _check_order([session.grant], grant)
        self._times.prove(grant)
        token, answer = Secret(body.access_token), response(L.CODE_CREATED)
        ends_ms = self._times.countdown(grant)
        self._rights.change(session, grant)
        session.replace(grant, token, ends_ms)  # from here on nothing wants memory
        session.checked_ms = self._times.now_ms
        return answer


def _check_order(known: "list[Grant]", grant: "Grant") -> None:
    """Refuse a token issued before one that is in force for the same key: it could bring back rights taken away."""
    for other in known:
        if other.iat is not None and grant.iat is not None and grant.iat < other.iat:
            raise errors.Replayed("older")


if TYPE_CHECKING:
    from holdfast_core.oscore import SecurityContext
