"""Properties of the strict CBOR profile for all inputs: round trip, one encoding per value, totality, an oracle.

The oracle is cbor2: whatever our decoder takes, cbor2 takes with the same value; and what cbor2 writes in canonical
form of a value of our profile, we take.
"""

import io
import math
import struct
from collections.abc import Mapping
from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast_core import cbor
from holdfast_core.cbor import Tag, decode, encode, is_utf8
from holdfast_core.errors import LocalError, MalformedCbor
from holdfast_core.kinds import MAX_CBOR_DEPTH

INTS = st.integers(-(2**64), 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
KEYS = st.one_of(st.integers(-70000, 70000), INTS, TEXT)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INTS,
    st.binary(max_size=300),
    TEXT,
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    tagged = st.builds(Tag, st.sampled_from([16, 17, 18, 61]), inner)
    return st.one_of(st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=5), tagged)


VALUES = st.recursive(SCALARS, _deeper, max_leaves=20)
TAGS = (16, 17, 18, 61)


def depth_of(value: Any) -> int:
    if isinstance(value, Tag):
        return 1 + depth_of(value.value)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 0


def exactly(value: Any) -> Any:
    """Return value with every type spelled out, so that 1, 1.0 and true, or 0.0 and -0.0, compare as different."""
    if isinstance(value, Tag):
        return ("tag", value.number, exactly(value.value))
    if isinstance(value, list):
        return ("list", [exactly(item) for item in value])
    if isinstance(value, dict):
        return ("dict", {(type(key), key): exactly(item) for key, item in value.items()})
    if isinstance(value, float):
        return ("float", struct.pack(">d", value))
    return (type(value), value)


def from_oracle(value: Any) -> Any:
    if isinstance(value, cbor2.CBORTag):
        return Tag(value.tag, from_oracle(value.value))
    if isinstance(value, (list, tuple)):
        return [from_oracle(item) for item in value]
    if isinstance(value, Mapping):  # a frozen one inside a tag
        return {key: from_oracle(item) for key, item in value.items()}
    return value


def to_oracle(value: Any) -> Any:
    if isinstance(value, Tag):
        return cbor2.CBORTag(value.number, to_oracle(value.value))
    if isinstance(value, list):
        return [to_oracle(item) for item in value]
    if isinstance(value, dict):
        return {key: to_oracle(item) for key, item in value.items()}
    return value


def oracle(encoded: bytes) -> Any:
    stream = io.BytesIO(encoded)
    value = cbor2.CBORDecoder(stream, tag_hook=lambda tag, *_: tag).decode()
    assert stream.tell() == len(encoded)
    return value


@given(VALUES.filter(lambda value: depth_of(value) <= MAX_CBOR_DEPTH))
def test_round_trip_keeps_value_and_types(value: Any) -> None:
    encoded = encode(value)
    assert exactly(decode(encoded, TAGS)) == exactly(value)
    assert encode(decode(encoded, TAGS)) == encoded


@given(VALUES.filter(lambda value: depth_of(value) <= MAX_CBOR_DEPTH))
def test_the_oracle_reads_what_we_write(value: Any) -> None:
    assert exactly(from_oracle(oracle(encode(value)))) == exactly(value)


@given(VALUES.filter(lambda value: depth_of(value) <= MAX_CBOR_DEPTH))
def test_we_read_what_the_oracle_writes_in_canonical_form(value: Any) -> None:
    written = cbor2.dumps(to_oracle(value), canonical=True)
    assert exactly(decode(written, TAGS)) == exactly(value)


@given(st.dictionaries(KEYS, st.integers(0, 9), max_size=12), st.randoms(use_true_random=False))
def test_insertion_order_never_shows(members: dict[Any, int], random: Any) -> None:
    shuffled = list(members.items())
    random.shuffle(shuffled)
    assert encode(dict(shuffled)) == encode(members)
    keys = [encode(key) for key in decode(encode(members))]  # type: ignore[attr-defined]
    assert keys == sorted(keys)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(2.0**-24)
@example(2.0**-25)
@example(2.0**-14)
@example(2.0**-14 - 2.0**-24)
@example(65504.0)
@example(65519.99)
@example(65520.0)
@example(3.4028234663852886e38)
@example(3.4028234663852889e38)
@example(5e-324)
@example(-0.0)
def test_floats_take_the_shortest_form_that_keeps_them(value: float) -> None:
    encoded = encode(value)
    assert struct.pack(">d", decode(encoded)) == struct.pack(">d", value)  # type: ignore[arg-type]
    assert not any(fits(code, value) for code in {9: "ef", 5: "e", 3: ""}[len(encoded)])


def test_every_16_bit_float_agrees_with_struct() -> None:
    for bits in range(65536):
        content = bits.to_bytes(2, "big")
        expected = struct.unpack(">e", content)[0]
        if math.isfinite(expected):
            assert struct.pack(">d", decode(b"\xf9" + content)) == struct.pack(">d", expected)  # type: ignore[arg-type]
            assert encode(expected) == b"\xf9" + content
        else:
            with pytest.raises(MalformedCbor, match="float"):
                decode(b"\xf9" + content)


def accepted(encoded: bytes) -> Any:
    """Return what we decode, or the exception; anything but MalformedCbor fails the test."""
    try:
        return decode(encoded, TAGS)
    except MalformedCbor as refused:
        return refused


def check_any(encoded: bytes) -> None:
    value = accepted(encoded)
    if isinstance(value, MalformedCbor):
        if value.detail in {"truncated", "reserved", "utf8"}:  # no rule of our profile, but no CBOR at all
            with pytest.raises(cbor2.CBORDecodeError):
                oracle(encoded)
        return
    assert exactly(from_oracle(oracle(encoded))) == exactly(value)
    # One encoding per value: what we accept re-encodes to itself exactly when it was deterministic to begin with.
    again = encode(value)
    assert exactly(decode(again, TAGS)) == exactly(value)
    assert (again == encoded) is is_deterministic(encoded)


def is_deterministic(encoded: bytes) -> bool:
    """Whether an accepted item has its keys sorted and its floats shortest; a walk that shares nothing with cbor.py."""
    return _walk(encoded, 0)[1]


def _walk(encoded: bytes, at: int) -> tuple[int, bool]:
    """Return where the item at `at` ends, and whether it is deterministic."""
    major, info = divmod(encoded[at], 32)
    extra = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    argument = int.from_bytes(encoded[at + 1 : at + 1 + extra], "big") if extra else info
    at += 1 + extra
    if major == 7 and extra:
        value = struct.unpack({2: ">e", 4: ">f", 8: ">d"}[extra], encoded[at - extra : at])[0]
        return at, not fits({2: "", 4: "e", 8: "f"}[extra], value)
    if major in (2, 3):
        return at + argument, True
    good = True
    keys = []
    for index in range({4: argument, 5: 2 * argument, 6: 1}.get(major, 0)):
        end, fine = _walk(encoded, at)
        if major == 5 and index % 2 == 0:
            keys.append(encoded[at:end])
        good = good and fine
        at = end
    return at, good and keys == sorted(keys)


def fits(code: str, value: float) -> bool:
    """Whether struct's format `code` holds the value exactly."""
    try:
        return bool(code) and bool(struct.unpack(">" + code, struct.pack(">" + code, value))[0] == value)
    except OverflowError:
        return False


@settings(max_examples=600)
@given(st.binary(max_size=80))
def test_any_bytes_give_a_value_or_malformed(encoded: bytes) -> None:
    check_any(encoded)


@settings(max_examples=600)
@given(VALUES.filter(lambda value: depth_of(value) <= MAX_CBOR_DEPTH), st.data())
def test_any_mutation_of_a_good_item_gives_a_value_or_malformed(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded) - 1)) if encoded else 0
        kind = data.draw(st.sampled_from(["set", "drop", "insert", "cut"]))
        byte = data.draw(st.integers(0, 255))
        if kind == "set" and encoded:
            encoded[at] = byte
        elif kind == "drop":
            del encoded[at : at + 1]
        elif kind == "insert":
            encoded.insert(at, byte)
        else:
            del encoded[at:]
    check_any(bytes(encoded))


@given(VALUES.filter(lambda value: depth_of(value) <= MAX_CBOR_DEPTH), st.data())
def test_every_proper_prefix_is_truncated(value: Any, data: st.DataObject) -> None:
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(MalformedCbor) as caught:
        decode(encoded[:cut], TAGS)
    assert caught.value.detail == "truncated"


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=12), TEXT.map(str.encode)))
def test_the_utf8_check_agrees_with_cpython(content: bytes) -> None:
    try:
        content.decode("utf-8")
        expected = True
    except UnicodeDecodeError:
        expected = False
    assert is_utf8(content) is expected


def test_the_utf8_check_agrees_on_every_two_byte_and_lead_pair() -> None:
    for first in range(0x80, 256):
        for second in range(256):
            for tail in (b"", b"\x80", b"\x80\x80"):
                content = bytes((first, second)) + tail
                try:
                    content.decode("utf-8")
                    expected = True
                except UnicodeDecodeError:
                    expected = False
                assert is_utf8(content) is expected


def test_the_path_that_checks_utf8_by_itself_gives_the_same_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbor, "_UTF8_IS_UNCHECKED", True)
    assert decode(b"\x63\xe6\xb0\xb4") == "\u6c34"
    for refused in (b"\x62\xc0\x80", b"\x63\xed\xa0\x80", b"\x61\xff"):
        with pytest.raises(MalformedCbor, match="utf8"):
            decode(refused)
    assert encode("\u6c34") == b"\x63\xe6\xb0\xb4"
    monkeypatch.setattr(cbor, "is_utf8", lambda _: False)  # as for what only MicroPython would encode
    with pytest.raises(LocalError, match="utf8"):
        encode("\u6c34")
