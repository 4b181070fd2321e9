"""Build holdfast_core/_native.abi3.so: the C core for CPython, through cffi in API mode with the limited API.

    python native/bind/cffi/build_native.py [OUT_DIR]

Needs a C compiler and the headers of Python; without either it says so in one sentence and exits 3, and Holdfast runs
on its Python core instead. One file serves every CPython from 3.11 on. The binding converts and calls, nothing else.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import cffi

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent.parent
MODULE = "holdfast_core._native"
LIMITED_API = "0x030b0000"
# The generator's comb on a big machine: eight teeth in four blocks, 32 KB, where a small core takes 2 KB.
GENERATOR_TEETH, GENERATOR_BLOCKS = 8, 4
EXIT_UNAVAILABLE = 3
SOURCES = (
    "hf_aes.c",
    "hf_aes_ccm.c",
    "hf_cbor.c",
    "hf_claims.c",
    "hf_cose.c",
    "hf_fields.c",
    "hf_hmac.c",
    "hf_p256.c",
    "hf_p256_x86.c",
    "hf_scope.c",
    "hf_sha256.c",
    "hf_token.c",
    "hf_token_cnf.c",
    "hf_token_open.c",
    "hf_token_rules.c",
    "hf_verdict.c",
)
X86_MACHINES = ("x86_64", "amd64")


class CannotBuild(Exception):
    """What is missing, in one sentence for the person who builds."""


def build(out_dir: Path) -> Path:
    """Compile the module into out_dir; returns its path. Raises CannotBuild."""
    compiler = _compiler()
    include = Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        raise CannotBuild("the headers of Python are not installed (on Debian: apt-get install python3-dev)")
    out_dir.mkdir(parents=True, exist_ok=True)
    target = out_dir / "_native.abi3.so"
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        _generate(scratch)
        built = scratch / target.name
        command = [*compiler, *_flags(), f"-I{include}", f"-I{scratch}", *map(str, _sources(scratch)), "-o", str(built)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own compiler call
        except FileNotFoundError:
            raise CannotBuild(f"there is no C compiler {compiler[0]} (on Debian: apt-get install gcc)") from None
        except OSError as error:
            raise CannotBuild(f"the C compiler {compiler[0]} cannot be started: {error.strerror}") from None
        except subprocess.CalledProcessError as failed:
            said = failed.stderr.strip().splitlines()
            raise CannotBuild(f"the C compiler refused: {said[0] if said else 'it says nothing'}") from failed
        if not built.exists():
            raise CannotBuild(f"the C compiler {compiler[0]} has made nothing")
        beside = target.with_name(target.name + ".part")
        beside.write_bytes(built.read_bytes())
        beside.replace(target)  # never under a process that has it mapped
    return target


def _compiler() -> list[str]:
    text = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words:
        raise CannotBuild(f"CC names no compiler: {text!r}")
    return words


def _generate(scratch: Path) -> None:
    ffi = cffi.FFI()
    ffi.cdef((HERE / "cdef.h").read_text(encoding="ascii"))
    ffi.set_source(MODULE, (HERE / "includes.h").read_text(encoding="ascii"), py_limited_api=True)
    ffi.emit_c_code(str(scratch / "module.c"))
    subprocess.run(  # noqa: S603 - our own script
        [
            sys.executable,
            str(NATIVE.parent / "scripts" / "p256_generator.py"),
            str(GENERATOR_TEETH),
            str(GENERATOR_BLOCKS),
            str(scratch / "hf_p256_generator.h"),
        ],
        check=True,
    )


def _sources(scratch: Path) -> list[Path]:
    names = [name for name in SOURCES if _is_x86() or not name.endswith("_x86.c")]
    return [scratch / "module.c", *(NATIVE / "src" / name for name in names)]


def _is_x86() -> bool:
    return os.uname().machine.lower() in X86_MACHINES


def _flags() -> list[str]:
    return [
        "-std=gnu99",
        "-O3",
        "-fPIC",
        "-shared",
        "-fvisibility=hidden",
        "-fstack-protector-strong",
        "-D_FORTIFY_SOURCE=2",
        f"-DPy_LIMITED_API={LIMITED_API}",
        f"-DHF_P256_X86={int(_is_x86())}",
        f"-I{HERE}",
        f"-I{NATIVE / 'include'}",
        f"-I{NATIVE / 'src'}",
        "-Wl,-z,relro,-z,now",
    ]


def main() -> int:
    """Build, and say in one sentence how it went."""
    out_dir = Path(sys.argv[1]) if len(sys.argv) > 1 else NATIVE / "holdfast_core"
    try:
        target = build(out_dir)
    except CannotBuild as missing:
        sys.stderr.write(f"native: {missing}; Holdfast will run on its Python core.\n")
        return EXIT_UNAVAILABLE
    sys.stdout.write(f"native: built {target.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
