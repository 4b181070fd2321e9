"""Nothing that handles secrets branches on them or takes them for addresses: valgrind watches undefined bytes.

The honest cases of native/tests/ct_symmetric.c are silent at three levels of optimisation, on the portable AES and on
the processor's own; leaks that are planted, in the test program and in the core itself, are caught.
"""

import subprocess

import pytest

from testkit import native_build
from testkit import native_objects as kit
from testkit.native_build import X86
from testkit.symmetric_native import SOURCES

DRIVER = "native/tests/ct_symmetric.c"
CASES = ["sha256", "hmac", "hkdf", "ccm", "oscore"]
CAUGHT = 9
# What every machine has, and what is chosen at run time: valgrind knows AES-NI, but of SHA's instructions nothing.
every_path = pytest.mark.parametrize("path", sorted({(), X86}), ids=["portable", "x86"][: 1 + bool(X86)])


def watch(program, *cases):
    """(exit code, names of the cases that ran to their end) under memcheck."""
    command = ["valgrind", "-q", f"--error-exitcode={CAUGHT}", str(program), *cases]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout.split()


def driver(optimise, includes=(), replaced=(), compiler="gcc", more=()):
    sources = [DRIVER, *(source for source in SOURCES if not any(source.endswith(path.name) for path in replaced))]
    return kit.program("ct", (*sources, *map(str, replaced)), ("-DHF_CT_TEST", optimise, *more), includes, compiler)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("optimise", ["-Os", "-O2", "-O3"])
@every_path
def test_no_secret_shows(path, optimise, compiler):
    assert watch(driver(optimise, compiler=compiler, more=path)) == (0, CASES)


@every_path
def test_no_key_shows_in_cose(path):
    """Tokens under secret keys: COSE_Mac0 and COSE_Encrypt0, good and damaged."""
    own = [f"native/src/hf_{name}.c" for name in ("cose", "cbor", "fields", "verdict")]
    sources = ("native/tests/ct_cose.c", *own, *SOURCES)
    assert watch(kit.program("ct-cose", sources, ("-DHF_CT_TEST", "-O2", *path))) == (0, ["cose"])


@pytest.mark.parametrize("leak", ["leak-index", "leak-branch", "leak-status"])
def test_planted_leaks_are_caught(leak):
    assert watch(driver("-O2"), leak) == (CAUGHT, [leak])


MUTANTS = {
    "hf_sha256.c": ("*constant++ + *w++;", "constant[e & 15] + 0 * *constant++ + *w++;", "sha256"),
    "hf_hmac.c": (
        "block[i] ^= pad;",
        "if (block[i]) { block[i] ^= pad; } else { block[i] = pad; hf_wipe(&pad, 0); }",
        "hmac",
    ),
    "hf_aes.c": ("word = sub_word(rotr(word, 8)) ^ constant;", "word = TABLE[word & 255] ^ sub_word(word);", "ccm"),
    "hf_aes_ccm.c": ("hf_memcmp_ct(run.mac,", "(uint32_t)early(run.mac,", "ccm"),
    "hf_oscore.c": ("nonce[i] ^= ctx->common_iv[i];", "nonce[i] ^= TABLE[ctx->common_iv[i]];", "oscore"),
}
TABLE = "static const uint8_t TABLE[256] = {1, 2, 3};\n"
EARLY = """static int early(const uint8_t *a, const uint8_t *b, size_t len)
{
    while (len && *a++ == *b++) {
        len--;
    }
    return len != 0;
}
"""


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_leaks_in_the_core_are_caught(name, tmp_path):
    """A table, a branch or an early end in the place of what is there."""
    was, becomes, case = MUTANTS[name]
    text = (native_build.ROOT / "native/src" / name).read_text()
    assert text.count(was) == 1
    extra = (TABLE if "TABLE" in becomes else "") + (EARLY if "early" in becomes else "")
    before, port, after = text.partition('#include "hf_port.h"\n')
    mutant = tmp_path / name
    mutant.write_text(before + port + extra + after.replace(was, becomes))
    assert watch(driver("-O1", (tmp_path,), (mutant,)), case)[0] == CAUGHT


@pytest.mark.skipif(not X86, reason="the instructions of another processor")
@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("_mm_set1_epi32((int)word)", "_mm_set1_epi32((int)TABLE[word & 255])"),
        ("__m128i key = _mm_loadu_si128(round_key);", "__m128i key = _mm_loadu_si128(round_key + TABLE[a[0]] % 1);"),
    ],
    ids=["schedule", "rounds"],
)
def test_leaks_beside_the_processors_own_aes_are_caught(was, becomes, tmp_path):
    """So what valgrind watches is that code, and not the portable one again."""
    text = (native_build.ROOT / "native/src/hf_aes_x86.h").read_text()
    assert text.count(was) == 1
    place = "#include <immintrin.h>\n"
    table = TABLE.replace("const", "const volatile")
    (tmp_path / "hf_aes_x86.h").write_text(text.replace(place, place + table).replace(was, becomes))
    mutant = tmp_path / "hf_aes.c"
    mutant.write_text((native_build.ROOT / "native/src/hf_aes.c").read_text())
    assert watch(driver("-O2", (tmp_path,), (mutant,), more=X86), "ccm")[0] == CAUGHT
