"""The desk of tokens that the hub completes: a phantom or split token is POSTed to authz-info, and a whole one goes on.

A client shows a reference or the part of a token that proves. The hub gets a token that only the device can open, or
the rest, from the authorization server, and posts the whole to the device in the client's place. What the device
answers goes back as it came, so the OSCORE session is between the two (RFC 9203 section 4). The hub decides nothing:
what it cannot complete is refused as a device refuses a token, and the device judges every token itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial

from holdfast_core import labels as L
from holdfast_core.ace_oscore import AuthzInfoPost, decode_authz_info, encode_authz_info
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_message import Message, response
from holdfast_core.errors import Malformed, MalformedRequest
from holdfast_core.token_split import HANDLE_LEN, REFERENCE_LEN, is_short, join_token
from holdfast_hub.ports import Desk, Gateway
from holdfast_hub.records import PHANTOM, SPLIT, Asked, Device, Now
from holdfast_hub.tokens.exchange import (
    AWAY,
    GARBAGE,
    GIVEN,
    NO_RIGHT,
    REFUSED,
    Exchanger,
    Outcome,
    is_sealed,
    is_whole,
)
from holdfast_hub.tokens.kept import KeptTokens, key_of

AUTHZ_INFO = "/authz-info"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a flood can take.

    per_s, at_once: posts of one network address; all_per_s, all_at_once: of all together. asking: questions under way;
    waiting: posts that wait for one of them; posting: posts under way to devices; early: posts that wait at the start
    for what is on disk. refused: references remembered as refused, each for refused_ms. patience_ms: how long a client
    waits for the server. retry_s: how long the server is left alone after it did not answer.
    """

    per_s: float = 1
    at_once: int = 8
    all_per_s: float = 20
    all_at_once: int = 100
    asking: int = 16
    waiting: int = 8
    posting: int = 64
    early: int = 64
    refused: int = 256
    refused_ms: int = 30_000
    patience_ms: int = 8000
    retry_s: int = 15


@dataclass(slots=True)
class _Question:
    """waiting: who is to be answered with what its client shows; empty when they were told to come again."""

    until_ms: int
    waiting: list[tuple[Asked, "Shown"]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a client posted. post.access_token: a reference or a part."""

    post: AuthzInfoPost = field(repr=False)
    kind: str = PHANTOM

    @property
    def subject(self) -> bytes:
        """What the server knows: the reference, or the handle of a split token."""
        token = self.post.access_token
        return token if self.kind == PHANTOM else token[:HANDLE_LEN]

    def whole(self, given: bytes) -> bytes:
        """The body for the device, with a whole token. Raises MalformedRequest: the two do not fit."""
        token = given
        if self.kind == SPLIT:
            token = join_token(self.post.access_token, given)
            if not is_whole(token):
                raise MalformedRequest("token")
        return encode_authz_info(token, self.post.nonce1, self.post.client_recipientid)


class TokenDesk:
    """A Desk. later: the desk of devices that sleep, which gets the whole token; None when no device does.

    counts: what has happened since the start, by name; no_right and garbage are for an operator to look at.
    Call tick when next_deadline_ms has come.
    """

    def __init__(
        self,
        gateway: Gateway,
        server: Exchanger,
        kept: KeptTokens,
        clock: Callable[[], Now],
        later: Desk | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.counts = dict.fromkeys(("completed", "from_kept", "limited", GIVEN, REFUSED, NO_RIGHT, AWAY, GARBAGE), 0)
        self._gateway = gateway
        self._server = server
        self._kept = kept
        self._clock = clock
        self._later = later
        self._bounds = bounds = bounds or Bounds()
        self._bucket = TokenBucket(bounds.per_s, bounds.at_once, bounds.all_per_s, bounds.all_at_once)
        self._questions: OrderedDict[bytes, _Question] = OrderedDict()
        self._refused: OrderedDict[bytes, int] = OrderedDict()
        self._away_until_ms = 0
        self._posting = 0
        self._early: list[tuple[Asked, Shown]] = []
        self._early_until_ms = clock().ms + bounds.patience_ms
        kept.on_read = self._begin

    def serve(self, asked: Asked, now: Now) -> bool:
        """See Desk."""
        device = asked.device
        shown = None if device is None else shown_in(asked.message, device.tokens)
        if device is None or shown is None:
            return False
        if not self._bucket.admit(_address(asked), now.ms, 0):
            self.counts["limited"] += 1
            self._answer(asked, response(L.CODE_TOO_MANY_REQUESTS).add(L.OPT_MAX_AGE, int(1 / self._bounds.per_s) or 1))
            return True
        if not self._kept.is_read and now.ms < self._early_until_ms and len(self._early) < self._bounds.early:
            self._early.append((asked, shown))
        else:
            self._complete(asked, device, shown, now)
        return True

    def _begin(self) -> None:
        """What is on disk is here, or has not come in time."""
        early, self._early = self._early, []
        for asked, shown in early:
            if asked.device is not None:
                self._complete(asked, asked.device, shown, self._clock())

    def _complete(self, asked: Asked, device: Device, shown: Shown, now: Now) -> None:
        audience = device.audience or device.name
        key = key_of(device, audience, shown.subject)
        given = self._kept.get(key, now)
        if given is not None:
            self.counts["from_kept"] += 1
            self._post(asked, shown, given)
        elif self._refused.get(key, 0) > now.ms:
            self._answer(asked, response(L.CODE_UNAUTHORIZED))
        else:
            self._ask(asked, shown, key, audience, now)

    def tick(self, now_ms: int) -> None:
        """Send away whoever has waited long enough for the server; its answer is kept when it comes after all."""
        if self._early and now_ms >= self._early_until_ms:
            self._begin()
        for question in self._questions.values():
            if question.until_ms > now_ms:
                break
            if question.waiting:
                self._stay_away(now_ms, 0)
            waiting, question.waiting = question.waiting, []
            for asked, _ in waiting:
                self._come_again(asked)

    def next_deadline_ms(self) -> int | None:
        """When tick is due, None for never."""
        waiting = next((question.until_ms for question in self._questions.values() if question.waiting), None)
        return self._early_until_ms if self._early else waiting  # what is early is before any question

    # --- the server ---

    def _ask(self, asked: Asked, shown: Shown, key: bytes, audience: str, now: Now) -> None:
        question = self._questions.get(key)
        if question is not None and question.waiting and len(question.waiting) < self._bounds.waiting:
            question.waiting.append((asked, shown))
            return
        if question is not None or now.ms < self._away_until_ms or len(self._questions) >= self._bounds.asking:
            self._come_again(asked)
            return
        if not self._server.exchange(shown.subject, audience, now.ms, partial(self._came, key, shown.kind)):
            self._come_again(asked)
            return
        self._questions[key] = _Question(now.ms + self._bounds.patience_ms, [(asked, shown)])

    def _came(self, key: bytes, kind: str, outcome: Outcome) -> None:
        if outcome.what == GIVEN and kind == PHANTOM and not is_sealed(outcome.token):
            outcome = Outcome(GARBAGE)  # the hub could read it
        question, now = self._questions.pop(key), self._clock()
        self.counts[outcome.what] += 1
        if outcome.what == GIVEN:
            self._away_until_ms = 0
            self._kept.put(key, outcome.token, outcome.lives_s, now)
        elif outcome.what in (REFUSED, NO_RIGHT):
            self._refused[key] = now.ms + self._bounds.refused_ms
            if len(self._refused) > self._bounds.refused:
                self._refused.popitem(last=False)
        else:
            self._stay_away(now.ms, outcome.lives_s)
        for asked, shown in question.waiting:
            if outcome.what == GIVEN:
                self._post(asked, shown, outcome.token)
            elif outcome.what == AWAY:
                self._come_again(asked)
            else:
                code = L.CODE_BAD_GATEWAY if outcome.what == GARBAGE else L.CODE_UNAUTHORIZED
                self._answer(asked, response(code))

    def _stay_away(self, now_ms: int, retry_s: int) -> None:
        self._away_until_ms = now_ms + min(retry_s or self._bounds.retry_s, 60) * 1000

    # --- the device ---

    def _post(self, asked: Asked, shown: Shown, given: bytes) -> None:
        now, device = self._clock(), asked.device
        try:
            payload = shown.whole(given)
        except MalformedRequest:
            self._answer(asked, response(L.CODE_BAD_REQUEST))
            return
        asked.message = message = asked.message.copy()
        message.payload = payload
        self.counts["completed"] += 1
        if device is None or (self._later is not None and self._later.serve(asked, now)):
            return
        if self._posting >= self._bounds.posting:
            self._come_again(asked)
            return
        self._posting += 1
        onward = Message(message.code, message.payload, message.options)
        self._send(asked, device, onward)

    def _send(self, asked: Asked, device: Device, message: Message) -> None:
        self._gateway.ask(device, message, self._clock().ms, partial(self._answered, asked, device, message))

    def _answered(self, asked: Asked, device: Device, posted: Message, answer: Message | None) -> None:
        echo = None if answer is None or answer.code != L.CODE_UNAUTHORIZED else answer.get(L.OPT_ECHO)
        if echo is not None and posted.get(L.OPT_ECHO) is None:  # where the hub is, the hub says (RFC 9175 section 2.3)
            self._send(asked, device, posted.copy().add(L.OPT_ECHO, echo))
            return
        self._posting -= 1
        if answer is None:
            self._answer(asked, response(L.CODE_GATEWAY_TIMEOUT))
        elif any(number & _UNSAFE and number != L.OPT_MAX_AGE for number, _ in answer.options):
            self._answer(asked, response(L.CODE_BAD_GATEWAY))
        else:
            self._answer(asked, Message(answer.code, answer.payload, answer.options))

    # --- the client ---

    def _come_again(self, asked: Asked) -> None:
        now_ms = self._clock().ms
        wait_s = max(1, -(-(self._away_until_ms - now_ms) // 1000))
        self._answer(asked, response(L.CODE_SERVICE_UNAVAILABLE).add(L.OPT_MAX_AGE, wait_s))

    def _answer(self, asked: Asked, message: Message) -> None:
        self._gateway.respond(asked, message, self._clock().ms)


_UNSAFE = 2  # the bit of options that a proxy must know to pass them on (RFC 7252 section 5.4.6)


def shown_in(message: Message, kind: str) -> Shown | None:
    """What a client of such a device shows, when this is a POST of what a hub completes; None for all else.

    A token by value, an OSCORE message and a body in blocks are for the device as they are.
    """
    if kind not in (PHANTOM, SPLIT) or message.code != L.CODE_POST or message.content_format != L.CF_ACE_CBOR:
        return None
    if message.get(L.OPT_OSCORE) is not None or message.get(L.OPT_BLOCK1) is not None or message.path() != AUTHZ_INFO:
        return None
    try:
        post = decode_authz_info(message.payload)
    except Malformed:
        return None
    if not is_short(post.access_token) or (kind == PHANTOM and len(post.access_token) != REFERENCE_LEN):
        return None
    return Shown(post, kind)


def _address(asked: Asked) -> Hashable:
    return asked.client[0]
