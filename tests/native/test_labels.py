"""The headers of the C core against the Python core: labels, the statuses, and the details."""

import ast
import re
import struct
import sys

from holdfast_core import errors, kinds, labels, verdicts
from testkit import native_token as kit
from testkit.native_build import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import gen_kinds
import gen_verdicts
from gen_labels import LABELS, header

INCLUDE = ROOT / "native" / "include"


def test_header_of_labels_is_up_to_date():
    """When this fails: python scripts/gen_labels.py > native/include/hf_labels.h."""
    text = (INCLUDE / "hf_labels.h").read_text()
    assert text == header(LABELS.read_text())
    defined = {name: int(value.strip("()"), 0) for name, value in re.findall(r"#define HF_L_(\w+) (\S+)", text)}
    assert defined == {name: value for name, value in vars(labels).items() if name.isupper()}
    assert header("# --- X (1:2) ---\nCLAIM_A = const(-7)\n").count("#define HF_L_CLAIM_A (-7)") == 1


def test_header_of_kinds_is_up_to_date():
    """When this fails: python scripts/gen_kinds.py > native/include/hf_kinds.h."""
    text = (INCLUDE / "hf_kinds.h").read_text()
    assert text == gen_kinds.header(gen_kinds.KINDS.read_text())
    defined = {name: int(value, 0) for name, value in re.findall(r"HF_(\w+)(?: =)? (?:INT64_C\()?(\d+)", text)}
    numbers = {name: value for name, value in vars(kinds).items() if name.isupper() and isinstance(value, int)}
    formats = {"CWT_ENCRYPTED": 1, "CWT_NESTED": 2, "CWT_SIGNED": 4, "CWT_MAC": 8}
    assert defined == numbers | formats
    assert kinds.FORMATS == ("reference", "cwt-encrypted", "cwt-nested", "cwt-signed", "cwt-mac")
    assert "enum hf_role { HF_ROLE_SIGN, HF_ROLE_MAC, HF_ROLE_ENCRYPT, HF_ROLE_COUNT };" in text
    assert kinds.ROLES == ("sign", "mac", "encrypt")


def test_places_of_a_grant_and_of_a_moment_follow_each_other():
    items = [value for name, value in vars(kinds).items() if name.startswith("ITEM_")]
    assert items == list(range(kinds.ITEM_COUNT + 1))
    assert (kinds.MOMENT_CLOCK, kinds.MOMENT_EXI, kinds.MOMENT_HAS_CNONCES) == (0, 1, 2)
    assert struct.calcsize("<BBB") == kinds.MOMENT_NOW
    assert struct.calcsize("<BBBq") == kinds.MOMENT_FLOOR
    assert struct.calcsize("<BBBqQ") == kinds.MOMENT_LEN


def subclasses(kind):
    return {kind} | {below for one in kind.__subclasses__() for below in subclasses(one)}


def test_every_status_is_an_error_and_back():
    named = kit.statuses()
    assert named.pop(0) == "OK"
    classes = [kit.error_class(name) for name in named.values()]
    assert len(set(classes)) == len(classes) > 20
    # What verify_token can raise: all of these but Revoked, which only the introspection and the TRL know.
    elsewhere = (errors.MalformedCoap, errors.MalformedRequest, errors.MalformedProvisioning, errors.Revoked)
    wanted = (subclasses(errors.Malformed) | subclasses(errors.TokenRejected)) - {
        errors.Malformed,
        errors.TokenRejected,
    }
    core = {kind for kind in wanted if kind.__module__ == errors.__name__}  # others may have loaded the device's own
    assert core - set(elsewhere) <= set(classes)
    for number, name in named.items():
        kind = kit.error_class(name)
        assert issubclass(kind, errors.Malformed) == (0x10 <= number < 0x40), name
        assert issubclass(kind, errors.TokenRejected) == (0x40 <= number < 0x60), name
        assert issubclass(kind, errors.LocalError) == (number >= 0x80), name


def details_of_python():
    """Every detail that a file of the token path gives an error, and every name it hands on to become one."""
    found = set()
    files = ("cbor", "cose", "trust", "cwt", "claims", "cnf", "cose_key", "scope", "verifier", "crypto_cryptography")
    for name in files:
        tree = ast.parse((ROOT / "native" / "holdfast_core" / f"{name}.py").read_text())
        found |= {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


def test_every_detail_is_one_of_pythons():
    listed = re.findall(r'D\((\w+), "([^"]*)"\)', (INCLUDE / "hf_verdict.h").read_text())
    texts = [text for _, text in listed]
    assert len(set(texts)) == len(texts) > 70
    ours = {"", "rules", "table", "scratch"}
    assert set(texts) - ours <= details_of_python()
    assert all(text.upper().replace("-", "_") == name for name, text in listed if text)


def test_verdicts_of_the_python_side_are_up_to_date():
    """When this fails: python scripts/gen_verdicts.py native/holdfast_core/verdicts.py, and ruff format."""
    written = (ROOT / "native/holdfast_core/verdicts.py").read_text()
    assert written.lower() == gen_verdicts.text().lower()  # the formatter likes hex digits large
    assert len(verdicts.DETAILS) == len(gen_verdicts.details()) > 70
    for number, kind in verdicts.ERRORS:
        assert kit.REASONS[number] == getattr(errors, kind).reason
