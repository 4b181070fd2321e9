"""labels.py and names.py against the golden table: both directions, every registry, no number twice in one."""

import ast
import re
from pathlib import Path

import pytest

from golden.labels_golden import REGISTRIES
from holdfast_core import labels, names

# Names that labels.py shortens: (prefix, the document's name) -> the constant.
SHORTENED = {
    ("CF_", "application/concise-problem-details+cbor"): "CF_PROBLEM_DETAILS",
    ("CF_", "application/ace-trl+cbor"): "CF_ACE_TRL",
    ("ACE_", "ace_profile"): "ACE_PROFILE",
    ("ACE_", "ace_client_recipientid"): "ACE_CLIENT_RECIPIENTID",
    ("ACE_", "ace_server_recipientid"): "ACE_SERVER_RECIPIENTID",
    ("OSC_", "contextId"): "OSC_CONTEXT_ID",
    ("KEY_", "key_ops"): "KEY_OPS",
    ("CRV_", "P-256"): "CRV_P256",
    ("CRV_", "P-384"): "CRV_P384",
    ("CRV_", "P-521"): "CRV_P521",
    ("METHOD_", "Dynamic-Offset"): "METHOD_DYNAMIC_SHIFT",
    ("TRL_ERROR_", "error-id"): "TRL_ERROR_ID",
    ("TRL_ID_", "Invalid parameter value"): "TRL_ID_INVALID_VALUE",
    ("TRL_ID_", "Invalid set of parameters"): "TRL_ID_INVALID_SET",
    ("TRL_ID_", "Out of bound cursor value"): "TRL_ID_OUT_OF_BOUND",
}
for _name in ("encrypt0", "mac0", "sign1", "encrypt", "mac", "sign"):
    SHORTENED["CF_", "cose-" + _name] = "CF_COSE_" + _name.upper()


def constant(prefix: str, name: str) -> str:
    """Return the name that labels.py must give this entry: the prefix, then the words in capitals."""
    if (prefix, name) in SHORTENED:
        return SHORTENED[prefix, name]
    word = name.removeprefix("application/")
    for mark in " -/+":
        word = word.replace(mark, "_")
    return prefix + word.upper()


OURS = {name: value for name, value in vars(labels).items() if name.isupper()}
GOLDEN = {constant(prefix, name): value for prefix, _, rows in REGISTRIES for name, value in rows.items()}
PREFIXES = sorted({prefix for prefix, _, _ in REGISTRIES}, key=len, reverse=True)


def registry_of(name: str) -> str:
    return next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")


@pytest.mark.parametrize(("prefix", "source", "rows"), REGISTRIES, ids=[f"{p}{s}" for p, s, _ in REGISTRIES])
def test_every_registered_number_is_ours(prefix: str, source: str, rows: dict[str, int]) -> None:
    assert {constant(prefix, name): OURS.get(constant(prefix, name)) for name in rows} == {
        constant(prefix, name): value for name, value in rows.items()
    }, source


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_number_of_ours_is_registered(prefix: str) -> None:
    ours = {name: value for name, value in OURS.items() if registry_of(name) == prefix}
    golden = {name: value for name, value in GOLDEN.items() if registry_of(name) == prefix}
    assert ours
    assert ours == golden


def test_every_label_has_a_registry() -> None:
    assert [name for name in OURS if not registry_of(name)] == []
    assert len(OURS) == len(GOLDEN) == sum(len(rows) for _, _, rows in REGISTRIES)


@pytest.mark.parametrize(("prefix", "source", "rows"), REGISTRIES, ids=[f"{p}{s}" for p, s, _ in REGISTRIES])
def test_no_number_stands_twice_in_a_registry(prefix: str, source: str, rows: dict[str, int]) -> None:
    values = [OURS[constant(prefix, name)] for name in rows]
    assert len(set(values)) == len(values), source


def test_every_label_is_a_plain_integer() -> None:
    assert {type(value) for value in OURS.values()} == {int}


def test_every_constant_is_written_once_as_a_literal_const() -> None:
    tree = ast.parse(Path(labels.__file__).read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    targets = [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]
    assert sorted(targets) == sorted(OURS)
    for node in assigned:
        assert isinstance(node.value, ast.Call)
        assert isinstance(node.value.func, ast.Name)
        assert node.value.func.id == "const"


def test_private_numbers_are_in_the_private_range() -> None:
    private = [value for name, value in OURS.items() if name.startswith("PRIV_")]
    assert private
    assert max(private) < -65536
    assert all(value >= -65536 for name, value in OURS.items() if not name.startswith("PRIV_"))


def test_the_documented_table_of_private_numbers_is_ours(repo) -> None:
    rows = re.findall(r"^\| (-\d+) \| `([^`]+)` \|", (repo / "server/README.md").read_text(), re.MULTILINE)
    documented = {name.rpartition(":")[2].replace("-", "_"): int(number) for number, name in rows}
    own = {name.removeprefix("PRIV_").removeprefix("GRANT_").lower(): OURS[name] for name in OURS if "PRIV_" in name}
    assert documented == own


TABLES = [
    ("ERR_", names.ERROR_NAMES, {}),
    ("GRANT_", names.GRANT_NAMES, {labels.PRIV_GRANT_TOKEN_EXCHANGE: names.TOKEN_EXCHANGE}),
    ("TOKEN_TYPE_", names.TOKEN_TYPE_NAMES, {}),
    ("PROFILE_", names.PROFILE_NAMES, {}),
]


@pytest.mark.parametrize(("prefix", "table", "extra"), TABLES, ids=[prefix for prefix, _, _ in TABLES])
def test_text_names_are_the_registered_ones(prefix: str, table: dict[int, str], extra: dict[int, str]) -> None:
    registered = {value: name for key, _, rows in REGISTRIES if key == prefix for name, value in rows.items()}
    assert table == registered | extra


def test_text_names_of_the_token_endpoint_parameters() -> None:
    registered = {value: name for key, _, rows in REGISTRIES if key == "ACE_" for name, value in rows.items()}
    own = {value: name for key, _, rows in REGISTRIES if key == "PRIV_" for name, value in rows.items()}
    del own[labels.PRIV_ACT], own[labels.PRIV_GRANT_TOKEN_EXCHANGE]
    assert registered | own == names.ACE_NAMES


def test_urns_are_those_of_token_exchange() -> None:
    assert names.TOKEN_EXCHANGE == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert names.ACCESS_TOKEN_URN == "urn:ietf:params:oauth:token-type:access_token"
