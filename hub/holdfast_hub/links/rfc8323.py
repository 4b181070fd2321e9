"""One connection of CoAP over TCP or WebSocket (RFC 8323): requests out of octets, octets of answers, and its signals.

Sans-IO. An octet that should not be there ends the connection with Abort (section 5.6) and constant text. Longer
messages than MOST_LEN are not taken: what goes on to a device has to fit into a datagram, and clients have blocks.
"""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode_options, encode_options
from holdfast_core.errors import MalformedCoap
from holdfast_core.kinds import MAX_COAP_TOKEN_LEN

SAID_MAX_LEN = 1152
"""Max-Message-Size, the default: with it a client makes no blocks of more than 1,024 octets."""
MOST_LEN = 2048
CSM, PING, PONG, RELEASE, ABORT = 0xE1, 0xE2, 0xE3, 0xE4, 0xE5
MAX_MESSAGE_SIZE, BLOCK_WISE = 2, 4  # options of a CSM
BAD_CSM_OPTION = 2  # option of an Abort
_CLASS_REQUEST, _CLASS_SIGNAL, _RESPONSES = 0, 7, (2, 3, 4, 5)
_FIRST_LONG = 13  # this nibble and the two above it: octets that follow it, and what they add to
_LONG = ((1, 13), (2, 269), (4, 65805))


class Conversation:
    """is_framed: each feed is one message, as in a WebSocket; otherwise the octets are a stream.

    outgoing: octets to be sent, in order, one message each; the caller takes them after each call. ended: why the
    connection is to be closed when they have gone out, or "".
    """

    def __init__(self, *, is_framed: bool) -> None:
        self.outgoing: list[bytes] = []
        self.ended = ""
        self.is_introduced = False
        self._is_framed = is_framed
        self._held = bytearray()
        self._most_len = SAID_MAX_LEN
        size = SAID_MAX_LEN.to_bytes(2, "big")
        self._put(CSM, b"", encode_options([(MAX_MESSAGE_SIZE, size), (BLOCK_WISE, b"")]))

    def feed(self, octets: bytes, limit: int) -> list[Message]:
        """Take in what came; return so many requests at most, without mtype and mid. Feed b"" for the next ones."""
        requests: list[Message] = []
        self._held += octets
        while not self.ended and len(requests) < limit:
            whole = self._frame() if self._is_framed else self._cut()
            if whole is None:
                break
            request = self._take(*whole)
            if request is not None:
                requests.append(request)
        return requests

    @property
    def has_more(self) -> bool:
        """Whether there may be a request that no feed has returned."""
        return bool(self._held) and not self.ended

    def answer(self, message: Message) -> None:
        """Send a response, under its token. One that the client says it cannot take becomes 5.02."""
        encoded = encode_options(message.options, message.payload)
        if len(encoded) + len(message.token) + 6 > self._most_len:
            self._put(L.CODE_BAD_GATEWAY, message.token, b"")
        else:
            self._put(message.code, message.token, encoded)

    def ping(self) -> None:
        """Ask for a sign of life (RFC 8323 section 5.4)."""
        self._put(PING, b"", b"")

    def abort(self, why: str, option: int | None = None) -> None:
        """End the connection. option: of a CSM, that is not known."""
        options = [] if option is None else [(BAD_CSM_OPTION, option.to_bytes(2, "big").lstrip(b"\0"))]
        self._put(ABORT, b"", encode_options(options, why.encode()))
        self.ended = why
        self._held.clear()

    # --- in ---

    def _frame(self) -> tuple[int, bytes, bytes] | None:
        """Take the one message of a frame; its length is that of the frame (RFC 8323 section 4.2)."""
        held = bytes(self._held)
        self._held.clear()
        if not held:
            return None
        token_len = held[0] & 15
        if len(held) < 2 + token_len or held[0] >> 4 or token_len > MAX_COAP_TOKEN_LEN or len(held) > MOST_LEN:
            self.abort("message format")
            return None
        return held[1], held[2 : 2 + token_len], held[2 + token_len :]

    def _cut(self) -> tuple[int, bytes, bytes] | None:
        """Take one message from the stream (RFC 8323 section 3.2): (code, token, options and payload)."""
        held = self._held
        if not held:
            return None
        length, token_len = held[0] >> 4, held[0] & 15
        more_len, base = _LONG[length - _FIRST_LONG] if length >= _FIRST_LONG else (0, length)
        start = 1 + more_len
        if len(held) < start:
            return None
        if more_len:
            length = base + int.from_bytes(held[1:start], "big")
        if token_len > MAX_COAP_TOKEN_LEN or length > MOST_LEN:
            self.abort("message too long" if token_len <= MAX_COAP_TOKEN_LEN else "message format")
            return None
        token_end = start + 1 + token_len
        if len(held) < token_end + length:
            return None
        whole = held[start], bytes(held[start + 1 : token_end]), bytes(held[token_end : token_end + length])
        del held[: token_end + length]
        return whole

    def _take(self, code: int, token: bytes, encoded: bytes) -> Message | None:
        kind = code >> 5
        try:
            options, payload = decode_options(encoded)
        except MalformedCoap:
            self.abort("message format")
            return None
        if kind == _CLASS_SIGNAL:
            self._signal(code, token, options)
        elif not self.is_introduced:
            self.abort("CSM expected")
        elif kind == _CLASS_REQUEST:
            return None if code == L.CODE_EMPTY else Message(code, payload, options, token=token)
        elif kind not in _RESPONSES:  # the hub has asked nothing over this connection
            self.abort("message format")
        return None

    def _signal(self, code: int, token: bytes, options: list[tuple[int, bytes]]) -> None:
        if code != CSM and not self.is_introduced:
            self.abort("CSM expected")
            return
        for number, value in options:
            if code == CSM and number == MAX_MESSAGE_SIZE and len(value) <= 4:
                self._most_len = int.from_bytes(value, "big")
            elif number & 1:  # critical (RFC 8323 section 5.2), and none is known
                self.abort("option", number if code == CSM else None)
                return
        if code == CSM:
            self.is_introduced = True
        elif code == PING:
            self._put(PONG, token, b"")
        elif code in (RELEASE, ABORT):
            self.ended = "the client has ended it"
        elif code != PONG:
            self.abort("signal")

    # --- out ---

    def _put(self, code: int, token: bytes, encoded: bytes) -> None:
        length = 0 if self._is_framed else len(encoded)
        more = b""
        for nibble, (more_len, base) in enumerate(_LONG, _FIRST_LONG):
            if base <= len(encoded) < base + (1 << 8 * more_len) and not self._is_framed:
                more = (length - base).to_bytes(more_len, "big")
                length = nibble
                break
        self.outgoing.append(bytes([length << 4 | len(token)]) + more + bytes([code]) + token + encoded)
