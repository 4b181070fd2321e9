"""The C core as MicroPython sees it (native/bind/usermod/modhf_native.c).

Every argument of bytes may be anything with the buffer protocol. Fixed lengths: point 64, digest 32, signature 64,
nonce 13. ValueError: a fixed length, key or tag length that is another. Status: 0 for yes, else of enum hf_status.
"""

from typing import Any

def sha256(message: bytes) -> bytes: ...
def hmac_sha256(key: bytes, message: bytes) -> bytes: ...
def equal(a: bytes | bytearray, b: bytes | bytearray) -> bool:
    """Compare in a time that depends on the lengths only."""

def ccm_seal(key: bytes, tag_len: int, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes | None:
    """Ciphertext || tag; None when the plaintext is too long for the algorithm."""

def ccm_open(key: bytes, tag_len: int, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes | None:
    """The plaintext; None when it is not authentic."""

def p256_check_point(point: bytes) -> int: ...
def p256_verify(point: bytes, digest: bytes, signature: bytes) -> int: ...
def p256_verify_fixed(table: bytes | bytearray, digest: bytes, signature: bytes) -> int: ...
def p256_table_check(table: bytes | bytearray, point: bytes) -> int: ...
def rules_read(encoded: bytes) -> bytearray | int:
    """Rules of hf_rules_read, which point into `encoded`: keep both. The verdict when they cannot be."""

def token_verify(rules: bytearray, moment: bytes, token: bytes) -> int | tuple[Any, ...]:
    """Verify a token (hf_token.h).

    moment: MOMENT_LEN bytes; kinds.py says what they are.
    A refusal is the verdict, or (verdict, cnonce) when it came after the client-nonce was taken for fresh.
    A grant is ITEM_COUNT items, each bytes, those up to ITEM_KEY_OPS None when absent; kinds.py says which is what.
    """

def p256_table_make(point: bytes, teeth: int, blocks: int) -> bytearray:
    """The table of a key. Raises ValueError also when it is no point of the curve. Not in the module for armv6m."""
