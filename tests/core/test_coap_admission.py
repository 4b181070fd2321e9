"""Floods: token buckets, what they let through, and that memory stays flat (RFC 8516)."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_admission import TokenBucket
from holdfast_core.coap_limits import DEVICE_LIMITS, Limits
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import request
from testkit.coap import Server, contexts, datagram, secured, table


def flood(bucket, peer, count, now_ms=0):
    """How many of `count` are admitted."""
    return sum(bucket.admit(peer, now_ms, 10) for _ in range(count))


def test_a_burst_and_then_the_rate():
    bucket = TokenBucket(rate=5, burst=20)
    assert flood(bucket, ("10.0.0.1", 1), 100) == 20
    assert flood(bucket, ("10.0.0.1", 1), 100, 199) == 0
    assert flood(bucket, ("10.0.0.1", 1), 100, 200) == 1
    assert flood(bucket, ("10.0.0.1", 1), 100, 100_000) == 20


def test_ports_of_one_host_share_a_bucket_and_hosts_do_not():
    bucket = TokenBucket(burst=20)
    assert sum(bucket.admit(("10.0.0.1", port), 0, 10) for port in range(100)) == 20
    assert flood(bucket, ("10.0.0.2", 1), 100) == 20
    assert flood(bucket, "serial", 100) == 20


def test_all_addresses_together_have_a_limit():
    bucket = TokenBucket(burst=20, total_rate=10, total_burst=50)
    assert sum(flood(bucket, (f"host{number}", 1), 20) for number in range(10)) == 50
    assert flood(bucket, ("late", 1), 20, 1000) == 10


def test_failing_a_hundred_thousand_times_locks_nobody_out():
    bucket = TokenBucket(rate=5, burst=20, total_rate=200, total_burst=400)
    assert flood(bucket, ("10.0.0.1", 1), 100_000) == 20
    assert flood(bucket, ("10.0.0.1", 1), 1, 200) == 1


def test_addresses_are_bounded_and_the_longest_unused_goes():
    bucket = TokenBucket(burst=2, total_burst=10**6, max_addresses=3)
    flood(bucket, "busy", 2)
    for number in range(100):
        bucket.admit(f"spoofed{number}", 0, 10)
        assert not bucket.admit("busy", 0, 10)
    assert len(bucket) == 3


def test_a_refused_request_takes_nothing_from_the_others():
    bucket = TokenBucket(burst=1, total_burst=3)
    assert flood(bucket, "greedy", 100) == 1
    assert flood(bucket, "a", 1) == flood(bucket, "b", 1) == 1
    assert flood(bucket, "c", 1) == 0


# --- in front of the stack ---


def limited(burst=3, held=None, limits=None):
    return Server(limits, held, TokenBucket(rate=1, burst=burst, total_burst=burst).admit)


def test_a_refused_request_gets_4_29_and_may_come_again():
    server = limited()
    for mid in range(3):
        server.feed(datagram(L.CODE_GET, "/a", mid))
    raw = datagram(L.CODE_GET, "/a", 3)
    (reply,) = server.feed(raw)
    assert (reply.code, reply.mtype, reply.uint(L.OPT_MAX_AGE)) == (L.CODE_TOO_MANY_REQUESTS, L.TYPE_ACK, 5)
    assert len(server.requests) == 3
    server.now_ms += 5000
    (reply,) = server.feed(raw)
    assert reply.code == L.CODE_CONTENT


def test_a_refused_non_confirmable_request_gets_nothing():
    server = limited(burst=0)
    assert server.feed(datagram(L.CODE_GET, "/a", mtype=L.TYPE_NON)) == []
    assert server.requests == []


def test_duplicates_are_not_charged():
    server = limited(burst=1)
    raw = datagram(L.CODE_GET, "/a")
    for _ in range(10):
        assert [m.code for m in server.feed(raw)] == [L.CODE_CONTENT]


def test_authentic_requests_pass_whatever_the_flood():
    client, held = contexts()
    server = limited(burst=0, held=table(held))
    for mid in range(1000):
        server.feed(datagram(L.CODE_POST, "/authz-info", mid, payload=b"x" * 100))
    raw, state = secured(request(L.CODE_GET, "/a"), client, mid=5000)
    (reply,) = server.feed(raw)
    assert client.unprotect_response(reply, state).code == L.CODE_CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["unknown-kid", "bad-tag"])
def test_failing_oscore_messages_are_answered_a_few_times_and_then_not(how):
    client, held = contexts()
    server = limited(burst=3, held=table(held))
    if how == "unknown-kid":
        client, _ = contexts(client_id=b"nobody")
    replies = 0
    for mid in range(50):
        raw, _ = secured(request(L.CODE_GET, "/a"), client, mid)
        replies += len(server.feed(raw if how == "unknown-kid" else raw[:-1] + bytes([raw[-1] ^ 1])))
    assert replies == 3
    assert server.requests == []


def test_refusals_displace_no_exchange():
    server = limited(burst=1, limits=Limits(max_exchanges=4))
    raw = datagram(L.CODE_GET, "/a", 1)
    first = server.feed_raw(raw)
    for mid in range(2, 100):
        server.feed(datagram(L.CODE_GET, "/a", mid), ("10.0.0.1", mid))
    assert server.feed_raw(raw) == first
    assert len(server.requests) == 1


def sizes(server):
    stack = server.stack
    return {
        "exchanges": len(stack._messages._exchanges),
        "peers": sum(map(len, stack._messages._peers)),
        "live": len(stack._messages._live),
        "out": len(stack._messages.out),
        "uploads": len(stack._server.uploads),
        "renderings": len(stack._server.renderings),
        "observers": len(stack._server.observers or ()),
        "unanswered": len(stack._server._unanswered),
        "events": len(stack._server.events) + (len(stack._client.events) if stack._client is not None else 0),
    }


@pytest.mark.parametrize("limits", [DEVICE_LIMITS, SERVER_LIMITS], ids=["device", "server"])
def test_a_flood_of_everything_from_everywhere_leaves_memory_flat(limits):
    server = Server(limits)
    server.observe = True
    server.body = b"x" * 100
    kinds = [
        ("/a", L.CODE_GET, [], b""),
        ("/watch", L.CODE_GET, [(L.OPT_OBSERVE, 0)], b""),
        ("/up", L.CODE_PUT, [(L.OPT_BLOCK1, b"\x08")], b"x" * 16),
        ("/down", L.CODE_GET, [(L.OPT_BLOCK2, b"")], b""),
        ("/late", L.CODE_POST, [], b"x"),
    ]
    count = 20_000 if limits is DEVICE_LIMITS else 2000
    for number in range(count):
        path, code, options, payload = kinds[number % 5]
        mtype = L.TYPE_NON if number % 7 == 0 else L.TYPE_CON
        raw = datagram(code, path, number & 0xFFFF, mtype, number.to_bytes(4, "big"), payload, options)
        server.feed(raw, ("10.0.0.1", number))
        server.requests.clear()
    got = sizes(server)
    assert got["exchanges"] <= limits.max_exchanges
    assert got["peers"] <= limits.max_peers
    assert got["uploads"] <= limits.max_uploads
    assert got["renderings"] <= limits.max_renderings
    assert got["observers"] <= limits.max_observers
    assert got["live"] == got["out"] == got["unanswered"] == got["events"] == 0
