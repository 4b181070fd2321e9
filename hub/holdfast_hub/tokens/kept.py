"""What the authorization server has given, kept by the digest of what was shown for it, until it is over.

Bounded, and over by either clock. It also waits on disk, so a hub that starts while the server is away goes on. A
reader of that disk has tokens that only devices open, and neither references nor keys.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast_core import cbor
from holdfast_core.crypto import sha256
from holdfast_core.errors import MalformedCbor
from holdfast_hub.ports import Spool
from holdfast_hub.records import TOKEN, TOKENS, Device, Now, Parcel

MAX_KEPT = 1024
NONCE_LEN = 8
PRIORITY = 9
"""The last: what can be asked for again makes room for readings."""


@dataclass(frozen=True, slots=True)
class Kept:
    """token: whole or a rest. ends_ms, ends_s: when it is over, by each clock; ends_s None: that was not known."""

    token: bytes = field(repr=False)
    ends_ms: int
    ends_s: int | None

    def is_over(self, now: Now) -> bool:
        """Whether either clock says so."""
        return now.ms >= self.ends_ms or (None not in (now.wall_s, self.ends_s) and now.wall_s >= self.ends_s)  # type: ignore[operator]


class KeptTokens:
    """spool: None keeps nothing over a restart. rng: n -> n bytes. clock: the time now. room: most entries.

    is_read: what the last hub has kept is here. on_read: called when it is.
    """

    def __init__(
        self, spool: Spool | None, rng: Callable[[int], bytes], clock: Callable[[], Now], room: int = MAX_KEPT
    ) -> None:
        self._spool = spool
        self._rng = rng
        self._clock = clock
        self._room = room
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self.is_read = spool is None
        self.on_read: Callable[[], None] = lambda: None
        if spool is not None:
            spool.take(TOKENS, room, clock(), self._read)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now: Now) -> bytes | None:
        """What was given for this key, unless it is over."""
        kept = self._kept.get(key)
        if kept is not None and kept.is_over(now):
            del self._kept[key]
            return None
        return None if kept is None else kept.token

    def put(self, key: bytes, token: bytes, lives_s: int, now: Now) -> None:
        """Keep it; a full table forgets what came first."""
        ends_s = None if now.wall_s is None else now.wall_s + lives_s
        self._keep(key, Kept(token, now.ms + lives_s * 1000, ends_s))
        if self._spool is not None:
            id_ = self._rng(NONCE_LEN)  # what was given again for the same key is another parcel
            parcel = Parcel(TOKENS, id_, TOKEN, token, PRIORITY, ends_s, lives_s * 1000, cbor.encode(key))
            self._spool.put(parcel, now, _settled)

    def _keep(self, key: bytes, kept: Kept) -> None:
        self._kept.pop(key, None)
        self._kept[key] = kept
        if len(self._kept) > self._room:
            self._kept.popitem(last=False)

    def _read(self, parcels: list[Parcel]) -> None:
        """Take in what the last hub has kept; it stays on disk until it is over."""
        now = self._clock()
        for parcel in parcels:
            try:
                key = cbor.decode(parcel.about)
            except MalformedCbor:
                continue
            known = self._kept.get(key) if isinstance(key, bytes) else None
            ends_ms = now.ms + (parcel.lives_ms or 0)
            if isinstance(key, bytes) and (known is None or known.ends_ms < ends_ms):
                self._keep(key, Kept(parcel.body, ends_ms, parcel.ends_s))
        if self._spool is not None and parcels:
            self._spool.give_back(parcels, _settled, blame=False)
        self.is_read = True
        self.on_read()


def key_of(device: Device, audience: str, shown: bytes) -> bytes:
    """The digest by which something is kept: of the device, what the server calls it, and what a client shows."""
    return sha256(cbor.encode([device.name, audience, shown]))


def _settled(_outcome: object) -> None:
    """What could not be kept on disk is asked for again after a restart."""
