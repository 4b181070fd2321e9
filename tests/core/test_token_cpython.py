"""The check of a token by the C core on CPython: tables for keys that verify often, room for any issuer."""

import subprocess
import sys

import pytest
from minitest import vectors
from test_token_check import described

from holdfast_core import token_check, token_cpython_native, verifier, verifier_hf
from holdfast_core._native import ffi, lib
from holdfast_core.crypto_cpython_native import TABLE_AFTER
from holdfast_core.errors import BadSignature
from holdfast_core.moment import Moment
from testkit.token_rules import rules_from, verify_row

ROWS = {row["id"]: row for row in vectors("tokens")}
RULES = {row["keys"]: row for row in vectors("token_rules")}
SIGNED, ENCRYPTED, WITHOUT_ISS = ROWS["good-signed"], ROWS["good-encrypted"], ROWS["iss-missing"]
HIDDEN = """
import sys
sys.modules["holdfast_core._native"] = None
from holdfast_core import token_check, verifier
print(token_check.PATH, token_check.verify_token is verifier.verify_token)
"""


def rules_of(row, **changed):
    """The rules that a row names, by the name; changed: fields of every key."""
    rules = dict(RULES[row["keys"]])
    rules["trusted"] = [{**key, **changed} for key in rules["trusted"]]
    return {row["keys"]: rules_from(rules)}


def test_the_door_leads_to_the_core_in_c_where_it_is():
    assert (token_check.PATH, token_check.verify_token) == ("the C core", verifier_hf.verify_token)
    done = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["python", "True"]


def test_a_key_gets_its_table_after_many_good_signatures():
    rules = rules_of(SIGNED)
    wanted = described(verify_row(SIGNED, rules, verifier.verify_token))
    forged = bytearray.fromhex(SIGNED["token"])
    forged[-1] ^= 1
    for _ in range(TABLE_AFTER - 1):
        assert described(verify_row(SIGNED, rules)) == wanted
        with pytest.raises(BadSignature):
            verify_row(SIGNED, rules, token=bytes(forged))
    prepared = rules[SIGNED["keys"]].prepared.rules
    assert prepared.uses == 1
    before = prepared.issuer_len, len(prepared.encoded)
    assert described(verify_row(SIGNED, rules)) == wanted
    assert prepared.issuer_len == before[0]
    assert len(prepared.encoded) > before[1] + 30000
    assert described(verify_row(SIGNED, rules)) == wanted
    with pytest.raises(BadSignature):
        verify_row(SIGNED, rules, token=bytes(forged))


def test_a_token_without_a_signature_makes_no_table():
    rules = rules_of(ENCRYPTED)
    for _ in range(TABLE_AFTER + 1):
        verify_row(ENCRYPTED, rules)
    assert rules[ENCRYPTED["keys"]].prepared.rules.uses == TABLE_AFTER


def test_an_issuer_of_any_length_fits():
    """The items of a grant take room for the name of the AS, which is not in every token."""
    for length in (1, 100, 5000):
        issuer = "a" * length
        rules = rules_of(WITHOUT_ISS, issuer=issuer)
        assert verify_row(WITHOUT_ISS, rules).iss == issuer == verify_row(WITHOUT_ISS, rules, verifier.verify_token).iss


def test_rules_that_cannot_be_are_a_verdict():
    assert token_cpython_native.rules_read(b"\xff") & 0xFF == 0x80


def test_too_little_room_is_our_own_error_and_leaves_nothing():
    rules = rules_of(ENCRYPTED)
    verify_row(ENCRYPTED, rules)
    prepared, token = rules[ENCRYPTED["keys"]].prepared.rules, bytes.fromhex(ENCRYPTED["token"])
    moment = verifier_hf._encoded(Moment(ENCRYPTED["now"]))
    whole = 5 * len(token) + prepared.issuer_len + 91
    statuses = set()
    for room_len in range(0, whole + 1, 7):
        room, lens = bytearray(b"\xaa" * (room_len + 8)), ffi.new("int32_t[]", 20)
        held = ffi.from_buffer("uint8_t[]", room)
        verdict = lib.hf_token_items(prepared.struct, moment, token, len(token), held, room_len, lens)
        statuses.add(verdict & 0xFF)
        assert room[room_len:] == b"\xaa" * 8
    assert statuses == {0, 0x80}
