"""Builds shared objects of the C core for the tests, into .cache/native, once for each set of sources and flags."""

import ctypes
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# tests/native/test_coverage.py runs tests anew with this set: then gcc counts lines and branches, unoptimised.
COVER = ("--coverage", "-fprofile-abs-path", "-O0") if os.environ.get("HOLDFAST_COVER") else ()
CACHE = ROOT / ".cache" / ("native-cover" if COVER else "native")
STRICT = (
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Werror",
)
TIMEOUT_S = 300
# Asks for code that is chosen at run time on x86-64: P-256 by mulx and adx, SHA-256 and AES by their instructions.
X86 = ("-DHF_P256_X86=1",) if platform.machine() in ("x86_64", "AMD64") else ()
# Builds whose errors end the process; ONLY names the one that all get in a process that test_sanitized.py started.
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
SANITIZED = {"sanitized": ("gcc", _SANITIZE), "clang-sanitized": ("clang", (*_SANITIZE, "-shared-libasan"))}
ONLY = os.environ.get("HOLDFAST_NATIVE_BUILD")


def generator_include(teeth, blocks):
    """Directory with hf_p256_generator.h, the table of the generator in this geometry."""
    folder = CACHE / f"generator-{teeth}-{blocks}"
    header = folder / "hf_p256_generator.h"
    script = ROOT / "scripts" / "p256_generator.py"
    if not header.exists() or header.stat().st_mtime < script.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        part = header.with_suffix(f".{os.getpid()}")
        subprocess.run([sys.executable, str(script), str(teeth), str(blocks), str(part)], check=True)
        part.replace(header)
    return folder


def counted(compiler, flags):
    """Flags that make a build count what ran, when that is asked for. Only gcc without a sanitizer gets them."""
    return COVER if compiler == "gcc" and not any("sanitize" in flag for flag in flags) else ()


def build(name, sources, flags=(), includes=(), compiler="gcc"):
    """Path of a shared object of these sources (relative to the root), built unless it is there already."""
    if ONLY:
        compiler, sanitize = SANITIZED[ONLY]
        flags = (*flags, *sanitize)
    inputs = sorted(
        path
        for pattern in ("native/include/*.h", "native/src/*", "native/tests/*", "native/port/*")
        for path in ROOT.glob(pattern)
    )
    inputs += [header for folder in includes for header in sorted(Path(folder).glob("*.h"))]
    command = [compiler, *STRICT, "-O2", "-g", "-fPIC", "-shared", *flags, *counted(compiler, flags)]
    command += ["-I", str(ROOT / "native/include")]
    command += ["-I", str(ROOT / "native/src")]
    for folder in includes:
        command += ["-I", str(folder)]
    command += [str(ROOT / source) for source in sources]
    key = hashlib.sha256(repr(command).encode())
    for path in inputs:
        key.update(path.read_bytes())
    out = CACHE / f"{name}-{key.hexdigest()[:16]}.so"
    if not out.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(f".{os.getpid()}")
        subprocess.run([*command, "-o", str(part)], check=True, timeout=TIMEOUT_S)
        part.replace(out)
    return out


def load(*args, **kwargs):
    """Build the shared object and open it with ctypes."""
    return ctypes.CDLL(str(build(*args, **kwargs)))
