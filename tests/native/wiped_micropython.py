"""Heaps that run out while hf_native copies a result out, run by MicroPython for test_natmod.py.

Each call is made again and again with a little more room in an otherwise full heap, until it succeeds. Whenever it ends
in a MemoryError, the room is looked through, octet by octet, for the secret that the call was about. The last line says
how often memory ran out for each call; exit code 1 where a secret was left.
"""

import gc
import sys

sys.path.append("tests/dual")

import uctypes
from hf_native_token_cases import AUDIENCE, ISSUER, KID, NOW, PROFILE_OSCORE, moment

import hf_native
from holdfast_core import cbor
from holdfast_core import labels as L

SECRET, CNONCE = bytes(range(0xA0, 0xE0)), bytes(range(0x80, 0xA0))
KEY, NONCE = bytes(range(16)), bytes(13)
FORMAT_ENCRYPTED, ROLE_ENCRYPT = 1, 2
STEP, MOST = 32, 8192


def encrypted_rules():
    """Rules of an RS that takes encrypted tokens, of one AS."""
    key = [ROLE_ENCRYPT, KID, L.ALG_AES_CCM_16_64_128, ISSUER, KEY, None]
    scopes = [["read", [["/r", L.METHOD_GET]]]]
    return cbor.encode([2, FORMAT_ENCRYPTED, [PROFILE_OSCORE], b"", 0, 0, [AUDIENCE], [key], scopes])


def encrypted_token(profile):
    """A token in which SECRET is the master secret, and another the client-nonce; of a profile."""
    headers = {L.HDR_ALG: L.ALG_AES_CCM_16_64_128, L.HDR_KID: KID, L.HDR_IV: NONCE}
    protected = cbor.encode(headers)
    claims = {
        L.CLAIM_SUB: "a client with a name that takes some room",
        L.CLAIM_AUD: AUDIENCE,
        L.CLAIM_SCOPE: "read",
        L.CLAIM_ACE_PROFILE: profile,
        L.CLAIM_EXP: NOW + 60,
        L.CLAIM_CNONCE: CNONCE,
        L.CLAIM_CNF: {L.CNF_OSC: {L.OSC_ID: b"1", L.OSC_MS: SECRET, L.OSC_SALT: bytes(range(0x60, 0x68))}},
    }
    aad = cbor.encode(["Encrypt0", protected, b""])
    sealed = hf_native.ccm_seal(KEY, 8, NONCE, aad, cbor.encode(claims))
    return cbor.encode(cbor.Tag(L.TAG_CWT, cbor.Tag(L.TAG_COSE_ENCRYPT0, [protected, {}, sealed])))


# What is held here is given up by writing None; what was held in a local can live on in a dead slot of the stack.
PIECE, TAKEN = [None], [None]


def reserve(size):
    """Hold a piece of the heap, all zeros, so what is found there later was written later; returns where it is."""
    PIECE[0] = bytearray(size)
    return uctypes.addressof(PIECE[0])


def fill():
    """Take all of the heap in the smallest pieces there are."""
    try:
        while True:
            TAKEN[0] = (TAKEN[0],)
    except MemoryError:
        pass


def call_in(size, call):
    """Make the call in a heap in which nothing is free but one piece of so many octets.

    Returns its result, None when memory ran out, and where the piece was.
    """
    address = reserve(size)
    gc.collect()
    gc.disable()
    fill()
    PIECE[0] = None
    gc.collect()
    try:
        result = call()
    except MemoryError:
        result = None
    TAKEN[0] = None
    gc.enable()
    return result, address


def starved(name, call, secret):
    """Make the call in ever more room until it succeeds; returns how often it had too little."""
    parts = [secret[at : at + 8] for at in range(0, len(secret), 8)]  # made now, so that the search finds none of them
    for size in range(STEP, MOST, STEP):
        result, address = call_in(size, call)
        if result is not None:
            return size // STEP - 1
        octets = uctypes.bytearray_at(address, size)
        if any(octets.find(part) >= 0 for part in parts):
            raise AssertionError(f"{name} leaves a secret in {size} octets")
    raise AssertionError(name + " never succeeds")


def main():
    """Starve every function that makes secrets; print how often memory ran out."""
    encoded = encrypted_rules()  # the rules point there
    rules = hf_native.rules_read(encoded)
    good, refused = encrypted_token(PROFILE_OSCORE), encrypted_token(L.PROFILE_COAP_DTLS)
    sealed = hf_native.ccm_seal(KEY, 8, NONCE, b"", SECRET)
    tag = hf_native.hmac_sha256(KEY, SECRET)
    at = moment(asks=1)
    for name, call, secret in (
        ("ccm_open", lambda: hf_native.ccm_open(KEY, 8, NONCE, b"", sealed), SECRET),
        ("hmac_sha256", lambda: hf_native.hmac_sha256(KEY, SECRET), tag),
        ("token_verify", lambda: hf_native.token_verify(rules, at, good), SECRET),
        ("token_refused", lambda: hf_native.token_verify(rules, at, refused), SECRET + CNONCE),
    ):
        print(name, starved(name, call, secret))  # noqa: T201 - it is a program


main()
