"""Every bound and every time of the CoAP stack, each with its reason (RFC 7252 section 4.8).

Never changes while a stack runs.  A bound that is reached refuses or forgets something; nothing grows beyond it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable


def owner_of(peer: "Hashable", context: object) -> "Hashable":
    """Whom a bound per peer counts: the security context, from wherever it speaks; without one, the host."""
    if context is not None:
        return context
    return peer[0] if isinstance(peer, tuple) else peer


class Transmission:
    """Transmission parameters of RFC 7252 section 4.8 in milliseconds; the defaults are the RFC's.

    ack_random_percent: ACK_RANDOM_FACTOR 1.5 is 50.  response_timeout_ms: how long a request waits for its response
    once it is acknowledged, or was non-confirmable; the RFC sets no limit.
    """

    __slots__ = (
        "ack_random_percent",
        "ack_timeout_ms",
        "exchange_lifetime_ms",
        "max_retransmit",
        "nstart",
        "response_timeout_ms",
    )

    def __init__(
        self,
        ack_timeout_ms: int = 2000,
        ack_random_percent: int = 50,
        max_retransmit: int = 4,
        nstart: int = 1,
        max_latency_ms: int = 100_000,
        response_timeout_ms: int = 93_000,
    ) -> None:
        self.ack_timeout_ms = ack_timeout_ms
        self.ack_random_percent = ack_random_percent
        self.max_retransmit = max_retransmit
        self.nstart = nstart
        self.response_timeout_ms = response_timeout_ms
        longest = ack_timeout_ms * (100 + ack_random_percent) // 100
        # RFC 7252 section 4.8.2: MAX_TRANSMIT_SPAN + 2 * MAX_LATENCY + PROCESSING_DELAY; 247 s by default.
        self.exchange_lifetime_ms = longest * ((1 << max_retransmit) - 1) + 2 * max_latency_ms + ack_timeout_ms


class Limits:
    """Bounds of one stack; the values here suit a laptop, DEVICE_LIMITS and SERVER_LIMITS the two ends.

    A peer, where something is bounded per peer, is what owner_of says.
    """

    __slots__ = (
        "con_every",
        "echo_lifetime_ms",
        "max_body",
        "max_datagram",
        "max_exchanges",
        "max_observers",
        "max_observers_per_peer",
        "max_peers",
        "max_queue",
        "max_renderings",
        "max_renderings_per_peer",
        "max_requests",
        "max_uploads",
        "max_uploads_per_peer",
        "nosec_szx",
        "shares_addresses",
        "szx",
        "transfer_lifetime_ms",
        "transmission",
    )

    def __init__(  # noqa: PLR0913 - all by keyword
        self,
        *,
        transmission: "Transmission | None" = None,
        max_datagram: int = 1500,  # one Ethernet frame; what is longer is not for us
        max_exchanges: int = 1024,  # messages remembered for deduplication, with replies; see Reliability.remember
        max_peers: int = 256,  # peers whose message IDs are counted
        max_queue: int = 8,  # messages to one peer that wait for NSTART
        max_requests: int = 256,  # our own requests without a response, and our observations
        max_body: int = 64 * 1024,  # a body put together from blocks, in either direction
        max_uploads: int = 16,  # bodies that are coming in; each may hold max_body bytes
        max_uploads_per_peer: int = 2,  # so that one peer cannot take all of them
        max_renderings: int = 32,  # bodies kept for the later blocks of a response
        max_renderings_per_peer: int = 8,  # so that one peer cannot push out those of all others
        max_observers: int = 256,  # clients that watch us
        max_observers_per_peer: int = 8,  # so that one peer cannot be all of them
        con_every: int = 5,  # one notification in so many is confirmable, beginning with the first
        szx: int = 6,  # largest block, 2**(szx + 4) bytes: 1024
        nosec_szx: int = 6,  # the same towards peers without a security context; bounds amplification
        shares_addresses: bool = False,  # exchanges of one peer hold one address, found by a look at all
        transfer_lifetime_ms: int = 247_000,  # a transfer without a block for EXCHANGE_LIFETIME is over (RFC 7959 2.5)
        echo_lifetime_ms: int = 60_000,  # an Echo value is good for so long
    ) -> None:
        self.transmission = Transmission() if transmission is None else transmission
        self.max_datagram = max_datagram
        self.max_exchanges = max_exchanges
        self.max_peers = max_peers
        self.max_queue = max_queue
        self.max_requests = max_requests
        self.max_body = max_body
        self.max_uploads = max_uploads
        self.max_uploads_per_peer = max_uploads_per_peer
        self.max_renderings = max_renderings
        self.max_renderings_per_peer = max_renderings_per_peer
        self.max_observers = max_observers
        self.max_observers_per_peer = max_observers_per_peer
        self.con_every = con_every
        self.shares_addresses = shares_addresses
        self.szx = szx
        self.nosec_szx = nosec_szx
        self.transfer_lifetime_ms = transfer_lifetime_ms
        self.echo_lifetime_ms = echo_lifetime_ms


# 64 KB of heap: everything together stays below about 16 KB.
DEVICE_LIMITS = Limits(
    max_datagram=1280,
    max_exchanges=16,
    max_peers=8,
    max_queue=2,
    max_requests=8,
    max_body=2048,
    max_uploads=2,
    max_uploads_per_peer=1,
    max_renderings=2,
    max_renderings_per_peer=1,
    max_observers=4,
    max_observers_per_peer=2,
    szx=5,
    nosec_szx=5,  # hints in a 4.01 come in one piece; the RS asks for an Echo before it sends so much
    shares_addresses=True,  # 48 bytes of heap less for each exchange; a look at 16 of them at most
)
