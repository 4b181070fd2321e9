"""Random signatures, half of them damaged, verified on a small core and by OpenSSL: are the verdicts the same?

    signatures.py CORE MINUTES [SEED]      CORE: "cortex-m0", or a core of tests/testkit/p256_cores.py

Each signature is verified with a table of its key and, one in three, without. Prints one line; exit code 1 when a
verdict differs. The tests have four hundred signatures on each core; native/tests/p256_million.c compares millions on
this machine itself.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "dual"), str(HERE.parent), str(HERE.parents[1] / "native")]

from testkit import p256_cores as cores  # noqa: E402
from testkit import p256_native as kit  # noqa: E402

PER_KEY = 250  # of the tests' own cases
SIMULATED = "cortex-m0"
Case = tuple[bytes, bytes, bytes, bytes, int]  # table, point, digest, signature, status by OpenSSL


def batches(seed: str) -> Iterator[list[Case]]:
    """Signatures of a key and its table, without end. Each batch has a new key, and the next geometry of the table."""
    maker = kit.native("limbs64", (6, 1))
    for number in itertools.count():
        rows = kit.random_cases.__wrapped__(PER_KEY, f"{seed} {number}")
        point = kit.sec1(*rows[0][0])
        table = maker.table_make(point, *kit.KEY_TABLES[number % len(kit.KEY_TABLES)])[1]
        yield [(table, point, digest, sig, kit.OK if good else kit.NOT_AUTHENTIC) for _, digest, sig, good in rows]


def simulated(batch: list[Case]) -> bytes:
    """The verdicts of the simulated Cortex-M0+, in the order of the records."""
    core = cores.cortex_m0((6, 1))
    said = []
    for i, (table, point, digest, sig, _) in enumerate(batch):
        said.append(core.verify_fixed(table, digest, sig))
        if i % 3 == 0:
            said.append(core.verify(point, digest, sig))
    return bytes(said)


def emulated(name: str, batch: list[Case]) -> bytes:
    """The verdicts of a core in qemu."""
    core = cores.qemu(name)
    records = []
    for i, (table, point, digest, sig, _) in enumerate(batch):
        records.append(core.fixed(table, digest, sig))
        if i % 3 == 0:
            records.append(core.general(point, digest, sig))
    return bytes(core.answers(records))


def main() -> int:
    """Run, print, and say by the exit code whether all agreed."""
    name, minutes = sys.argv[1], float(sys.argv[2])
    count = good = verdicts = wrong = 0
    started = time.monotonic()
    for batch in batches(sys.argv[3] if len(sys.argv) > 3 else "cores"):
        if time.monotonic() - started > 60 * minutes:
            break
        want = [case[4] for i, case in enumerate(batch) for _ in range(1 + (i % 3 == 0))]
        said = simulated(batch) if name == SIMULATED else emulated(name, batch)
        count += len(batch)
        good += sum(case[4] == kit.OK for case in batch)
        verdicts += len(said)
        wrong += sum(a != b for a, b in zip(said, want, strict=True))
    print(f"{name}: {count} signatures, {good} good by OpenSSL, {verdicts} verdicts of ours, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
