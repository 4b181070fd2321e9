"""The C core's CBOR against the vectors, and against the Python decoder on bytes that are nearly CBOR."""

import random

import cbor2
import pytest
from minitest import vectors

from holdfast_core import cbor
from holdfast_core.errors import MalformedCbor
from holdfast_core.kinds import MAX_CBOR_DEPTH
from testkit import native_token as kit
from testkit.token_mutants import changed_bytes, odd_value

TAGS = {16: 1, 17: 2, 18: 4, 61: 8}
ALL_TAGS = tuple(TAGS)
every_build = pytest.mark.parametrize("build", kit.BUILDS.values(), ids=kit.BUILDS)
FILES = ("cbor_appendix_a", "cbor_bad", "cbor_good", "cbor_profile")


def record(encoded, tags=(), depth=MAX_CBOR_DEPTH):
    return kit.record("C", bytes((sum(TAGS[tag] for tag in tags), depth)), encoded)


def python_text(encoded, tags=(), depth=MAX_CBOR_DEPTH):
    try:
        cbor.decode(encoded, tags, depth)
    except MalformedCbor as error:
        return str(error)
    return ""


def compare(build, cases):
    """Cases are arguments of cbor.decode; returns the verdicts."""
    verdicts = [verdict.text for verdict in kit.run(kit.program(*build), [record(*case) for case in cases])]
    wrong = [(case, ours) for case, ours in zip(cases, verdicts, strict=True) if ours != python_text(*case)]
    assert not wrong, (len(wrong), wrong[:3])
    return verdicts


@every_build
@pytest.mark.parametrize("name", FILES)
def test_vectors(build, name):
    rows = list(vectors(name))
    tags = [tuple(tag for tag in row.get("tags", ()) if tag in TAGS) for row in rows]
    verdicts = compare(
        build, [(bytes.fromhex(row["encoded"]), allowed) for row, allowed in zip(rows, tags, strict=True)]
    )
    for row, allowed, ours in zip(rows, tags, verdicts, strict=True):
        if allowed == tuple(row.get("tags", ())):  # the C core knows four tags, and no other allow-list
            want = "malformed-cbor: " + row["reason"] if row["expect"] == "malformed" else ""
            assert ours == want, row["id"]


@every_build
def test_every_head(build):
    """Each initial byte, followed by bytes that suit it or not, at each depth."""
    tails = (b"", b"\0", b"\x17", b"\x18", b"\xff" * 9, bytes(9), b"\x01" + bytes(8), bytes(4) + b"\x01" * 8)
    cases = [(bytes((first,)) + tail, ALL_TAGS, depth) for first in range(256) for tail in tails for depth in (0, 1, 8)]
    assert len(set(compare(build, cases))) >= 10


@every_build
def test_keys_that_come_twice(build):
    """Duplicates at any distance, in any order, beside keys that only look alike."""
    rng = random.Random(8949)
    keys = [0, 1, 23, 24, 255, 256, 1 << 32, -1, -24, -25, "", "a", "b", "aa", "\x01", "\x18"]
    cases = []
    for _ in range(600):
        chosen = rng.sample(keys, rng.randrange(1, 9))
        if rng.random() < 0.5:
            chosen.insert(rng.randrange(len(chosen) + 1), rng.choice(chosen))
        values = [cbor2.dumps(rng.choice([0, "x", [1, {2: 3}], {1: {1: 1}}, b"\xa2"])) for _ in chosen]
        pairs = b"".join(cbor2.dumps(key) + value for key, value in zip(chosen, values, strict=True))
        cases.append((bytes((0xA0 | len(chosen),)) + pairs,))
    seen = compare(build, cases)
    assert 100 < seen.count("malformed-cbor: duplicate-key") < 500


@every_build
def test_limits(build):
    """Depth, map size and declared lengths at each side of their bounds."""
    cases = [(b"\x81" * n + b"\0", (), depth) for n in range(10) for depth in (0, 2, 7, 8)]
    cases += [(b"\xa1\0" * n + b"\0",) for n in range(10)] + [(b"\xd0" * n + b"\0", (16,)) for n in range(10)]
    for size in (255, 256, 257):
        ascending = b"".join(cbor2.dumps(key) + b"\0" for key in range(size))
        descending = b"".join(cbor2.dumps(key) + b"\0" for key in reversed(range(size)))
        cases += [(b"\xb9" + size.to_bytes(2, "big") + pairs,) for pairs in (ascending, descending)]
    for major in (2, 3, 4, 5):
        for width, info in ((1, 24), (2, 25), (4, 26), (8, 27)):
            for n in (24, 255, 256, 65536, (1 << 32) - 1, 1 << 32, (1 << 63), (1 << 64) - 1):
                if n < 1 << (8 * width):
                    cases += [
                        (bytes((major << 5 | info,)) + n.to_bytes(width, "big") + bytes(k),) for k in (0, 24, 300)
                    ]
    assert {"", "malformed-cbor: depth", "malformed-cbor: too-long"} <= set(compare(build, cases))


@every_build
def test_text_is_utf8(build):
    """All two-byte strings that start a character, and the bounds of longer ones."""
    cases = [(bytes((0x62, a, b)),) for a in range(0x7F, 256) for b in range(0, 256, 7)]
    followers = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
    cases += [
        (bytes((0x63, a, b, c)),) for a in (0xDF, *range(0xE0, 0xF0)) for b in followers for c in (0x7F, 0x80, 0xC0)
    ]
    cases += [
        (bytes((0x64, a, b, 0x80, c)),) for a in range(0xEF, 0x100) for b in followers for c in (0x7F, 0x80, 0xBF)
    ]
    assert set(compare(build, cases)) == {"", "malformed-cbor: utf8"}


@every_build
def test_nearly_cbor(build):
    """Odd values, whole, cut at every byte, and changed here and there."""
    rng = random.Random(61)
    cases = []
    for _ in range(1500):
        whole = cbor2.dumps(odd_value(rng, 4))
        cases += [(whole, ALL_TAGS), (changed_bytes(rng, whole), ALL_TAGS), (whole[: rng.randrange(len(whole))],)]
    cases += [(rng.randbytes(rng.randrange(12)), ALL_TAGS) for _ in range(1500)]
    assert len(set(compare(build, cases))) >= 10
