"""Blockwise transfer: the Block option, bodies put together from Block1, bodies kept for Block2 (RFC 7959, RFC 9175).

Never holds more bodies or longer ones than Limits allows, never keeps one beyond its lifetime, and never mixes two:
a transfer is known by peer, security context, method, every option that is part of the cache key, and Request-Tag.
"""

from collections import OrderedDict

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message
from holdfast_core.crypto import sha256
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable

    Key = tuple[Hashable, int, int, tuple[tuple[int, bytes], ...]]

MAX_SZX = 6  # 7 is reserved (RFC 7959 section 2.2)
_MAX_NUM = 0xFFFFF
_ETAG_LEN = 8
_NO_CACHE_KEY = 0x1C  # RFC 7252 section 5.4.6: these bits of an option number say NoCacheKey
_NOT_IN_KEY = (L.OPT_BLOCK1, L.OPT_BLOCK2, L.OPT_OBSERVE, L.OPT_OSCORE)


class Block:
    """Value of a Block option: num is the block's number, more whether others follow, size its bytes 2**(szx + 4)."""

    __slots__ = ("more", "num", "szx")

    def __init__(self, num: int, more: bool, szx: int) -> None:
        self.num = num
        self.more = more
        self.szx = szx

    @property
    def size(self) -> int:
        """Bytes of a full block."""
        return 16 << self.szx

    @property
    def start(self) -> int:
        """Offset of the block in the body."""
        return self.num << (self.szx + 4)

    def encode(self) -> bytes:
        """Encode as an option value of 0 to 3 bytes (RFC 7959 section 2.2). Raises LocalError("block-num")."""
        if self.num > _MAX_NUM:
            raise LocalError("block-num")
        value = self.num << 4 | (8 if self.more else 0) | self.szx
        length = 0 if not value else 1 if value < 0x100 else 2 if value < 0x10000 else 3
        return value.to_bytes(length, "big") if length else b""


def block_of(message: Message, number: int) -> Block | None:
    """Block1 or Block2 of a message, or None. Raises MalformedCoap("block"): longer than 3 bytes, or SZX 7."""
    encoded = message.get(number)
    if encoded is None:
        return None
    value = int.from_bytes(encoded, "big")
    if len(encoded) > 3 or value & 7 > MAX_SZX:
        raise errors.MalformedCoap("block")
    return Block(value >> 4, bool(value & 8), value & 7)


def transfer_key(peer: "Hashable", context: object, request: Message) -> "Key":
    """What two messages share when they belong to one transfer.

    Payload, Block, Observe and NoCacheKey options are left out; Request-Tag is in (RFC 9175 section 3.3).  The context
    counts by identity; whoever stores the key keeps the context alive.
    """
    options = [
        option for option in request.options if option[0] not in _NOT_IN_KEY and option[0] & 0x1E != _NO_CACHE_KEY
    ]
    return peer, 0 if context is None else id(context), request.code, tuple(options)


class _Upload:
    """A body that is coming in."""

    __slots__ = ("body", "context", "expires_ms", "peer")

    def __init__(self, peer: "Hashable", context: object, expires_ms: int) -> None:
        self.peer = peer
        self.context = context
        self.expires_ms = expires_ms
        self.body = bytearray()


class Uploads:
    """Bodies of Block1 transfers that are not complete."""

    __slots__ = ("_limits", "_uploads")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._uploads: OrderedDict[Key, _Upload] = OrderedDict()

    def __len__(self) -> int:
        return len(self._uploads)

    def take(self, key: "Key", block: Block, request: Message, context: object, now_ms: int) -> bytes | None:
        """Take one block; return the whole body when it was the last one, else None (RFC 7959 section 2.5).

        Raises MalformedCoap: a block that is not full has others behind it.  Incomplete: it does not follow the one
        before.  TooLarge: the body exceeds max_body or the memory left.  Overloaded: no room for another transfer.
        """
        payload = request.payload
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise errors.MalformedCoap("block-size")
        declared = request.uint(L.OPT_SIZE1)
        if block.start + len(payload) > self._limits.max_body or (declared or 0) > self._limits.max_body:
            self._uploads.pop(key, None)
            raise errors.TooLarge("body")
        if block.num == 0:
            self._uploads.pop(key, None)
            if not block.more:
                return payload
            self._make_room(key[0], context, now_ms)
            self._uploads[key] = _Upload(key[0], context, now_ms + self._limits.transfer_lifetime_ms)
        upload = self._uploads.get(key)
        if upload is None or upload.expires_ms <= now_ms or len(upload.body) != block.start:
            raise errors.Incomplete("block-gap")
        del self._uploads[key]
        try:
            upload.body.extend(payload)
            if not block.more:
                return bytes(upload.body)
        except MemoryError:  # with the body goes what it took; RFC 7959 section 2.9.3
            raise errors.TooLarge("memory") from None
        upload.expires_ms = now_ms + self._limits.transfer_lifetime_ms
        self._uploads[key] = upload  # now the one touched last
        return None

    def clear(self) -> None:
        """Drop all."""
        self._uploads.clear()

    def forget(self, context: object) -> None:
        """Drop what belongs to a security context."""
        for key in [key for key in self._uploads if self._uploads[key].context is context]:
            del self._uploads[key]

    def expire(self, now_ms: int) -> None:
        """Drop what has had no block for transfer_lifetime_ms."""
        for key in [key for key in self._uploads if self._uploads[key].expires_ms <= now_ms]:
            del self._uploads[key]

    def _make_room(self, peer: "Hashable", context: object, now_ms: int) -> None:
        """Let a transfer of the same peer and context go, or else one without context; the one idle for longest.

        So nobody who lacks a context can displace who has one, and a flood has to be faster than a transfer to stop it.
        """
        self.expire(now_ms)
        own = []
        for key in self._uploads:
            upload = self._uploads[key]
            if upload.peer == peer and upload.context is context:
                own.append(key)
        if len(own) >= self._limits.max_uploads_per_peer:
            del self._uploads[own[0]]
        if len(self._uploads) < self._limits.max_uploads:
            return
        for key in self._uploads:
            if self._uploads[key].context is None:
                del self._uploads[key]
                return
        raise errors.Overloaded("uploads")


class _Rendering:
    """A body whose later blocks may be asked for."""

    __slots__ = ("context", "expires_ms", "response")

    def __init__(self, response: Message, context: object, expires_ms: int) -> None:
        self.response = response
        self.context = context
        self.expires_ms = expires_ms


class Renderings:
    """Whole responses kept for the requests that will ask for their later blocks."""

    __slots__ = ("_limits", "_renderings")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._renderings: OrderedDict[Key, _Rendering] = OrderedDict()

    def __len__(self) -> int:
        return len(self._renderings)

    def find(self, key: "Key", now_ms: int) -> Message | None:
        """Whole response that was rendered for the transfer, or None."""
        rendering = self._renderings.get(key)
        return None if rendering is None or rendering.expires_ms <= now_ms else rendering.response

    def keep(self, key: "Key", response: Message, context: object, now_ms: int) -> None:
        """Keep a response; the oldest one makes room."""
        self._renderings.pop(key, None)
        if len(self._renderings) >= self._limits.max_renderings:
            self.expire(now_ms)
        if len(self._renderings) >= self._limits.max_renderings:
            del self._renderings[next(iter(self._renderings))]
        expires_ms = now_ms + self._limits.transfer_lifetime_ms
        self._renderings[key] = _Rendering(response, context, expires_ms)

    def clear(self) -> None:
        """Drop all."""
        self._renderings.clear()

    def forget(self, context: object) -> None:
        """Drop what belongs to a security context."""
        for key in [key for key in self._renderings if self._renderings[key].context is context]:
            del self._renderings[key]

    def expire(self, now_ms: int) -> None:
        """Drop what is older than transfer_lifetime_ms."""
        for key in [key for key in self._renderings if self._renderings[key].expires_ms <= now_ms]:
            del self._renderings[key]


def with_etag(response: Message) -> Message:
    """Copy of a response with an ETag, so that blocks of different bodies are not mixed (RFC 7959 section 2.4)."""
    copy = response.copy()
    if copy.get(L.OPT_ETAG) is None:
        copy.add(L.OPT_ETAG, sha256(copy.payload)[:_ETAG_LEN])
    return copy


def slice_of(response: Message, block: Block) -> Message:
    """One block of a whole response; block.more of the argument does not matter.

    Raises MalformedCoap("block-range"): the body has no such block.
    """
    body = response.payload
    end = block.start + block.size
    if block.start >= len(body) and block.num:
        raise errors.MalformedCoap("block-range")
    part = Message(response.code, body[block.start : end], list(response.options))
    part.set(L.OPT_BLOCK2, Block(block.num, end < len(body), block.szx).encode())
    if block.num == 0:
        part.set(L.OPT_SIZE2, len(body))
    return part
