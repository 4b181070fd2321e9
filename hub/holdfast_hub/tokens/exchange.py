"""What a hub asks of the authorization server, and how an answer is read: strictly, and only what a hub may know.

An answer that holds more than a token and its lifetime is refused: a key in it would be one that the hub has seen.
RFC 8693 section 2; RFC 9200 section 5.8.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from holdfast_core import cbor, cose
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, request
from holdfast_core.errors import Malformed, MalformedCbor
from holdfast_core.kinds import MAX_ACCESS_TOKEN_LEN, MAX_TIME_S
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_core.token_split import CWT_HEAD

TOKEN_PATH = "/token"  # noqa: S105 - a path
KNOWN = frozenset((L.ACE_ACCESS_TOKEN, L.ACE_EXPIRES_IN, L.PRIV_ISSUED_TOKEN_TYPE))
NOT_ALLOWED = frozenset((L.ERR_UNAUTHORIZED_CLIENT, L.ERR_INVALID_CLIENT, L.ERR_INVALID_SCOPE))
"""Errors that an operator must mend: this hub lacks a right."""

GIVEN, REFUSED, NO_RIGHT, AWAY, GARBAGE = "given", "refused", "no_right", "away", "garbage"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an exchange ended.

    what: GIVEN, REFUSED (the client's reference is no good), NO_RIGHT (this hub may not have it), AWAY (nobody
    answered, or the server is busy) or GARBAGE. token: with GIVEN, a token or the rest of one. lives_s: how long the
    hub may go on with it; with AWAY after how many seconds to ask again, 0 for unknown.
    """

    what: str
    token: bytes = field(default=b"", repr=False)
    lives_s: int = 0


class Exchanger(Protocol):
    """The authorization server, as the desk sees it."""

    def exchange(self, subject_token: bytes, audience: str, now_ms: int, done: Callable[[Outcome], None]) -> bool:
        """Ask for what completes a token. done comes later; False: nothing was sent, and it never comes."""


def question(subject_token: bytes, audience: str) -> Message:
    """A token exchange (RFC 8693 section 2.1)."""
    params = {
        L.ACE_GRANT_TYPE: L.PRIV_GRANT_TOKEN_EXCHANGE,
        L.ACE_AUDIENCE: audience,
        L.PRIV_SUBJECT_TOKEN: subject_token,
        L.PRIV_SUBJECT_TOKEN_TYPE: ACCESS_TOKEN_URN,
    }
    return request(L.CODE_POST, TOKEN_PATH, cbor.encode(params), L.CF_ACE_CBOR)


def read_answer(message: Message) -> Outcome:
    """What the server said. Never raises."""
    if message.code in (L.CODE_SERVICE_UNAVAILABLE, L.CODE_TOO_MANY_REQUESTS):
        return Outcome(AWAY, lives_s=message.uint(L.OPT_MAX_AGE) or 0)
    fields = _map(message)
    if message.code == L.CODE_CREATED and fields is not None:
        return _given(fields)
    if message.code == L.CODE_UNAUTHORIZED:
        return Outcome(NO_RIGHT)
    if message.code == L.CODE_BAD_REQUEST and fields is not None:
        return Outcome(NO_RIGHT if fields.get(L.ACE_ERROR) in NOT_ALLOWED else REFUSED)
    return Outcome(GARBAGE)


def _given(fields: dict[object, object]) -> Outcome:
    token, lives_s = fields.get(L.ACE_ACCESS_TOKEN), fields.get(L.ACE_EXPIRES_IN)
    if not KNOWN.issuperset(fields):  # type: ignore[arg-type]
        return Outcome(GARBAGE)
    if not isinstance(token, bytes) or len(token) > MAX_ACCESS_TOKEN_LEN or not token.startswith(CWT_HEAD):
        return Outcome(GARBAGE)
    if type(lives_s) is not int or not 0 < lives_s < MAX_TIME_S:
        return Outcome(GARBAGE)
    return Outcome(GIVEN, token, lives_s)


def is_sealed(token: bytes) -> bool:
    """Whether this is a CWT that nobody but its device can open."""
    tag: int = L.TAG_COSE_ENCRYPT0
    return _cose_tag(token) == tag


def is_whole(token: bytes) -> bool:
    """Whether this is a CWT by its form: a part and a rest that belong together."""
    return _cose_tag(token) is not None


def _cose_tag(token: bytes) -> int | None:
    try:
        return cose.decode_message(token[len(CWT_HEAD) :]).tag
    except Malformed:
        return None


def _map(message: Message) -> dict[object, object] | None:
    if message.content_format != L.CF_ACE_CBOR:
        return None
    try:
        fields = cbor.decode(message.payload)
    except MalformedCbor:
        return None
    return fields if isinstance(fields, dict) else None
