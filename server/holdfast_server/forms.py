"""Read what an HTTPS client sends, strictly: form-encoded text in, one value per name out.

Bounds come before parsing. A name given twice is refused and never silently
merged (RFC 6749 section 3.1); so are text that is not UTF-8 and control characters.
Reads no JSON: token and introspection requests over HTTPS are forms (RFC 6749 appendix B).
"""

import base64
import binascii
from urllib.parse import parse_qsl, unquote_plus

MAX_FORM_LEN = 16 * 1024
"""A token request with a 4 KB token in it and room to spare."""
MAX_QUERY_LEN = 4 * 1024
MAX_FIELDS = 32
MAX_AUTHORIZATION_LEN = 1024


class BadForm(Exception):
    """The text is not a form that this server reads."""


def read_form(encoded: bytes | str, max_len: int = MAX_FORM_LEN) -> dict[str, str]:
    """Decode application/x-www-form-urlencoded. Raises BadForm; every name at most once."""
    fields = read_fields(encoded, max_len)
    values = dict(fields)
    if len(values) != len(fields):
        raise BadForm
    return values


def read_fields(encoded: bytes | str, max_len: int = MAX_FORM_LEN) -> list[tuple[str, str]]:
    """Like read_form, for a form whose names may repeat (checkboxes): the pairs in order."""
    if len(encoded) > max_len:
        raise BadForm
    try:
        text = encoded.decode("ascii") if isinstance(encoded, bytes) else encoded
        if not text:
            return []
        fields = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError:  # also UnicodeDecodeError
        raise BadForm from None
    if not all(_printable(name) and _printable(value) for name, value in fields):
        raise BadForm
    return fields


def read_basic(header: str) -> tuple[str, str]:
    """Client id and secret of an HTTP Basic header (RFC 6749 section 2.3.1). Raises BadForm."""
    scheme, _, credentials = header.partition(" ")
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
    return all(character >= " " and character != "\x7f" for character in text)
