"""Writes tokens as an AS does, for tests of the device, on both interpreters. A test may ask for wrong ones.

Signs with a fixed key and fixed nonces in plain integers: for tests only, because everybody knows this key.
"""

from holdfast_core import cbor, p256
from holdfast_core import labels as L
from holdfast_core.crypto import Aead, sha256

ISSUER = "https://as.example"
SIGN_KID, ENCRYPT_KID = b"as-sign-1", b"tube-enc-1"
ENCRYPT_KEY = bytes(range(0x20, 0x30))
SIGN_D = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721  # RFC 6979 section A.2.5
SIGN_X = 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
SIGN_Y = 0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299
SIGN_PUBLIC = SIGN_X.to_bytes(32, "big") + SIGN_Y.to_bytes(32, "big")
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def _inverse(a, m):
    """Return the inverse, by Fermat: MicroPython's pow has no negative exponents."""
    return pow(a, m - 2, m)


def _add(p, q):
    if p is None:
        return q
    (x1, y1), (x2, y2) = p, q
    rise, run = (3 * x1 * x1 - 3, 2 * y1) if x1 == x2 else (y2 - y1, x2 - x1)
    slope = rise * _inverse(run, p256.P)
    x = (slope * slope - x1 - x2) % p256.P
    return x, (slope * (x1 - x) - y1) % p256.P


def _times_g(k):
    total, power = None, _G
    while k:
        if k & 1:
            total = _add(total, power)
        power = _add(power, power)
        k >>= 1
    return total


_K = 0x0F0E0D0C0B0A09080706050403020101
_R = _times_g(_K)[0] % p256.N


def sign(message, d=SIGN_D):
    """Sign by ES256, with one nonce for all messages."""
    digest = int.from_bytes(sha256(message), "big")
    s = _inverse(_K, p256.N) * (digest + _R * d) % p256.N
    return _R.to_bytes(32, "big") + s.to_bytes(32, "big")


def _header(alg, kid, iv=None):
    header = {L.HDR_ALG: alg, L.HDR_KID: kid}
    if iv is not None:
        header[L.HDR_IV] = iv
    return cbor.encode(header)


def sign1(payload, kid=SIGN_KID, d=SIGN_D):
    """Return a COSE_Sign1 with its tag, not yet a CWT."""
    protected = _header(L.ALG_ES256, kid)
    signature = sign(cbor.encode(["Signature1", protected, b"", payload]), d)
    return cbor.Tag(L.TAG_COSE_SIGN1, [protected, {}, payload, signature])


def encrypt0(plaintext, kid=ENCRYPT_KID, key=ENCRYPT_KEY):
    """COSE_Encrypt0 with its tag; the nonce is the hash of what it hides."""
    protected = _header(L.ALG_AES_CCM_16_64_128, kid, sha256(plaintext)[:13])
    aad = cbor.encode(["Encrypt0", protected, b""])
    sealed = Aead(L.ALG_AES_CCM_16_64_128, key).seal(sha256(plaintext)[:13], aad, plaintext)
    return cbor.Tag(L.TAG_COSE_ENCRYPT0, [protected, {}, sealed])


def encrypted(claims, key=ENCRYPT_KEY):
    """cwt-encrypted."""
    return cbor.encode(cbor.Tag(L.TAG_CWT, encrypt0(cbor.encode(claims), key=key)))


def nested(claims, d=SIGN_D):
    """cwt-nested."""
    return cbor.encode(cbor.Tag(L.TAG_CWT, encrypt0(cbor.encode(sign1(cbor.encode(claims), d=d)))))


def osc(name, secret=None):
    """An OSCORE input material as a CBOR map; its secret follows from its name."""
    return {L.OSC_ID: name, L.OSC_MS: secret or sha256(b"ms" + name)[:16], L.OSC_SALT: sha256(b"salt" + name)[:8]}


def claims(audience, scope, now_s, key=b"osc-1", life_s=600, **more):
    """A claims set for a fresh key; more: other claims by their lower-case name, None leaves one out."""
    made = {
        L.CLAIM_ISS: ISSUER,
        L.CLAIM_AUD: audience,
        L.CLAIM_SCOPE: scope,
        L.CLAIM_IAT: now_s,
        L.CLAIM_EXP: now_s + life_s,
        L.CLAIM_CNF: {L.CNF_OSC: osc(key)},
    }
    for name, value in more.items():
        label = getattr(L, "CLAIM_" + name.upper())
        made[label] = value
        if value is None:
            del made[label]
    return made
