"""Responses kept for other clients: unprotected 2.05 to GET and FETCH, while they are fresh (RFC 7252 5.6 and 5.9).

Never holds what OSCORE protects, and never more than max_bytes: the resource unused for longest goes.  A resource is
dropped whole when something else than GET and FETCH has been asked of it, and what was under way then is not kept.
"""

from collections import OrderedDict

from holdfast_core import labels as L
from holdfast_core.coap_block import block_of, slice_of, with_etag
from holdfast_core.coap_message import Message
from holdfast_core.errors import MalformedCoap
from holdfast_hub.proxy.options import Options, cache_key, resource_key

Resource = tuple[str, Options | tuple[tuple[int, bytes], ...]]
DEFAULT_MAX_AGE_S = 60  # RFC 7252 section 5.10.5
_MAX_VARIANTS = 16  # of one resource: representations and blocks
_OVERHEAD_LEN = 400  # of an entry beside its values


class Query:
    """What a GET or FETCH asks for, as the cache names it. epoch: of the device when it was asked."""

    __slots__ = ("epoch", "etags", "key", "resource")

    def __init__(self, device: str, message: Message, epoch: int) -> None:
        self.resource: Resource = (device, resource_key(message.options))
        block = message.get(L.OPT_BLOCK2)
        at = None if block is None else int.from_bytes(block, "big") & ~0x8
        self.key = (message.code, cache_key(message.options), message.payload, at)
        self.etags = message.get_all(L.OPT_ETAG)
        self.epoch = epoch


class Stored:
    """One response. until_ms: when it is not fresh any more; etag: what it can be validated by, or None."""

    __slots__ = ("etag", "message", "size", "until_ms")

    def __init__(self, message: Message, until_ms: int, size: int) -> None:
        self.message = message
        self.until_ms = until_ms
        self.size = size
        self.etag = message.get(L.OPT_ETAG)


class Cache:
    """The responses, by resource and then by what else a request says."""

    def __init__(self, max_bytes: int, max_body: int) -> None:
        self._max_bytes = max_bytes
        self._max_body = max_body
        self._resources: OrderedDict[Resource, dict[object, Stored]] = OrderedDict()
        self._epochs: dict[str, int] = {}
        self.bytes = 0

    def __len__(self) -> int:
        """Resources of which something is kept."""
        return len(self._resources)

    def query(self, device: str, message: Message) -> Query:
        """What a request that has no OSCORE option asks for."""
        return Query(device, message, self._epochs.get(device, 0))

    def find(self, query: Query) -> Stored | None:
        """What is kept for a request, fresh or not; a whole body also answers a request for one of its blocks."""
        variants = self._resources.get(query.resource)
        if variants is None:
            return None
        self._resources.move_to_end(query.resource)
        stored = variants.get(query.key)
        if stored is None and query.key[3] is not None:
            stored = variants.get((*query.key[:3], None))
            if stored is not None and stored.message.get(L.OPT_BLOCK2) is not None:
                return None
        return stored

    def store(self, query: Query, response: Message, now_ms: int) -> Stored | None:
        """Keep a response that may be kept, and return it as it is kept; None: it may not."""
        if response.code != L.CODE_CONTENT or response.get(L.OPT_OSCORE) is not None:
            return None
        max_age_s = max_age_of(response)
        is_block = response.get(L.OPT_BLOCK2) is not None
        if (
            not max_age_s
            or len(response.payload) > self._max_body
            or (is_block and response.get(L.OPT_ETAG) is None)  # two bodies could be mixed
            or query.epoch != self._epochs.get(query.resource[0], 0)
        ):
            return None
        kept = Message(response.code, response.payload, [o for o in response.options if o[0] != L.OPT_OBSERVE])
        size = _OVERHEAD_LEN + len(kept.payload) + len(query.key[2]) + sum([len(value) for _, value in kept.options])
        size += sum([len(value) for _, value in query.key[1]])
        if size > self._max_bytes:
            return None
        stored = Stored(kept, now_ms + 1000 * max_age_s, size)
        variants = self._resources.setdefault(query.resource, {})
        self._resources.move_to_end(query.resource)
        self._drop(variants, query.key)
        if len(variants) >= _MAX_VARIANTS:
            self._drop(variants, next(iter(variants)))
        variants[query.key] = stored
        self.bytes += size
        while self.bytes > self._max_bytes:  # as many as the new one is large
            self._forget(next(iter(self._resources)))
        return stored

    def freshen(self, stored: Stored, validated: Message, now_ms: int) -> None:
        """Take the options of a 2.03 over (RFC 7252 section 5.9.1.3)."""
        stored.until_ms = now_ms + 1000 * max_age_of(validated)

    def invalidate(self, device: str, request: Message, response: Message | None) -> None:
        """Drop what an unsafe method may have changed (RFC 7252 section 5.8 and 5.9.1); None: it may have been done."""
        self._epochs[device] = self._epochs.get(device, 0) + 1
        self._forget((device, resource_key(request.options)))
        if response is not None and response.code == L.CODE_CREATED:
            path = [(L.OPT_URI_PATH, value) for value in response.get_all(L.OPT_LOCATION_PATH)]
            query = [(L.OPT_URI_QUERY, value) for value in response.get_all(L.OPT_LOCATION_QUERY)]
            self._forget((device, tuple(path + query)))

    def _drop(self, variants: dict[object, Stored], key: object) -> None:
        stored = variants.pop(key, None)
        if stored is not None:
            self.bytes -= stored.size

    def _forget(self, resource: Resource) -> None:
        for stored in self._resources.pop(resource, {}).values():  # at most _MAX_VARIANTS
            self.bytes -= stored.size


def max_age_of(response: Message) -> int:
    """Seconds that a response is fresh."""
    seconds = response.uint(L.OPT_MAX_AGE)
    return DEFAULT_MAX_AGE_S if seconds is None else seconds


def served(stored: Stored, asked: Message, etags: list[bytes], now_ms: int) -> Message:
    """The answer to one request out of a fresh entry: the age taken off, 2.03 if the client has it, or one block."""
    kept = stored.message
    left_s = max(0, (stored.until_ms - now_ms) // 1000)
    if stored.etag is not None and stored.etag in etags:
        return Message(L.CODE_VALID).add(L.OPT_ETAG, stored.etag).add(L.OPT_MAX_AGE, left_s)
    answer = Message(kept.code, kept.payload, list(kept.options)).set(L.OPT_MAX_AGE, left_s)
    if kept.get(L.OPT_BLOCK2) is not None:
        return answer
    try:
        block = block_of(asked, L.OPT_BLOCK2)
        if block is None or (not block.num and len(kept.payload) <= block.size):
            return answer
        return slice_of(with_etag(answer), block)
    except MalformedCoap:
        return Message(L.CODE_BAD_REQUEST)
