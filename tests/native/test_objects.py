"""What the C core's objects hold: no memory that can be written, no symbol that is not its own, little stack."""

import pytest

from testkit import native_objects as kit
from testkit import symmetric_native

# What a freestanding compiler may call on its own; port/hf_port_bare.c has them for links without a libc.
PORT = {"memcpy", "memmove", "memset", "memcmp"}
LINKER = {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
PUBLIC = {
    "hf_sha256": "init update final",
    "hf_hmac": "init update final sha256",
    "hf_hkdf": "extract expand sha256",
    "hf_aes_ccm": "init wipe seal open",
    "hf_oscore": "derive wipe read_ids accept protect_request unprotect_request protect_response unprotect_response",
}
STACK_32 = 1228  # bytes, 1.2 KB, on every core of 32 bits: what the headers promise
STACK_64 = 1280  # pointers and saved registers are twice as long
WRITABLE = set("bBdDcCsSgG")


@pytest.mark.parametrize("target", kit.PRESENT)
def test_no_writable_memory_and_no_foreign_symbols(target):
    objects = kit.objects(target, symmetric_native.SOURCES)
    tables = {name: kit.symbols(target, path) for name, path in objects.items()}
    defined = {name for table in tables.values() for name, kind in table.items() if kind in "TR"}
    for name, table in tables.items():
        assert not {symbol for symbol, kind in table.items() if kind in WRITABLE} - LINKER, name
        missing = {symbol for symbol, kind in table.items() if kind == "U"}
        assert missing <= defined | PORT | LINKER, (name, missing - defined - PORT - LINKER)
        assert all(symbol.startswith("hf_") for symbol, kind in table.items() if kind == "T"), name


@pytest.mark.parametrize(
    "target", [name for name in kit.PRESENT if name in ("gcc", "clang", "cortex-m0plus", "rv32imc")]
)
def test_nothing_in_the_core_can_be_written(target):
    """All of the core: also what works on public data only."""
    for name, path in kit.objects(target, kit.all_sources()).items():
        assert not {symbol for symbol, kind in kit.symbols(target, path).items() if kind in WRITABLE} - LINKER, name


def test_planted_memory_is_found(tmp_path):
    source = tmp_path / "bad.c"
    source.write_text("int z = 2;\nint f(void);\nint f(void) { static int x; static int y = 3; return ++x + ++y; }\n")
    (path,) = kit.objects("gcc", (str(source),)).values()
    found = {kind for kind in kit.symbols("gcc", path).values() if kind in WRITABLE}
    assert found == {"b", "d", "D"}


@pytest.mark.parametrize("target", [name for name in kit.PRESENT if "clang" not in name])
def test_stack(target):
    graph = kit.CallGraph(kit.objects(target, symmetric_native.SOURCES).values())
    depths = {
        f"{stem}_{name}": graph.depth(f"{stem}_{name}") for stem, names in PUBLIC.items() for name in names.split()
    }
    bound = STACK_64 if target == "gcc" else STACK_32
    assert set(depths) <= set(graph.stack)
    assert max(depths.values()) <= bound, depths
    assert depths["hf_oscore_unprotect_request"] > depths["hf_aes_ccm_open"] > 100


def test_recursion_and_variable_stack_are_found(tmp_path):
    source = tmp_path / "deep.c"
    source.write_text(
        "int f(int n);\nint f(int n) { volatile int x[8]; x[0] = n; return n ? f(n - 1) * x[n & 7] + x[0] : 0; }\n"
    )
    graph = kit.CallGraph(kit.objects("gcc", (str(source),)).values())
    with pytest.raises(AssertionError, match="calls itself"):
        graph.depth("f")
    source = tmp_path / "wide.c"
    source.write_text("int g(int n);\nint g(int n) { volatile char x[n]; x[0] = 1; return x[0]; }\n")
    with pytest.raises(AssertionError, match="variable length"):
        kit.CallGraph(kit.objects("gcc", (str(source),)).values())
