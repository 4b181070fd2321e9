"""Objects and programs of the C core by every compiler of this machine, and what can be read from them.

This machine must have gcc and clang. The compilers of small cores are used where the machine has them.
"""

import functools
import hashlib
import re
import shutil
import subprocess

from testkit import native_build

GCC = ("-fstack-usage", "-fcallgraph-info=su")
ARM = ("arm-none-eabi-gcc", "arm-none-eabi-")
RISCV = ("riscv64-unknown-elf-gcc", "riscv64-unknown-elf-")
# name: compiler, prefix of its binutils, flags. Freestanding: needs no libc of that core.
TARGETS = {
    "gcc": ("gcc", "", ("-O2", "-fPIC", *GCC)),
    "gcc -m32": ("gcc", "", ("-O2", "-m32", "-fno-pic", "-ffreestanding", *GCC)),
    "clang": ("clang", "", ("-O2", "-fPIC", "-ffreestanding")),
    "cortex-m0plus": (*ARM, ("-Os", "-mcpu=cortex-m0plus", "-mthumb", "-ffreestanding", *GCC)),
    "cortex-m4": (*ARM, ("-O2", "-mcpu=cortex-m4", "-mthumb", "-ffreestanding", *GCC)),
    "rv32imc": (*RISCV, ("-Os", "-march=rv32imc", "-mabi=ilp32", "-ffreestanding", *GCC)),
}
PRESENT = tuple(
    name for name, (compiler, *_) in TARGETS.items() if compiler in ("gcc", "clang") or shutil.which(compiler)
)


def all_sources():
    """The portable sources of the core; hf_p256_x86.c is for one machine."""
    found = sorted(path.name for path in (native_build.ROOT / "native/src").glob("*.c"))
    return tuple(f"native/src/{name}" for name in found if name != "hf_p256_x86.c")


def _key(*parts):
    key = hashlib.sha256(repr(parts).encode())
    for pattern in ("native/include/*.h", "native/src/*", "native/tests/*", "native/port/*"):
        for path in sorted(native_build.ROOT.glob(pattern)):
            key.update(path.read_bytes())
    return key.hexdigest()[:16]


def _includes():
    folders = (native_build.ROOT / "native/include", native_build.ROOT / "native/src")
    return [part for folder in (*folders, native_build.generator_include(6, 1)) for part in ("-I", str(folder))]


@functools.cache
def objects(target, sources):
    """Compile each source without a warning; returns {stem: path of the object}."""
    compiler, _, flags = TARGETS[target]
    folder = native_build.CACHE / f"objects-{_key(target, flags, sources)}"
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for source in sources:
        out = folder / source.rsplit("/", 1)[1].replace(".c", ".o")
        if not out.exists():
            command = [compiler, *native_build.STRICT, *flags, *_includes(), "-c", source, "-o", str(out)]
            subprocess.run(command, check=True, cwd=native_build.ROOT, timeout=native_build.TIMEOUT_S)
        made[out.stem] = out
    return made


def symbols(target, path):
    """{name: letter of nm} of an object."""
    nm = TARGETS[target][1] + "nm"
    listed = subprocess.run([nm, str(path)], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1]: line.split()[-2] for line in listed.splitlines()}


def program(name, sources, flags, includes=(), compiler="gcc"):
    """Path of a program, with debug information that valgrind 3.19 reads from clang too.

    includes: folders that are searched before the core's own, so that their files stand in for the core's.
    """
    text = repr([[path.read_bytes() for path in sorted(folder.glob("*.h"))] for folder in includes])
    text += repr([(native_build.ROOT / source).read_bytes() for source in sources])
    out = native_build.CACHE / f"{name}-{_key(compiler, sources, flags, text)}"
    if not out.exists():
        native_build.CACHE.mkdir(parents=True, exist_ok=True)
        first = [part for folder in includes for part in ("-I", str(folder))]
        command = [compiler, *native_build.STRICT, "-gdwarf-4", *flags, *first, *_includes(), *sources, "-o", str(out)]
        subprocess.run(command, check=True, cwd=native_build.ROOT, timeout=native_build.TIMEOUT_S)
    return out


_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?\\n(\d+) bytes \((\w[\w,]*)\)')
_ALIAS = re.compile(r"[^\"]*:(\w+)\.localalias")  # a call of f within the file of f, in position independent code
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


class CallGraph:
    """Which function calls which, and the stack of each, as gcc writes it beside the objects (-fcallgraph-info=su)."""

    def __init__(self, paths):
        self.stack, self.calls = {}, {}
        for path in paths:
            text = _ALIAS.sub(r"\1", path.with_suffix(".ci").read_text())
            for title, size, kind in _NODE.findall(text):
                assert kind in ("static", "dynamic,bounded"), f"{title} takes {kind} stack: an array of variable length"
                self.stack[title] = int(size)
            for source, called in _EDGE.findall(text):
                self.calls.setdefault(source, set()).add(called)

    def depth(self, name, above=()):
        """Bytes of stack that a call of this function takes at most, with all functions that it calls."""
        assert name not in above, f"{name} calls itself"
        deepest = [self.depth(called, (*above, name)) for called in self.calls.get(name, ())]
        return self.stack.get(name, 0) + max(deepest, default=0)
