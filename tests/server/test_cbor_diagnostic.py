"""CBOR diagnostic notation: what is written reads back, and what is none is refused."""

import contextlib
import random

import cbor2
import pytest

from holdfast_core.errors import MalformedCbor
from holdfast_server.wire.cbor_diagnostic import MAX_DEPTH, MAX_LEN, read_diagnostic, write_diagnostic

READ = [
    ("{}", {}),
    (" / a / { 1 : h'00 ff', -1: b64'AP8' } # end", {1: b"\0\xff", -1: b"\0\xff"}),
    ('{"t": [1, true, null, false]}', {"t": [1, True, None, False]}),
    ("0x10", 16),
    ("''", b""),
    ("'abc'", b"abc"),
    ('"a\\"b\\u00e9"', 'a"b\u00e9'),
    ("[[], {}]", [[], {}]),
    ("{1: 2, 2: 1}", {1: 2, 2: 1}),
]
REFUSED = [
    "",
    "{",
    "[1 2]",
    "{1}",
    "{1: }",
    "{1: 1, 1: 2}",
    "{[]: 1}",
    "h'0'",
    "h'0g'",
    "b64'*'",
    "1 2",
    "1.5",
    "nul",
    "/ open",
    '"open',
    "1(2)",
    "[1,]",
    "{1: 1,}",
    "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
    " " * MAX_LEN + "1",
]


@pytest.mark.parametrize(("text", "item"), READ)
def test_what_is_notation_reads(text, item):
    assert read_diagnostic(text) == item


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_none_is_refused(text):
    with pytest.raises(MalformedCbor):
        read_diagnostic(text)


def test_what_is_written_reads_back():
    item = {1: 4, 2: b"kid", -1: b"", 4: [1, 2], "x": "text \u00e9"}
    assert read_diagnostic(write_diagnostic(item, dict.fromkeys(item, "name"))) == item
    assert read_diagnostic(write_diagnostic([item, b"x"], dict.fromkeys(item, "name"))) == [item, b"x"]
    assert cbor2.loads(cbor2.dumps(item)) == item


def test_any_text_is_a_value_or_refused():
    source = random.Random(11)
    pieces = ["{", "}", "[", "]", ":", ",", "h'00'", "1", "-", "/ x /", "#\n", '"t"', "true", "'", '"', "\\", " "]
    for _ in range(3000):
        text = "".join(source.choices(pieces, k=source.randrange(12)))
        with contextlib.suppress(MalformedCbor):
            read_diagnostic(text)
