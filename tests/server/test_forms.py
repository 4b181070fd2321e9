"""Forms are read strictly: one value a name, bounded, printable UTF-8."""

import base64

import pytest

from holdfast_server.forms import MAX_FIELDS, MAX_FORM_LEN, BadForm, read_basic, read_fields, read_form


def test_a_form_reads_with_its_escapes_and_blanks() -> None:
    assert read_form(b"a=1&b=x+y%26z&c=") == {"a": "1", "b": "x y&z", "c": ""}
    assert read_form(b"") == {}


def test_checkboxes_may_repeat_where_they_are_asked_for() -> None:
    assert read_fields(b"scope=a&scope=b") == [("scope", "a"), ("scope", "b")]


@pytest.mark.parametrize(
    "encoded",
    [
        b"a=1&a=2",
        b"a=1&a=1",
        b"a",
        b"a=%ff",
        b"a=%00",
        b"a=%0d%0aset-cookie",
        b"a=\xc3\xa9",
        b"a=" + b"x" * MAX_FORM_LEN,
        b"&".join(b"f%d=1" % number for number in range(MAX_FIELDS + 1)),
    ],
)
def test_what_is_not_one_plain_form_is_refused(encoded: bytes) -> None:
    with pytest.raises(BadForm):
        read_form(encoded)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_basic_credentials_are_form_decoded() -> None:
    assert read_basic(basic("doctor%5Fapp:s%3Acret")) == ("doctor_app", "s:cret")
    assert read_basic(basic("a:b:c")) == ("a", "b:c")


@pytest.mark.parametrize("header", ["", "Basic", "Basic *", "Bearer YTpi", basic("no-colon"), basic("a:" + "x" * 2000)])
def test_what_is_not_basic_is_refused(header: str) -> None:
    with pytest.raises(BadForm):
        read_basic(header)
