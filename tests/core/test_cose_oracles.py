"""Two outside libraries and our verifier agree: what they make strictly we accept, what our writer makes they open.

What python-cwt makes by default (kid and IV unprotected, no tag 61) is sound COSE and must be refused all the same.
"""

import pytest

from holdfast_core.cwt import open_cwt
from holdfast_core.errors import HeaderUnprotected, MalformedCose
from holdfast_core.moment import Moment
from holdfast_core.verifier import verify_token
from oracles import pycose_oracle, pycwt_oracle
from testkit.token_rules import load_rules
from vectors.gen import story as s
from vectors.gen import token_writer as w

RULES = load_rules()
GOOD = s.claims()
CLEAR = s.claims({8: s.CNF_KID})
CWT_TAG = b"\xd8\x3d"
SYMMETRIC = [s.ENC, s.ENC_11, s.ENC_30, s.ENC_31, s.MAC, s.MAC_SHORT]
EVERY = [*SYMMETRIC, s.SIGN]
NAMES = [key["name"] for key in EVERY]
KINDS = {"encrypt": (16, s.encrypted), "mac": (17, s.maced), "sign": (18, s.signed)}


def scalar(key):
    return w.symmetric(key["name"], 32)


def for_pycose(key, secret):
    if key["role"] != "sign":
        return pycose_oracle.symmetric(s.material(key))
    return pycose_oracle.private(s.material(key), scalar(key)) if secret else pycose_oracle.public(s.material(key))


def for_pycwt(key, secret):
    row = {"kid": key["kid"].hex(), "alg": key["alg"]}
    material = s.material(key).hex()
    if key["role"] != "sign":
        return row | {"k": material}
    row |= {"x": material[:64], "y": material[64:]}
    return row | {"d": scalar(key).hex()} if secret else row


def payload_for(key):
    return GOOD if key["role"] == "encrypt" else CLEAR


def iv_for(key):
    return s.IV if key["role"] == "encrypt" else None


@pytest.mark.parametrize("key", EVERY, ids=NAMES)
def test_we_accept_what_pycose_makes(key):
    tag, _ = KINDS[key["role"]]
    message = pycose_oracle.make(tag, payload_for(key), key["alg"], key["kid"], for_pycose(key, True), iv_for(key))
    assert verify_token(CWT_TAG + message, RULES["any"], Moment(s.NOW)).sub == "doctor"


@pytest.mark.parametrize("key", EVERY, ids=NAMES)
def test_pycose_opens_what_our_writer_makes(key):
    tag, write = KINDS[key["role"]]
    token = w.cwt(tag, write(payload_for(key), key))
    assert pycose_oracle.open_message(token, for_pycose(key, False)) == (tag, payload_for(key))


def test_nested_through_pycose():
    inner = pycose_oracle.make(18, GOOD, -7, s.SIGN["kid"], for_pycose(s.SIGN, True))
    token = CWT_TAG + pycose_oracle.make(16, inner, 10, s.ENC["kid"], for_pycose(s.ENC, True), s.IV)
    assert verify_token(token, RULES["tube"], Moment(s.NOW)).format == "cwt-nested"
    tag, plaintext = pycose_oracle.open_message(s.nested(), for_pycose(s.ENC, False))
    assert tag == 16
    assert pycose_oracle.open_message(plaintext, for_pycose(s.SIGN, False)) == (18, GOOD)


@pytest.mark.parametrize("key", EVERY, ids=NAMES)
def test_we_accept_what_python_cwt_makes_when_told_to_be_strict(cwt_oracle, key):
    message = pycwt_oracle.make_strict(cwt_oracle, payload_for(key), for_pycwt(key, True), iv_for(key) or b"")
    assert verify_token(CWT_TAG + message, RULES["any"], Moment(s.NOW)).sub == "doctor"


@pytest.mark.parametrize("key", EVERY, ids=NAMES)
def test_python_cwt_opens_what_our_writer_makes(cwt_oracle, key):
    tag, write = KINDS[key["role"]]
    token = w.cwt(tag, write(payload_for(key), key))
    assert pycwt_oracle.open_token(cwt_oracle, token, [for_pycwt(key, False)]) == payload_for(key)


def test_python_cwt_opens_our_nested_token(cwt_oracle):
    keys = [for_pycwt(s.ENC, False), for_pycwt(s.SIGN, False)]
    assert pycwt_oracle.open_token(cwt_oracle, s.nested(), keys) == GOOD


@pytest.mark.parametrize("key", EVERY, ids=NAMES)
@pytest.mark.parametrize(("tagged", "error"), [(False, MalformedCose), (True, HeaderUnprotected)])
def test_what_python_cwt_makes_by_default_is_refused(cwt_oracle, key, tagged, error):
    token = pycwt_oracle.make_default(cwt_oracle, CLEAR, for_pycwt(key, True), tagged)
    with pytest.raises(error):
        open_cwt(token, RULES["any"].trust, RULES["any"].formats)
