"""Build hf_native.mpy: the C core as a native module of MicroPython, one file for each processor family.

    build_natmod.py MICROPYTHON_SOURCE OUT_DIR ARCH...        (scripts/natmod.sh calls it)

Writes OUT_DIR/ARCH/hf_native.mpy, and refuses objects that a native module's linker would get wrong: writable data of
any kind (static variables link silently and use foreign memory on rv32imc) and symbols that nobody defines.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

ROOT = Path(__file__).resolve().parents[3]
NATIVE = ROOT / "native"
BINDING = NATIVE / "bind/usermod/modhf_native.c"
CORE = (
    *("hf_sha256", "hf_hmac", "hf_aes", "hf_aes_ccm", "hf_p256"),
    *(
        "hf_cbor",
        "hf_cose",
        "hf_fields",
        "hf_claims",
        "hf_scope",
        "hf_token",
        "hf_token_cnf",
        "hf_token_open",
        "hf_token_rules",
    ),
)
# The generator's comb on a board: six teeth in one block, 2 KB.
GENERATOR_TEETH, GENERATOR_BLOCKS = "6", "1"

# Sizes that a module may have, in bytes: what it takes today and a little more. A smaller module lowers them.
LIMITS = {"x64": 55_000, "armv6m": 24_000, "armv7m": 32_300, "armv7emsp": 31_400, "rv32imc": 40_200}

ARM = "arm-none-eabi-"
RISCV = "riscv64-unknown-elf-"
# What makes code for armv6m smaller beside -Os; each was worth it, all together 2 %.
SMALLER = (
    "-fno-thread-jumps -fno-ira-hoist-pressure -fno-section-anchors -fno-move-loop-invariants "
    "-fno-tree-dominator-opts -frename-registers -fno-tree-loop-im -fno-tree-forwprop"
)
# family: prefix of the compiler, its flags, and MicroPython's float type, which must be that of the firmware
ARCHS = {
    "x64": ("", "-O2 -fno-stack-protector -fcf-protection=none", "DOUBLE"),
    "armv6m": (ARM, f"-Os {SMALLER} -DHF_P256_SMALL=1 -mthumb -mcpu=cortex-m0 -fno-jump-tables", "NONE"),
    "armv7m": (ARM, "-O2 -mthumb -mcpu=cortex-m3", "NONE"),
    "armv7emsp": (ARM, "-O2 -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard", "FLOAT"),
    "rv32imc": (RISCV, "-O2 -march=rv32imac -mabi=ilp32 -mno-relax -specs=picolibc.specs", "NONE"),
}
# Where the field of P-256 is in assembly.
ASSEMBLY = {"armv6m": ("asm/hf_p256_armv6m.S",), "armv7emsp": ("asm/hf_p256_armv7em.S",)}
COMMON = (
    "-std=c99 -Wall -Wextra -Werror -Wno-unused-parameter -DNDEBUG -fpic -fno-common -ffreestanding "
    "-fno-tree-loop-distribute-patterns -U_FORTIFY_SOURCE -fno-asynchronous-unwind-tables -fno-unwind-tables"
)
# Who may define what no object of ours does: the linker itself, and the compiler's own arithmetic (libgcc).
FROM_LINKER = {
    "_GLOBAL_OFFSET_TABLE_",
    "mp_fun_table",
    "mp_native_obj_table",
    "mp_native_qstr_table",
    "mp_type_fun_builtin_1",
    "mp_type_fun_builtin_2",
    "mp_type_fun_builtin_3",
    "mp_type_fun_builtin_var",
}
FROM_LIBGCC = {
    "x64": set(),
    "armv6m": {"__aeabi_lmul"},
    "armv7m": set(),
    "armv7emsp": set(),
    "rv32imc": {"__ctzsi2"},
}


class Refused(Exception):
    """What a native module must not hold, in one sentence."""


class Natmod:
    """One build: MicroPython's source, the folder of this family, its compiler."""

    def __init__(self, micropython: Path, out: Path, arch: str) -> None:
        self.micropython = micropython
        self.out = out / arch
        self.arch = arch
        self.cross, flags, float_type = ARCHS[arch]
        self.flags = [
            *shlex.split(COMMON),
            *shlex.split(flags),
            f"-DMICROPY_FLOAT_IMPL=MICROPY_FLOAT_IMPL_{float_type}",
            "-I" + str(self.out),
            "-I" + str(NATIVE / "include"),
            "-I" + str(NATIVE / "src"),
        ]

    def build(self) -> Path:
        """Compile, check and link; returns the module's path."""
        self.out.mkdir(parents=True, exist_ok=True)
        for earlier in self.out.glob("*.o"):
            earlier.unlink()  # of sources that may be no part of it any more
        header = self.out / "hf_p256_generator.h"
        run(sys.executable, ROOT / "scripts/p256_generator.py", GENERATOR_TEETH, GENERATOR_BLOCKS, header)
        config = self.out / "hf_native.config.h"
        self.mpy_ld("--preprocess", "-o", config, BINDING)
        binding_flags = [
            "-Os",  # it only converts
            "-DHF_NATMOD",
            "-DNO_QSTR",
            "-DMICROPY_ENABLE_DYNRUNTIME",
            f"-DMP_CONFIGFILE=<{config.name}>",
            f"-I{self.micropython}",
        ]
        objects = [self.compile(BINDING, binding_flags)]
        assembly = ASSEMBLY.get(self.arch, ())
        core_flags = ["-DHF_P256_ASM=1"] if assembly else []
        objects += [self.compile(NATIVE / f"src/{stem}.c", core_flags) for stem in CORE]
        objects += [self.compile(NATIVE / source) for source in assembly]
        objects += [self.compile(NATIVE / "port/hf_port_bare.c")]
        self.check(objects)
        module = self.out / "hf_native.mpy"
        libraries = [f"-l{self.libgcc()}"] if FROM_LIBGCC[self.arch] else []
        self.mpy_ld("--qstrs", config, *libraries, "-o", module, *objects)
        self.check_size(module)
        return module

    def compile(self, source: Path, more: "list[str] | tuple[()]" = ()) -> Path:
        """The object of one source."""
        target = self.out / (source.stem + ".o")
        run(self.cross + "gcc", *self.flags, *more, "-c", source, "-o", target)
        return target

    def check(self, objects: "list[Path]") -> None:
        """Refuse writable data, and what nothing defines."""
        defined: set[str] = set()
        wanted: dict[str, str] = {}
        for path in objects:
            with path.open("rb") as file:
                elf = ELFFile(file)
                for section in elf.iter_sections():
                    refuse_writable(path.name, section)
                for symbol in elf.get_section_by_name(".symtab").iter_symbols():
                    if symbol["st_shndx"] == "SHN_COMMON":
                        raise Refused(f"{path.name}: {symbol.name} is writable data: pass it in")
                    if symbol["st_shndx"] != "SHN_UNDEF":
                        defined.add(symbol.name)
                    elif symbol.name:
                        wanted[symbol.name] = path.name
        for name in sorted(set(wanted) - defined - FROM_LINKER - FROM_LIBGCC[self.arch]):
            raise Refused(f"{wanted[name]}: nothing defines {name} on {self.arch}")

    def check_size(self, module: Path) -> None:
        """Refuse a module that has grown."""
        size, limit = module.stat().st_size, LIMITS[self.arch]
        if size > limit:
            raise Refused(f"hf_native.mpy has grown to {size} bytes; LIMITS allows it {limit}")

    def libgcc(self) -> str:
        """Path of the compiler's own library."""
        return run(self.cross + "gcc", *self.flags, "--print-libgcc-file-name").strip()

    def mpy_ld(self, *arguments: object) -> None:
        """MicroPython's linker, which leaves a cache where it runs."""
        run(sys.executable, self.micropython / "tools/mpy_ld.py", "--arch", self.arch, *arguments, cwd=self.out)


def refuse_writable(object_name: str, section: Section) -> None:
    """Refuse a section that is writable when the module runs; .data.rel.ro holds constants with addresses in them."""
    writable = section["sh_flags"] & SH_FLAGS.SHF_WRITE and section["sh_size"]
    if writable and not section.name.startswith(".data.rel.ro"):
        raise Refused(f"{object_name}: {section.name} has {section['sh_size']} bytes of writable data: pass them in")


def run(*command: object, cwd: "Path | None" = None) -> str:
    """Run a program; returns what it printed. Raises Refused with what it complained about."""
    try:
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise Refused(f"{command[0]} is not installed") from None
    if done.returncode:
        raise Refused(f"{Path(str(command[0])).name}: {(done.stderr + done.stdout).strip()}")
    return done.stdout


def main() -> int:
    """Build each family that was named, and print its size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("micropython", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("arch", nargs="+", choices=tuple(ARCHS))
    args = parser.parse_args()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for arch in args.arch:
        try:
            module = Natmod(args.micropython.resolve(), args.out.resolve(), arch).build()
        except Refused as refused:
            sys.stderr.write(f"natmod {arch}: {refused}\n")
            return 1
        sys.stdout.write(f"natmod {arch}: hf_native.mpy, {module.stat().st_size} of at most {LIMITS[arch]} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
