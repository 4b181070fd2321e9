"""Blockwise transfer: the Block option, bodies put together from Block1, bodies kept for Block2 (RFC 7959, RFC 9175).

Never holds more bodies or longer ones than Limits allows, never uses one beyond its lifetime, and never mixes two:
a transfer is known by peer, security context, method, every option that is part of the cache key, and Request-Tag.
However many bodies are held, no message costs more for it.
"""

from collections import OrderedDict

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits, owner_of
from holdfast_core.coap_message import Message
from holdfast_core.crypto import sha256
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from holdfast_core.oscore import SecurityContext

    Key = tuple[Hashable, SecurityContext | None, int, tuple[tuple[int, bytes], ...]]

MAX_SZX = 6  # 7 is reserved (RFC 7959 section 2.2)
_MAX_NUM = 0xFFFFF
_ETAG_LEN = 8
_MAX_EXPIRED = 4  # bodies that one message may clear away, of either kind
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


def transfer_key(peer: "Hashable", context: "SecurityContext | None", request: Message) -> "Key":
    """What two messages share when they belong to one transfer.

    Payload, Block, Observe and NoCacheKey options are left out; Request-Tag is in (RFC 9175 section 3.3).  The context
    counts by identity.
    """
    options = [
        option for option in request.options if option[0] not in _NOT_IN_KEY and option[0] & 0x1E != _NO_CACHE_KEY
    ]
    return peer, context, request.code, tuple(options)


class _Transfer:
    """A body that is not complete, or whose later blocks may be asked for."""

    __slots__ = ("body", "expires_ms", "key")

    def __init__(self, key: "Key", body: "Any", expires_ms: int) -> None:
        self.key = key
        self.body = body
        self.expires_ms = expires_ms


class _Transfers:
    """At most `limit` bodies, and per_owner of each owner: a security context, or the host of a peer that has none.

    _owned: bodies by owner, the owner touched last and the body touched last at the end; without a context, with one.
    """

    __slots__ = ("_count", "_lifetime_ms", "_limit", "_owned", "_per_owner")

    def __init__(self, limit: int, per_owner: int, lifetime_ms: int) -> None:
        self._limit = limit
        self._per_owner = per_owner
        self._lifetime_ms = lifetime_ms
        self._owned: tuple[OrderedDict[Any, list[_Transfer]], ...] = (OrderedDict(), OrderedDict())
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, key: "Key", now_ms: int) -> "Any":
        """Body of a transfer, or None."""
        for transfer in self._of(key).get(owner_of(key[0], key[1]), ()):
            if transfer.key == key:
                return transfer.body if transfer.expires_ms > now_ms else None
        return None

    def drop(self, key: "Key") -> None:
        """Forget a transfer; nothing happens when it is not known."""
        owner = owner_of(key[0], key[1])
        for at, transfer in enumerate(self._of(key).get(owner, ())):
            if transfer.key == key:
                self._remove(self._of(key), owner, at)
                return

    def clear(self) -> None:
        """Drop all."""
        for owned in self._owned:
            owned.clear()
        self._count = 0

    def forget(self, context: "SecurityContext") -> None:
        """Drop what belongs to a security context."""
        self._count -= len(self._owned[1].pop(context, ()))

    def expire(self, now_ms: int) -> None:
        """Drop what has not been touched for transfer_lifetime_ms, a few at a time."""
        for owned in self._owned:
            for _ in range(_MAX_EXPIRED):
                if not owned:
                    break
                owner = next(iter(owned))  # MicroPython 1.23 knows no default
                if owned[owner][0].expires_ms > now_ms:
                    break
                self._remove(owned, owner, 0)

    def _of(self, key: "Key") -> "OrderedDict[Any, list[_Transfer]]":
        return self._owned[key[1] is not None]

    def _put(self, key: "Key", body: "Any", now_ms: int) -> None:
        """Enter a body that is not in, as the one touched last; there is room."""
        owned, owner = self._of(key), owner_of(key[0], key[1])
        transfer = _Transfer(key, body, now_ms + self._lifetime_ms)
        transfers = owned.pop(owner, None) or []
        transfers.append(transfer)
        owned[owner] = transfers
        self._count += 1

    def _make_room(self, key: "Key", now_ms: int) -> bool:
        """Let one body of the same owner go, or else one without context, idle for longest; False: all have one.

        So nobody who lacks a context can displace who has one, and a flood has to be faster than a transfer to stop it.
        """
        self.expire(now_ms)
        owner = owner_of(key[0], key[1])
        if len(self._of(key).get(owner, ())) >= self._per_owner:
            self._remove(self._of(key), owner, 0)
        return self._count < self._limit or self._remove_oldest(self._owned[0])

    def _remove_oldest(self, owned: "OrderedDict[Any, list[_Transfer]]") -> bool:
        for owner in owned:
            self._remove(owned, owner, 0)
            return True
        return False

    def _remove(self, owned: "OrderedDict[Any, list[_Transfer]]", owner: "Any", at: int) -> None:
        owned[owner].pop(at)
        self._count -= 1
        if not owned[owner]:
            del owned[owner]


class Uploads(_Transfers):
    """Bodies of Block1 transfers that are not complete."""

    __slots__ = ("_max_body",)

    def __init__(self, limits: Limits) -> None:
        _Transfers.__init__(self, limits.max_uploads, limits.max_uploads_per_peer, limits.transfer_lifetime_ms)
        self._max_body = limits.max_body

    def take(self, key: "Key", block: Block, request: Message, now_ms: int) -> bytes | None:
        """Take one block; return the whole body when it was the last one, else None (RFC 7959 section 2.5).

        Raises MalformedCoap: a block that is not full has others behind it.  Incomplete: it does not follow the one
        before.  TooLarge: the body exceeds max_body or the memory left.  Overloaded: no room for another transfer.
        """
        payload = request.payload
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise errors.MalformedCoap("block-size")
        declared = request.uint(L.OPT_SIZE1)
        if block.start + len(payload) > self._max_body or (declared or 0) > self._max_body:
            self.drop(key)
            raise errors.TooLarge("body")
        if block.num == 0:
            self.drop(key)
            if not block.more:
                return payload
            if not self._make_room(key, now_ms):
                raise errors.Overloaded("uploads")
            body = bytearray()
        else:
            body = self.find(key, now_ms)
            if body is None or len(body) != block.start:
                raise errors.Incomplete("block-gap")
            self.drop(key)
        try:
            body.extend(payload)
            if not block.more:
                return bytes(body)
        except MemoryError:  # with the body goes what it took; RFC 7959 section 2.9.3
            raise errors.TooLarge("memory") from None
        self._put(key, body, now_ms)
        return None


class Renderings(_Transfers):
    """Whole responses kept for the requests that will ask for their later blocks."""

    __slots__ = ()

    def __init__(self, limits: Limits) -> None:
        _Transfers.__init__(self, limits.max_renderings, limits.max_renderings_per_peer, limits.transfer_lifetime_ms)

    def keep(self, key: "Key", response: Message, now_ms: int) -> None:
        """Keep a response; an older one makes room, but none in a context for one without."""
        self.drop(key)
        if self._make_room(key, now_ms) or (key[1] is not None and self._remove_oldest(self._owned[1])):
            self._put(key, response, now_ms)


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
