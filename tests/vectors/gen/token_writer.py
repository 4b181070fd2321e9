"""Write tokens by hand, legal ones and illegal ones: every CBOR head is put together here, byte by byte.

Independent of what it tests: no Holdfast code, no CBOR library; primitives straight from `cryptography`.  Numbers are
written out as the RFCs print them.  Nothing is checked: a wrong tag, a long head or a doubled key is one argument away.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256

# --- CBOR (RFC 8949 section 3), items as bytes ---


def head(major, n, width=None):
    """One head; width 0, 1, 2, 4 or 8 bytes after the first, by default the shortest."""
    if width is None:
        width = 0 if n < 24 else 1 if n < 1 << 8 else 2 if n < 1 << 16 else 4 if n < 1 << 32 else 8
    if width == 0:
        return bytes([major << 5 | n])
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width]]) + n.to_bytes(width, "big")


def integer(n, width=None):
    return head(0, n, width) if n >= 0 else head(1, -1 - n, width)


def bstr(content, width=None):
    return head(2, len(content), width) + content


def tstr(text):
    content = text if isinstance(text, bytes) else text.encode()
    return head(3, len(content)) + content


def array(*items):
    return head(4, len(items)) + b"".join(items)


def mapping(*pairs):
    """A map of (key, value) pairs in the order given; keys are integers or text, or an item when bytes."""
    return head(5, len(pairs)) + b"".join(key_item(key) + value for key, value in pairs)


def key_item(key):
    return key if isinstance(key, bytes) else integer(key) if isinstance(key, int) else tstr(key)


def tag(number, content, width=None):
    return head(6, number, width) + content


def f16(bits):
    return b"\xf9" + bits


def f32(bits):
    return b"\xfa" + bits


def f64(bits):
    return b"\xfb" + bits


TRUE = b"\xf5"
FALSE = b"\xf4"
NULL = b"\xf6"
EMPTY_MAP = b"\xa0"

# --- keys: fixed, from their names ---


def symmetric(name, length):
    return hashlib.sha256(b"holdfast test key " + name.encode()).digest()[:length]


def private(name):
    return ec.derive_private_key(int.from_bytes(symmetric(name, 32), "big"), ec.SECP256R1())


def public_xy(name):
    numbers = private(name).public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


# --- COSE (RFC 9052), untagged arrays; protected and unprotected are encoded maps ---

TAG_LENS = {10: 8, 11: 8, 30: 16, 31: 16}
KEY_LENS = {10: 16, 11: 32, 30: 16, 31: 32}


def protected(alg=None, kid=None, iv=None, *more):
    """A header map of alg (integer or item), kid, iv (bytes or item) and more pairs; None leaves one out."""
    pairs = []
    for label, value in ((1, alg), (4, kid), (5, iv)):
        if value is not None:
            pairs.append((label, value))
    return mapping(*[(k, integer(v) if isinstance(v, int) else bstr(v) if k in (4, 5) else v) for k, v in pairs], *more)


def sign1(payload, header, name, unprotected=EMPTY_MAP, context="Signature1", aad=b"", scheme=None):
    signed = array(tstr(context), bstr(header), bstr(aad), bstr(payload))
    return array(bstr(header), unprotected, bstr(payload), bstr((scheme or es256)(name, signed)))


def es256(name, message):
    return raw_signature(private(name).sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))


def raw_signature(der):
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def mac0(payload, header, key, tag_len=32, unprotected=EMPTY_MAP, context="MAC0"):
    maced = array(tstr(context), bstr(header), bstr(b""), bstr(payload))
    return array(bstr(header), unprotected, bstr(payload), bstr(hmac.digest(key, maced, "sha256")[:tag_len]))


def encrypt0(plaintext, header, key, iv, tag_len=8, unprotected=EMPTY_MAP, context="Encrypt0", aad=b""):
    structure = array(tstr(context), bstr(header), bstr(aad))
    return array(bstr(header), unprotected, bstr(AESCCM(key, tag_length=tag_len).encrypt(iv, plaintext, structure)))


def cwt(cose_tag, message):
    return tag(61, tag(cose_tag, message))
