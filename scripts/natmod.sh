#!/bin/bash
# Build the C core as a native module of MicroPython, .cache/natmod/ARCH/hf_native.mpy. Safe to run again: it builds only
# what changed. Call it after scripts/setup.sh and scripts/toolchain.sh.
#   natmod.sh [ARCH...]     x64 when none is named; armv6m armv7m armv7emsp rv32imc need the compilers for boards
#   natmod.sh source        only MicroPython's source
# What it needs beside a compiler it puts into .cache: MicroPython's source, by an apt of our own from Debian trixie, and
# the tools that MicroPython's linker imports, from the Python package index.
#   HOLDFAST_DEBIAN_MIRROR=URI  use this Debian mirror instead of the one that apt is configured with
#   HOLDFAST_MICROPYTHON_SOURCE=DIR  use this source tree of MicroPython 1.25 instead of fetching one
set -eu
cd "$(dirname "$0")/.."
. scripts/trixie.sh
VERSION=1.25.0+ds-1
SOURCE=.cache/micropython-source
TOOLS=.cache/natmod/tools
LOCK=native/bind/natmod/requirements.lock
PYTHON=.venv/bin/python

die() { echo "natmod: $*" >&2; exit 1; }
[ -x $PYTHON ] || die "no .venv: run scripts/setup.sh first."
mkdir -p .cache/natmod

fetch_source() {
  local work
  [ "$(cat $SOURCE/.stamp 2>/dev/null)" = "$VERSION" ] && return 0
  command -v apt-get >/dev/null \
    || die "MicroPython's source comes by apt, which is not here; set HOLDFAST_MICROPYTHON_SOURCE to a source tree."
  echo "natmod: fetching the source of MicroPython $VERSION with apt"
  work=$PWD/.cache/micropython-source.new
  rm -rf "$work" && mkdir -p "$work"
  trixie_apt "$work/apt" deb-src \
    || die "apt has no Debian mirror configured; set HOLDFAST_DEBIAN_MIRROR to one, or HOLDFAST_MICROPYTHON_SOURCE."
  get() { private_apt update && (cd "$work" && private_apt --download-only source micropython=$VERSION); }
  # A mirror can move under a fresh package list (404): a second look settles it.
  get || { echo "natmod: once more with a fresh package list" >&2; get; } \
    || die "apt could not fetch the source of MicroPython: see its message above."
  $PYTHON - "$work" <<'PYTHON'
import pathlib, sys, tarfile
work = pathlib.Path(sys.argv[1])
for archive in work.glob("*.orig.tar.*"):
    with tarfile.open(archive) as tar:
        tar.extractall(work, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # 3.11.2 has none
(source,) = work.glob("micropython-*")
source.rename(work / "source")
PYTHON
  touch "$work/source/lib/micropython-lib/README.md" 2>/dev/null \
    || { mkdir -p "$work/source/lib/micropython-lib" && touch "$work/source/lib/micropython-lib/README.md"; }
  echo $VERSION > "$work/source/.stamp"
  rm -rf $SOURCE && mv "$work/source" $SOURCE && rm -rf "$work"
}

fetch_tools() {
  local stamp
  stamp=$( (echo "$PWD"; $PYTHON -V; cat $LOCK) | sha256sum)
  [ "$(cat $TOOLS/.stamp 2>/dev/null)" = "$stamp" ] && return 0
  echo "natmod: installing $LOCK into $TOOLS"
  rm -rf $TOOLS
  $PYTHON -m pip install -q --disable-pip-version-check --no-deps --require-hashes --target $TOOLS -r $LOCK \
    || die "pip could not install $LOCK: see its message above (is the package index reachable?)."
  echo "$stamp" > $TOOLS/.stamp
}

# Everything that goes into a module, as one number.
inputs() {
  (
    "$1gcc" --version || true
    cat $TOOLS/.stamp "$SOURCE/.stamp" scripts/p256_generator.py
    find native/include native/src native/port native/asm native/bind -type f ! -name '*.pyc' 2>/dev/null | sort | xargs cat
  ) 2>/dev/null | sha256sum
}
compiler_of() {
  case $1 in
    x64) ;;
    armv*) echo arm-none-eabi- ;;
    rv32imc) echo riscv64-unknown-elf- ;;
    *) die "no such processor family: $1" ;;
  esac
}

if [ -n "${HOLDFAST_MICROPYTHON_SOURCE:-}" ]; then SOURCE=$HOLDFAST_MICROPYTHON_SOURCE; else fetch_source; fi
[ "${1:-}" != source ] || exit 0
fetch_tools
for arch in "${@:-x64}"; do
  stamp=$(inputs "$(compiler_of "$arch")")
  out=.cache/natmod/$arch
  [ -e "$out/hf_native.mpy" ] && [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ] && continue
  rm -f "$out/.stamp"
  PYTHONPATH=$PWD/$TOOLS "$PYTHON" native/bind/natmod/build_natmod.py "$SOURCE" .cache/natmod "$arch"
  echo "$stamp" > "$out/.stamp"
done
