"""ES256 verification, side by side in one run: OpenSSL, cryptography, p256-m, BearSSL and hf_p256; and on small cores.

Prints one table for this machine and one for the cores, and writes both to .cache/bench/p256.json. Nothing here says
anything about a board: the Cortex-M0+ is a simulator without wait states and with a one-cycle multiplier, the other
cores are counted in instructions by qemu.  Run by `make bench`; `--quick` skips the small cores.
"""

import hashlib
import json
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cryptography
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from debian_source import CACHE, fetch

from testkit import native_build, p256_cores
from testkit import p256_native as kit

ROOT = native_build.ROOT
COUNT, ROUNDS, SECONDS = 256, 7, "0.15"
KEY = 0x5EED << 200
HERE = "benchmarks"
GEOMETRIES = ((4, 1), (6, 1), (8, 1), (8, 2), (8, 4))
P256M_STUBS = {
    "mbedtls/platform_util.h": "#include <stddef.h>\n#include <string.h>\n"
    "static inline void mbedtls_platform_zeroize(void *p, size_t n) { memset(p, 0, n); }\n",
    "psa/crypto.h": "#include <stddef.h>\n#include <stdint.h>\n"
    "static inline int psa_generate_random(uint8_t *p, size_t n) { (void)p, (void)n; return 1; }\n",
    "stdio.h": "",
    "stdlib.h": "",
    "string.h": "#include <stddef.h>\nvoid *memset(void *, int, size_t); void *memcpy(void *, const void *, size_t);\n"
    "void *memmove(void *, const void *, size_t); int memcmp(const void *, const void *, size_t);\n"
    "size_t strlen(const char *);\n",
}


def signatures() -> tuple[tuple[int, int], list[tuple[bytes, bytes]]]:
    """A key and different signatures by it."""
    key = ec.derive_private_key(KEY, ec.SECP256R1())
    numbers, rows = key.public_key().public_numbers(), []
    for i in range(COUNT):
        digest = hashlib.sha256(bytes((i,))).digest()
        r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256()))))
        rows.append((digest, kit.sec1(r, s)))
    return (numbers.x, numbers.y), rows


def write_stubs(names: list[str]) -> Path:
    """Headers that a library asks for and that a bare core does not have."""
    folder = CACHE / ("stubs-" + "-".join(name.rsplit("/", 1)[-1][0] for name in names))
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(P256M_STUBS[name])
    return folder


def p256m() -> tuple[list[str], list[str], list[Path]]:
    """Sources, flags and include folders of p256-m."""
    folder = fetch("mbedtls", "trixie", "mbedtls-3*") / "3rdparty/p256-m/p256-m"
    stubs = ["mbedtls/platform_util.h", "psa/crypto.h"]
    flags = ["-DBENCH_P256M=1", "-DMBEDTLS_PSA_P256M_DRIVER_ENABLED=1"]
    return [str(folder / "p256-m.c"), f"{HERE}/p256_others.c"], flags, [folder, write_stubs(stubs)]


def bearssl(width: int) -> tuple[list[str], list[str], list[Path]]:
    """Sources, flags and include folders of BearSSL with limbs of 15 or 31 bits."""
    folder = fetch("bearssl", "bookworm", "bearssl-0*")
    patterns = (f"ec/ec_p256_m{width}.c", "ec/ec_secp*.c", f"ec/ecdsa_i{width}_vrfy_raw.c")
    patterns += (f"ec/ecdsa_i{width}_bits.c", f"int/i{width}_*.c", "int/i32_div32.c", "codec/*16be.c", "codec/*32be.c")
    patterns += ("codec/ccopy.c",)
    sources = [str(path) for pattern in patterns for path in sorted((folder / "src").glob(pattern))]
    return [*sources, f"{HERE}/p256_others.c"], [f"-DBENCH_BEARSSL={width}"], [folder / "inc", folder / "src"]


def program(name: str, sources: list[str], flags: list[str], includes: list[Path]) -> Path:
    """Build a program of p256_bench.c with a verifier."""
    out = CACHE / name
    command = ["gcc", "-O3", "-w", "-ffunction-sections", "-Wl,--gc-sections", *flags, f"-I{ROOT}/native/include"]
    command += [f"-I{folder}" for folder in includes]
    command += [str(ROOT / source) for source in (f"{HERE}/p256_bench.c", *sources)]
    subprocess.run([*command, "-o", str(out), "-lcrypto"], check=True)
    return out


def run_program(path: Path, table: bytes, point: tuple[int, int], rows: list[tuple[bytes, bytes]]) -> float:
    """Nanoseconds a verification."""
    given = struct.pack("<II", len(rows), len(table)) + kit.sec1(*point) + table + b"".join(d + s for d, s in rows)
    return float(subprocess.run([str(path), SECONDS], input=given, check=True, capture_output=True).stdout)


def run_cryptography(point: tuple[int, int], rows: list[tuple[bytes, bytes]]) -> float:
    """The same through Python's cryptography; DER is made outside of what is timed."""
    key = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    ders = [utils.encode_dss_signature(int.from_bytes(s[:32], "big"), int.from_bytes(s[32:], "big")) for _, s in rows]
    algorithm, done = ec.ECDSA(utils.Prehashed(SHA256())), 0
    began = time.process_time_ns()
    while (spent := time.process_time_ns() - began) < float(SECONDS) * 1e9:
        for (digest, _), der in zip(rows, ders, strict=True):
            key.verify(der, digest, algorithm)
        done += len(rows)
    return spent / done


def host_contestants(point: tuple[int, int], rows: list[tuple[bytes, bytes]]) -> dict[str, Callable[[], float]]:
    """Name to a function that runs it once."""
    run: dict[str, Callable[[], float]] = {}
    version = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True).stdout.split()[1]
    openssl = program("openssl", [], ["-DBENCH_OPENSSL=1"], [])
    run[f"OpenSSL {version} EVP_PKEY_verify"] = partial(run_program, openssl, b"", point, rows)
    run[f"cryptography {cryptography.__version__} in Python"] = partial(run_cryptography, point, rows)
    for name, parts in (("p256-m", p256m()), ("BearSSL 0.6 m31", bearssl(31))):
        path = program(name.replace(" ", "-"), parts[0], ["-DBENCH_OTHER=1", *parts[1]], parts[2])
        run[name] = partial(run_program, path, b"", point, rows)
    for form, sources, flags, geometries in (
        ("portable C", kit.PORTABLE, [], ((8, 1), (8, 4))),
        ("mulx and adx", kit.X86, ["-DHF_P256_X86=1"], GEOMETRIES),
    ):
        for geometry in geometries:
            include = [native_build.generator_include(*geometry), ROOT / "native/src"]
            path = program(f"ours-{form[0]}-{geometry[0]}-{geometry[1]}", list(sources), flags, include)
            if geometry == (8, 1):
                run[f"ours, {form}: any key, 8 KB"] = partial(run_program, path, b"", point, rows)
            table = kit.table(point, *geometry)
            name = f"ours, {form}: provisioned key, 2 x {(len(table) - 4) / 1024:g} KB"
            run[name] = partial(run_program, path, table, point, rows)
    return run


def host_table() -> list[dict[str, object]]:
    """Every contestant in every round, one after the other, so that all see the same machine."""
    point, rows = signatures()
    contestants = host_contestants(point, rows)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            times[name].append(run() / 1000)
    first = statistics.median(next(iter(times.values())))
    return [
        {
            "what": name,
            "us": round(statistics.median(taken), 2),
            "us_min": round(min(taken), 2),
            "us_max": round(max(taken), 2),
            "times_openssl": round(first / statistics.median(taken), 2),
        }
        for name, taken in times.items()
    ]


def m0_rows(point: tuple[int, int], rows: list[tuple[bytes, bytes]]) -> list[dict[str, object]]:
    """Cycles on the simulated Cortex-M0+, -Os."""
    found = []
    others = (("p256-m, any key", p256m()), ("BearSSL 0.6 m15, any key", bearssl(15)))
    for name, (sources, flags, includes) in others:
        libc = write_stubs(["stdio.h", "stdlib.h", "string.h"])
        everything = (*sources, "native/tests/p256_flash.c")
        core = p256_cores.CortexM0((6, 1), "-Os", everything, ("-w", *flags), (*includes, libc), ("verify",))
        found.append(m0_row(core, name, [partial(core.verify, kit.sec1(*point), *row) for row in rows[:2]]))
    for geometry in ((6, 1), (8, 1), (8, 4)):
        core = p256_cores.CortexM0(geometry)
        table = kit.table(point, *geometry)
        size = f"{(len(table) - 4) / 1024:g} KB"
        calls = [partial(core.verify_fixed, table, *row) for row in rows[:8]]
        found.append(m0_row(core, f"ours, assembly: provisioned key, 2 x {size}", calls))
        calls = [partial(core.verify, kit.sec1(*point), *row) for row in rows[:4]]
        found.append(m0_row(core, f"ours, assembly: any key, {size}", calls))
    exports = tuple(name for name in p256_cores.CortexM0.EXPORTS if name != "table_make")
    core = p256_cores.CortexM0((6, 1), flags=("-DHF_P256_ASM=1", "-DHF_P256_SMALL=1"), only=exports)
    table = kit.table(point, 6, 1)
    calls = [partial(core.verify_fixed, table, *row) for row in rows[:8]]
    found.append(m0_row(core, "ours, assembly, small: provisioned key, 2 x 2 KB", calls))
    calls = [partial(core.verify, kit.sec1(*point), *row) for row in rows[:4]]
    found.append(m0_row(core, "ours, assembly, small: any key, 2 KB", calls))
    core = p256_cores.CortexM0((8, 1))
    table = kit.table(point, 8, 1)
    found.append(
        m0_row(core, "ours, assembly: check of an 8 KB table", [partial(core.table_check, table, kit.sec1(*point))])
    )
    return found


def m0_row(core: p256_cores.CortexM0, name: str, calls: list[Callable[[], int]]) -> dict[str, object]:
    """Mean of some calls, all of which must succeed."""
    cycles, stack = [], 0
    for call in calls:
        if call() != kit.OK:
            raise SystemExit(f"{name}: a good signature was refused")
        cycles.append(core.cycles_m0plus)
        stack = max(stack, core.stack)
    mean = round(statistics.mean(cycles))
    return {"core": "Cortex-M0+ (simulated)", "what": name, "cycles": mean, "stack": stack}


def qemu_rows(point: tuple[int, int], rows: list[tuple[bytes, bytes]]) -> list[dict[str, object]]:
    """Instructions in qemu's user mode, -O2: the mean of all verifications but the first."""
    found: list[dict[str, object]] = []

    def count(core: p256_cores.Qemu, label: str, what: str, records: list[bytes]) -> None:
        if core.answers(records) != bytes(len(records)):
            raise SystemExit(f"{what}: a good signature was refused")
        all_of_them, first, others = core.cost(records), core.cost(records[:1]), len(records) - 1
        row: dict[str, object] = {"core": label, "what": what, "instructions": (all_of_them[0] - first[0]) // others}
        if "M4" in label:
            row["cycles_by_manual"] = (all_of_them[1] - first[1]) // others
        found.append(row)

    libc = write_stubs(["stdio.h", "stdlib.h", "string.h"])
    general = [p256_cores.Qemu.general(kit.sec1(*point), *row) for row in rows[:9]]
    driver = ("native/tests/p256_core.c", "native/tests/p256_flash.c")
    for target, label in (("cortex-m4", "Cortex-M4 (qemu)"), ("rv32imc, portable C", "RV32IMC (qemu)")):
        for name, (sources, flags, includes) in (
            ("p256-m, any key", p256m()),
            ("BearSSL 0.6 m31, any key", bearssl(31)),
        ):
            only = ("-w", "-DHF_CORE_ONLY_VERIFY=1", *flags)
            core = p256_cores.Qemu(target, (6, 1), "-O2", (*driver, *sources), only, (*includes, libc))
            count(core, label, name, general[:3])
    for target, label in (
        ("cortex-m4", "Cortex-M4 (qemu)"),
        ("cortex-m4, portable C", "Cortex-M4 (qemu)"),
        ("rv32imc, portable C", "RV32IMC (qemu)"),
    ):
        form = "portable C" if "portable" in target else "assembly"
        for geometry in ((6, 1), (8, 1)):
            core = p256_cores.Qemu(target, geometry, "-O2")
            table = kit.table(point, *geometry)
            size = f"{(len(table) - 4) / 1024:g} KB"
            fixed = [p256_cores.Qemu.fixed(table, *row) for row in rows[:9]]
            count(core, label, f"ours, {form}: provisioned key, 2 x {size}", fixed)
            count(core, label, f"ours, {form}: any key, {size}", general)
    return sorted(found, key=lambda row: str(row["core"]))


def show_host(rows: list[dict[str, object]]) -> None:
    """The first table."""
    print(f"\nES256 verification, this machine, {COUNT} signatures, {ROUNDS} rounds, processor time")
    print(f"{'':58}{'us':>8}  {'[min .. max]':18}{'x OpenSSL':>10}")
    for row in rows:
        spread = f"[{row['us_min']} .. {row['us_max']}]"
        print(f"{row['what']:58}{row['us']:>8}  {spread:18}{row['times_openssl']:>10}")


def show_cores(rows: list[dict[str, object]]) -> None:
    """The second table, ratios to p256-m on the same core."""
    print("\nsmall cores: cycles of a simulated Cortex-M0+ (no wait states, one-cycle multiplier, -Os);")
    print("instructions by qemu's user mode for the others (-O2). Cortex-M4 cycles are a model, the manual's table on")
    print("qemu's trace: no wait states; every multiplication 1, UMAAL too; a load or store 2, or 1 behind another;")
    print("LDM, STM, PUSH, POP 1 + N; all else 1, and 3 more for every branch taken (the manual says 1 to 3)")
    base: dict[object, int] = {}
    for row in rows:
        cost = int(str(row.get("cycles") or row["instructions"]))
        ratio = base.setdefault(row["core"], cost) / cost
        stack = f"{row['stack']} B stack" if "stack" in row else ""
        if "cycles_by_manual" in row:
            stack = f"{row['cycles_by_manual']:,} cycles"
        print(f"{row['core']:24}{row['what']:50}{cost:>12,}  {ratio:6.1f} x p256-m  {stack}")


def main() -> None:
    """Run, print, write the JSON."""
    CACHE.mkdir(parents=True, exist_ok=True)
    host = host_table()
    show_host(host)
    cores: list[dict[str, object]] = []
    if "--quick" not in sys.argv:
        point, rows = signatures()
        cores = m0_rows(point, rows) + qemu_rows(point, rows)
        show_cores(cores)
    (CACHE / "p256.json").write_text(json.dumps({"host": host, "cores": cores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
