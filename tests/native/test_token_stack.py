"""The token check's own objects: nothing writable, no foreign symbol, and under 2 KB of stack on small cores."""

import pytest

from testkit import native_objects as kit

OWN = ("hf_cbor", "hf_claims", "hf_cose", "hf_fields", "hf_scope", "hf_token", "hf_verdict")
SMALL = [name for name in kit.PRESENT if name not in ("gcc", "clang")]
BOUND = 2048  # with a table for the key, as a device has one
BOUND_BY_ANY_KEY, BOUND_OF_RIGHTS = 2560, 512
# The compiler for x86 of 32 bits spills more than those of the boards, and runs where stack is no worry.
HOST = "gcc -m32"
HOST_BOUND_BY_ANY_KEY, HOST_BOUND_OF_RIGHTS = 2720, 528
PORT = {"memcpy", "memmove", "memset", "memcmp"}


def same(name, wanted):
    """Whether a name of the graph, which has the file before it for what is static, is this function's."""
    return name == wanted or name.endswith(":" + wanted)


def graph_without(target, *edges):
    """The call graph of the core but for some calls: (who, what)."""
    graph = kit.CallGraph(kit.objects(target, kit.all_sources()).values())
    for caller, called in edges:
        sources = [name for name in graph.calls if same(name, caller)]
        assert len(sources) == 1, caller
        kept = {name for name in graph.calls[sources[0]] if not same(name, called)}
        assert len(kept) < len(graph.calls[sources[0]]), called
        graph.calls[sources[0]] = kept
    return graph


@pytest.mark.parametrize("target", [name for name in SMALL if "clang" not in name])
def test_stack_of_a_verification(target):
    """One path checks the signature, the other decrypts a key inside the claims; no path does both at once."""
    in_claims = ("hf_cnf_read", "hf_token_open_key")
    signing = graph_without(target, in_claims, ("open_sign1", "hf_p256_verify"))
    decrypting = graph_without(target, ("hf_cose_open", "open_sign1"))
    by_any_key = graph_without(target, in_claims)
    depths = [graph.depth("hf_token_verify") for graph in (decrypting, signing, by_any_key)]
    assert 1000 < min(depths) <= max(depths[:2]) <= BOUND, depths
    by_any, of_rights = BOUND_BY_ANY_KEY, BOUND_OF_RIGHTS
    if target == HOST:
        by_any, of_rights = HOST_BOUND_BY_ANY_KEY, HOST_BOUND_OF_RIGHTS
    assert depths[2] <= by_any, depths
    assert decrypting.depth("hf_permissions_check") <= of_rights


@pytest.mark.parametrize("target", kit.PRESENT)
def test_only_own_symbols(target):
    tables = {
        stem: kit.symbols(target, path)
        for stem, path in kit.objects(target, kit.all_sources()).items()
        if stem.startswith(OWN)
    }
    assert len(tables) >= 9
    for stem, table in tables.items():
        undefined = {name for name, kind in table.items() if kind == "U"} - {
            "_GLOBAL_OFFSET_TABLE_",
            "__stack_chk_fail",
        }
        assert all(name.startswith("hf_") for name in undefined - PORT), (stem, undefined)
        assert not {name for name, kind in table.items() if kind in "bBdDcC"}, stem
