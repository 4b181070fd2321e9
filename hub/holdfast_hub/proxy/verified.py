"""Addresses that are not false: no client is sent much more than it has sent before it shows that it is there.

RFC 9175 section 2.4: a response of more than three times the request, and more than 136 bytes, is not sent to an
address that has not shown to receive; a 4.01 with Echo goes there instead.  It is shown by our Echo value, or by a
device's that we have passed to that address.  An OSCORE response needs no showing: the device knows its client.
"""

from collections import OrderedDict
from typing import TypeVar

from holdfast_core import labels as L
from holdfast_core.coap_echo import MAX_AMPLIFICATION, EchoMint
from holdfast_core.coap_message import Message
from holdfast_hub.proxy.endpoint import Client

SAFE_LEN = 136  # RFC 9175 section 2.4: three times the smallest frame, less its headers
_HEADER_LEN, _OPTION_LEN = 12, 5  # with the longest token, and without the value
_Value = TypeVar("_Value", int, bytes)


class Verified:
    """The addresses, and the mint. secret: 32 random bytes."""

    def __init__(self, secret: bytes, most: int, lifetime_ms: int) -> None:
        self._mint = EchoMint(secret, lifetime_ms)
        self._most = most
        self._lifetime_ms = lifetime_ms
        self._until: OrderedDict[Client, int] = OrderedDict()
        self._passed: OrderedDict[Client, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def take_echo(self, client: Client, message: Message, now_ms: int) -> None:
        """Look at the Echo of a request: it may show the address; our own goes no further."""
        echo = message.get(L.OPT_ECHO)
        if echo is None:
            return
        ours = self._mint.accepts(echo, _binding(client), now_ms)
        if ours:
            message.remove(L.OPT_ECHO)
        if ours or self._passed.get(client) == echo:
            self._passed.pop(client, None)
            _put(self._until, client, now_ms + self._lifetime_ms, self._most)

    def is_shown(self, client: Client, now_ms: int) -> bool:
        """Whether the address has been shown, not too long ago."""
        return self._until.get(client, 0) > now_ms

    def bounded(self, client: Client, asked_len: int, answer: Message, now_ms: int) -> Message:
        """The answer, or the challenge that goes instead of it."""
        limit = max(SAFE_LEN, MAX_AMPLIFICATION * asked_len)
        if answer.code == L.CODE_UNAUTHORIZED:
            echo = answer.get(L.OPT_ECHO)
            if echo is not None:
                _put(self._passed, client, echo, self._most)
        if _longest(answer) <= limit or answer.get(L.OPT_OSCORE) is not None or self.is_shown(client, now_ms):
            return answer
        return Message(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, self._mint.mint(_binding(client), now_ms))


def _put(table: OrderedDict[Client, _Value], client: Client, value: _Value, most: int) -> None:
    table.pop(client, None)
    if len(table) >= most:
        table.popitem(last=False)
    table[client] = value


def _binding(client: Client) -> bytes:
    return repr(client).encode()


def _longest(message: Message) -> int:
    """How long a datagram may become."""
    return _HEADER_LEN + len(message.payload) + sum([_OPTION_LEN + len(value) for _, value in message.options])
