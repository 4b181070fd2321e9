"""Boards have floats of 32 bits: what they read of 64-bit ones, here with a struct that knows no others."""

import struct

import pytest
from minitest import vectors

from holdfast_core import cbor
from holdfast_core.errors import MalformedCbor
from holdfast_core.verifier import verify_token
from testkit.token_rules import load_rules, outcome, verify_row

GREATEST = 3.4028235677973366e38  # what 32 bits round to infinity begins here


class ShortStruct:
    """The module, on a board."""

    pack = staticmethod(struct.pack)

    @staticmethod
    def unpack(form, content):
        (value,) = struct.unpack(form, content)
        if abs(value) >= GREATEST:
            return (float("inf") if value > 0 else float("-inf"),)
        return struct.unpack(">f", struct.pack(">f", value))


@pytest.fixture(autouse=True)
def board(monkeypatch):
    monkeypatch.setattr(cbor, "struct", ShortStruct)
    monkeypatch.setattr(cbor, "_FLOATS_ARE_SHORT", True)


def test_every_token_gets_the_verdict_that_it_gets_elsewhere():
    rules = load_rules()
    doubles = 0
    for row in vectors("tokens"):
        assert outcome(lambda row: verify_row(row, rules, verify_token), row) == (
            row["expect"],
            row["reason"],
            row["code"],
        ), row["id"]
        doubles += "-float" in row["id"]
    assert doubles > 30


@pytest.mark.parametrize(
    ("content", "ceil"),
    [
        ("41dad27480100000", 1800000001),
        ("c1dad27480100000", -1800000000),
        ("7fefffffffffffff", int(1.7976931348623157e308)),
        ("0000000000000001", 1),
        ("8000000000000001", 0),
        ("000fffffffffffff", 1),
        ("800fffffffffffff", 0),
        ("0010000000000001", 1),
        ("4340000000000001", (1 << 53) + 2),
        ("433fffffffffffff", (1 << 53) - 1),
        ("bfe0000000000001", 0),
        ("bff0000000000001", -1),
        ("3ff0000000000001", 2),
    ],
)
def test_what_needs_64_bits_is_rounded_up_exactly(content, ceil):
    double = cbor.decode(bytes.fromhex("fb" + content))
    assert isinstance(double, cbor.Double)
    assert double.ceil == ceil


def test_what_32_bits_hold_stays_a_float():
    for value in (1800000000.0 - 64, 0.5, -0.0, 1e20):
        short = struct.unpack(">f", struct.pack(">f", value))[0]
        assert cbor.decode(b"\xfb" + struct.pack(">d", short)) == short


@pytest.mark.parametrize("content", ["7ff0000000000000", "fff0000000000000", "7ff8000000000000", "7ff0000000000001"])
def test_what_is_no_number_is_malformed(content):
    with pytest.raises(MalformedCbor):
        cbor.decode(bytes.fromhex("fb" + content))
