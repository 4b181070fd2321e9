"""The message layer: deduplication, retransmission, message IDs, one outstanding message per peer (RFC 7252 section 4).

Never looks at tokens, options or payloads, and never keeps more peers, exchanges or waiting messages than Limits
allows.  When the table of peers is full, the one unused for longest is forgotten, and its message IDs begin anew at a
random place: a clash is then unlikely but possible, and costs that one message.
"""

import heapq
from collections import OrderedDict

from holdfast_core import labels as L
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_message import Message, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Trace = Callable[[str, Hashable, Message, "Message | None", int, int], None]

_MID_SPACE = 0x10000
_MAX_EVICTED = 4  # more than come in at a time, so that expired ones go away
_MID_BLOCK = 0x1000  # message IDs are handed out by blocks; a block rests for EXCHANGE_LIFETIME before its next use


class Timed:
    """Anything that Timers can wake: due_ms is when, None when not at all."""

    __slots__ = ("due_ms",)

    def __init__(self) -> None:
        self.due_ms: int | None = None


class Timers:
    """Deadlines of Timed objects: a heap in which moved and stopped deadlines stay until they surface or are many."""

    __slots__ = ("_dead", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timed]] = []
        self._serial = 0
        self._dead = 0

    def start(self, timed: Timed, due_ms: int) -> None:
        """Wake `timed` at due_ms, and not when it was asked for before."""
        self.stop(timed)
        timed.due_ms = due_ms
        self._serial += 1
        heapq.heappush(self._heap, (due_ms, self._serial, timed))

    def stop(self, timed: Timed) -> None:
        """Do not wake `timed`."""
        if timed.due_ms is not None:
            timed.due_ms = None
            self._dead += 1
            if self._dead > 32 and self._dead * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[0] == entry[2].due_ms]
                heapq.heapify(self._heap)
                self._dead = 0

    def clear(self) -> None:
        """Wake nothing."""
        self._heap.clear()
        self._dead = 0

    def next_ms(self) -> int | None:
        """Earliest deadline, or None."""
        heap = self._heap
        while heap and heap[0][0] != heap[0][2].due_ms:
            heapq.heappop(heap)
            self._dead -= 1
        return heap[0][0] if heap else None

    def pop_due(self, now_ms: int) -> "Timed | None":
        """Take out one object whose deadline has come, or None."""
        due_ms = self.next_ms()
        if due_ms is None or due_ms > now_ms:
            return None
        timed = heapq.heappop(self._heap)[2]
        timed.due_ms = None
        return timed


class Outgoing(Timed):
    """One message that may be acknowledged or reset: a confirmable one, or a non-confirmable one with an owner.

    message is the outer one, with mtype, mid and token; inner is what OSCORE hides, for the trace only.
    owner hears of acknowledgement, reset and timeout; None when nobody cares.
    """

    __slots__ = ("datagram", "inner", "message", "owner", "peer", "retries_left", "timeout_ms")

    def __init__(self, peer: "Hashable", message: Message, inner: "Message | None", owner: object) -> None:
        super().__init__()
        self.peer = peer
        self.message = message
        self.inner = inner
        self.owner = owner
        self.datagram = b""
        self.timeout_ms = 0
        self.retries_left = 0


class Exchange:
    """What was answered to one received message: reply is the datagram to repeat, or None for silence."""

    __slots__ = ("expires_ms", "reply")

    def __init__(self, expires_ms: int) -> None:
        self.expires_ms = expires_ms
        self.reply: bytes | None = None


class _Peer:
    """Message IDs and confirmable messages of one peer. rank: 0 nothing waits, 1 for nobody, 2 for somebody here."""

    __slots__ = ("next_mid", "outstanding", "queue", "rank", "rested_ms")

    def __init__(self, first_mid: int) -> None:
        self.next_mid = first_mid
        self.rank = 0
        self.outstanding: list[Outgoing] = []
        self.queue: list[Outgoing] = []
        self.rested_ms: dict[int, int] = {}  # block of message IDs -> when it was used up

    def take_mid(self, now_ms: int, lifetime_ms: int) -> int | None:
        """Next message ID, or None while the block it lies in has to rest."""
        mid = self.next_mid
        if mid % _MID_BLOCK == 0:
            rested_ms = self.rested_ms.get(mid // _MID_BLOCK)
            if rested_ms is not None and now_ms - rested_ms < lifetime_ms:
                return None
        if mid % _MID_BLOCK == _MID_BLOCK - 1:
            self.rested_ms[mid // _MID_BLOCK] = now_ms
        self.next_mid = (mid + 1) % _MID_SPACE
        return mid


class Reliability:
    """The message layer of one endpoint.

    out: datagrams to send as (bytes, peer), taken away by the stack.  failed: messages that could not be sent at all,
    for want of a message ID or of room to wait; the stack tells their owners.  datagram_len: of the datagram at work.
    """

    def __init__(self, rng: "Callable[[int], bytes]", limits: Limits, trace: "Trace | None" = None) -> None:
        self.timers = Timers()
        self.out: list[tuple[bytes, Hashable]] = []
        self.failed: list[Outgoing] = []
        self.datagram_len = 0
        self._rng = rng
        self._limits = limits
        self._times = limits.transmission
        self._trace = trace
        self._exchanges: OrderedDict[tuple[Hashable, int], Exchange] = OrderedDict()  # with strangers
        self._known: OrderedDict[tuple[Hashable, int], Exchange] = OrderedDict()
        # By rank, the one unused for longest first.
        self._peers: tuple[OrderedDict[Hashable, _Peer], ...] = (OrderedDict(), OrderedDict(), OrderedDict())
        self._live: dict[tuple[Hashable, int], Outgoing] = {}

    def forget_all(self) -> None:
        """See CoapStack.forget_all; message IDs go on."""
        self.timers.clear()
        self.failed.clear()
        self._exchanges.clear()
        self._known.clear()
        self._live.clear()
        for peers in self._peers:
            for address in peers:
                peer = peers[address]
                peer.outstanding.clear()
                peer.queue.clear()

    # --- what comes in ---

    def arrived(self, peer: "Hashable", message: Message, inner: "Message | None", now_ms: int) -> None:
        """Show a received message to the trace, once OSCORE has been looked into."""
        if self._trace is not None:
            self._trace("in", peer, message, inner, self.datagram_len, now_ms)

    def recall(self, peer: "Hashable", mid: int, now_ms: int) -> Exchange | None:
        """Exchange of a message that was received before, within EXCHANGE_LIFETIME (RFC 7252 section 4.5)."""
        exchange = self._exchanges.get((peer, mid)) or self._known.get((peer, mid))
        return exchange if exchange is not None and exchange.expires_ms > now_ms else None

    def remember(self, peer: "Hashable", mid: int, now_ms: int, known: bool = False) -> Exchange:
        """Begin an exchange; older ones make room, at most _MAX_EVICTED at a time, whatever is remembered.

        known: the peer has a context, or answers us.  When the table is full, strangers keep a quarter of it, so that
        a flood of them makes nobody's retransmission a new message.
        """
        tables = (self._exchanges, self._known)
        for _ in range(_MAX_EVICTED):
            if not self._forget_one(now_ms):
                break
        if self._limits.shares_addresses:
            for table in tables:
                for other, _mid in table:  # links make each address anew; one is enough to keep
                    if other == peer:
                        peer = other
                        break
        exchange = Exchange(now_ms + self._times.exchange_lifetime_ms)
        for table in tables:  # an expired one of the same ID must not keep its old place
            table.pop((peer, mid), None)
        tables[known][(peer, mid)] = exchange
        return exchange

    def _forget_one(self, now_ms: int) -> bool:
        """Forget one expired exchange, or one for want of room; False when neither is due."""
        most = self._limits.max_exchanges
        strangers, known = self._exchanges, self._known
        for table in (strangers, known):
            for oldest in table:
                if table[oldest].expires_ms <= now_ms:
                    del table[oldest]
                    return True
                break
        if len(strangers) + len(known) < most:
            return False
        table = strangers if strangers and (not known or len(strangers) >= most // 4) else known
        del table[next(iter(table))]
        return True

    def settle(self, peer: "Hashable", mid: int, is_reset: bool, now_ms: int) -> Outgoing | None:
        """Message that an ACK or a Reset names, which ends its retransmission; None when there is none."""
        outgoing = self._live.get((peer, mid))
        if outgoing is None or not (is_reset or outgoing.message.mtype == L.TYPE_CON):
            return None
        self.forget(outgoing, now_ms)
        return outgoing

    # --- what goes out ---

    def send(self, outgoing: Outgoing, now_ms: int, goes_on: bool = False) -> None:
        """Send a CON or NON message under a new message ID; a CON waits until NSTART allows.

        goes_on: it continues a transfer, so it waits in front of what would begin one, and always finds room.
        """
        peer = self._peer(outgoing.peer)
        if outgoing.message.mtype != L.TYPE_CON or len(peer.outstanding) < self._times.nstart:
            self._start(peer, outgoing, now_ms)
        elif goes_on:
            peer.queue.insert(0, outgoing)
        elif len(peer.queue) < self._limits.max_queue:
            peer.queue.append(outgoing)
        else:
            self.failed.append(outgoing)

    def reply(
        self, peer: "Hashable", exchange: Exchange | None, message: Message, inner: "Message | None", now_ms: int
    ) -> None:
        """Send an ACK or Reset; with an exchange, again whenever the message it answers comes again."""
        datagram = encode(message)
        if exchange is not None:
            exchange.reply = datagram
        self.emit(datagram, peer, message, inner, now_ms)

    def emit(self, datagram: bytes, peer: "Hashable", message: Message, inner: "Message | None", now_ms: int) -> None:
        """Put one datagram out."""
        self.out.append((datagram, peer))
        if self._trace is not None:
            self._trace("out", peer, message, inner, len(datagram), now_ms)

    def forget(self, outgoing: Outgoing, now_ms: int) -> None:
        """Stop retransmitting or waiting; the next message in the peer's queue may go."""
        mid = outgoing.message.mid
        if mid is None:
            peer = self._find(outgoing.peer)
            if peer is not None and outgoing in peer.queue:
                peer.queue.remove(outgoing)
            return
        if self._live.get((outgoing.peer, mid)) is not outgoing:
            return
        del self._live[(outgoing.peer, mid)]
        self.timers.stop(outgoing)
        if outgoing.message.mtype == L.TYPE_CON:
            self._release(outgoing, now_ms)

    def wake(self, outgoing: Outgoing, now_ms: int) -> bool:
        """Retransmit a message whose deadline has come; False when it was the last time (RFC 7252 section 4.2)."""
        if not outgoing.retries_left:
            self.forget(outgoing, now_ms)
            return False
        outgoing.retries_left -= 1
        outgoing.timeout_ms *= 2
        self.timers.start(outgoing, now_ms + outgoing.timeout_ms)
        self.emit(outgoing.datagram, outgoing.peer, outgoing.message, outgoing.inner, now_ms)
        return True

    # --- the parts ---

    def _start(self, peer: _Peer, outgoing: Outgoing, now_ms: int) -> None:
        message = outgoing.message
        message.mid = peer.take_mid(now_ms, self._times.exchange_lifetime_ms)
        if message.mid is None:
            self.failed.append(outgoing)
            return
        outgoing.datagram = encode(message)
        confirmable = message.mtype == L.TYPE_CON
        if confirmable or outgoing.owner is not None:
            self._live[(outgoing.peer, message.mid)] = outgoing
        if confirmable:
            peer.outstanding.append(outgoing)
            self._rank(outgoing.peer, peer)
            outgoing.retries_left = self._times.max_retransmit
            outgoing.timeout_ms = self._first_timeout_ms()
            self.timers.start(outgoing, now_ms + outgoing.timeout_ms)
        self.emit(outgoing.datagram, outgoing.peer, message, outgoing.inner, now_ms)

    def _first_timeout_ms(self) -> int:
        """ACK_TIMEOUT times a random factor between 1 and ACK_RANDOM_FACTOR."""
        shortest = self._times.ack_timeout_ms
        spread = shortest * self._times.ack_random_percent // 100
        return shortest + spread * int.from_bytes(self._rng(2), "big") // 0xFFFF

    def _release(self, outgoing: Outgoing, now_ms: int) -> None:
        peer = self._find(outgoing.peer)
        if peer is None or outgoing not in peer.outstanding:  # the peer was forgotten in between
            return
        peer.outstanding.remove(outgoing)
        self._rank(outgoing.peer, peer)
        while peer.queue and len(peer.outstanding) < self._times.nstart:
            self._start(peer, peer.queue.pop(0), now_ms)

    def _find(self, address: "Hashable") -> _Peer | None:
        for peers in self._peers:
            if address in peers:
                return peers[address]
        return None

    def _peer(self, address: "Hashable") -> _Peer:
        """State of a peer, made and counted as the latest used."""
        peer = self._find(address)
        if peer is not None:
            del self._peers[peer.rank][address]
        else:
            if sum([len(peers) for peers in self._peers]) >= self._limits.max_peers:
                self._evict()
            peer = _Peer(int.from_bytes(self._rng(2), "big"))
        self._peers[peer.rank][address] = peer
        return peer

    def _rank(self, address: "Hashable", peer: _Peer) -> None:
        """Put a peer where it belongs, now that something else waits for it."""
        rank = 0
        for outgoing in peer.outstanding:  # NSTART of them at most
            rank = max(rank, 1 if outgoing.owner is None else 2)
        if rank != peer.rank:
            del self._peers[peer.rank][address]
            peer.rank = rank
            self._peers[rank][address] = peer

    def _evict(self) -> None:
        """Forget the peer unused for longest that waits for nothing, else for nothing of ours, else just that one.

        So spoofed addresses that are owed a separate response do not push out whom we have asked something.
        """
        peers = self._peers[0] or self._peers[1] or self._peers[2]
        address = next(iter(peers))
        peer = peers.pop(address)
        for outgoing in peer.outstanding:
            self._live.pop((address, outgoing.message.mid or 0), None)
            self.timers.stop(outgoing)
        self.failed.extend(peer.outstanding + peer.queue)
