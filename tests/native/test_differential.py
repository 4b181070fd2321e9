"""The C core and the Python core give one verdict, detail and grant on thousands of tokens that are nearly right.

The Python core verifies by OpenSSL here, whatever else is built, so that the C core is not compared with itself.

HOLDFAST_TOKEN_MUTANTS=1000000 makes it the long run (half an hour on one core); HOLDFAST_TOKEN_SEED another one.
"""

import os
import random
from collections import Counter

import pytest
from minitest import vectors

from holdfast_core import confirmation, crypto_cryptography
from holdfast_core.errors import PeerError
from holdfast_core.moment import Moment
from holdfast_core.verifier import verify_token
from testkit import native_token as kit
from testkit.token_mutants import Mutants

COUNT = int(os.environ.get("HOLDFAST_TOKEN_MUTANTS", "20000"))
SEED = int(os.environ.get("HOLDFAST_TOKEN_SEED", "9200"))
BATCH = 5000
RULES = {row["keys"]: kit.openssl_rules(row) for row in vectors("token_rules")}
ENCODED = {row["keys"]: kit.record("R", kit.encode_rules(row)) for row in vectors("token_rules")}


@pytest.fixture(autouse=True)
def _points_by_openssl(monkeypatch):
    monkeypatch.setattr(confirmation, "Es256Key", crypto_cryptography.Es256Key)


def python_verdict(name, token, now_s, is_floor, exi_floor, cnonces):
    """(text, grant) of the Python core."""
    check = None if cnonces is None else lambda cnonce: cnonce in cnonces
    try:
        return "", verify_token(
            token, RULES[name], Moment(now_s, is_floor=is_floor, exi_floor=exi_floor, cnonce_check=check)
        )
    except PeerError as error:
        return str(error), None


def differences(executable, cases, seen):
    """Run the cases through both cores; yield those on which they differ."""
    records = []
    for name, token, now_s, is_floor, exi_floor, cnonces in cases:
        records += [ENCODED[name], kit.token_record(token, now_s, exi_floor, is_floor, cnonces)]
    ours = kit.run(executable, records)[1::2]
    for case, verdict in zip(cases, ours, strict=True):
        text, grant = python_verdict(*case)
        seen[text] += 1
        if verdict.text != text:
            yield case[0], case[1].hex(), case[2:], verdict.text, text
        elif grant is not None:
            theirs, ours_too = kit.of_grant(grant), kit.comparable(verdict.grant)
            if theirs != ours_too:
                apart = {n: (ours_too.get(n), theirs.get(n)) for n in {*theirs, *ours_too}}
                yield case[0], case[1].hex(), {n: pair for n, pair in apart.items() if pair[0] != pair[1]}


def check(executable, seed, count):
    """Compare on this many mutants; returns how often each verdict was seen."""
    mutants = Mutants(random.Random(seed))
    seen = Counter()
    for done in range(0, count, BATCH):
        cases = [mutants.next() for _ in range(min(BATCH, count - done))]
        differing = list(differences(executable, cases, seen))
        assert not differing, (len(differing), differing[:3])
    return seen


def test_same_verdict_on_mutants():
    seen = check(kit.program(), SEED, COUNT)
    # The sample means something only if it reaches far, and everywhere.
    assert len(seen) > 75, sorted(seen)
    assert 0.02 < seen[""] / COUNT < 0.5, seen


@pytest.mark.parametrize(("seed", "build"), [(1, "sanitized"), (2, "narrow-sanitized"), (3, "x86-sanitized")])
def test_same_verdict_in_other_builds(seed, build):
    assert len(check(kit.program(*kit.BUILDS.get(build, kit.BUILDS["token"])), seed, 2500)) > 60
