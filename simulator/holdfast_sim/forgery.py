"""A token that only a forger makes: everything right, encrypted with the tube's own key, and signed by somebody else.

A thief who opens a stolen tube can make just that: they read the tube's tokens with its key and can mint none
(RFC 9200 section 6.1). Sans-IO: randomness comes from the caller.
"""

import cbor2

from holdfast_core import labels as L
from holdfast_core.kinds import ROLE_ENCRYPT, ROLE_SIGN
from holdfast_core.provisioning import Provisioning
from holdfast_core.secret import Secret
from holdfast_server.authz.keyring import SigningKey
from holdfast_server.authz.token_formats import encode_map, encrypt0, sign1
from holdfast_server.records import STATE_CURRENT, KeyRecord

IV_LEN = 13
SCALAR_LEN, MS_LEN, SALT_LEN, ID_LEN = 31, 16, 8, 8  # 31 bytes are below the order of P-256 for certain
RANDOM_LEN = IV_LEN + SCALAR_LEN + MS_LEN + SALT_LEN + ID_LEN
LIFE_S = 600


def forged_token(victim: Provisioning, scope: str, now_s: int, random: bytes) -> bytes:
    """Make a nested CWT for the device of a stolen provisioning. random: RANDOM_LEN bytes."""
    parts = []
    for length in (IV_LEN, SCALAR_LEN, MS_LEN, SALT_LEN, ID_LEN):
        parts.append(random[:length])
        random = random[length:]
    iv, scalar, master_secret, salt, id_ = parts
    keys = {key.role: key for key in reversed(victim.keys)}  # the first of each role is the current one
    assert victim.rs is not None  # noqa: S101 - a device that takes tokens
    claims = {
        L.CLAIM_ISS: victim.issuer,
        L.CLAIM_SUB: "nobody",
        L.CLAIM_AUD: victim.rs.audiences[0],
        L.CLAIM_EXP: now_s + LIFE_S,
        L.CLAIM_IAT: now_s,
        L.CLAIM_CNF: {L.CNF_OSC: {L.OSC_ID: id_, L.OSC_MS: master_secret, L.OSC_SALT: salt}},
        L.CLAIM_SCOPE: scope,
        L.CLAIM_ACE_PROFILE: L.PROFILE_COAP_OSCORE,
    }
    signer = SigningKey(keys[ROLE_SIGN].kid, Secret(b"\x01" + scalar))
    stolen = keys[ROLE_ENCRYPT]
    record = KeyRecord(stolen.kid, ROLE_ENCRYPT, None, stolen.alg, stolen.material, STATE_CURRENT, now_s)
    signed = cbor2.dumps(sign1(encode_map(claims), signer))
    return cbor2.dumps(cbor2.CBORTag(L.TAG_CWT, encrypt0(signed, record, iv)))
