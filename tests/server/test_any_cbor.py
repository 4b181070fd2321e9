"""Any valid CBOR is read, in whatever encoding, and nothing else; tokens have a stricter reader, holdfast_core.cbor."""

import json
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_core import cbor
from holdfast_core.errors import Malformed
from holdfast_server.wire.any_cbor import MAX_DEPTH, MAX_ITEMS, Other, decode_any


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("bfff", {}),
        ("a118210 2".replace(" ", ""), {33: 2}),
        ("a11900210 2".replace(" ", ""), {33: 2}),
        ("a11b00000000000000211a00000002", {33: 2}),
        ("bf1821021823f6ff", {33: 2, 35: None}),
        ("bf00ff".replace("00", "009f0102ff"), {0: [1, 2]}),
        ("7f616161626163ff", "abc"),
        ("5f41014102ff", b"\x01\x02"),
        ("5fff", b""),
        ("7fff", ""),
        ("3903e7", -1000),
        ("3b0000000000000000", -1),
        ("f93c00", 1.0),
        ("fa3f800000", 1.0),
        ("fb3ff0000000000000", 1.0),
        ("f6", None),
        ("f7", Other("simple", 23)),
        ("f8ff", Other("simple", 255)),
        ("d83d01", Other("tag", (61, ("int", 1)))),
        ("a2f50101f6".replace("f50101f6", "f5010102"), {Other("key", ("bool", True)): 1, 1: 2}),
    ],
)
def test_every_encoding_of_an_item_is_that_item(encoded, value):
    assert decode_any(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    ("encoded", "detail"),
    [
        ("", "truncated"),
        ("bf", "truncated"),
        ("bf18", "truncated"),
        ("bf01ff", "break"),
        ("ff", "break"),
        ("81ff", "break"),
        ("a1ff01", "break"),
        ("a000", "trailing"),
        ("bfffff", "trailing"),
        ("a201020102", "duplicate"),
        ("a20102180102", "duplicate"),
        ("bf0102190001f6ff", "duplicate"),
        ("a2f501f502", "duplicate"),
        ("a2f93c0001fa3f80000002", "duplicate"),
        ("a28101018 10102".replace(" ", ""), "duplicate"),
        ("5f6161ff", "head"),
        ("7f5f4161ffff", "head"),
        ("7f61c361a9ff", "utf8"),
        ("61ff", "utf8"),
        ("63eda080", "utf8"),
        ("1c", "head"),
        ("1f", "head"),
        ("3f", "head"),
        ("df01", "head"),
        ("f81f", "head"),
        ("fc", "head"),
        ("5bffffffffffffffff", "truncated"),
        ("9bffffffffffffffff", "truncated"),
    ],
)
def test_what_is_no_item_is_malformed(encoded, detail):
    with pytest.raises(Malformed) as caught:
        decode_any(bytes.fromhex(encoded))
    assert caught.value.detail == detail


def test_depth_and_items_are_bounded():
    assert decode_any(b"\x81" * MAX_DEPTH + b"\x00")
    for opener in (b"\x81", b"\x9f", b"\xa1\x00", b"\xbf\x00", b"\xd8\x3d"):
        with pytest.raises(Malformed, match="depth"):
            decode_any(opener * 5000 + b"\x00")
    assert len(decode_any(b"\x9f" + b"\x00" * (MAX_ITEMS - 1) + b"\xff")) == MAX_ITEMS - 1
    for encoded in (b"\x9f" + b"\x00" * MAX_ITEMS + b"\xff", b"\x9b" + b"\x00" * 9 * MAX_ITEMS):
        with pytest.raises(Malformed):
            decode_any(encoded)


@pytest.mark.parametrize("name", ["cbor_good", "cbor_appendix_a"])
def test_every_valid_item_of_the_vectors_is_read(name):
    rows = rows_of(name)
    assert len(rows) > 70
    for row in rows:
        # RFC 8949 took two-byte simple values below 32 out; what is nested deeper than we read is not read.
        if row["encoded"] != "f818" and "deeply-nested" not in row.get("title", ""):
            decode_any(bytes.fromhex(row["encoded"]))


def test_every_invalid_item_of_the_vectors_is_malformed():
    for row in rows_of("cbor_bad"):
        if row["title"].startswith("date: "):  # it is the tag that is wrong, and no parameter has one
            continue
        with pytest.raises(Malformed):
            decode_any(bytes.fromhex(row["encoded"]))


def rows_of(name):
    lines = (Path(__file__).parents[1] / "vectors" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(-9, 9) | st.text(max_size=2), inner),
    max_leaves=8,
)


@given(ITEMS)
def test_what_another_encoder_writes_reads_back(value):
    encoded = cbor2.dumps(value)
    assert decode_any(encoded) == value


@given(st.binary(max_size=40))
def test_any_octets_are_an_item_or_malformed(octets):
    try:
        value = decode_any(octets)
    except Malformed:
        with pytest.raises(Malformed):
            cbor.decode(octets)
        return
    hash(repr(value))
