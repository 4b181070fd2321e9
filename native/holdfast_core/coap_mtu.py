"""The bounds of a CoAP stack behind a link that carries little, such as LoRa; other boards do not load this.

A link says how long a datagram may be (its MTU), and blocks are so small that a message with one fits (RFC 7959).
"""

from holdfast_core.coap_limits import Limits

# What a message has beside its block: header, token, a path of some 16 bytes, Block, ETag or Request-Tag, and OSCORE.
OVERHEAD_LEN = 60
# Not Limits.__slots__, which boards do not have.
_OTHERS = (
    "con_every",
    "echo_lifetime_ms",
    "max_body",
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
    "shares_addresses",
    "transfer_lifetime_ms",
    "transmission",
)


def fitted(limits: Limits, mtu: int) -> Limits:
    """Return these limits with datagrams and blocks that a link carries.  mtu: bytes of its longest datagram.

    A block has 16 bytes at least, and with it a post to authz-info takes 51; what does not fit, the link loses.
    """
    small = Limits()
    for name in _OTHERS:
        setattr(small, name, getattr(limits, name))
    small.max_datagram = min(limits.max_datagram, mtu)
    small.szx = _largest(limits.szx, mtu)
    small.nosec_szx = _largest(limits.nosec_szx, mtu)
    return small


def _largest(szx: int, mtu: int) -> int:
    while szx and (16 << szx) + OVERHEAD_LEN > mtu:
        szx -= 1
    return szx
