"""Hostile CBOR: depth, declared lengths, huge maps, tag chains, colliding keys: refused fast, in little memory."""

import time
import tracemalloc

import pytest

from holdfast_core.cbor import decode, encode, encode_head
from holdfast_core.errors import LocalError, MalformedCbor
from holdfast_core.kinds import MAX_CBOR_DEPTH, MAX_CBOR_MAP_ITEMS

ALL_TAGS = tuple(range(300))


def pairs(count: int) -> bytes:
    return b"".join(encode_head(0, label) + b"\x00" for label in range(count))


BOMBS = {
    "arrays-500k-deep": (b"\x81" * 500_000, "depth"),
    "maps-500k-deep": (b"\xa1\x00" * 500_000, "depth"),
    "maps-in-keys": (b"\xa1" * 100_000, "key-type"),
    "tag-chain": (b"\xd2" * 500_000, "depth"),
    "tag-chain-long-form": (b"\xd8\x3d" * 250_000 + b"\x00", "depth"),
    "text-2^64-1": (b"\x7b" + b"\xff" * 8, "truncated"),
    "bytes-2^64-1": (b"\x5b" + b"\xff" * 8, "truncated"),
    "bytes-1GiB": (b"\x5a\x40\x00\x00\x00", "truncated"),
    "array-2^64-1": (b"\x9b" + b"\xff" * 8, "truncated"),
    "array-one-short": (b"\x99\xff\xff" + b"\x00" * 65_534, "truncated"),
    "map-2^64-1": (b"\xbb" + b"\xff" * 8, "truncated"),
    "map-65k-declared": (b"\xb9\xff\xff", "truncated"),
    "map-65k-keys": (encode_head(5, 65_535) + pairs(65_535), "too-long"),
    "map-one-over": (encode_head(5, MAX_CBOR_MAP_ITEMS + 1) + pairs(MAX_CBOR_MAP_ITEMS + 1), "too-long"),
    "nested-declared": (b"\x9a\x7f\xff\xff\xff" * 8, "truncated"),
    "bignum": (b"\xc2\x5a\x00\x10\x00\x00" + b"\xff" * (1 << 20), "tag"),
    "break-storm": (b"\xff" * 100_000, "indefinite"),
    "indefinite-strings": (b"\x5f" * 100_000, "indefinite"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_a_millisecond_and_little_memory(name: str) -> None:
    encoded, detail = BOMBS[name]
    tags = ALL_TAGS if name.startswith("tag") else ()
    fastest = 1.0
    for _ in range(20):
        began = time.perf_counter()
        with pytest.raises(MalformedCbor) as caught:
            decode(encoded, tags)
        fastest = min(fastest, time.perf_counter() - began)
    assert caught.value.detail == detail
    assert fastest < 0.001
    tracemalloc.start()
    try:
        with pytest.raises(MalformedCbor):
            decode(encoded, tags)
        assert tracemalloc.get_traced_memory()[1] < 64_000
    finally:
        tracemalloc.stop()


def fastest_decode_s(encoded: bytes) -> float:
    times = []
    for _ in range(20):
        began = time.perf_counter()
        decode(encoded)
        times.append(time.perf_counter() - began)
    return min(times)


def test_keys_that_collide_in_the_hash_table_stay_cheap() -> None:
    # CPython hashes an integer to itself, so multiples of a power of two share the low bits that pick the slot.
    colliding = encode({label << 40: 0 for label in range(1, MAX_CBOR_MAP_ITEMS + 1)})
    spread = encode({(label << 40) + label * 7919: 0 for label in range(1, MAX_CBOR_MAP_ITEMS + 1)})
    assert len(colliding) == len(spread)
    assert fastest_decode_s(colliding) < 10 * fastest_decode_s(spread)


def test_all_tags_allowed_still_counts_their_depth() -> None:
    deepest = b"\xd2" * MAX_CBOR_DEPTH + b"\x00"
    assert encode(decode(deepest, (18,))) == deepest
    with pytest.raises(MalformedCbor, match="depth"):
        decode(b"\xd2" + deepest, (18,))


def test_a_value_that_contains_itself_is_not_encoded() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(LocalError, match="depth"):
        encode(loop)


def test_the_refusal_says_nothing_of_the_content() -> None:
    with pytest.raises(MalformedCbor) as caught:
        decode(b"\xa2\x66secret\x01\x66secret\x02")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    with pytest.raises(MalformedCbor) as caught:
        decode(b"\x67secret\xff")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
