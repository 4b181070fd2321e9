"""The assembly and the C of hf_p256 on small cores: a simulated Cortex-M0+, and Cortex-M4 and RV32IMC in qemu."""

import hashlib
import json
import random

import pytest

from testkit import p256_cores as cores
from testkit import p256_native as kit
from testkit.native_build import ROOT

pytestmark = pytest.mark.cores

P = kit.P
INVERSE = pow(2**256, -1, P)
QEMU = ("cortex-m4", "cortex-m4, portable C", "rv32imc, portable C")


def numbers(count):
    """Pairs below p: edges, runs of ones and zeros in each limb, random."""
    rng = random.Random("cores")
    edges = [0, 1, 2, P - 1, P - 2, P // 2, (1 << 256) - P, (1 << 224) - 1, (1 << 255) + 1, (1 << 128) - 1, 1 << 128]
    pairs = [(a, b) for a in edges for b in edges]
    while len(pairs) < count:
        limbs = [rng.choice((0, 1, 0xFFFF, 0x10000, 0xFFFF0000, 0xFFFFFFFF, rng.getrandbits(32))) for _ in range(16)]
        a, b = (sum(limb << 32 * i for i, limb in enumerate(half)) for half in (limbs[:8], limbs[8:]))
        pairs.append((a % P, b % P))
    return pairs


def expected(a, b):
    return {"mul": a * b * INVERSE % P, "sqr": a * a * INVERSE % P, "add": (a + b) % P, "sub": (a - b) % P}


def wycheproof():
    """Rows of (point, digest, sig, good) whose signature has its 64 bytes."""
    for line in (ROOT / "tests/vectors/wycheproof_ecdsa_p1363.jsonl").read_text().splitlines():
        row = json.loads(line)
        public, sig = bytes.fromhex(row["public"]), bytes.fromhex(row["sig"])
        point = (int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big"))
        if len(sig) == 64:
            yield point, hashlib.sha256(bytes.fromhex(row["msg"])).digest(), sig, row["result"] == "valid"


def test_field_on_cortex_m0():
    core = cores.cortex_m0((6, 1))
    for a, b in numbers(1500):
        for name, want in expected(a, b).items():
            assert core.field(name, a, *(() if name == "sqr" else (b,))) == want, (name, a, b)


def test_wycheproof_on_cortex_m0():
    core = cores.cortex_m0((6, 1))
    for point, digest, sig, good in wycheproof():
        want = kit.OK if good else kit.NOT_AUTHENTIC
        assert core.verify_fixed(kit.table(point, 3, 1), digest, sig) == want


def test_random_signatures_on_cortex_m0():
    core = cores.cortex_m0((8, 1))
    for i, (point, digest, sig, good) in enumerate(kit.random_cases(2000, "p256")[:100]):
        want = kit.OK if good else kit.NOT_AUTHENTIC
        assert core.verify_fixed(kit.table(point, *kit.KEY_TABLES[i % 6]), digest, sig) == want
        if i % 4 == 0:
            assert core.verify(kit.sec1(*point), digest, sig) == want


def test_tables_on_cortex_m0():
    core = cores.cortex_m0((6, 1))
    point, table = kit.sec1(*kit.multiple(77)), kit.table(kit.multiple(77), 4, 2)
    assert core.table_make(point, 4, 2) == (kit.OK, table)
    assert core.table_check(table, point) == kit.OK
    assert core.table_check(table[:-1] + bytes((table[-1] ^ 1,)), point) == kit.MALFORMED_KEY
    assert core.check_point(point) == kit.OK
    assert core.check_point(point[::-1]) == kit.MALFORMED_KEY


SMALL = tuple(name for name in cores.CortexM0.EXPORTS if name != "table_make")


@pytest.mark.parametrize(
    ("small", "exports", "most"),
    [
        ("0", cores.CortexM0.EXPORTS, (2_600_000, 2_000_000)),
        ("1", SMALL, (3_000_000, 2_300_000)),
        ("2", SMALL, (3_200_000, 2_600_000)),
    ],
)
def test_bounds_on_cortex_m0(small, exports, most):
    """What the header and the goals promise, for -Os and the cycles of a zero-wait-state core."""
    for geometry, bound in zip(((6, 1), (8, 1)), most, strict=True):
        core = cores.CortexM0(geometry, flags=("-DHF_P256_ASM=1", f"-DHF_P256_SMALL={small}"), only=exports)
        for point, digest, sig, good in kit.random_cases(2000, "p256")[:12]:
            want = kit.OK if good else kit.NOT_AUTHENTIC
            assert core.verify_fixed(kit.table(point, *geometry), digest, sig) == want
            assert core.cycles_m0plus < bound
            assert core.stack <= 900
            assert core.verify(kit.sec1(*point), digest, sig) == want
            assert core.stack <= 1600
    point = kit.multiple(3)
    assert core.table_check(kit.table(point, 8, 1), kit.sec1(*point)) == kit.OK
    assert core.stack <= 1000


@pytest.mark.parametrize("name", QEMU)
def test_field_on_qemu(name):
    pairs = numbers(4000)
    records = [b"x" + a.to_bytes(32, "little") + b.to_bytes(32, "little") for a, b in pairs]
    answers = cores.qemu(name).answers(records)
    assert len(answers) == 128 * len(pairs)
    for i, (a, b) in enumerate(pairs):
        got = [int.from_bytes(answers[at : at + 32], "little") for at in range(128 * i, 128 * i + 128, 32)]
        assert got == list(expected(a, b).values()), (a, b)


@pytest.mark.parametrize("name", QEMU)
def test_signatures_on_qemu(name):
    core = cores.qemu(name)
    records, want = [], []
    for i, (point, digest, sig, good) in enumerate([*wycheproof(), *kit.random_cases(2000, "p256")[:400]]):
        table = kit.table(point, *kit.KEY_TABLES[i % 6]) if i % 2 else kit.table(point, 3, 1)
        records += [core.fixed(table, digest, sig), core.general(kit.sec1(*point), digest, sig)]
        want += [kit.OK if good else kit.NOT_AUTHENTIC] * 2
        records.append(core.check(table, kit.sec1(*point)))
        want.append(kit.OK)
    assert core.answers(records) == bytes(want)
