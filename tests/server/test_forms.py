"""Forms are read strictly: one value a name, bounded, printable UTF-8."""

import base64

import pytest

from holdfast_server.wire.forms import MAX_FIELDS, MAX_FORM_LEN, BadForm, read_basic, read_fields, read_form

KNOWN = ("a", "b", "ace_profile")


def test_a_form_reads_with_its_escapes_and_blanks() -> None:
    assert read_form(b"a=1&b=x+y%26z", KNOWN) == ({"a": "1", "b": "x y&z"}, frozenset())
    assert read_form(b"", KNOWN) == ({}, frozenset())


@pytest.mark.parametrize(
    "encoded",
    [b"a=1&b=", b"a=1&b", b"&a=1&&", b"a=1&x=%ff&x=%00", b"a=&a=1", b"x=1&x=2&a=1", b"=&a=1", b"a=1&ace%5fprofile2=x"],
)
def test_what_has_no_value_or_is_unknown_is_as_if_it_were_not_there(encoded: bytes) -> None:
    assert read_form(encoded, KNOWN) == ({"a": "1"}, frozenset())


def test_a_profile_without_a_value_is_there() -> None:
    assert read_form(b"ace_profile=", KNOWN) == ({"ace_profile": ""}, frozenset())
    assert read_form(b"ace_profile&ace_profile=x", KNOWN) == ({"ace_profile": ""}, frozenset(("ace_profile",)))


def test_a_known_name_that_comes_twice_is_told() -> None:
    assert read_form(b"a=1&a=1&b=2", KNOWN) == ({"a": "1", "b": "2"}, frozenset("a"))
    assert read_form(b"a=1&b=2&a=2", KNOWN)[1] == frozenset("a")


def test_checkboxes_may_repeat_where_they_are_asked_for() -> None:
    assert read_fields(b"scope=a&scope=b") == [("scope", "a"), ("scope", "b")]


@pytest.mark.parametrize(
    "encoded",
    [
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
        read_form(encoded, KNOWN)
    with pytest.raises(BadForm):
        read_fields(encoded)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_basic_credentials_are_form_decoded() -> None:
    assert read_basic(basic("doctor%5Fapp:s%3Acret")) == ("doctor_app", "s:cret")
    assert read_basic(basic("a:b:c")) == ("a", "b:c")


def test_more_than_one_blank_may_follow_the_scheme() -> None:
    assert read_basic(basic("a:b").replace(" ", "   ")) == ("a", "b")


@pytest.mark.parametrize("header", ["", "Basic", "Basic *", "Bearer YTpi", basic("no-colon"), basic("a:" + "x" * 2000)])
def test_what_is_not_basic_is_refused(header: str) -> None:
    with pytest.raises(BadForm):
        read_basic(header)
