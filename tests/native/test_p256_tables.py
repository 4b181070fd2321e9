"""Comb tables: made as plain integers make them, checked so that no other bytes pass."""

import ctypes
import random

import pytest

from testkit import p256_native as kit

GEOMETRIES = (*kit.KEY_TABLES, (3, 8), (5, 1))
every_build = pytest.mark.parametrize("build", kit.BUILDS)
every_maker = pytest.mark.parametrize("build", kit.MAKERS)
KEYS = (1, 2, kit.N - 1, kit.N - 2, 1 << 43, 3, 0xD1CE << 200)


def good_table(teeth, blocks, d=0xC0FFEE):
    return kit.sec1(*kit.multiple(d)), kit.table(kit.multiple(d), teeth, blocks)


@every_maker
@pytest.mark.parametrize(("teeth", "blocks"), GEOMETRIES)
def test_made_as_by_integers(build, teeth, blocks):
    native = kit.native(build, (6, 1))
    for d in (0xC0FFEE, kit.N - 5):
        point, table = good_table(teeth, blocks, d)
        assert native.table_make(point, teeth, blocks) == (kit.OK, table)
        assert native.table_check(table, point) == kit.OK


@every_maker
def test_keys_that_are_close_to_the_generator(build):
    """Steps and entries of such tables are small multiples of G, and of each other."""
    native = kit.native(build, (8, 1))
    for d in KEYS:
        point, table = good_table(4, 2, d)
        assert native.table_make(point, 4, 2) == (kit.OK, table)
        assert native.table_check(table, point) == kit.OK


@pytest.mark.parametrize("geometry", [(3, 1), (4, 2), (6, 1)])
@every_build
def test_a_good_table_passes(build, geometry):
    native = kit.native(build, (6, 1))
    for d in KEYS:
        point, table = good_table(*geometry, d)
        assert native.table_check(table, point) == kit.OK


@every_build
@pytest.mark.parametrize(("teeth", "blocks"), [(3, 1), (4, 2), (6, 1)])
def test_no_byte_may_change(build, teeth, blocks):
    native = kit.native(build, (6, 1))
    point, table = good_table(teeth, blocks)
    rng = random.Random(teeth)
    places = range(len(table)) if len(table) < 600 else [*range(8), *rng.sample(range(8, len(table)), 300)]
    for at in places:
        changed = bytearray(table)
        changed[at] ^= 1 << rng.randrange(8)
        assert native.table_check(bytes(changed), point) == kit.MALFORMED_KEY, at


@every_build
def test_the_table_of_another_key(build):
    native = kit.native(build, (6, 1))
    point, table = good_table(4, 2)
    for d in (0xC0FFED, kit.N - 0xC0FFEE, 1):
        assert native.table_check(good_table(4, 2, d)[1], point) == kit.MALFORMED_KEY
        assert native.table_check(table, kit.sec1(*kit.multiple(d))) == kit.MALFORMED_KEY
    assert native.table_check(table, bytes(64)) == kit.MALFORMED_KEY  # no point at all


@every_build
def test_the_table_of_another_first_entry(build):
    """All relations between neighbours hold, and only the sum of the first and the last is wrong."""
    native = kit.native(build, (6, 1))
    d, teeth, spacing = 0xC0FFEE, 3, 86
    body = b""
    for index in range(1 << teeth - 1):
        digits = sum((1 if index >> t & 1 else -1) << spacing * t for t in range(teeth - 1))
        x, y = kit.multiple((digits + 12345) * d)
        body += b"".join((number * 2**256 % kit.P).to_bytes(32, "little") for number in (x, y))
    point, table = good_table(teeth, 1)
    assert len(body) == len(table) - 4
    assert native.table_check(table[:4] + body, point) == kit.MALFORMED_KEY


@every_build
def test_a_first_entry_that_is_none(build):
    """A coordinate that is p, and minus twice the key, with which the next entry would be infinity."""
    native = kit.native(build, (6, 1))
    d = 0xC0FFEE
    point, table = good_table(3, 1, d)
    opposite = b"".join((n * 2**256 % kit.P).to_bytes(32, "little") for n in kit.multiple(kit.N - 2 * d))
    p = kit.P.to_bytes(32, "little")
    for first in (opposite, p + table[36:68], table[4:36] + p):
        assert native.table_check(table[:4] + first + table[68:], point) == kit.MALFORMED_KEY


@every_build
def test_entries_that_change_places(build):
    native = kit.native(build, (6, 1))
    point, table = good_table(3, 2)
    for first in range(8):
        for second in range(first):
            a, b = 4 + 64 * first, 4 + 64 * second
            changed = bytearray(table)
            changed[a : a + 64], changed[b : b + 64] = table[b : b + 64], table[a : a + 64]
            assert native.table_check(bytes(changed), point) == kit.MALFORMED_KEY


@every_build
def test_one_number_one_encoding(build):
    """A coordinate plus p means the same number. A key is made that has an entry with room for it."""
    native = kit.native(build, (6, 1))
    multiplier = sum(1 << 86 * tooth for tooth in range(3))  # entry 3 of T3 B1 is this much of the key
    tried = 0
    for low in range(1, 40):
        entry = kit.lift(low * pow(2**256, -1, kit.P) % kit.P)
        if entry is None:
            continue
        key = kit.times(pow(multiplier, -1, kit.N), entry)
        point, table = kit.sec1(*key), kit.table(key, 3, 1)
        at = 4 + 3 * 64
        assert table[at : at + 32] == low.to_bytes(32, "little")
        assert native.table_check(table, point) == kit.OK
        changed = table[:at] + (low + kit.P).to_bytes(32, "little") + table[at + 32 :]
        assert native.table_check(changed, point) == kit.MALFORMED_KEY
        changed = table[: at + 32] + kit.P.to_bytes(32, "little") + table[at + 64 :]  # y, which is not 0
        assert native.table_check(changed, point) == kit.MALFORMED_KEY
        tried += 1
    assert tried > 10


@every_build
def test_headers_that_lie(build):
    native = kit.native(build, (6, 1))
    point, table = good_table(4, 2)
    digest, sig = kit.signature_for(3, 5, kit.multiple(3 + 5 * 0xC0FFEE))
    assert native.verify_fixed(table, digest, sig) == kit.OK
    wrong = [
        table[:-1],
        table + b"\0",
        b"",
        table[:3],
        table[:4],
        b"\0" + table[1:],
        b"\2" + table[1:],
        table[:3] + b"\1" + table[4:],
        *(table[:1] + bytes((teeth,)) + table[2:] for teeth in (0, 1, 2, 3, 5, 8, 9, 33, 255)),
        *(table[:2] + bytes((blocks,)) + table[3:] for blocks in (0, 1, 3, 4, 9, 255)),
        bytes((1, 2, 4, 0)) + table[4:],  # 4 entries of 2 teeth: as long, too few teeth
        bytes((1, 5, 1, 0)) + table[4:],  # as long, other points
    ]
    for bad in wrong[:-1]:
        assert native.verify_fixed(bad, digest, sig) == kit.MALFORMED_KEY
        assert native.table_check(bad, point) == kit.MALFORMED_KEY
    # a header that fits the length and lies about the points: verify_fixed cannot know, table_check must
    assert native.table_check(wrong[-1], point) == kit.MALFORMED_KEY
    assert native.verify_fixed(wrong[-1], digest, sig) == kit.NOT_AUTHENTIC


@every_maker
def test_sizes_that_no_table_has(build):
    native = kit.native(build, (6, 1))
    point, _ = good_table(3, 1)
    for teeth, blocks in ((2, 1), (9, 1), (0, 1), (6, 0), (6, 9)):
        status, table = native.table_make(point, teeth, blocks)
        assert status == kit.LOCAL
        assert table == b"\xa5" * len(table)
    room = ctypes.create_string_buffer(kit.table_len(3, 1))
    for length in (len(room) - 1, len(room) + 1, 0):
        assert native.lib.hf_p256_table_make(point, 3, 1, room, ctypes.c_size_t(length)) == kit.LOCAL
