"""The full cross product of header alg, key and COSE tag: only what a key is configured for is ever accepted.

Every token is honestly protected by whatever its header says, with the bytes of the key, as an attacker would who
knows those bytes (for a signing key: its public half, and for completeness its private one).
"""

import itertools

import pytest

from holdfast_core.cwt import open_cwt
from holdfast_core.errors import Malformed, TokenRejected
from holdfast_core.kinds import FORMATS
from holdfast_core.trust import Trust
from testkit.token_rules import trusted_key
from vectors.gen import story as s
from vectors.gen import token_writer as w

PAYLOAD = s.claims()
KEYS = [s.SIGN, s.MAC, s.MAC_SHORT, s.ENC, s.ENC_11, s.ENC_30, s.ENC_31]
HEADER_ALGS = [None, -7, -8, -9, -35, 0, 1, 3, 4, 5, 6, 7, 10, 11, 12, 30, 31, "none", "ES256", "HS256"]
TAGS = [16, 17, 18, 96, 97, 98]
ROLE_TAGS = {"encrypt": 16, "mac": 17, "sign": 18}
TAG_LENS = {4: 8, 10: 8, 11: 8, 12: 8}


def trust_of(*keys):
    rows = [
        {"role": key["role"], "kid": b"k".hex(), "alg": key["alg"], "issuer": s.ISSUER, "key": s.material(key).hex()}
        for key in keys
    ]
    return Trust([trusted_key(row) for row in rows])


def cut(material, length):
    return (material * 2)[:length]


def token_for(tag, header_alg, key):
    """The message of this tag, made with the key's bytes the way the header's alg says where there is a way."""
    alg = w.tstr(header_alg) if isinstance(header_alg, str) else header_alg
    iv = s.IV if tag in (16, 96) else None
    header = w.protected(alg, b"k", iv)
    material = s.material(key)
    if tag in (16, 96):
        length = 32 if header_alg in (11, 31, 3) else 16
        message = w.encrypt0(PAYLOAD, header, cut(material, length), s.IV, TAG_LENS.get(header_alg, 16))
    elif tag in (17, 97):
        message = w.mac0(PAYLOAD, header, material, TAG_LENS.get(header_alg, 32))
    elif key["role"] == "sign":
        message = w.sign1(PAYLOAD, header, key["name"])
    else:  # a "signature" that is an HMAC with the symmetric key
        message = w.mac0(PAYLOAD, header, material, 32, context="Signature1")
    return w.cwt(tag, message)


def accepted(token, trust):
    try:
        opened = open_cwt(token, trust, FORMATS)
    except (Malformed, TokenRejected):
        return False
    assert opened.payload == PAYLOAD
    return True


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key["name"])
def test_one_key_one_algorithm_one_tag(key):
    trust = trust_of(key)
    passed = [
        (tag, alg) for tag, alg in itertools.product(TAGS, HEADER_ALGS) if accepted(token_for(tag, alg, key), trust)
    ]
    assert passed == [(ROLE_TAGS[key["role"]], key["alg"])]


@pytest.mark.parametrize(("held", "used"), list(itertools.permutations(KEYS, 2)), ids=lambda key: key["name"])
def test_a_key_of_one_kind_never_stands_in_for_another(held, used):
    """The RS holds one key; the attacker uses the bytes of the other one, under the same kid, in every way."""
    trust = trust_of(held)
    assert not any(accepted(token_for(tag, alg, used), trust) for tag, alg in itertools.product(TAGS, HEADER_ALGS))


def test_all_keys_under_one_kid():
    """With every key under one kid the same tokens pass, and no others."""
    trust = trust_of(*KEYS)
    passed = {
        (key["name"], tag, alg)
        for key in KEYS
        for tag, alg in itertools.product(TAGS, HEADER_ALGS)
        if accepted(token_for(tag, alg, key), trust)
    }
    assert passed == {(key["name"], ROLE_TAGS[key["role"]], key["alg"]) for key in KEYS}
