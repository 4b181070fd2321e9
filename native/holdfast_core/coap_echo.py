"""Echo values that prove freshness without a table: a time and a MAC over it (RFC 9175 section 2.3 and appendix A).

And what is answered to who may have lied about his address, without one.

Never stores what it has given out, so nobody can fill it; a value is good for its lifetime, for the one binding it was
made for, and not beyond a restart, as the secret is drawn anew.
"""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, encode_options
from holdfast_core.crypto import equal, hmac_sha256

MAX_AMPLIFICATION = 3  # bytes of answer for one of a request whose source may be false (RFC 9175 section 2.4)
_TIME_LEN = 6
_MAC_LEN = 8  # RFC 9175 section 5: 64 bits


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

    def _mac(self, stamp: bytes, binding: bytes) -> bytes:
        return hmac_sha256(self._secret, stamp + binding)[:_MAC_LEN]


def _size(message: Message) -> int:
    """Return the length of a message as a datagram, give or take its token, which both directions share."""
    return 4 + len(message.token) + len(encode_options(message.options, message.payload))
