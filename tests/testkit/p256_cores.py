"""hf_p256 on small cores: a simulated Cortex-M0+ (native/tests/m0sim.c), and qemu's user mode for the others.

Asks for arm-none-eabi-gcc, riscv64-unknown-elf-gcc (RV32 only), qemu-arm and qemu-riscv32, which on Debian are the
packages gcc-arm-none-eabi, gcc-riscv64-unknown-elf and qemu-user.
"""

import ctypes
import functools
import struct
import subprocess

from testkit import native_build
from testkit import p256_native as kit

ROOT, CACHE = native_build.ROOT, native_build.CACHE
FLASH_LEN, RAM_LEN, RAM = 1 << 20, 1 << 18, 0x20000000
INSTRUCTION_LIMIT = 10**9
# target: compiler, its flags, assembly, emulator
CORES = {
    "cortex-m4": (
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m4", "-mthumb", "-DHF_P256_ASM=1"),
        ("native/asm/hf_p256_armv7em.S",),
        ("qemu-arm", "-cpu", "max"),
    ),
    "cortex-m4, portable C": (
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m4", "-mthumb"),
        (),
        ("qemu-arm", "-cpu", "max"),
    ),
    "rv32imc, portable C": (
        "riscv64-unknown-elf-gcc",
        ("-march=rv32imc", "-mabi=ilp32"),
        (),
        ("qemu-riscv32",),
    ),
}
FREESTANDING = (
    "-ffreestanding",
    "-nostartfiles",
    "-nodefaultlibs",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-tree-loop-distribute-patterns",
    "-Wl,--gc-sections",
)


def image(name, compiler, flags, sources, geometry=(6, 1), includes=()):
    """Path of a linked program; made anew each time, since that takes about a second."""
    CACHE.mkdir(parents=True, exist_ok=True)
    out = CACHE / name.replace(" ", "-").replace(",", "")
    command = [compiler, *native_build.STRICT, *FREESTANDING, *flags]
    for folder in (ROOT / "native/include", ROOT / "native/src", native_build.generator_include(*geometry), *includes):
        command += ["-I", str(folder)]
    command += [str(ROOT / source) for source in sources]
    subprocess.run([*command, "-lgcc", "-o", str(out)], check=True, timeout=native_build.TIMEOUT_S)
    return out


class CortexM0:
    """A simulated core with an image in its flash: the functions of hf_p256.h on bytes, and what the last call cost."""

    SOURCES = ("native/src/hf_p256.c", "native/asm/hf_p256_armv6m.S", "native/tests/p256_flash.c")
    EXPORTS = (
        "verify",
        "verify_fixed",
        "table_check",
        "table_make",
        "check_point",
        "fe_mul",
        "fe_sqr",
        "fe_add",
        "fe_sub",
    )

    def __init__(
        self, geometry, optimize="-Os", sources=SOURCES, flags=("-DHF_P256_ASM=1",), includes=(), only=EXPORTS
    ):
        keep = [f"-Wl,-u,hf_p256_{name}" for name in only]
        flags = ("-mcpu=cortex-m0plus", "-mthumb", optimize, *flags, "-Wl,-N,-Ttext=0x100,-e,hf_p256_verify", *keep)
        self.elf = image(
            f"m0-{'-'.join(map(str, geometry))}{optimize}-{len(sources)}.elf",
            "arm-none-eabi-gcc",
            flags,
            sources,
            geometry,
            includes,
        )
        flat = self.elf.with_suffix(".bin")
        subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(self.elf), str(flat)], check=True)
        symbols = subprocess.run(["arm-none-eabi-nm", str(self.elf)], check=True, capture_output=True, text=True).stdout
        self.symbols = {line.split()[2]: int(line.split()[0], 16) for line in symbols.splitlines()}
        self.sim = native_build.load("m0sim", ["native/tests/m0sim.c"])
        self.sim.m0_call.restype = ctypes.c_uint32
        self.memory = ctypes.create_string_buffer(self.sim.m0_size())
        self._write(0x100, flat.read_bytes())

    def _write(self, at, octets):
        ctypes.memmove(ctypes.addressof(self.memory) + at, octets, len(octets))

    def call(self, name, *arguments):
        """Result of a function; bytes go to RAM, one behind the other from its start, and are passed by address."""
        at, words = RAM, []
        for argument in arguments:
            if isinstance(argument, bytes):
                self._write(FLASH_LEN + at - RAM, argument)
                words.append(at)
                at += len(argument) + 7 & ~7
            else:
                words.append(argument)
        words = (ctypes.c_uint32 * 5)(*words, *[0] * (5 - len(words)))
        result = self.sim.m0_call(self.memory, self.symbols[name], words, ctypes.c_uint64(INSTRUCTION_LIMIT))
        counted = struct.unpack_from("<QQQQII", self.memory, FLASH_LEN + RAM_LEN + 16 * 4 + 4 * 4)
        self.instructions, self.cycles_m0plus, self.cycles_m0, self.multiplications, lowest_sp, fault = counted
        self.stack = RAM + RAM_LEN - 64 - lowest_sp
        assert fault == 0, f"{name}: cannot go on at {fault - 1:#x}"
        return result

    def ram(self, length):
        """The first bytes of RAM, where a first argument of bytes is."""
        return bytes(self.memory[FLASH_LEN : FLASH_LEN + length])

    def field(self, name, *numbers):
        self.call(f"hf_p256_fe_{name}", *(number.to_bytes(32, "little") for number in (0, *numbers)))
        return int.from_bytes(self.ram(32), "little")

    def check_point(self, point):
        return self.call("hf_p256_check_point", point)

    def verify(self, point, digest, sig):
        return self.call("hf_p256_verify", point, digest, sig)

    def verify_fixed(self, table, digest, sig):
        return self.call("hf_p256_verify_fixed", table, len(table), digest, sig)

    def table_check(self, table, point):
        return self.call("hf_p256_table_check", table, len(table), point)

    def table_make(self, point, teeth, blocks):
        length = kit.table_len(teeth, blocks)
        at = RAM + 0x8000
        status = self.call("hf_p256_table_make", point, teeth, blocks, at, length)
        return status, bytes(self.memory[FLASH_LEN + 0x8000 : FLASH_LEN + 0x8000 + length])


cortex_m0 = functools.cache(CortexM0)


REFILL = 3


def measured(block):
    """(instructions, Cortex-M4 cycles if its last branch is not taken, address behind it) of a translated block.

    Cycles by the Technical Reference Manual's table without wait states: a load or store 2, or 1 right after another
    one; LDM, STM, PUSH, POP, LDRD, STRD 1 + N; everything else here 1, multiplications too. A block that does not
    run on into the next costs REFILL more, the most that the manual gives for a pipeline (it says 1 to 3).
    """
    cycles, moved = 0, False
    for _, text in block:
        words = [word for word in text.split() if len(word) not in {2, 4, 8} or not is_hex(word)]
        name = words[0].split(".")[0] if words else ""
        if name.startswith(("ldm", "stm", "push", "pop")):
            cycles, moved = cycles + 1 + text[text.index("{") :].count(",") + 1, False
        elif name.startswith(("ldrd", "strd")):
            cycles, moved = cycles + 3, False
        elif name.startswith(("ldr", "str")):
            cycles, moved = cycles + (1 if moved else 2), True
        else:
            cycles, moved = cycles + 1, False
    at, text = block[-1]
    encoding = [word for word in text.split()[:2] if len(word) == 4 and is_hex(word)]
    return len(block), cycles, at + 2 * max(1, len(encoding))


def is_hex(word):
    return all(letter in "0123456789abcdef" for letter in word)


class Qemu:
    """A core in qemu's user mode that answers records (native/tests/p256_core.c)."""

    def __init__(
        self,
        core,
        geometry=(6, 1),
        optimize="-Os",
        sources=("native/tests/p256_core.c", "native/tests/p256_flash.c"),
        flags=(),
        includes=(),
    ):
        compiler, own_flags, assembly, self.emulator = CORES[core]
        if "-DHF_CORE_ONLY_VERIFY=1" in flags:
            assembly, own_flags = (), tuple(flag for flag in own_flags if "ASM" not in flag)
        name = f"{core}-{'-'.join(map(str, geometry))}{optimize}-{len(sources)}.elf"
        self.elf = image(name, compiler, (*own_flags, optimize, *flags), (*sources, *assembly), geometry, includes)

    def answers(self, records):
        done = subprocess.run(
            [*self.emulator, str(self.elf)], check=False, input=b"".join(records), capture_output=True, timeout=600
        )
        assert done.returncode == 0, done.stderr[-400:]
        return done.stdout

    def cost(self, records):
        """(instructions, Cortex-M4 cycles) of a run, from qemu's log of translated and executed blocks."""
        emulator = [*self.emulator, "-d", "in_asm,exec,nochain", "-D", "/proc/self/fd/2", str(self.elf)]
        done = subprocess.run(emulator, check=True, input=b"".join(records), capture_output=True, timeout=600)
        blocks, block = {}, []
        instructions = cycles = 0
        last, after = None, 0  # the block before this one, and the address behind it
        for line in done.stderr.splitlines():
            if line.startswith(b"Trace"):
                at = int(line.split(b"/", 2)[1], 16)
                if last is not None:
                    cycles += last[1] + (REFILL if at != after else 0)
                count, _, after = last = blocks[at]
                instructions += count
            elif line.startswith(b"0x"):
                fields = line.decode().split(None, 1)
                block.append((int(fields[0].rstrip(":"), 16), fields[1]))
                blocks[block[0][0]] = measured(block)
            elif line.startswith(b"IN:"):
                block = []
        return instructions, cycles

    @staticmethod
    def general(point, digest, sig):
        return b"g" + point + digest + sig

    @staticmethod
    def fixed(table, digest, sig):
        return b"f" + len(table).to_bytes(4, "little") + table + digest + sig

    @staticmethod
    def check(table, point):
        return b"c" + len(table).to_bytes(4, "little") + table + point


qemu = functools.cache(Qemu)
