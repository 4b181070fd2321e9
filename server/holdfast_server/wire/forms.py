"""Read what an HTTPS client sends: form-encoded text in, one value for each known name out.

Bounds come before parsing. Sections 3.1 and 3.2 of RFC 6749: a parameter without a value is as one that is not there,
one that nobody here knows is ignored, and a known one that comes twice is never silently merged.
A known one that is not UTF-8 or has control characters is refused.
Reads no JSON: token and introspection requests over HTTPS are forms (RFC 6749 appendix B).
"""

import base64
import binascii
from collections.abc import Collection
from urllib.parse import parse_qsl, unquote_plus

MAX_FORM_LEN = 16 * 1024
"""A token request with a 4 KB token in it and room to spare."""
MAX_QUERY_LEN = 4 * 1024
MAX_FIELDS = 32
MAX_AUTHORIZATION_LEN = 1024


class BadForm(Exception):
    """The text is not a form that this server reads."""


EMPTY_HAS_A_MEANING = "ace_profile"
"""RFC 9200 section 5.8.1: without a value it asks the server to name the profile."""


def read_form(
    encoded: bytes | str, known: Collection[str], max_len: int = MAX_FORM_LEN
) -> tuple[dict[str, str], frozenset[str]]:
    """Decode application/x-www-form-urlencoded: the values of the known names, and which of them came repeatedly.

    Raises BadForm.
    """
    values: dict[str, str] = {}
    repeated = set()
    for name, value in _pairs(encoded, max_len):
        if name not in known or not (value or name == EMPTY_HAS_A_MEANING):
            continue
        if not _printable(value):
            raise BadForm
        if name in values:
            repeated.add(name)
        values.setdefault(name, value)
    return values, frozenset(repeated)


def read_fields(encoded: bytes) -> list[tuple[str, str]]:
    """Like read_form, for a form of our own, whose names may repeat (checkboxes): the pairs in order."""
    fields = _pairs(encoded, MAX_FORM_LEN)
    if not all(_printable(name) and _printable(value) for name, value in fields):
        raise BadForm
    return fields


def _pairs(encoded: bytes | str, max_len: int) -> list[tuple[str, str]]:
    if len(encoded) > max_len:
        raise BadForm
    try:
        text = encoded.decode("ascii") if isinstance(encoded, bytes) else encoded
        # What is not UTF-8 becomes surrogates, which are not printable: an unknown parameter may hold anything.
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="surrogateescape")
    except ValueError:  # also UnicodeDecodeError
        raise BadForm from None


def read_basic(header: str) -> tuple[str, str]:
    """Client id and secret of an HTTP Basic header (RFC 6749 section 2.3.1). Raises BadForm."""
    scheme, _, credentials = header.partition(" ")
    credentials = credentials.lstrip(" ")  # RFC 9110 section 11.4: one blank or more
    if scheme.lower() != "basic" or len(header) > MAX_AUTHORIZATION_LEN:
        raise BadForm
    try:
        text = base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise BadForm from None
    name, colon, password = text.partition(":")
    if not colon:
        raise BadForm
    return unquote_plus(name), unquote_plus(password)


def _printable(text: str) -> bool:
    return all(character >= " " and character != "\x7f" and not "\ud800" <= character <= "\udfff" for character in text)
