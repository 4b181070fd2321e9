"""The keys of MACs and encryption never steer the token check: valgrind watches them through every vector.

What a token decrypts to is read by its structure; the keys inside it are only handed on.
"""

import subprocess

import pytest
from minitest import vectors

from testkit import native_objects, native_token
from testkit.native_build import ROOT

CAUGHT = 9
SOURCES = [source for source in native_objects.all_sources() if "oscore" not in source and "coap" not in source]
ROWS = [row for row in vectors("tokens") if row["keys"] in ("lean", "mac", "same-kid")]


def watch(sources):
    """(exit code, verdicts) of the filter on the rows, under memcheck."""
    flags = ("-DHF_CT_TEST", "-O2")
    program = native_objects.program("ct-token", ("native/tests/token_program.c", *sources), flags)
    rules = {row["keys"]: native_token.record("R", native_token.encode_rules(row)) for row in vectors("token_rules")}
    records = [record for row in ROWS for record in (rules[row["keys"]], native_token.of_row(row))]
    command = ["valgrind", "-q", f"--error-exitcode={CAUGHT}", str(program)]
    done = subprocess.run(command, input=b"".join(records), capture_output=True, timeout=600, check=False)
    return done.returncode, [native_token.Verdict(line).text for line in done.stdout.decode().splitlines()][1::2]


def test_no_key_shows():
    assert watch(SOURCES) == (0, [row["reason"] for row in ROWS])
    assert len(ROWS) > 20


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("hf_cose.c", "hf_memcmp_ct(tag, message->proof.p, tag_len)", "(uint32_t)hf_memcmp(tag, message->proof.p, 8)"),
        ("hf_cose.c", "hf_wipe(&ccm, sizeof ccm);", "aad[0] = key->material.p[0] > 7 ? 1 : aad[1];"),
    ],
    ids=["early-end", "branch"],
)
def test_a_leak_is_caught(tmp_path, name, was, becomes):
    text = (ROOT / "native/src" / name).read_text()
    assert text.count(was) == 1
    mutant = tmp_path / name
    mutant.write_text(text.replace(was, becomes).replace("aad[0] =", "((volatile uint8_t *)aad)[0] ="))
    others = [source for source in SOURCES if not source.endswith("/" + name)]
    assert watch([*others, str(mutant)])[0] == CAUGHT
