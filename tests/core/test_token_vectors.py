"""The token vectors themselves: the generator still writes them, and they cover what they are meant to cover."""

import subprocess
import sys

from minitest import vectors

from holdfast_core import errors

ROWS = list(vectors("tokens"))


def test_the_generator_writes_exactly_these(repo):
    done = subprocess.run(
        [sys.executable, "tests/vectors/gen/tokens.py", "--check"],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_ids_are_unique_and_every_row_is_whole():
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert {"id", "rfc", "expect", "reason", "code", "token", "keys", "now"} <= row.keys()
        assert (row["expect"] == "ok") == (row["reason"] == "") == (row["code"] == "2.01")


def test_every_way_to_refuse_a_token_is_there():
    """Each TokenRejected leaf of the core but Revoked (a list, not the token, says that) has a vector."""
    leaves = [kind for kind in errors.TokenRejected.__subclasses__() if kind.__module__ == errors.__name__]
    reasons = {kind.reason for kind in leaves} - {errors.Revoked.reason}
    assert reasons == {row["expect"].split(":")[1] for row in ROWS if row["expect"].startswith("rejected:")}


def test_the_wire_does_not_say_why_a_wrapper_was_refused():
    """Unknown kid, other algorithm, bad signature: one code and one error number, so there is nothing to probe for."""
    wrapper = ("BadSignature", "UnknownKey", "UnsupportedAlg", "CritUnknown", "HeaderUnprotected", "WrongIssuer")
    assert len({(getattr(errors, name).coap_code, getattr(errors, name).ace_error) for name in wrapper}) == 1


def test_every_row_of_rfc9200_5_10_1_1_is_there():
    codes = {(row["reason"].split(":")[0], row["code"]) for row in ROWS}
    assert codes >= {
        ("malformed-cbor", "4.00"),
        ("bad-signature", "4.01"),
        ("malformed-claims", "4.00"),
        ("wrong-issuer", "4.01"),
        ("token-expired", "4.01"),
        ("replayed", "4.01"),
        ("wrong-audience", "4.03"),
        ("scope-unknown", "4.00"),
        ("cnonce-stale", "4.01"),
        ("key-unsuitable", "4.00"),
    }
