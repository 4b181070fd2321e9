"""Making tokens: reference handles, and CWTs encrypted, nested, signed or MACed (RFC 8392 section 7.1, RFC 9052).

cbor2 and cryptography only; never the core's encoder, because the core's reader checks every token before it leaves
(lint.py) and the two must not share a mistake.  Maps are written in RFC 8949's deterministic order by building them
so. alg, kid and IV stand in the protected header, the unprotected one is empty, and tag 61 wraps one COSE tag:
otherwise the hash by which a token is revoked could be changed on its way (RFC 9770 section 3). The 13-byte IV is
random.  A counter would repeat after a restore from backup or in a copied virtual machine; a random IV needs no
write, and after 2^32 tokens under one key the chance that any two coincide is 2^-41.
"""

from collections.abc import Callable
from typing import Any

import cbor2
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from holdfast_core import labels as L
from holdfast_core.errors import LocalError
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_MAC, CWT_NESTED, CWT_SIGNED, REFERENCE
from holdfast_core.token_split import CWT_HEAD, REFERENCE_LEN
from holdfast_server.authz.keyring import Keyring, SigningKey
from holdfast_server.records import KeyRecord

IV_LEN = 13
CCM_TAG_LEN = 8

# RFC 8392 appendix A.5: key, nonce, plaintext (its beginning is enough) and COSE_Encrypt0 of a CWT.
_VECTOR_KEY = bytes.fromhex("231f4c4d4d3051fdc2ec0a3851d5b383")
_VECTOR_IV = bytes.fromhex("99a0d7846e762c49ffe8a63e0b")
_VECTOR_PAYLOAD = bytes.fromhex(
    "a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c65"
    "2e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b71"
)
_VECTOR_CIPHERTEXT = bytes.fromhex(
    "b918a11fd81e438b7f973d9e2e119bcb22424ba0f38a80f27562f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428ff"
    "f157444d45f7e6afcda1aae5f6495830c58627087fc5b4974f319a8707a635dd643b"
)


def make_token(
    token_format: str, claims: dict[int, Any], keyring: Keyring, rs_id: str, rng: Callable[[int], bytes]
) -> bytes:
    """Make a token of a format.  claims: by label; ignored for a reference.  rs_id: whose encryption key."""
    if token_format == REFERENCE:
        return draw_handle(REFERENCE_LEN, rng)
    payload = encode_map(claims)
    if token_format == CWT_SIGNED:
        return cbor2.dumps(cbor2.CBORTag(L.TAG_CWT, sign1(payload, keyring.signing_key())))
    if token_format == CWT_MAC:
        return cbor2.dumps(cbor2.CBORTag(L.TAG_CWT, mac0(payload, keyring.mac_key(rs_id))))
    if token_format == CWT_NESTED:
        payload = cbor2.dumps(sign1(payload, keyring.signing_key()))
    elif token_format != CWT_ENCRYPTED:
        raise LocalError("token-format")
    encrypted = encrypt0(payload, keyring.encryption_key(rs_id), rng(IV_LEN))
    return cbor2.dumps(cbor2.CBORTag(L.TAG_CWT, encrypted))


def draw_handle(length: int, rng: Callable[[int], bytes]) -> bytes:
    """Draw a random name of a token that no reader takes for a token by value."""
    while True:
        handle = rng(length)
        if not handle.startswith(CWT_HEAD):
            return handle


def encode_map(members: dict[int, Any]) -> bytes:
    """Encode a map with integer keys, maps inside it too, in deterministic order (RFC 8949 section 4.2.1)."""
    return cbor2.dumps(_in_order(members))


def _in_order(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    # Unsigned keys (major type 0) sort before negative ones (1), each by magnitude.
    return {label: _in_order(value[label]) for label in sorted(value, key=lambda label: (label < 0, abs(label)))}


def sign1(payload: bytes, key: SigningKey) -> cbor2.CBORTag:
    """Return a COSE_Sign1 with ES256 (RFC 9052 section 4.4)."""
    protected = encode_map({L.HDR_ALG: L.ALG_ES256, L.HDR_KID: key.kid})
    signature = key.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    return cbor2.CBORTag(L.TAG_COSE_SIGN1, [protected, {}, payload, signature])


def mac0(payload: bytes, key: KeyRecord) -> cbor2.CBORTag:
    """Return a COSE_Mac0 with HMAC-SHA-256, whole (RFC 9052 section 6.3)."""
    protected = encode_map({L.HDR_ALG: key.alg, L.HDR_KID: key.kid})
    hmac = HMAC(key.secret.reveal(), SHA256())
    hmac.update(cbor2.dumps(["MAC0", protected, b"", payload]))
    return cbor2.CBORTag(L.TAG_COSE_MAC0, [protected, {}, payload, hmac.finalize()])


def encrypt0(payload: bytes, key: KeyRecord, iv: bytes) -> cbor2.CBORTag:
    """Return a COSE_Encrypt0 with the key's AES-CCM (RFC 9052 section 5.3)."""
    protected = encode_map({L.HDR_ALG: key.alg, L.HDR_KID: key.kid, L.HDR_IV: iv})
    ciphertext = _seal(key.secret.reveal(), iv, protected, payload)
    return cbor2.CBORTag(L.TAG_COSE_ENCRYPT0, [protected, {}, ciphertext])


def _seal(key: bytes, iv: bytes, protected: bytes, payload: bytes) -> bytes:
    aad = cbor2.dumps(["Encrypt0", protected, b""])
    return AESCCM(key, tag_length=CCM_TAG_LEN).encrypt(iv, payload, aad)


def self_test() -> None:
    """Round-trip the RFC's own encrypted CWT; LocalError when the libraries no longer do what they did.

    Run at start: a changed dependency must fail here and not in a token that some device refuses next week.
    """
    protected = encode_map({L.HDR_ALG: L.ALG_AES_CCM_16_64_128})
    ciphertext = _seal(_VECTOR_KEY, _VECTOR_IV, protected, _VECTOR_PAYLOAD)
    wrapped = cbor2.dumps(cbor2.CBORTag(L.TAG_COSE_ENCRYPT0, [protected, {}, ciphertext]))
    body = cbor2.loads(wrapped).value
    if ciphertext != _VECTOR_CIPHERTEXT or wrapped[:6] != b"\xd0\x83\x43\xa1\x01\x0a" or body[2] != ciphertext:
        raise LocalError("self-test")
    if encode_map(cbor2.loads(_VECTOR_PAYLOAD)) != _VECTOR_PAYLOAD:
        raise LocalError("self-test")
