"""Echo values that prove freshness without a table: a time and a MAC over it (RFC 9175 section 2.3 and appendix A).

Also says how a peer is answered whose address may be false and whose request has no Echo value.

Never stores the values it has given out, so nobody can fill it; a value is good for its lifetime, for the one binding
it was made for, and not beyond a restart, as the secret is drawn anew.  Of a context whose replay window is lost the
last challenge is kept with the context, as protecting another one uses up a number.
"""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, encode_options
from holdfast_core.crypto import equal, hmac_sha256
from holdfast_core.sender_sequence import SequenceExhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.oscore import RequestState, SecurityContext

MAX_AMPLIFICATION = 3  # bytes of answer for one of a request whose source may be false (RFC 9175 section 2.4)
REMAKE_MS = 1000  # between challenges of a context for requests that are not new
_TIME_LEN = 6
_MAC_LEN = 8  # RFC 9175 section 5: 64 bits


class Challenge:
    """The protected 4.01 with Echo that was made last for a context whose replay window is lost.

    answer: the message, and what is inside it; number: of the request it answers; until_ms: how long it leaves its
    reader time; made_ms: when a sender sequence number was used up last.
    """

    __slots__ = ("answer", "made_ms", "number", "until_ms")

    def __init__(self, number: int, answer: "tuple[Message, Message]", made_ms: int, until_ms: int) -> None:
        self.number = number
        self.answer = answer
        self.made_ms = made_ms
        self.until_ms = until_ms


class EchoMint:
    """Makes and checks Echo values. secret: 32 random bytes of this run. lifetime_ms: how long a value is good."""

    __slots__ = ("_lifetime_ms", "_secret")

    def __init__(self, secret: bytes, lifetime_ms: int) -> None:
        self._secret = secret
        self._lifetime_ms = lifetime_ms

    def mint(self, binding: bytes, now_ms: int) -> bytes:
        """Echo value of 14 bytes, good for requests that have the same binding."""
        stamp = now_ms.to_bytes(_TIME_LEN, "big")
        return stamp + self._mac(stamp, binding)

    def accepts(self, echo: bytes | None, binding: bytes, now_ms: int) -> bool:
        """Tell whether an Echo option holds a value that mint gave for this binding within the lifetime."""
        if echo is None or len(echo) != _TIME_LEN + _MAC_LEN:
            return False
        stamp = echo[:_TIME_LEN]
        age_ms = now_ms - int.from_bytes(stamp, "big")
        return equal(echo[_TIME_LEN:], self._mac(stamp, binding)) and 0 <= age_ms <= self._lifetime_ms

    def bounded(self, asked: Message, answer: "Message | None", binding: bytes, now_ms: int) -> Message:
        """Return the answer for a peer that is not known, if it is short or `asked` has our Echo; else a challenge.

        answer: None for one that is not made before the peer has answered the challenge, a 4.01 with Echo.
        """
        limit = MAX_AMPLIFICATION * _size(asked)
        if answer is not None and (_size(answer) <= limit or self.accepts(asked.get(L.OPT_ECHO), binding, now_ms)):
            return answer
        challenge = Message(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, self.mint(binding, now_ms))
        return challenge if _size(challenge) <= limit else Message(L.CODE_UNAUTHORIZED)

    def challenge(
        self, context: "SecurityContext", state: "RequestState", binding: bytes, now_ms: int
    ) -> "tuple[Message, Message] | None":
        """Return a 4.01 with Echo, outer and inner, for an authentic request that may be old; None for silence.

        Only the context's peer can make a request, but anybody can send it again.  So a number beyond all that were
        challenged gets a challenge of its own; the last number gets the same one again, without a Partial IV more;
        and what cannot be new uses up one sender sequence number in REMAKE_MS, from wherever it comes.
        """
        known: Challenge | None = context.challenge
        if known is not None and state.number <= known.number:
            if state.number == known.number and now_ms < known.until_ms:
                return known.answer
            if now_ms - known.made_ms < REMAKE_MS:
                return None
        inner = Message(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, self.mint(binding, now_ms))
        try:
            answer = context.protect_response(inner, state, True), inner
        except SequenceExhausted:  # nothing can be protected any more, so nothing is said
            return None
        if known is None or state.number >= known.number:
            context.challenge = Challenge(state.number, answer, now_ms, now_ms + self._lifetime_ms // 2)
        else:
            known.made_ms = now_ms
        return answer

    def _mac(self, stamp: bytes, binding: bytes) -> bytes:
        return hmac_sha256(self._secret, stamp + binding)[:_MAC_LEN]


def _size(message: Message) -> int:
    """Return the length of a message as a datagram, give or take its token, which both directions share."""
    return 4 + len(message.token) + len(encode_options(message.options, message.payload))
