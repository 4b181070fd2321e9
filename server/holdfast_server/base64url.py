"""Base64url without padding (RFC 7515 section 2), as every text shape of bytes is written here."""

import base64


def b64(octets: bytes) -> str:
    """Bytes -> unpadded base64url text."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
