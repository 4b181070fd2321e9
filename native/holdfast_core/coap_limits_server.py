"""The bounds of a server's CoAP stack; no board loads them (RFC 7252 section 4.8).  Never change while a stack runs."""

from holdfast_core.coap_limits import Limits

# 65536 exchanges are 6 s at 10000 requests a second, beyond the first retransmission; about 40 MB when full.
SERVER_LIMITS = Limits(
    max_exchanges=65536,
    max_peers=4096,
    max_queue=16,
    max_requests=4096,
    max_body=16 * 1024,
    max_uploads=64,
    max_uploads_per_peer=2,
    max_renderings=256,
    max_renderings_per_peer=8,
    max_observers=4096,
    max_observers_per_peer=16,
)
