"""Every bound and every time of the proxy, each with its reason."""

from dataclasses import dataclass, field

from holdfast_core.coap_limits import Limits, Transmission


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the proxy holds at most; what does not fit is refused or makes the oldest go."""

    exchanges: int = 24576  # messages of clients remembered for deduplication, with replies; some 12 MB
    clients: int = 4096  # clients whose message IDs are counted
    devices: int = 4096  # the same of devices
    requests: int = 4096  # requests under way, of all clients
    requests_per_client: int = 256  # of one host, so that it cannot take all
    waiting: int = 32  # requests that wait until a device is free; the next is answered 5.03
    observers: int = 4096  # clients that watch something
    observers_per_client: int = 64  # of one host
    cache_bytes: int = 4 << 20  # responses kept for others, with their options
    cached_body: int = 64 << 10  # a longer one is not kept
    verified: int = 4096  # addresses that have shown that they are not false
    max_datagram: int = 1500  # one Ethernet frame
    ack_delay_ms: int = 500  # a client hears of us by then, before it sends again after 2 s
    verified_ms: int = 600_000  # how long an address counts as shown
    hop_limit: int = 16  # of a request that comes without (RFC 8768 section 3)
    retry_s: int = 5  # Max-Age of a 5.03
    con_every: int = 5  # one notification in so many is confirmable
    times: Transmission = field(default_factory=Transmission)

    def toward_clients(self) -> Limits:
        """Limits of the message layer on the side of the clients."""
        return Limits(
            transmission=self.times,
            max_exchanges=self.exchanges,
            max_peers=self.clients,
            max_queue=self.observers_per_client,
        )

    def toward_devices(self, nstart: int) -> Limits:
        """Limits of the message layer for all devices that take so many requests at once."""
        times = Transmission(
            self.times.ack_timeout_ms,
            self.times.ack_random_percent,
            self.times.max_retransmit,
            nstart,
            response_timeout_ms=self.times.response_timeout_ms,
        )
        return Limits(
            transmission=times,
            max_exchanges=self.exchanges // 4,
            max_peers=self.devices,
            max_queue=self.waiting,
        )
